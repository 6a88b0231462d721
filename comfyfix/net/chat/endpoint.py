"""One question, one POST, one bounded answer; what the endpoint wants otherwise it is asked anew.

It is sent by `comfyfix.net.http`, with its rules: no redirect, no retry, no netrc, an answer
bounded in size and time, and no token but the endpoint's own.
"""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlsplit

import msgspec

from comfyfix.errors import SourceDown
from comfyfix.net.answer import Answer
from comfyfix.net.chat import answers, refusals
from comfyfix.net.chat.answers import Said
from comfyfix.net.chat.refusals import Wish
from comfyfix.net.http import Web
from comfyfix.why import Why

_GOOD = range(200, 300)


class ToolsRefused(Exception):
    """The endpoint does not take a question that offers tools."""


class Chat:
    """One endpoint and the model that is asked there. Safe to share between threads.

    What the endpoint has said that it wants is done from then on: `takes_tools` is False once it
    was seen to answer only without them.
    """

    def __init__(self, url: str, model: str, token: str, web: Web) -> None:
        """`url` is where questions go, `token` the key of the endpoint; empty: none is sent."""
        self.url = url
        self.host = urlsplit(url).netloc
        self.takes_tools = True
        self._model = model
        self._token = token
        self._web = web
        self._wishes: frozenset[Wish] = frozenset()

    def ask(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]],
        *,
        max_tokens: int,
        seconds: float,
    ) -> Said:
        """Ask, within `seconds` in all. Raises SourceDown, and ToolsRefused.

        A question that is refused because it was put in a way that the endpoint does not take is
        put in the way that it names, once for each such way.
        """
        until, wishes = time.monotonic() + seconds, self._wishes
        for _ in range(len(Wish) + 1):
            question = {"messages": messages, "max_tokens": max_tokens, "tools": tools}
            body = json.dumps(self._put(question, wishes)).encode()
            left = max(until - time.monotonic(), 0.01)
            answer = self._web.post_once(self.url, body, token=self._token, seconds=left)
            if answer.status in _GOOD and not refusals.is_one(answer):
                self._wishes = wishes
                return self._read(answer, tools)
            asked_for = refusals.wishes_of(answer, wishes)
            if asked_for == wishes:
                break
            wishes = asked_for
        raise self._refusal(answer, bool(tools))

    def _put(self, question: dict[str, Any], wishes: frozenset[Wish]) -> dict[str, Any]:
        tools = question["tools"]
        most = "max_completion_tokens" if Wish.NEW_LIMIT in wishes else "max_tokens"
        return {
            "model": self._model,
            "messages": question["messages"],
            most: question["max_tokens"],
            "stream": Wish.STREAM in wishes,
            **({} if Wish.NO_TEMPERATURE in wishes else {"temperature": 0}),
            **({"enable_thinking": False} if Wish.NO_THINKING in wishes else {}),
            **({"tools": tools, "tool_choice": "auto"} if tools else {}),
        }

    def _read(self, answer: Answer, tools: list[dict[str, Any]]) -> Said:
        offered = frozenset(tool["function"]["name"] for tool in tools)
        try:
            said = answers.read(answer, offered)
        except (msgspec.DecodeError, UnicodeError, RecursionError, IndexError):
            raise SourceDown(Why.CHAT_NO_ANSWER, host=self.host) from None
        if said.filtered:
            raise SourceDown(Why.CHAT_FILTERED, host=self.host)
        if not (said.text or said.calls or said.cut):
            raise SourceDown(Why.CHAT_EMPTY, host=self.host)
        return said

    def _refusal(self, answer: Answer, with_tools: bool) -> Exception:
        if with_tools and refusals.may_mean_tools(answer):
            return ToolsRefused()
        return refusals.problem(answer, self.host, self._model, self._token)
