"""The stack of a pickle that is followed, and how its boxes are filled."""

from __future__ import annotations

from typing import Any

from comfyfix.formats.finding import unsafe
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.pickle.classes import WATCHED
from comfyfix.formats.pickle.kinds import (
    DATA,
    DEPTH_MAX,
    EMPTY,
    KEY,
    LEAVES,
    MODULE,
    UNREAD,
    VALUE,
    Box,
    Group,
    kinds,
    named,
)
from comfyfix.formats.pickle.memo import FEW, Memo, known, lean_number, lean_text
from comfyfix.formats.pickle.source import Source

_LIVE_MAX = 300_000  # values on the stack below a new box or tuple
_STACK_MAX = 4_000_000
_MARKS_MAX = 100_000
_DEEP = 4  # looks that a tuple deep in tuples counts for: no honest pickle has many
_MAPPINGS = ("dict", "OrderedDict", "defaultdict", "Counter", "AttributeDict")


class Stack(Memo):
    """What an unpickler would hold.

    `keeps` has lists keep their members, for one who wants to know more than what they are.
    """

    def __init__(self, source: Source, *, keeps: bool = False) -> None:
        super().__init__(source)
        self.keeps = keeps
        self.marks: list[int] = []

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.values.append(value)

    def push_new(self, value: Any) -> None:
        """Put a box or a tuple on the stack, which may not hold too many of them."""
        if len(self.values) > _LIVE_MAX:
            raise unsafe(Flaw.PICKLE_HOLDS_TOO_MUCH)
        self.values.append(value)

    def require_room(self) -> None:
        """Refuse a stack that has grown too large. Raises Refused."""
        if len(self.values) > _STACK_MAX:
            raise unsafe(Flaw.PICKLE_HOLDS_TOO_MUCH)

    def push_number(self, number: Any) -> None:
        """Put a number on the stack; of very many only that they are numbers."""
        self.values.append(lean_number(number) if len(self.values) > FEW else number)

    def push_text(self, text: Any) -> None:
        """Put a text on the stack; of very many only whether a rule could ask for it."""
        if len(self.values) > FEW and type(text) is str:
            text = lean_text(text)
        self.values.append(known(text))

    def pop(self) -> Any:
        """Take the last value. Raises Refused."""
        if len(self.values) <= (self.marks[-1] if self.marks else 0):
            raise self.odd(Flaw.PICKLE_NO_VALUE)
        return self.values.pop()

    def top(self) -> Any:
        """Look at the last value. Raises Refused."""
        if len(self.values) <= (self.marks[-1] if self.marks else 0):
            raise self.odd(Flaw.PICKLE_NO_VALUE)
        return self.values[-1]

    def mark(self) -> None:
        """MARK."""
        if len(self.marks) > _MARKS_MAX:
            raise unsafe(Flaw.PICKLE_NESTED)
        self.marks.append(len(self.values))

    def marked(self) -> tuple[Any, ...]:
        """Take the values after the last mark, and the mark. Raises Refused."""
        if not self.marks:
            raise self.odd(Flaw.PICKLE_NO_MARK)
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
        self.keep(self.top(), number)

    def memoize(self) -> None:
        """MEMOIZE: keep the last value under the next number."""
        self.put(self.memo_count)

    def group(self, items: tuple[Any, ...]) -> None:
        """Put a tuple on the stack."""
        nested = 0
        for item in items:
            of = type(item)
            if of is Box:
                self.use(item)
            elif of is Group:
                nested += 1
        made = Group(self.hold(items, nested) if nested else items)
        if made.deep:
            self.require_shallow(made)
        if made.depth > DEPTH_MAX:
            self.look(_DEEP)
        self.push_new(made)

    def group_of(self, count: int) -> None:
        """TUPLE1 to TUPLE3."""
        start = len(self.values) - count
        if start < (self.marks[-1] if self.marks else 0):
            raise self.odd(Flaw.PICKLE_NO_VALUE)
        items = tuple(self.values[start:])
        del self.values[start:]
        self.group(items)

    def empty(self) -> None:
        """EMPTY_TUPLE."""
        self.push_new(EMPTY)

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
            raise self.harmful(Flaw.PICKLE_FILLS_FOREIGN)
        if target.used or target.had_state:
            raise self.harmful(Flaw.PICKLE_CHANGES_USED)
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
                self.nest(target, member)
                if type(member) is Box:
                    self.use(member)
            shared &= found
            if not target.count:
                target.first = found
            target.count += 1
        if not shared & VALUE:
            raise self.harmful(Flaw.PICKLE_LIST_MEMBER)
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
            raise self.harmful(Flaw.PICKLE_KEY)

    def fill(self, entries: tuple[Any, ...]) -> None:
        """SETITEMS and DICT: keys and values by turns."""
        if not entries:
            self.top()
            return
        target = self._open_box(_MAPPINGS)
        in_itself = False
        for key, value in zip(entries[::2], entries[1::2], strict=False):
            self._entry(target, key, value)
            in_itself = in_itself or value is target
        if in_itself:
            self._require_value(target)
        if len(entries) % 2:
            raise self.odd(Flaw.PICKLE_KEY_WITHOUT_VALUE)

    def set_item(self) -> None:
        """SETITEM: one key, one value."""
        value, key = self.pop(), self.pop()
        target = self._open_box(_MAPPINGS)
        self._entry(target, key, value)
        if value is target:
            self._require_value(target)

    def _require_value(self, target: Box) -> None:
        """Refuse a dict in itself that is no value: it was taken for one when it came."""
        if not target.kinds & VALUE:
            raise self.harmful(Flaw.PICKLE_DICT_IN_ITSELF)

    def _entry(self, target: Box, key: Any, value: Any) -> None:
        of_key = kinds(key)
        of_value = LEAVES.get(type(value), 0)
        if not of_value:
            of_value = value.kinds
            self.nest(target, value)
            if type(value) is Box:
                self.use(value)
        if not of_key & KEY and not (target.form == "dict" and named(key, "callback")):
            raise self.harmful(Flaw.PICKLE_KEY)
        hidden = key is UNREAD or (type(key) is str and key.startswith("__"))
        allowed = VALUE | MODULE if target.form == "OrderedDict" else VALUE
        if target.row is not None and not of_value & allowed:
            raise self.harmful(Flaw.PICKLE_OBJECT_MEMBER)
        if hidden and target.form == "AttributeDict":  # its keys can be read as attributes
            raise self.harmful(Flaw.PICKLE_HIDDEN_KEY)
        target.keys &= of_key
        target.members &= of_value
        target.count += 1
        target.hidden = target.hidden or hidden
        if not of_value & VALUE or key in WATCHED or (type(value) is Group and not of_value & DATA):
            target.note(key, value)
            self.pay(80)
