"""A pickle followed instruction by instruction, with the kinds of values in place of values.

Nothing is imported, nothing is called. Each instruction of Python's reader is modelled here, or the
file is unsafe: see the rules in the package's docstring.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from comfyfix.formats.finding import unsafe
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.pickle import reader
from comfyfix.formats.pickle.calling import Calling
from comfyfix.formats.pickle.kinds import (
    BYTES,
    DATA,
    KEY,
    VALUE,
    Box,
    Made,
    Plain,
    Storage,
    kinds,
)
from comfyfix.formats.pickle.reader import CONSTANTS, MEMO_NUMBERS, NUMBERS, OTHERS, TEXTS
from comfyfix.formats.pickle.source import Source
from comfyfix.formats.pickle.special import container, storage
from comfyfix.formats.pickle.stack import Stack
from comfyfix.formats.pickle.states import changes_state, is_root, may_have_state

INSTRUCTIONS_MAX = 25_000_000
STOP = ord(".")
_ROUND = 4096  # instructions between two looks at the size of the stack
_ARGUMENTS_MAX = 64
_FROZEN = Plain(KEY | DATA | VALUE)
Arrays = Callable[["Machine", Box], Any]


class Machine(Calling):
    """Follows one pickle. `storages` are the weights that it names, by key.

    `arrays` reads the bytes of an array that joblib has put into the pickle, and returns what
    stands for it; without it they are read as instructions, as others would.
    """

    def __init__(
        self,
        source: Source,
        *,
        arrays: Arrays | None = None,
        keeps: bool = False,
        doubted: bool = False,
    ) -> None:
        super().__init__(source, keeps=keeps, doubted=doubted)
        self.arrays = arrays
        self.storages: dict[str, Storage] = {}
        self.wrapped = False

    def run(self) -> Any:
        """Follow the pickle to its STOP; return what stands for its value. Raises Refused."""
        take, steps = self.source.instruction, _STEPS
        for _ in range(INSTRUCTIONS_MAX // _ROUND):
            for _ in range(_ROUND):
                step = steps[take()]
                if step is None:
                    return self._result()
                step(self)
            self.require_room()
        raise unsafe(Flaw.PICKLE_MANY_INSTRUCTIONS, most=INSTRUCTIONS_MAX)

    def unknown(self) -> None:
        """What is no instruction of any protocol."""
        raise self.odd(Flaw.PICKLE_NO_INSTRUCTION)

    def _result(self) -> Any:
        value = self.pop()
        if self.foreign is not None:
            raise self.foreign
        if self.values or self.marks:
            raise self.harmful(Flaw.PICKLE_LEAVES_VALUES)
        if not is_root(value):
            raise self.harmful(Flaw.PICKLE_OTHER_VALUE)
        if self.source.complaint is not None:
            raise self.source.complaint
        if self.source.at < self.source.frame_end:  # what is read next would depend on the reader
            raise self.harmful(Flaw.PICKLE_FRAME_NOT_ENDED)
        return value

    def build(self) -> None:
        """BUILD: give an object its state."""
        state, target = self.pop(), self.top()
        if not isinstance(target, Made | Box):
            raise self.harmful(Flaw.PICKLE_CHANGES_FOREIGN)
        self.look_at(state)
        if not may_have_state(target, state):
            if target.row is None:
                raise self.harmful(Flaw.PICKLE_STATE_OF_PLAIN)
            raise self.harmful(Flaw.PICKLE_STATE_ODD, made=target.row)
        if isinstance(state, Box):
            if changes_state(target):
                state.used, state.members = True, 0  # it is nobody else's any more
            else:
                self.use(state)
        target.had_state = True
        if isinstance(target, Made) and target.row.state == "array":
            target.deep = 0  # it is whole now: see `made_of`
        self.nest(target, state)
        if isinstance(target, Made) and "array_wrapper" in target.row.roles:
            self.wrapped = True
            if self.arrays is not None:
                self.values[-1] = self.arrays(self, state)

    def persistent(self) -> None:
        """BINPERSID: weights that lie beside the pickle."""
        asked = self.pop()
        weights = storage(asked)
        found = container(asked)
        if weights is not None:
            key, told_of = weights
            # A reader believes the first that it meets, and may read past the end by another.
            if self.storages.setdefault(key, told_of) != told_of:
                raise self.harmful(Flaw.PICKLE_WEIGHTS_CONTRADICT)
            self.pay(200)
            self.push(told_of)
        elif found is not None:
            self.push(found)
        else:
            self.refuse()

    def frozen(self) -> None:
        """FROZENSET."""
        members = self.marked()
        self.require_keys(members)
        self.push(_FROZEN)

    def refuse(self) -> None:
        """EXT1 to EXT4, PERSID, and buffers that lie elsewhere: for readers that know of them."""
        flaw = Flaw.PICKLE_ASKS_READER
        raise self.odd(flaw) if self.is_doubtful else self.harmful(flaw)

    def make_readonly(self) -> None:
        """READONLY_BUFFER: of bytes it makes something new, of all else nothing."""
        if not self.is_doubtful or not kinds(self.top()) & BYTES:
            self.refuse()


_Step = Callable[[Machine], None]


def _memo(read: Callable[[Source], int], act: Callable[[Machine, int], None]) -> _Step:
    return lambda machine: act(machine, read(machine.source))


def _constant(value: Any) -> _Step:
    return lambda machine: machine.values.append(value)


def _read(read: Callable[[Source], Any], push: Callable[[Machine, Any], None]) -> _Step:
    return lambda machine: push(machine, read(machine.source))


_BY_CODE: dict[int, _Step] = {
    ord("("): Machine.mark,
    ord("0"): Machine.drop,
    ord("1"): Machine.drop_marked,
    ord("2"): lambda machine: machine.push(machine.top()),
    ord("P"): Machine.refuse,
    ord("Q"): Machine.persistent,
    ord("R"): Machine.reduce,
    ord("a"): lambda machine: machine.append((machine.pop(),)),
    ord("b"): Machine.build,
    ord("c"): Machine.named,
    ord("d"): lambda machine: machine.box("dict", machine.marked()),
    ord("}"): lambda machine: machine.box("dict"),
    ord("e"): lambda machine: machine.append(machine.marked()),
    **{code: _memo(MEMO_NUMBERS[code], Machine.get) for code in b"ghj"},
    ord("i"): Machine.instance,
    ord("l"): lambda machine: machine.box("list", machine.marked()),
    ord("]"): lambda machine: machine.box("list"),
    ord("o"): Machine.marked_instance,
    **{code: _memo(MEMO_NUMBERS[code], Machine.put) for code in b"pqr"},
    0x94: Machine.memoize,
    ord("s"): Machine.set_item,
    ord("t"): lambda machine: machine.group(machine.marked()),
    ord(")"): Machine.empty,
    ord("u"): lambda machine: machine.fill(machine.marked()),
    0x80: Machine.set_protocol,
    0x81: Machine.new,
    **dict.fromkeys(b"\x82\x83\x84\x97", Machine.refuse),
    0x98: Machine.make_readonly,
    0x85: lambda machine: machine.group_of(1),
    0x86: lambda machine: machine.group_of(2),
    0x87: lambda machine: machine.group_of(3),
    0x8F: lambda machine: machine.box("set"),
    0x90: lambda machine: machine.add(machine.marked()),
    0x91: Machine.frozen,
    0x92: Machine.new_with_keywords,
    0x93: Machine.named_on_stack,
    0x95: lambda machine: reader.frame(machine.source),
    **{code: _constant(value) for code, value in CONSTANTS.items()},
    **{code: _read(read, Stack.push_number) for code, read in NUMBERS.items()},
    **{code: _read(read, Stack.push_text) for code, read in TEXTS.items()},
    **{code: _read(read, Stack.push) for code, read in OTHERS.items()},
}
_STEPS: list[_Step | None] = [_BY_CODE.get(code, Machine.unknown) for code in range(256)]
_STEPS[STOP] = None
