"""Qwen's final answer: one JSON object, checked before anything is done with it.

The docstrings of the structs are part of the schema that Qwen is shown.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Annotated, TypeVar

import msgspec

from comfyfix.net.chat.answers import without_thoughts
from comfyfix.sources.qwen.schema import schema_of

CANDIDATES_MAX = 5
_OBJECT = re.compile(r'\{\s*"(?:candidates|reason|files)"')
_TRIES = 5
T = TypeVar("T", bound=msgspec.Struct)
_Text = Annotated[str, msgspec.Meta(max_length=500)]
# What Qwen is told of, but may go beyond: one place that is no use shall not spoil the others.
_SOURCES = msgspec.Meta(extra_json_schema={"enum": ["huggingface", "civitai", "url"]})
_MOST = msgspec.Meta(extra_json_schema={"maxItems": CANDIDATES_MAX})
_Id = Annotated[int, msgspec.Meta(ge=1, lt=10**12)]


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One place; which fields are used depends on `source`."""

    source: Annotated[_Text, _SOURCES]
    repo: _Text = ""
    path: _Text = ""
    url: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    model_version_id: _Id | None = None
    file_id: _Id | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: places that hold the file, the surest first; only the first few count."""

    candidates: Annotated[tuple[Proposal, ...], _MOST]
    reason: Annotated[str, msgspec.Meta(max_length=4000)] = ""


SCHEMA = schema_of(Reply)
"""The same as JSON schema, for programs that take one."""


def read(text: str) -> Reply | None:
    """Take the proposals out of an answer; None if there are none."""
    return read_as(text, Reply)


def holds(kind: type[msgspec.Struct]) -> Callable[[str], bool]:
    """A test whether an answer holds an object of this kind."""
    return lambda text: read_as(text, kind) is not None


def read_as(text: str, kind: type[T]) -> T | None:
    """Take the JSON object out of an answer, also out of a code fence; None if there is none."""
    text = without_thoughts(text) or text
    end = text.rfind("}") + 1
    starts = [text.find("{"), *(m.start() for m in list(_OBJECT.finditer(text))[-_TRIES:][::-1])]
    for start in dict.fromkeys(starts):
        with contextlib.suppress(msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return msgspec.json.decode(text[start:end], type=kind)
    return None
