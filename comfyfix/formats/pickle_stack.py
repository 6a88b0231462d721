"""The stack and the memo of a pickle that is followed, with what stands for its values."""

from __future__ import annotations

from typing import Any

from comfyfix.formats.finding import Refused, damaged, unsafe
from comfyfix.formats.pickle_allowed import Use
from comfyfix.formats.pickle_ops import Argument
from comfyfix.formats.pickle_values import DICT, MARK, SET, Made, Name


class Stack:
    """What an unpickler would hold, and the instructions that only move values about.

    `place` is the byte of the instruction that is being followed, for messages.
    """

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.place = 0

    def odd(self, what: str) -> Refused:
        """Return the end of a walk at what no reader could load, to be raised."""
        return damaged(f"its pickle is damaged: {what} at byte {self.place}")

    def harmful(self, what: str) -> Refused:
        """Return the end of a walk at what does more than weights need, to be raised."""
        return unsafe(f"its pickle {what} (at byte {self.place})")

    def pop(self) -> Any:
        """Take the last value. Raises Refused."""
        if not self.values or self.values[-1] is MARK:
            raise self.odd("it takes a value that is not there")
        return self.values.pop()

    def top(self) -> Any:
        """Look at the last value. Raises Refused."""
        value = self.pop()
        self.values.append(value)
        return value

    def marked(self) -> tuple[Any, ...]:
        """Take the values after the last mark, and the mark. Raises Refused."""
        for place in range(len(self.values) - 1, -1, -1):
            if self.values[place] is MARK:
                taken = tuple(self.values[place + 1 :])
                del self.values[place:]
                return taken
        raise self.odd("it takes values after a mark that is not there")

    def hold(self, *values: Any) -> None:
        """Refuse to hand on what may only be called at once, under the eyes of the walk."""
        for value in values:
            if isinstance(value, Name) and value.use is Use.CHECKED:
                raise self.harmful(f"hands {value} to other code")

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.values.append(value)

    def drop(self, _: Argument) -> None:
        """POP: drop a value, or a mark, as Python's own reader does."""
        if not self.values:
            raise self.odd("it takes a value that is not there")
        self.values.pop()

    def drop_marked(self, _: Argument) -> None:
        """POP_MARK: drop all after the last mark."""
        self.marked()

    def again(self, _: Argument) -> None:
        """DUP: the last value once more."""
        self.push(self.top())

    def put(self, argument: Argument) -> None:
        """PUT and its kin: keep the last value under a number (MEMOIZE: the next one)."""
        number = len(self.memo) if argument is None else argument
        if not isinstance(number, int) or number < 0:
            raise self.odd("it keeps a value under no number")
        self.memo[number] = self.top()

    def get(self, argument: Argument) -> None:
        """GET and its kin: take a value that was kept."""
        if not isinstance(argument, int) or argument not in self.memo:
            raise self.odd("it takes a kept value that is not there")
        self.push(self.memo[argument])

    def tuple_of(self, count: int) -> None:
        """TUPLE1 to TUPLE3."""
        taken = tuple(reversed([self.pop() for _ in range(count)]))
        self.hold(*taken)
        self.push(taken)

    def tuple_of_marked(self, _: Argument) -> None:
        """TUPLE."""
        taken = self.marked()
        self.hold(*taken)
        self.push(taken)

    def list_of_marked(self, _: Argument) -> None:
        """LIST."""
        taken = self.marked()
        self.hold(*taken)
        self.push(list(taken))

    def value_of_marked(self, value: Any) -> None:
        """DICT and FROZENSET: their items are not kept."""
        self.hold(*self.marked())
        self.push(value)

    def extend(self, values: tuple[Any, ...]) -> None:
        """APPEND and APPENDS."""
        self.hold(*values)
        target = self.top()
        if not isinstance(target, list):
            raise self.odd("it appends to what is no list")
        target.extend(values)

    def fill(self, values: tuple[Any, ...]) -> None:
        """SETITEM, SETITEMS and ADDITEMS."""
        self.hold(*values)
        target = self.top()
        if target not in (DICT, SET) and not (isinstance(target, Made) and target.holds_items):
            raise self.odd("it fills what is no dict and no set")
