"""What stands for the values of a pickle: what they are, never what they hold.

A value is of several kinds at once, so its kinds are bits: a whole number is a key, data, a value
and an int. What all members of a list share are the bits that each of them has. What is `deep`
holds values that hold values, and so on, so many times.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from comfyfix.formats.pickle.rows import Check, Row

KEY, DATA, VALUE = 1, 2, 4
NONE, BOOL, INT, NUMBER, TEXT, BYTES = 8, 16, 32, 64, 128, 256
PAIR = 512  # a key and a value, in a tuple or a list
TENSOR, STORAGE, ARRAY, DTYPE, LAYOUT, SCHEME, DEVICE = (1 << bit for bit in range(10, 17))
NUMPY_DTYPE, OBJECT_DTYPE, ZONE, SPAN = (1 << bit for bit in range(17, 21))
MODULE, LOSS, METADATA, NODE, BOUND = (1 << bit for bit in range(21, 26))
NO_TENSOR, NO_MODULE = 1 << 26, 1 << 27  # a tensor, or None; a module, or None
SIZE = 1 << 28
WHOLE = 1 << 29  # a tensor of no more items than its storage has
ALL = (1 << 30) - 1
"""What the members of an empty list are."""

ATOM = KEY | DATA | VALUE
DEPTH_MAX = 8
"""How deep tuples in tuples keep what they hold; no rule looks deeper."""
ITEMS_MAX = 1000
"""How long a tuple may be that keeps what it holds; no rule asks more of longer ones."""
NESTED_MAX = 1000
"""How deep values may be nested: Python frees arrays and dicts of them by calls in calls."""
Entries = list[tuple[Any, Any]] | tuple[()]
LEAVES: dict[type, int] = {
    type(None): ATOM | NONE | NO_TENSOR | NO_MODULE,
    bool: ATOM | BOOL | NUMBER,
    int: ATOM | INT | NUMBER,
    str: ATOM | TEXT,
}


@dataclass(frozen=True, slots=True)
class Plain:
    """A value of which nothing but its kinds is known."""

    kinds: int
    deep: ClassVar[int] = 0


FLOAT = Plain(ATOM | NUMBER)
LONG = Plain(ATOM | INT | NUMBER)
"""A whole number of which only that is known."""
WORDS = Plain(ATOM | TEXT)
"""A text of which is known that no rule asks for it, and that it does not begin with `__`."""
UNREAD = Plain(ATOM | TEXT)
"""A text of which nothing is known, or which some readers can't read."""
RAW = Plain(ATOM | BYTES)
TYPE_CODE = Plain(ATOM | BYTES)
"""The byte `b`, which numpy writes for an array that is still to be filled."""
BUFFER = Plain(DATA | VALUE | BYTES)
"""A bytearray."""
ELLIPSIS = Plain(DATA | VALUE)


class Group:
    """A tuple. `items` is None where it holds too much: then nothing asks for more than kinds."""

    __slots__ = ("deep", "depth", "items", "kinds", "members")

    def __init__(self, items: tuple[Any, ...]) -> None:
        members = ALL
        depth = deep = 0
        for item in items:
            found = LEAVES.get(type(item))
            if found is None:
                found = item.kinds
                if item.deep >= deep:
                    deep = item.deep + 1
                if type(item) is Group and item.depth >= depth:
                    depth = item.depth + 1
            members &= found
        self.deep: int = deep
        self.depth: int = depth
        fits = depth <= DEPTH_MAX and len(items) <= ITEMS_MAX
        self.items: tuple[Any, ...] | None = items if fits else None
        self.members = members
        self.kinds = members & ATOM
        if len(items) == 2 and kinds(items[0]) & KEY and kinds(items[1]) & VALUE:  # noqa: PLR2004 - a pair
            self.kinds |= PAIR

    @classmethod
    def of_kinds(cls, other: Group) -> Group:
        """Return one of which is known what the other is, and not what it holds."""
        made = cls(())
        made.deep, made.depth, made.items = other.deep, other.depth, None
        made.kinds, made.members = other.kinds, other.members
        return made


EMPTY = Group(())


class Box:
    """What is filled bit by bit: a list, a dict, a set, or one of their kin, by its `form`.

    Once it is `used` (as an argument, an attribute, a member) it must not change any more: what
    was said of it then has to stay true. `odd` holds the entries that a rule may have to look at
    one by one: values that are no plain values, and keys that are watched. `number` is where the
    memo keeps it, or below 0.
    """

    __slots__ = (
        "count", "deep", "first", "form", "had_state", "hidden", "keys", "members", "number", "odd",
        "row", "used",
    )  # fmt: skip

    def __init__(self, form: str, row: Row | None = None) -> None:
        self.form = form
        self.row = row
        self.count = 0
        self.deep = 0
        self.first = 0  # kinds of the first member
        self.keys = self.members = ALL
        self.odd: Entries = ()
        self.hidden = False  # whether a key may be one that Python itself reads
        self.used = False
        self.had_state = False
        self.number = -1

    @property
    def kinds(self) -> int:
        """What it is, as it is now."""
        if not self.members & VALUE or not self.keys & KEY:
            return 0
        found = VALUE
        if self.row is None and self.members & DATA:
            found |= DATA
        if self.form == "list" and self.count == 2 and self.first & KEY:  # noqa: PLR2004 - a pair
            found |= PAIR
        return found

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing at all."""
        return not self.count and not self.had_state and self.members == ALL

    def holds_unknown(self) -> None:
        """Say of a box that a call has filled: with values, under keys, more is not known."""
        self.count = 1
        self.keys, self.members, self.hidden = KEY, VALUE, True

    def note(self, key: Any, value: Any) -> None:
        """Keep an entry for a later look."""
        if not self.odd:
            self.odd = []
        self.odd.append((key, value))


class Made:
    """An object that a call or NEWOBJ has made."""

    __slots__ = ("deep", "had_state", "kinds", "note", "row")

    def __init__(self, row: Row, of: int, note: str = "") -> None:
        self.row = row
        self.kinds = of
        self.note = note
        self.had_state = False
        self.deep = 0


@dataclass(frozen=True, slots=True)
class Name:
    """Something that the pickle has imported: never a value itself, only what its row allows."""

    row: Row
    kinds: int = 0
    deep: ClassVar[int] = 0


def named(value: Any, role: str) -> bool:
    """Tell whether a value is an imported name that may stand in this place."""
    return isinstance(value, Name) and role in value.row.roles


@cache
def in_role(role: str) -> Check:
    """Return the check for an imported name that may stand in this place."""
    return lambda value: named(value, role)


@dataclass(frozen=True, slots=True)
class Storage:
    """Weights beside the pickle: so many items of so many bytes (None: not known)."""

    items: int
    item_bytes: int | None
    kinds: int = VALUE | STORAGE
    deep: ClassVar[int] = 0


def kinds(value: Any) -> int:
    """Return the kinds of a value."""
    found = LEAVES.get(type(value))
    return value.kinds if found is None else found
