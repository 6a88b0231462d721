"""A chat endpoint that speaks OpenAI's API: one question, one POST, one bounded answer.

It is sent by `comfyfix.net.http`, with its rules: no redirect, no retry, no netrc, an answer
bounded in size and time, and no token but the endpoint's own.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import msgspec

from comfyfix.errors import SourceDown
from comfyfix.loose_json import mapping
from comfyfix.net.http import Answer, Web
from comfyfix.why import Why

TEXT_MAX = 20_000  # characters of one answer; more of it is dropped
COMPLAINT_MAX = 200
_GOOD = range(200, 300)
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
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    function: _Function
    id: str | None = None
    index: int = 0


class _Message(msgspec.Struct, frozen=True, kw_only=True):
    content: str | list[Any] | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct, frozen=True, kw_only=True):
    message: _Message


class _Completion(msgspec.Struct, frozen=True, kw_only=True):
    choices: list[_Choice]
    usage: Any = None


class _Piece(msgspec.Struct, frozen=True, kw_only=True):
    delta: _Message


class _Chunk(msgspec.Struct, frozen=True, kw_only=True):
    choices: list[_Piece] = []
    usage: Any = None


class Chat:
    """One endpoint and the model that is asked there."""

    def __init__(self, url: str, model: str, token: str, web: Web) -> None:
        """`url` is where questions go, `token` the key of the endpoint; empty: none is sent."""
        self.url = url
        self._host = urlsplit(url).netloc
        self._model = model
        self._token = token
        self._web = web

    def ask(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]],
        *,
        max_tokens: int,
        seconds: float,
    ) -> Said:
        """Ask once. Raises SourceDown, and ToolsRefused for an endpoint that knows no tools."""
        question = {
            "model": self._model,
            "messages": messages,
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": False,
            **({"tools": tools, "tool_choice": "auto"} if tools else {}),
        }
        body = json.dumps(question).encode()
        answer = self._web.post_once(self.url, body, token=self._token, seconds=seconds)
        if answer.status not in _GOOD:
            raise self._refusal(answer, bool(tools))
        try:
            return _said(answer)
        except (msgspec.DecodeError, UnicodeError, RecursionError, IndexError):
            raise SourceDown(Why.CHAT_NO_ANSWER, host=self._host) from None

    def _refusal(self, answer: Answer, with_tools: bool) -> Exception:
        status = answer.status
        if with_tools and status in _MAY_MEAN_TOOLS:
            return ToolsRefused()
        if status in (401, 403):
            why = Why.CHAT_KEY_REFUSED if self._token else Why.CHAT_KEY_WANTED
            return SourceDown(why, host=self._host, status=status)
        complaint = _complaint(answer)
        if self._token:
            complaint = complaint.replace(self._token, "***")
        why = Why.CHAT_REFUSES_SAYING if complaint else Why.CHAT_REFUSES
        return SourceDown(why, host=self._host, status=status, said=complaint[:COMPLAINT_MAX])


def _complaint(answer: Answer) -> str:
    """What an endpoint says of a question that it does not take; empty for a web page."""
    try:
        error = mapping(answer.json()).get("error")
    except SourceDown:
        page = "html" in answer.headers.get("content-type", "")
        return "" if page else answer.body.decode("utf-8", "replace").strip()
    return str((mapping(error).get("message") if isinstance(error, dict) else error) or "")


def _said(answer: Answer) -> Said:
    """Read an answer, also one that an endpoint streams without having been asked to.

    Raises DecodeError, IndexError.
    """
    streamed = "event-stream" in answer.headers.get("content-type", "")
    whole = _joined(answer.body) if streamed else _decoded(answer.body)
    message = whole.choices[0].message
    return Said(
        text=_text(message.content)[:TEXT_MAX],
        calls=tuple(
            Call(
                id=call.id or f"call_{number}",
                name=call.function.name or "",
                arguments=_arguments(call.function.arguments),
            )
            for number, call in enumerate(message.tool_calls or [])
        ),
        tokens=_tokens(whole.usage),
    )


def _decoded(body: bytes) -> _Completion:
    return msgspec.json.decode(body, type=_Completion)


def _joined(body: bytes) -> _Completion:
    """Put the pieces of a streamed answer (`data: …` lines) together."""
    lines = [line[5:].strip() for line in body.splitlines() if line.startswith(b"data:")]
    chunks = [msgspec.json.decode(line, type=_Chunk) for line in lines if line != b"[DONE]"]
    pieces = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    calls: dict[int, list[_ToolCall]] = {}
    for part in (part for piece in pieces for part in piece.tool_calls or []):
        calls.setdefault(part.index, []).append(part)
    message = _Message(
        content="".join(_text(piece.content) for piece in pieces),
        tool_calls=[_call_of(parts) for parts in calls.values()],
    )
    usage = next((chunk.usage for chunk in chunks[::-1] if chunk.usage), None)
    return _Completion(choices=[_Choice(message=message)] if pieces else [], usage=usage)


def _call_of(parts: list[_ToolCall]) -> _ToolCall:
    """One call of a tool; its name and id come once, its arguments in pieces."""
    given = [part.function.arguments for part in parts]
    function = _Function(
        name=next((part.function.name for part in parts if part.function.name), None),
        arguments="".join(text for text in given if isinstance(text, str)),
    )
    return _ToolCall(function=function, id=next((part.id for part in parts if part.id), None))


def _text(content: str | list[Any] | None) -> str:
    if isinstance(content, list):  # parts: {"type": "text", "text": "…"}
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content or ""


def _arguments(given: str | dict[str, Any] | None) -> str:
    return (given if isinstance(given, str) else json.dumps(given or {}))[:TEXT_MAX]


def _tokens(usage: Any) -> int:
    total = mapping(usage).get("total_tokens")
    return total if isinstance(total, int) and total > 0 else 0
