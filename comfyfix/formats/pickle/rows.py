"""The language of the tables: what a name may be called with, and what it gives.

A signature is written as a line, `torch.device(text, int?) -> device`. Its words are checks of one
argument each: `a|b` is either, `a?` may be left out, `a*` stands as often as one likes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Check = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Signature:
    """The arguments of one call, and what it gives: bits of kinds, or the form of a box."""

    needed: tuple[Check, ...]
    more: tuple[Check, ...]
    repeated: Check | None
    gives: int | str

    def fits(self, arguments: tuple[Any, ...]) -> bool:
        """Tell whether a call with these arguments is one of this signature."""
        checks = self.needed + self.more
        if len(arguments) < len(self.needed):
            return False
        if len(arguments) > len(checks):
            if self.repeated is None:
                return False
            checks += (self.repeated,) * (len(arguments) - len(checks))
        return all(check(value) for check, value in zip(checks, arguments, strict=False))


@dataclass(frozen=True, slots=True)
class Fields:
    """The attributes of an object: those named here fit their check, all others are values.

    `reads` are those that its class reads when it is given its state, and so would also find in
    the tables of a module; `changes` tells whether it writes into the state itself.
    """

    checks: Mapping[str, Check]
    reads: frozenset[str] = frozenset()
    changes: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """An allowed name, and all that a pickle may do with it.

    `calls` are the ways to call it, `news` those of NEWOBJ with arguments; `bare` is what NEWOBJ
    without arguments makes of it (None: not allowed), bits of kinds or the form of a box; `state`
    is what BUILD may set then. `roles` are the
    places where the name itself may stand; `constant` is what an import of it is, where that is a
    value.
    """

    module: str
    name: str
    calls: tuple[Signature, ...] = ()
    news: tuple[Signature, ...] = ()
    bare: int | str | None = None
    state: Fields | str = ""
    roles: frozenset[str] = frozenset()
    constant: Any = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


def read_signature(
    line: str, checks: Mapping[str, Check], results: Mapping[str, int | str]
) -> tuple[str, Signature]:
    """Read one line of a table; return the dotted name and its signature."""
    call, _, result = line.partition(" -> ")
    dotted, _, inside = call.rstrip(")").partition("(")
    needed: list[Check] = []
    more: list[Check] = []
    repeated: Check | None = None
    for word in inside.split(", ") if inside else ():
        check = _either(word.rstrip("?*"), checks)
        if word.endswith("*"):
            repeated = check
        else:
            (more if word.endswith("?") else needed).append(check)
    return dotted, Signature(tuple(needed), tuple(more), repeated, results[result])


def _either(word: str, checks: Mapping[str, Check]) -> Check:
    one, *others = (checks[part] for part in word.split("|"))
    if not others:
        return one
    return lambda value: one(value) or any(check(value) for check in others)
