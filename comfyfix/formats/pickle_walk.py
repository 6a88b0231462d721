"""A pickle followed instruction by instruction, with names and shapes in place of values.

Everything that an unpickler could import, call or build is held against `pickle_allowed`; what is
not certain is refused. Nothing is imported, nothing is called.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from comfyfix.files import printable
from comfyfix.formats.finding import Refused
from comfyfix.formats.pickle_allowed import Use, allowed
from comfyfix.formats.pickle_ops import STOP, Argument, instructions
from comfyfix.formats.pickle_stack import Stack
from comfyfix.formats.pickle_values import (
    DICT,
    MARK,
    PLAIN,
    SET,
    Made,
    Name,
    Storage,
    call_checked,
    storage,
)
from comfyfix.formats.window import Window

_MODULE = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)


class ForeignImport(Refused):
    """The pickle wants to import `module` and `name`, which are not among the allowed."""

    def __init__(self, module: str, name: str, place: int) -> None:
        self.module = module
        self.name = name
        shown = printable(f"{module}.{name}", 80)
        super().__init__("unsafe", f"its pickle wants to import {shown} (at byte {place})")

    @property
    def is_meant(self) -> bool:
        """False for what other bytes read by chance as an import: they hardly name a module."""
        return bool(_MODULE.fullmatch(self.module) and _MODULE.fullmatch(self.name))


class Walk(Stack):
    """Follows one pickle. `storages` are the weights that it names, by key."""

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window = window
        self.storages: dict[str, Storage] = {}

    def run(self) -> Any:
        """Follow the pickle to its STOP; return what stands for its value. Raises Refused."""
        for place, code, argument in instructions(self.window):
            self.place = place
            if code in _VALUES:
                self.push(PLAIN if argument is None else argument)
            elif code != STOP:
                _STEPS[code](self, argument)
        value = self.pop()
        if self.values:
            raise self.odd("it leaves values behind")
        return value

    def _import(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise self.harmful("imports a name that is not written in it")
        module, use = allowed(module, name)
        if use is None:
            raise ForeignImport(module, name, self.place)
        self.push(Name(module, name, use))

    def named(self, argument: Argument) -> None:
        """GLOBAL."""
        if isinstance(argument, tuple):
            self._import(*argument)

    def named_on_stack(self, _: Argument) -> None:
        """STACK_GLOBAL: module and name may have come from anywhere, the memo too."""
        name, module = self.pop(), self.pop()
        self._import(module, name)

    def instance(self, argument: Argument) -> None:
        """INST: import a name and call it with what follows the mark."""
        values = self.marked()
        self.named(argument)
        self._call(self.pop(), values)

    def marked_instance(self, _: Argument) -> None:
        """OBJ: call the first value after the mark with the others."""
        values = self.marked()
        if not values:
            raise self.odd("it calls nothing")
        self._call(values[0], values[1:])

    def reduce(self, _: Argument) -> None:
        """REDUCE: call a value with a tuple of arguments."""
        arguments, called = self.pop(), self.pop()
        if not isinstance(arguments, tuple):
            raise self.odd("it calls with what is no tuple")
        self._call(called, arguments)

    def _call(self, called: Any, arguments: tuple[Any, ...]) -> None:
        if not isinstance(called, Name):
            raise self.harmful("calls something that it has made itself")
        self.hold(*arguments)
        if called.use is Use.CALL:
            self.push(Made(called))
            return
        if called.use is not Use.CHECKED:
            raise self.harmful(f"calls {called}, which may only be named")
        made = call_checked(called, arguments)
        if made is None:
            raise self.harmful(f"calls {called} with arguments that may do harm")
        self.push(made)

    def new(self, _: Argument) -> None:
        """NEWOBJ: make an object of a class without calling its `__init__`."""
        arguments, made_of = self.pop(), self.pop()
        if not isinstance(made_of, Name) or not isinstance(arguments, tuple):
            raise self.odd("it makes an object of what is no class")
        if made_of.use not in (Use.EMPTY, Use.CALL):
            raise self.harmful(f"makes an object of {made_of}")
        self.hold(*arguments)
        self.push(Made(made_of))

    def new_with_keywords(self, argument: Argument) -> None:
        """NEWOBJ_EX."""
        self.hold(self.pop())
        self.new(argument)

    def build(self, _: Argument) -> None:
        """BUILD: give an object its state."""
        state, target = self.pop(), self.top()
        if not isinstance(target, Made):
            raise self.harmful("changes what it has not made")
        # A pair would set attributes one by one, past the object's own dictionary.
        pair = isinstance(state, tuple) and len(state) == 2  # noqa: PLR2004 - a pair
        self.hold(state)
        if pair or not (isinstance(state, tuple) or state in (DICT, PLAIN)):
            raise self.harmful("sets attributes in a way that weights do not need")

    def persistent(self, _: Argument) -> None:
        """BINPERSID: weights that lie beside the pickle."""
        told = self.pop()
        weights = storage(told)
        if weights is not None:
            self.storages[weights[0]] = weights[1]
            self.push(PLAIN)
            return
        match told:
            case ("module", Name(use=Use.EMPTY) as kind, _, _):  # torch of 2017 kept sources so
                self.push(kind)
            case _:
                self.refuse(None)

    def read_on(self, _: Argument) -> None:
        """PROTO and FRAME: they tell a reader how to read."""

    def refuse(self, _: Argument) -> None:
        """EXT1 to EXT4, PERSID, and buffers that lie elsewhere."""
        raise self.harmful("asks its reader for something that is not in it")


_VALUES = frozenset(b"IJKLMFGNSTUVXBC\x88\x89\x8a\x8b\x8c\x8d\x8e\x96")
_STEPS: dict[int, Callable[[Walk, Any], None]] = {
    ord("("): lambda walk, _: walk.push(MARK),
    ord("0"): Walk.drop,
    ord("1"): Walk.drop_marked,
    ord("2"): Walk.again,
    ord("P"): Walk.refuse,
    ord("Q"): Walk.persistent,
    ord("R"): Walk.reduce,
    ord("a"): lambda walk, _: walk.extend((walk.pop(),)),
    ord("b"): Walk.build,
    ord("c"): Walk.named,
    ord("d"): lambda walk, _: walk.value_of_marked(DICT),
    ord("}"): lambda walk, _: walk.push(DICT),
    ord("e"): lambda walk, _: walk.extend(walk.marked()),
    **dict.fromkeys(b"ghj", Walk.get),
    ord("i"): Walk.instance,
    ord("l"): Walk.list_of_marked,
    ord("]"): lambda walk, _: walk.push([]),
    ord("o"): Walk.marked_instance,
    **dict.fromkeys(b"pqr\x94", Walk.put),
    ord("s"): lambda walk, _: walk.fill((walk.pop(), walk.pop())),
    ord("t"): Walk.tuple_of_marked,
    ord(")"): lambda walk, _: walk.push(()),
    **dict.fromkeys(b"u\x90", lambda walk, _: walk.fill(walk.marked())),
    0x80: Walk.read_on,
    0x81: Walk.new,
    **dict.fromkeys(b"\x82\x83\x84\x97\x98", Walk.refuse),
    0x85: lambda walk, _: walk.tuple_of(1),
    0x86: lambda walk, _: walk.tuple_of(2),
    0x87: lambda walk, _: walk.tuple_of(3),
    0x8F: lambda walk, _: walk.push(SET),
    0x91: lambda walk, _: walk.value_of_marked(PLAIN),
    0x92: Walk.new_with_keywords,
    0x93: Walk.named_on_stack,
    0x95: Walk.read_on,
}
