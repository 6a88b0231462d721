"""Qwen's final answer: one JSON object, checked before anything is done with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec

CANDIDATES_MAX = 5
_THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL)
_OBJECT = re.compile(r'\{\s*"(?:candidates|reason|files)"')
_TRIES = 5
T = TypeVar("T", bound=msgspec.Struct)
_Text = Annotated[str, msgspec.Meta(max_length=500)]
_Id = Annotated[int, msgspec.Meta(ge=1, lt=10**12)]


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate as Qwen words it; which fields are used depends on `source`."""

    source: _Text
    repo: _Text = ""
    path: _Text = ""
    url: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    model_version_id: _Id | None = None
    file_id: _Id | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer; of more candidates than `CANDIDATES_MAX` the first ones count."""

    candidates: tuple[Proposal, ...] = ()
    reason: Annotated[str, msgspec.Meta(max_length=4000)] = ""


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "candidates": {
            "type": "array",
            "maxItems": CANDIDATES_MAX,
            "items": {
                "type": "object",
                "properties": {
                    "source": {"type": "string", "enum": ["huggingface", "civitai", "url"]},
                    "repo": {"type": "string"},
                    "path": {"type": "string"},
                    "model_version_id": {"type": "integer"},
                    "file_id": {"type": "integer"},
                    "url": {"type": "string"},
                },
                "required": ["source"],
            },
        },
        "reason": {"type": "string"},
    },
    "required": ["candidates", "reason"],
}
"""The same as JSON schema, for programs that take one."""


def read(text: str) -> Reply | None:
    """Take the proposals out of an answer; None if there are none."""
    return read_as(text, Reply)


def holds(kind: type[msgspec.Struct]) -> Callable[[str], bool]:
    """A test whether an answer holds an object of this kind."""
    return lambda text: read_as(text, kind) is not None


def read_as(text: str, kind: type[T]) -> T | None:
    """Take the JSON object out of an answer, also out of a code fence; None if there is none."""
    text = _THOUGHTS.sub("", text)
    end = text.rfind("}") + 1
    starts = [text.find("{"), *(m.start() for m in list(_OBJECT.finditer(text))[-_TRIES:][::-1])]
    for start in dict.fromkeys(starts):
        if 0 <= start < end:
            try:
                return msgspec.json.decode(text[start:end], type=kind)
            except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
                continue
    return None
