"""What an endpoint answers, whole or streamed, read into one value.

Servers put the same things into different places: thoughts beside the text or in front of it, the
answer itself among the thoughts, calls of tools as text (`spoken`).
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from comfyfix.loose_json import mapping
from comfyfix.net.answer import Answer
from comfyfix.net.chat import spoken
from comfyfix.net.chat.calls import Call

TEXT_MAX = 20_000  # characters of one answer; more of it is dropped
_THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL)
_THOUGHTS_END = "</think>"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One answer: text, or calls of tools. `tokens` of question and answer; 0 where not told.

    `cut`: it ended because it had no more room, so text and calls may lack their end; a call that
    does is left out. `filtered`: the endpoint holds back what the model would say.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    tokens: int = 0
    cut: bool = False
    filtered: bool = False


class _Function(msgspec.Struct, frozen=True, kw_only=True):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    function: _Function
    id: str | None = None
    index: int | None = None


class _Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message, or a piece of one. vLLM and DashScope call thoughts `reasoning_content`, Ollama
    and newer vLLM `reasoning`."""

    content: str | list[Any] | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: Any = None
    tool_calls: list[_ToolCall] | None = None

    @property
    def thoughts(self) -> str:
        """What stands beside the content."""
        texts = (self.reasoning_content, self.reasoning)
        return next((text for text in texts if isinstance(text, str) and text), "")


class _Choice(msgspec.Struct, frozen=True, kw_only=True):
    message: _Message
    finish_reason: Any = None


class _Completion(msgspec.Struct, frozen=True, kw_only=True):
    choices: list[_Choice]
    usage: Any = None


class _Piece(msgspec.Struct, frozen=True, kw_only=True):
    delta: _Message | None = None
    finish_reason: Any = None


class _Chunk(msgspec.Struct, frozen=True, kw_only=True):
    choices: list[_Piece] | None = None
    usage: Any = None


def read(answer: Answer, offered: frozenset[str]) -> Said:
    """Read an answer; `offered` are the tools that it may call.

    Raises DecodeError, UnicodeError, RecursionError, IndexError for one that is none.
    """
    whole = _joined(answer.body) if is_stream(answer) else _decoded(answer.body)
    choice = whole.choices[0]
    cut = choice.finish_reason == "length"
    calls = [_call(number, call) for number, call in enumerate(choice.message.tool_calls or [])]
    text, said = _text_and_calls(choice.message, offered, cut=cut)
    return Said(
        text=text[:TEXT_MAX],
        calls=tuple(call for call in calls or said if not cut or _is_whole(call)),
        tokens=_tokens(whole.usage),
        cut=cut,
        filtered=choice.finish_reason == "content_filter" or bool(choice.message.refusal),
    )


def is_stream(answer: Answer) -> bool:
    """Tell whether an answer comes in pieces (`data: …` lines), whatever it calls itself."""
    kind = answer.headers.get("content-type", "")
    return "event-stream" in kind or answer.body.lstrip()[:5] in (b"data:", b"event")


def events(body: bytes) -> list[bytes]:
    """The pieces of a streamed answer."""
    lines = [line[5:].strip() for line in body.splitlines() if line.startswith(b"data:")]
    return [line for line in lines if line and line != b"[DONE]"]


def without_thoughts(text: str) -> str:
    """An answer without what the model thought aloud in front of it, marked at both ends or at
    the last one only."""
    left = _THOUGHTS.sub("", text)
    return left.rpartition(_THOUGHTS_END)[2]


def _text_and_calls(
    message: _Message, offered: frozenset[str], *, cut: bool
) -> tuple[str, list[Call]]:
    """The text that counts. Thoughts are an answer only where there is no other, and ended."""
    content = _text(message.content)
    answer = without_thoughts(content)
    for text in (answer, content, "" if cut else message.thoughts):
        if text.strip():
            return spoken.parted(text, offered)
    return "", []


def _is_whole(call: Call) -> bool:
    try:
        json.loads(call.arguments)
    except (ValueError, RecursionError):
        return False
    return True


def _call(number: int, call: _ToolCall) -> Call:
    given = call.function.arguments
    return Call(
        id=call.id or f"call_{number}",
        name=call.function.name or "",
        arguments=(given if isinstance(given, str) else json.dumps(given or {}))[:TEXT_MAX],
    )


def _decoded(body: bytes) -> _Completion:
    return msgspec.json.decode(body, type=_Completion)


def _joined(body: bytes) -> _Completion:
    """Put the pieces of a streamed answer together."""
    chunks = [msgspec.json.decode(event, type=_Chunk) for event in events(body)]
    pieces = [chunk.choices[0] for chunk in chunks if chunk.choices]
    deltas = [piece.delta for piece in pieces if piece.delta]
    message = _Message(
        content="".join(_text(delta.content) for delta in deltas),
        reasoning="".join(delta.thoughts for delta in deltas),
        refusal=next((delta.refusal for delta in deltas if delta.refusal), None),
        tool_calls=_calls_of([call for delta in deltas for call in delta.tool_calls or []]),
    )
    ended = next((piece.finish_reason for piece in pieces if piece.finish_reason), None)
    usage = next((chunk.usage for chunk in chunks[::-1] if chunk.usage), None)
    choices = [_Choice(message=message, finish_reason=ended)] if pieces else []
    return _Completion(choices=choices, usage=usage)


def _calls_of(parts: list[_ToolCall]) -> list[_ToolCall]:
    """Calls of tools put together. Some servers number the pieces of one, others only name it."""
    calls: list[list[_ToolCall]] = []
    places: dict[int, list[_ToolCall]] = {}
    for part in parts:
        known = places.get(part.index) if part.index is not None else None
        begins = part.index is None and (part.id or part.function.name or not calls)
        if known is None and (part.index is not None or begins):
            known = []
            calls.append(known)
            if part.index is not None:
                places[part.index] = known
        (known if known is not None else calls[-1]).append(part)
    return [_call_of(parts) for parts in calls]


def _call_of(parts: list[_ToolCall]) -> _ToolCall:
    """One call of a tool; its name and id come once, its arguments in pieces."""
    given = [part.function.arguments for part in parts]
    whole = next((value for value in given if isinstance(value, dict)), None)
    function = _Function(
        name=next((part.function.name for part in parts if part.function.name), None),
        arguments=whole or "".join(text for text in given if isinstance(text, str)),
    )
    return _ToolCall(function=function, id=next((part.id for part in parts if part.id), None))


def _text(content: str | list[Any] | None) -> str:
    if isinstance(content, list):  # parts: {"type": "text", "text": "…"}
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content or ""


def _tokens(usage: Any) -> int:
    total = mapping(usage).get("total_tokens")
    return total if isinstance(total, int) and total > 0 else 0
