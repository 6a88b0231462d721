"""The memo of a pickle that is followed, and how little of what has been seen is kept.

Of the first values all is known. Of very many only what they are, and of texts whether a rule could
ask for them: an honest file asks for what it has just said, a hostile one must not fill the memory.
"""

from __future__ import annotations

from typing import Any

from comfyfix.formats.finding import unsafe
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.pickle.budget import Budget
from comfyfix.formats.pickle.checks import is_code
from comfyfix.formats.pickle.kinds import (
    DATA,
    LONG,
    NESTED_MAX,
    UNREAD,
    WORDS,
    Box,
    Group,
    Made,
    Storage,
)
from comfyfix.formats.pickle.names import WORDS as NEEDED
from comfyfix.formats.pickle.source import Source

FEW = 50_000  # values on the stack that are as they are; of those above only their kinds
_KEPT_MAX = 300_000  # values in the memo that are as they are; of more only their kinds
_SMALL = 256  # numbers that cost nothing
_SHORT = 20  # characters of a key of weights
_NESTED_GROUPS_MAX = 400_000  # tuples in tuples that are kept as they are
_BOX = 130  # bytes
_ABSENT: Any = object()
_KNOWN = {text: text for text in NEEDED}  # one text for all that are equal


class Memo(Budget):
    """What has been seen, under the numbers that a pickle gives it."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.values: list[Any] = []
        self.memo: list[Any] = []
        self.memo_count = 0
        self.nested_groups = 0
        self.shared: dict[tuple[Any, ...], Any] = {}

    def keep(self, value: Any, number: int) -> None:
        """Keep a value under a number. Raises Refused."""
        if not 0 <= number <= self.place + 1:  # a reader makes room for all numbers below
            raise self.harmful(Flaw.PICKLE_KEEPS_AHEAD)
        memo = self.memo
        if number >= len(memo):
            self.pay(8 * (number + 1 - len(memo)))
            memo.extend([_ABSENT] * (number + 1 - len(memo)))
        if memo[number] is _ABSENT:
            self.memo_count += 1
        if self.memo_count > _KEPT_MAX:
            value = self.lean(value)
        memo[number] = value
        if type(value) is Box and not value.used:
            value.number = number
        self.pay(_cost(value))

    def get(self, number: int) -> None:
        """GET and its kin: take a value that was kept."""
        if not 0 <= number < len(self.memo) or self.memo[number] is _ABSENT:
            raise self.odd(Flaw.PICKLE_NO_KEPT_VALUE)
        self.values.append(self.memo[number])

    def lean(self, value: Any) -> Any:
        """Return what takes less room, and of which the rules say the same."""
        if type(value) is str:
            return value if value.isdigit() and len(value) <= _SHORT else lean_text(value)
        if type(value) is Group and value.items and value.kinds & DATA:
            key = (value.kinds, value.members, value.depth, value.deep)
            if key not in self.shared:
                self.shared[key] = Group.of_kinds(value)
            return self.shared[key]
        return value

    def use(self, box: Box) -> None:
        """Note that a box has become part of something else.

        The memo then needs to know of data only what it is, so one of a kind stands for all.
        """
        if box.used:
            return
        box.used = True
        if 0 <= box.number < len(self.memo) and self.memo[box.number] is box and not box.odd:
            of = box.kinds
            if of & DATA:
                key = (
                    box.form, of, box.keys, box.members, box.hidden, box.count, box.first, box.deep,
                )  # fmt: skip
                self.memo[box.number] = self.shared.setdefault(key, box)
                self.cost -= _BOX

    def nest(self, outer: Box | Group | Made, inner: Any) -> None:
        """Note that one value has become part of another. Raises Refused where it is too deep."""
        if inner.deep >= outer.deep:
            outer.deep = inner.deep + 1
            self.require_shallow(outer)

    def require_shallow(self, value: Box | Group | Made) -> None:
        """Refuse what is nested too deep. Raises Refused."""
        if value.deep > NESTED_MAX:
            raise unsafe(Flaw.PICKLE_NESTED)

    def hold(self, items: tuple[Any, ...], groups: int) -> tuple[Any, ...]:
        """Return what a tuple keeps of its members, of which so many are tuples."""
        self.nested_groups += groups
        if self.nested_groups <= _NESTED_GROUPS_MAX:
            return items
        self.pay(
            sum(_cost(item) for item in items if type(item) is Group and not item.kinds & DATA)
        )
        return tuple(self.lean(item) if type(item) is Group else item for item in items)


def lean_text(text: str) -> Any:
    """Return what stands for a text of which only needs to be known whether a rule asks for it."""
    if text in _KNOWN or is_code(text) or (len(text) == 1 and text.isascii()):
        return text
    return UNREAD if text.startswith("__") else WORDS


def lean_number(number: Any) -> Any:
    """Return what stands for a number of which only needs to be known that it is one."""
    return LONG if type(number) is int and abs(number) > _SMALL else number


def known(text: Any) -> Any:
    """Return one text for all that are equal, of those that the rules ask for."""
    return _KNOWN.get(text, text) if type(text) is str else text


def _cost(value: Any) -> int:
    """Estimate the bytes that a kept value takes."""
    if type(value) is Group:
        return 130 + 8 * len(value.items) if value.items else 0
    if type(value) is str:
        return 0 if value in _KNOWN else 60 + len(value)
    if type(value) is Box:
        return _BOX
    if type(value) is int:
        return 0 if abs(value) <= _SMALL else 40
    return 100 if isinstance(value, Made | Storage) else 0
