"""The stack and the memo of a pickle that is followed, and how its boxes are filled."""

from __future__ import annotations

from typing import Any

from comfyfix.formats.pickle.budget import Budget, too_costly
from comfyfix.formats.pickle.classes import WATCHED
from comfyfix.formats.pickle.kinds import (
    DATA,
    KEY,
    LEAVES,
    LONG,
    MODULE,
    UNREAD,
    VALUE,
    WORDS,
    Box,
    Group,
    Made,
    Storage,
    kinds,
)  # fmt: skip
from comfyfix.formats.pickle.names import WORDS as NEEDED
from comfyfix.formats.pickle.rows import named
from comfyfix.formats.pickle.source import Source

_FEW = 50_000  # values and texts that are kept as they are; of more only their kinds
_SMALL = 256  # numbers that cost nothing
_SHORT = 20  # characters of a key of weights
_LIVE_MAX = 300_000  # values on the stack below a new box or tuple
_STACK_MAX = 4_000_000
_MARKS_MAX = 100_000
_NESTED_MAX = 1000  # tuples in tuples
_BOX = 130  # bytes
_MAPPINGS = ("dict", "OrderedDict", "defaultdict", "Counter", "AttributeDict")
_ABSENT: Any = object()


class Stack(Budget):
    """What an unpickler would hold.

    `keeps` has lists keep their members, for one who wants to know more than what they are.
    """

    def __init__(self, source: Source, *, keeps: bool = False) -> None:
        super().__init__(source)
        self.keeps = keeps
        self.values: list[Any] = []
        self.marks: list[int] = []
        self.memo: list[Any] = []
        self.memo_count = 0
        self.texts = 0
        self.groups = 0
        self.shared: dict[tuple[Any, ...], Any] = {}

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.values.append(value)

    def push_new(self, value: Any) -> None:
        """Put a box or a tuple on the stack, which may not hold too many of them."""
        if len(self.values) > _LIVE_MAX:
            raise too_costly("holds too much at a time")
        self.values.append(value)

    def require_room(self) -> None:
        """Refuse a stack that has grown too large. Raises Refused."""
        if len(self.values) > _STACK_MAX:
            raise too_costly("holds too much at a time")

    def push_number(self, number: Any) -> None:
        """Put a number on the stack; of very many only that they are numbers."""
        large = len(self.values) > _FEW and type(number) is int and abs(number) > _SMALL
        self.values.append(LONG if large else number)

    def push_text(self, text: Any) -> None:
        """Put a text on the stack; of very many only whether a rule could ask for it."""
        if type(text) is str and text not in NEEDED and (len(text) > 1 or not text.isascii()):
            self.texts += 1
            if self.texts > _FEW:
                if text.isdigit() and len(text) <= _SHORT:
                    self.pay(70)
                else:
                    text = UNREAD if text.startswith("__") else WORDS
        self.values.append(text)

    def pop(self) -> Any:
        """Take the last value. Raises Refused."""
        if len(self.values) <= (self.marks[-1] if self.marks else 0):
            raise self.odd("it takes a value that is not there")
        return self.values.pop()

    def top(self) -> Any:
        """Look at the last value. Raises Refused."""
        if len(self.values) <= (self.marks[-1] if self.marks else 0):
            raise self.odd("it takes a value that is not there")
        return self.values[-1]

    def mark(self) -> None:
        """MARK."""
        if len(self.marks) > _MARKS_MAX:
            raise too_costly("is nested too deep")
        self.marks.append(len(self.values))

    def marked(self) -> tuple[Any, ...]:
        """Take the values after the last mark, and the mark. Raises Refused."""
        if not self.marks:
            raise self.odd("it takes values after a mark that is not there")
        place = self.marks.pop()
        taken = tuple(self.values[place:])
        del self.values[place:]
        return taken

    def drop(self) -> None:
        """POP: drop a value, or a mark, as Python's own reader does."""
        if self.marks and self.marks[-1] == len(self.values):
            self.marks.pop()
        else:
            self.pop()

    def drop_marked(self) -> None:
        """POP_MARK: drop all after the last mark."""
        self.marked()

    def put(self, number: int) -> None:
        """PUT and its kin: keep the last value under a number."""
        value = self.top()
        if not 0 <= number <= self.place + 1:  # a reader makes room for all numbers below
            raise self.harmful("keeps a value under a number that it has not come to")
        memo = self.memo
        if number >= len(memo):
            self.pay(8 * (number + 1 - len(memo)))
            memo.extend([_ABSENT] * (number + 1 - len(memo)))
        if memo[number] is _ABSENT:
            self.memo_count += 1
        memo[number] = value
        if type(value) is Box and not value.used:
            value.number = number
        self.pay(_cost(value))

    def memoize(self) -> None:
        """MEMOIZE: keep the last value under the next number."""
        self.put(self.memo_count)

    def get(self, number: int) -> None:
        """GET and its kin: take a value that was kept."""
        if not 0 <= number < len(self.memo) or self.memo[number] is _ABSENT:
            raise self.odd("it takes a kept value that is not there")
        self.values.append(self.memo[number])

    def group(self, items: tuple[Any, ...]) -> None:
        """Put a tuple on the stack; of very many that are data, one of a kind for all."""
        for item in items:
            if type(item) is Box:
                self.use(item)
        made = Group(items)
        if made.depth > _NESTED_MAX:
            raise too_costly("is nested too deep")
        self.groups += 1
        if self.groups > _FEW and len(items) > 1 and made.kinds & DATA:
            made.items = None
            made = self.shared.setdefault((made.kinds, made.members, made.depth), made)
        self.push_new(made)

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
                    box.form,
                    of,
                    box.keys,
                    box.members,
                    box.hidden,
                    box.count,
                    box.first,
                )
                self.memo[box.number] = self.shared.setdefault(key, box)
                self.cost -= _BOX

    def group_of(self, count: int) -> None:
        """TUPLE1 to TUPLE3."""
        self.group(tuple(reversed([self.pop() for _ in range(count)])))

    def box(self, form: str, members: tuple[Any, ...] = ()) -> None:
        """LIST and DICT, and their empty kin."""
        self.push_new(Box(form))
        if form == "list":
            self.append(members)
        elif form == "dict":
            self.fill(members)

    def _open_box(self, forms: tuple[str, ...]) -> Box:
        target = self.top()
        if not isinstance(target, Box) or target.form not in forms:
            raise self.harmful("fills what is no list, dict or set that it has made")
        if target.used or target.had_state:
            raise self.harmful("changes a value that it has used already")
        return target

    def append(self, members: tuple[Any, ...]) -> None:
        """APPEND and APPENDS. Readers do not look at what nothing is put into."""
        if not members:
            self.top()
            return
        target = self._open_box(("list", "deque"))
        shared = target.members
        for member in members:
            found = LEAVES.get(type(member))
            if found is None:
                found = member.kinds
                if type(member) is Box:
                    self.use(member)
            shared &= found
            if not target.count:
                target.first = found
            target.count += 1
        if not shared & VALUE:
            raise self.harmful("puts into a list what is no plain value")
        target.members = shared
        if self.keeps:
            for member in members:
                target.note(None, member)

    def add(self, members: tuple[Any, ...]) -> None:
        """ADDITEMS."""
        if not members:
            self.top()
            return
        target = self._open_box(("set",))
        self.require_keys(members)
        target.members &= KEY | DATA | VALUE
        target.count += len(members)

    def require_keys(self, members: tuple[Any, ...]) -> None:
        """Refuse what a reader must not compute a hash of."""
        if not all(kinds(member) & KEY for member in members):
            raise self.harmful("uses as a key what is no plain value")

    def fill(self, entries: tuple[Any, ...]) -> None:
        """SETITEM and SETITEMS: keys and values by turns."""
        if not entries:
            self.top()
            return
        target = self._open_box(_MAPPINGS)
        for key, value in zip(entries[::2], entries[1::2], strict=False):
            self._entry(target, key, value)
        in_itself = any(value is target for value in entries[1::2])
        if in_itself and not target.kinds & VALUE:  # it was taken for a value when it came
            raise self.harmful("puts a dict of modules into itself")
        if len(entries) % 2:
            raise self.odd("a key has no value")

    def _entry(self, target: Box, key: Any, value: Any) -> None:
        of_key, of_value = kinds(key), kinds(value)
        if type(value) is Box:
            self.use(value)
        if not of_key & KEY and not (target.form == "dict" and named(key, "callback")):
            raise self.harmful("uses as a key what is no plain value")
        hidden = key is UNREAD or (type(key) is str and key.startswith("__"))
        allowed = VALUE | MODULE if target.form == "OrderedDict" else VALUE
        if target.row is not None and not of_value & allowed:
            raise self.harmful("fills an object with what is no plain value")
        if hidden and target.form == "AttributeDict":  # its keys can be read as attributes
            raise self.harmful("gives an object a key that Python itself reads")
        target.keys &= of_key
        target.members &= of_value
        target.count += 1
        target.hidden = target.hidden or hidden
        if not of_value & VALUE or key in WATCHED or (type(value) is Group and not of_value & DATA):
            target.note(key, value)
            self.pay(80)


def _cost(value: Any) -> int:
    """Estimate the bytes that a kept value takes."""
    if type(value) is Group:
        return 0 if not value.items else 130 + 8 * len(value.items)
    if type(value) is str:
        return 60 + len(value)
    if type(value) is Box:
        return _BOX
    return 100 if isinstance(value, Made | Storage) else 0
