"""A chat endpoint that speaks OpenAI's API, asked through huggingface_hub's InferenceClient.

The only module that knows huggingface_hub, and it is imported only once Qwen is asked. The
client's requests are sent by `comfyfix.net.http`, with its rules: no redirect, no retry, no netrc,
an answer bounded in size and time, and no token but the endpoint's own. huggingface_hub would send
the user's Hugging Face token for want of another; what it puts into its headers is dropped.
It would also ask huggingface.co, by the way, which programs call it; nothing but the question gets
out.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
import huggingface_hub
import msgspec
from huggingface_hub.errors import HfHubHTTPError

from comfyfix.disk.files import printable
from comfyfix.errors import RETRY, SourceDown
from comfyfix.net.http import Web

TEXT_MAX = 20_000  # characters of one answer; more of it is dropped
_NO_KEY = "none"  # any text: without one huggingface_hub looks for a token of its own
_MAY_MEAN_TOOLS = frozenset({400, 404, 415, 422, 501})


class ToolsRefused(Exception):
    """The endpoint does not take a question that offers tools."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What the model asks to be looked up; `arguments` is JSON, unchecked."""

    id: str
    name: str
    arguments: str


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One answer: text, or calls of tools. `tokens` of question and answer; 0 where not told."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    tokens: int = 0


class _Function(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    arguments: str | dict[str, Any] | None = None


class _ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    function: _Function
    id: str | None = None


class _Message(msgspec.Struct, frozen=True, kw_only=True):
    content: str | list[Any] | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct, frozen=True, kw_only=True):
    message: _Message


class _Completion(msgspec.Struct, frozen=True, kw_only=True):
    choices: list[_Choice]
    usage: Any = None


@dataclass(frozen=True, slots=True)
class _Line:
    """What one question is sent over."""

    web: Web
    url: str
    token: str
    seconds: float


_LINE: ContextVar[_Line] = ContextVar("line")


class _ThroughWeb(httpx2.BaseTransport):
    """Sends what huggingface_hub asks for over the line of the question that is being asked."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        line = _LINE.get(None)
        if line is None or (request.method, str(request.url)) != ("POST", line.url):
            raise httpx2.ConnectError("only the question to the endpoint is sent", request=request)
        answer = line.web.post_once(
            line.url, request.read(), token=line.token, seconds=line.seconds
        )
        headers = {"content-type": answer.headers.get("content-type", "")}
        return httpx2.Response(answer.status, headers=headers, content=answer.body)


def _client() -> httpx2.Client:
    return httpx2.Client(transport=_ThroughWeb(), follow_redirects=False, trust_env=False)


huggingface_hub.set_client_factory(_client)


class Chat:
    """One endpoint and the model that is asked there."""

    def __init__(self, url: str, model: str, token: str, web: Web) -> None:
        """`url` is where questions go, `token` the key of the endpoint; empty: none is sent."""
        self.url = str(httpx2.URL(url))  # as it comes back in a request
        self._model = model
        self._token = token
        self._web = web
        self._client = huggingface_hub.InferenceClient(base_url=url, api_key=_NO_KEY)

    def ask(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]],
        *,
        max_tokens: int,
        seconds: float,
    ) -> Said:
        """Ask once. Raises SourceDown, and ToolsRefused for an endpoint that knows no tools."""
        held = _LINE.set(_Line(self._web, self.url, self._token, seconds))
        try:
            output = self._client.chat_completion(
                messages,
                model=self._model,
                tools=tools or None,  # type: ignore[arg-type]  # it takes dicts, too
                tool_choice="auto" if tools else None,
                max_tokens=max_tokens,
                temperature=0,
            )
            return _said(msgspec.convert(dict(output), _Completion))
        except HfHubHTTPError as error:
            raise self._refusal(error, bool(tools)) from None
        except (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError):
            # its parser takes whatever shape comes, and stumbles over some
            raise self._down("its answer is not one of a chat endpoint") from None
        finally:
            _LINE.reset(held)

    def _refusal(self, error: HfHubHTTPError, with_tools: bool) -> Exception:
        status = error.response.status_code
        if with_tools and status in _MAY_MEAN_TOOLS:
            return ToolsRefused()
        if status in (401, 403):
            return SourceDown(
                f"{urlsplit(self.url).netloc} refuses the key" if self._token else
                f"{urlsplit(self.url).netloc} wants a key",
                cause=f"it answers {status}",
                next_step="set a valid QWEN_API_KEY",
            )  # fmt: skip
        told = printable(str(error.server_message or ""), 200)
        if self._token:
            told = told.replace(self._token, "***")
        return self._down(f"it answers {status}{f': {told}' if told else ''}")

    def _down(self, cause: str) -> SourceDown:
        host = urlsplit(self.url).netloc
        return SourceDown(f"{host} could not be asked", cause=cause, next_step=RETRY)


def _said(completion: _Completion) -> Said:
    message = completion.choices[0].message
    return Said(
        text=_text(message.content)[:TEXT_MAX],
        calls=tuple(
            Call(
                id=call.id or f"call_{number}",
                name=call.function.name,
                arguments=_arguments(call.function.arguments),
            )
            for number, call in enumerate(message.tool_calls or [])
        ),
        tokens=_tokens(completion.usage),
    )


def _text(content: str | list[Any] | None) -> str:
    if isinstance(content, list):  # parts: {"type": "text", "text": "…"}
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content or ""


def _arguments(given: str | dict[str, Any] | None) -> str:
    return (given if isinstance(given, str) else json.dumps(given or {}))[:TEXT_MAX]


def _tokens(usage: Any) -> int:
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    return total if isinstance(total, int) and total > 0 else 0
