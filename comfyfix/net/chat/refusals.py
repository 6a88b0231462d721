"""Why an endpoint does not answer: what it wants put in another way, or which outcome it is.

The words are those that DashScope, ModelScope, vLLM, llama.cpp, Ollama, LM Studio, OpenRouter and
OpenAI use. There is no common code: status, `code`, `type` and the sentence are looked at together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum, auto
from typing import Any

import msgspec

from comfyfix import secrets
from comfyfix.errors import SourceDown
from comfyfix.loose_json import mapping
from comfyfix.net.answer import Answer
from comfyfix.net.chat import answers
from comfyfix.why import Why

SAID_MAX = 200
_MAY_MEAN_TOOLS = frozenset({400, 404, 415, 422, 501})
_THINKING = re.compile(r"enable[_ ]thinking")
_STREAM = re.compile(r"\bstream")
_TOOLS = re.compile(r"\btools?\b|\btool[_ ]|function[_ ]call")
_NO_MODEL = re.compile(
    r"model_?not_?found|not a valid model|invalid model|unknown model|no models? loaded"
    r"|no such model|model\b.{0,120}(?:not found|not exist|not available)"
    r"|(?:no|not find|not load) model\b"
)
_QUOTA = re.compile(
    r"insufficient[ _](?:quota|balance|credit|fund)|arrearage|(?:current|free) (?:quota|tier)"
    r"|allocationquota\.free|quota.{0,40}(?:exhausted|used up)|not enough (?:credit|balance)"
    r"|good standing|out of credit|billing"
)
_FILTER = re.compile(
    r"data_?inspection_?failed|content_?(?:filter|policy)|inappropriate content"
    r"|content management policy|content (?:security )?policy|\bmoderation\b"
)
_KEY = re.compile(r"invalid_?api_?key|incorrect api key|invalid token|unauthori[sz]ed")


class Wish(StrEnum):
    """A way of asking that some endpoints want, and others do not know."""

    NO_THINKING = auto()
    STREAM = auto()
    NO_TEMPERATURE = auto()
    NEW_LIMIT = auto()


def is_one(answer: Answer) -> bool:
    """Tell whether an answer with a good status only says what went wrong."""
    return any(_error(value) and not value.get("choices") for value in _values(answer))


def wishes_of(answer: Answer, wishes: frozenset[Wish]) -> frozenset[Wish]:
    """How to ask again after this refusal; as before where it names no other way."""
    said = _sentence(answer)
    thinking = bool(_THINKING.search(said))
    if thinking and Wish.NO_THINKING not in wishes and Wish.STREAM not in wishes:
        return wishes | {Wish.NO_THINKING}
    if (thinking or _STREAM.search(said)) and Wish.STREAM not in wishes:
        return (wishes - {Wish.NO_THINKING}) | {Wish.STREAM}
    if "max_completion_tokens" in said and Wish.NEW_LIMIT not in wishes:
        return wishes | {Wish.NEW_LIMIT}
    if "temperature" in said and Wish.NO_TEMPERATURE not in wishes:
        return wishes | {Wish.NO_TEMPERATURE}
    return wishes


def may_mean_tools(answer: Answer) -> bool:
    """Tell whether a question that offers tools may be refused for just that."""
    said = _sentence(answer)
    if _TOOLS.search(said):
        return True
    return answer.status in _MAY_MEAN_TOOLS and _named(answer, said) is None


def problem(answer: Answer, host: str, model: str, token: str) -> SourceDown:
    """What a refusal comes to, with what the endpoint says of it, but for the key."""
    said = secrets.without(_complaint(answer), token)[:SAID_MAX]
    status = answer.status
    match _named(answer, _sentence(answer)):
        case Why.CHAT_KEY_REFUSED if token:
            return SourceDown(Why.CHAT_KEY_REFUSED, host=host, status=status)
        case Why.CHAT_KEY_REFUSED:
            return SourceDown(Why.CHAT_KEY_WANTED, host=host, status=status)
        case Why.CHAT_MODEL_UNKNOWN:
            return SourceDown(Why.CHAT_MODEL_UNKNOWN, host=host, model=model)
        case Why.CHAT_QUOTA_USED_UP:
            return SourceDown(Why.CHAT_QUOTA_USED_UP, host=host, said=said or status)
        case Why.CHAT_FILTERED:
            return SourceDown(Why.CHAT_FILTERED, host=host)
    if said:
        return SourceDown(Why.CHAT_REFUSES_SAYING, host=host, status=status, said=said)
    return SourceDown(Why.CHAT_REFUSES, host=host, status=status)


def _named(answer: Answer, said: str) -> Why | None:
    status = answer.status
    if status == 402 or _QUOTA.search(said):  # noqa: PLR2004 -- 402 Payment Required
        return Why.CHAT_QUOTA_USED_UP
    if _FILTER.search(said):
        return Why.CHAT_FILTERED
    if status in (401, 403) or _KEY.search(said):
        return Why.CHAT_KEY_REFUSED
    if _NO_MODEL.search(said):
        return Why.CHAT_MODEL_UNKNOWN
    return None


def _sentence(answer: Answer) -> str:
    """All that a refusal says, codes included, in small letters."""
    parts = [_complaint(answer)]
    for value in _values(answer):
        error = mapping(_error(value))
        parts += [str(at.get(name) or "") for at in (value, error) for name in ("code", "type")]
    return " ".join(parts).lower()


def _complaint(answer: Answer) -> str:
    """What an endpoint says of a question that it does not take; empty for a web page."""
    for error in filter(None, map(_error, _values(answer))):
        message = error.get("message") or error.get("msg") if isinstance(error, dict) else error
        return str(message or "")
    page = "html" in answer.headers.get("content-type", "")
    return "" if page else answer.body.decode("utf-8", "replace").strip()


def _error(value: dict[str, Any]) -> Any:
    """What is wrong: an object or a sentence; FastAPI calls it `detail`, ModelScope `errors`."""
    names = ("error", "errors", "message", "detail", "msg")
    return next((value[name] for name in names if value.get(name)), None)


def _values(answer: Answer) -> Iterator[dict[str, Any]]:
    """The objects of an answer: one, or those of a stream."""
    if answers.is_stream(answer):
        for event in answers.events(answer.body):
            try:
                value = msgspec.json.decode(event)
            except (msgspec.DecodeError, RecursionError, UnicodeError):
                return
            if isinstance(value, dict):
                yield value
        return
    try:
        value = answer.json()
    except SourceDown:
        return
    if isinstance(value, dict):
        yield value
