"""The words of reasons and of lines: made here, where they are shown, and nowhere else.

`COMFYFIX_WORDS=pseudo` changes every word of ours but those that the design fixes and what stands
between backticks, so that whatever depends on a word shows.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import string
from collections.abc import Callable
from typing import Any, NamedTuple

from comfyfix.disk.files import human_size, printable
from comfyfix.errors import Problem
from comfyfix.records import Reason

LONGEST = 400
"""Letters that are shown of one text from outside."""
PROGRAMS = ("doit", "comfyfix")
"""What people type: our texts have the first, and show whichever was typed."""
COUNTED = ("models", "files", "downloads", "workflows", "values", "versions", "bytes", "tasks")
"""What a count may be of: `{count:files}` is `1 file` or `2 files`."""
_PSEUDO = os.environ.get("COMFYFIX_WORDS") == "pseudo"
_CHANGED = str.maketrans("aeiouyAEIOUY", "áéíóúýÁÉÍÓÚÝ")


_typed = [PROGRAMS[0]]
_COMMAND = re.compile(rf"(?<![\w./-]){PROGRAMS[0]}(?![\w.-])")


def typed(program: str) -> None:
    """Note which of `PROGRAMS` the user has typed, for all texts to come."""
    _typed[:] = [program]


def as_typed(text: str) -> str:
    """Return a text of ours with the program that was typed in its commands: in backticks."""
    if _typed == [PROGRAMS[0]] or "`" not in text:
        return text
    parts = text.split("`")
    parts[1::2] = [_COMMAND.sub(_typed[0], part) for part in parts[1::2]]
    return "`".join(parts)


class Wording(NamedTuple):
    """One reason in words: what happened, why, and what to do next; the last two may be empty."""

    what: str
    cause: str = ""
    next_step: str = ""


class _Words(string.Formatter):
    """Fills a template: texts from outside are made printable, reasons told in their own words."""

    def __init__(self, ours: Callable[[str], str]) -> None:
        self.ours = ours

    def get_value(self, key: int | str, _args: Any, kwargs: Any) -> Any:
        return kwargs.get(str(key), f"{{{key}}}")

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, Reason):
            return sentence(value)
        if format_spec == "lines":
            return "".join(f"\n{self.format_field(item, '')}" for item in value)
        if isinstance(value, tuple | list):
            joined = "; " if any(isinstance(item, Reason) for item in value) else ", "
            return joined.join(self.format_field(item, "") for item in value)
        if format_spec == "size":
            return human_size(value if isinstance(value, int) else None)
        if format_spec == "shell":
            return shlex.quote(str(value))
        if format_spec == "typed":  # a sentence of a script, which knows no more than `doit`
            return as_typed(printable(str(value), LONGEST))
        if format_spec in COUNTED:
            return f"{value} {self.ours(format_spec[:-1] if value == 1 else format_spec)}"
        return printable(str(value), LONGEST) if isinstance(value, str) else format(value, "")


def _ours(template: str) -> str:
    if not _PSEUDO:
        return template
    # Fields and what stands between backticks are no words of ours.
    parts = re.split(r"(\{[^{}]*\}|`[^`]*`)", template)
    return "".join(
        part if number % 2 else part.translate(_CHANGED) for number, part in enumerate(parts)
    )


_FIELD = re.compile(r"\{(\w+)[^{}]*\}")
_OURS, _FIXED = _Words(_ours), _Words(str)


def t(template: str, /, **fields: object) -> str:
    """Return a line of ours, with what it tells filled in."""
    return _OURS.vformat(_ours(as_typed(template)), (), fields)


def fixed(template: str, /, **fields: object) -> str:
    """Return a line whose words the design fixes: programs may read it."""
    return _FIXED.vformat(template, (), fields)


def worded(reason: Reason | str) -> Wording:
    """Return a reason in words."""
    if isinstance(reason, str):
        return Wording(reason)
    entry = _catalogue().get(reason.why)
    if entry is None:  # of another version, or written into a file of ours by hand
        return Wording(printable(reason.why, LONGEST))
    return Wording(*(t(template, **reason.told) for template in entry))


def template(why: str) -> Wording | None:
    """Return the words of a reason of which no more than the name is known: `NAME` for a field."""
    entry = _catalogue().get(why)
    return entry and Wording(*(_FIELD.sub(lambda m: m[1].upper(), _ours(text)) for text in entry))


def sentence(reason: Reason | str) -> str:
    """Return a reason on one line: what, and its cause."""
    words = worded(reason)
    if not words.cause:
        return words.what
    gap = "" if words.cause.startswith("\n") else " "  # a list has lines of its own
    return f"{words.what}:{gap}{words.cause}"


def problem(failure: Problem) -> str:
    """Return the whole message on one line: what, cause, next step."""
    return with_next_step(failure.reason)


def with_next_step(reason: Reason) -> str:
    """Return a reason on one line: what, its cause, and the next step."""
    step, what = worded(reason).next_step, sentence(reason)
    if not step:
        return what
    end = "\n" if "\n" in what else ". "
    return f"{what}{end}{t('Next: {step}', step=step)}"


@functools.cache
def _catalogue() -> dict[str, Wording]:
    # Most commands tell of nothing that is wrong.
    import tomllib
    from importlib import resources

    tables = resources.files(__package__).joinpath("texts").iterdir()
    return {
        name: _entry(entry)
        for table in tables
        for name, entry in tomllib.loads(table.read_text(encoding="utf-8")).items()
    }


def _entry(entry: str | dict[str, str]) -> Wording:
    if isinstance(entry, str):
        return Wording(entry)
    return Wording(entry["what"], entry.get("cause", ""), entry.get("next", ""))
