"""Calls of tools that a server hands on as the text that the model wrote.

Two dialects: Hermes' `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, and the one of
Qwen3-Coder, `<function=NAME><parameter=KEY>value</parameter></function>`. Only tools that were
offered can be called, so an answer that merely shows such a text stays an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from comfyfix.loose_json import mapping
from comfyfix.net.chat.calls import Call

CALLS_MAX = 50
_HERMES = re.compile(r"<tool_call>\s*(?=\{)")
_CODER = re.compile(r"<function=([\w.-]{1,100})>(.*?)(?:</function>|(?=<function=)|\Z)", re.DOTALL)
_PARAMETER = re.compile(
    r"<parameter=([\w.-]{1,100})>\n?(.*?)\n?(?:</parameter>|(?=<parameter=)|\Z)", re.DOTALL
)
_DECODER = json.JSONDecoder()
_Found = tuple[int, str, Any]


def parted(text: str, offered: frozenset[str]) -> tuple[str, list[Call]]:
    """Return what stands in front of the calls, and the calls; all of the text where none is."""
    if not offered:
        return text, []
    found = sorted(
        (one for one in (*_hermes(text), *_coder(text)) if one[1] in offered),
        key=lambda one: one[0],
    )[:CALLS_MAX]
    if not found:
        return text, []
    calls = [
        Call(id=f"call_{number}", name=name, arguments=_json(arguments))
        for number, (_, name, arguments) in enumerate(found)
    ]
    return text[: found[0][0]].removesuffix("<tool_call>\n").strip(), calls


def _hermes(text: str) -> Iterator[_Found]:
    for match in _HERMES.finditer(text):
        try:
            value, _ = _DECODER.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            continue
        call = mapping(value)
        arguments = call.get("arguments", call.get("parameters"))
        yield match.start(), str(call.get("name")), arguments


def _coder(text: str) -> Iterator[_Found]:
    for match in _CODER.finditer(text):
        yield match.start(), match[1], dict(_PARAMETER.findall(match[2]))


def _json(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments or {})
