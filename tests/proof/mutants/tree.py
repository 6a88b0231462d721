"""Pickles as trees: what builds a value is the opcodes of its parts, and its own between them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from tests.proof.assemble import FROZENSET, MARK, MEMOIZE

At = tuple[int, ...]
"""The way to a node: the place of each piece on it."""


@dataclass(frozen=True, slots=True)
class Node:
    """One value: opcodes and parts, in the order in which they stand."""

    pieces: tuple[bytes | Node, ...]

    def write(self) -> bytes:
        """Return the opcodes."""
        out = list[bytes]()
        todo: list[bytes | Node] = [self]
        while todo:
            piece = todo.pop()
            if isinstance(piece, bytes):
                out.append(piece)
            else:
                todo.extend(reversed(piece.pieces))
        return b"".join(out)

    @property
    def code(self) -> bytes:
        """The opcode that makes the value, without its argument."""
        last = self.pieces[-1]
        return last[:1] if isinstance(last, bytes) else b""

    @property
    def parts(self) -> list[Node]:
        """The values of which this one is made."""
        return [piece for piece in self.pieces if isinstance(piece, Node)]


def atom(data: bytes) -> Node:
    """Make a node of opcodes."""
    return Node((data,))


def contains(outer: At, inner: At) -> bool:
    """Tell whether one node lies in another, or is it."""
    return inner[: len(outer)] == outer


def walk(node: Node, at: At = ()) -> Iterator[tuple[At, Node]]:
    """Yield every node below, with its path."""
    yield at, node
    for place, piece in enumerate(node.pieces):
        if isinstance(piece, Node):
            yield from walk(piece, (*at, place))


def put(node: Node, at: At, new: Node) -> Node:
    """Return the tree with another node at a path."""
    if not at:
        return new
    pieces = list(node.pieces)
    below = pieces[at[0]]
    assert isinstance(below, Node)
    pieces[at[0]] = put(below, at[1:], new)
    return Node(tuple(pieces))


_FIXED = {
    **dict.fromkeys(
        b"(.012NQRabdelostu)]}\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98", 0
    ),
    **dict.fromkeys(b"Khq\x80\x82", 1),
    **dict.fromkeys(b"M\x83", 2),
    **dict.fromkeys(b"Jjr\x84", 4),
    ord("G"): 8,
    0x95: 8,
}
_COUNTED = {
    **dict.fromkeys(b"U\x8cC\x8a", 1),
    **dict.fromkeys(b"TXB\x8b", 4),
    **dict.fromkeys(b"\x8d\x8e\x96", 8),
}
_LINES = {**dict.fromkeys(b"FILSVPpg", 1), **dict.fromkeys(b"ci", 2)}
_WIDTHS = {1: "<B", 4: "<I", 8: "<Q"}


class Unreadable(ValueError):
    """The pickle can't be taken apart."""


def opcodes(data: bytes) -> Iterator[bytes]:
    """Yield the opcodes with their arguments up to STOP, which is left out. Raises Unreadable."""
    at = 0
    while at < len(data):
        code = data[at]
        if code in _FIXED:
            end = at + 1 + _FIXED[code]
        elif code in _COUNTED:
            width = _COUNTED[code]
            try:
                end = at + 1 + width + struct.unpack_from(_WIDTHS[width], data, at + 1)[0]
            except struct.error:
                raise Unreadable from None
        elif code in _LINES:
            end = at
            for _ in range(_LINES[code]):
                end = data.find(b"\n", end) + 1
                if not end:
                    raise Unreadable
        else:
            raise Unreadable
        if data[at : at + 1] == b".":
            return
        if end > len(data):
            raise Unreadable
        yield data[at:end]
        at = end
    raise Unreadable


_TAKEN = {
    b"\x85": 1,
    b"\x86": 2,
    b"\x87": 3,
    b"R": 2,
    b"\x81": 2,
    b"\x92": 3,
    b"\x93": 2,
    b"Q": 1,
    b"b": 2,
    b"s": 3,
    b"a": 2,
}
_MARKED = frozenset((b"t", b"l", b"d", FROZENSET, b"o", b"i"))
_FILLED = frozenset((b"u", b"e", b"\x90"))
_KEPT = frozenset((b"p", b"q", b"r", MEMOIZE))
_READ = frozenset((b"P", b"\x97", b"\x98"))


def parse(data: bytes, *, inline: bool = True) -> Node:
    """Take a pickle apart; `inline` replaces what the memo hands on by what it holds.

    Raises Unreadable.
    """
    return _Parser(inline=inline).run(data)


class _Parser:
    def __init__(self, *, inline: bool) -> None:
        self.inline = inline
        self.stack: list[Node | None] = []  # None is a mark
        self.memo: dict[bytes, Node] = {}
        self.before = b""  # opcodes that leave no value

    def run(self, data: bytes) -> Node:
        for told in opcodes(data):
            self.step(told[:1], told)
        if len(self.stack) != 1 or self.stack[0] is None:
            raise Unreadable
        return self.stack[0]

    def step(self, code: bytes, told: bytes) -> None:
        if code in (b"\x80", b"\x95"):
            return
        if code == MARK:
            self.stack.append(None)
        elif code in _TAKEN:
            taken = [self.pop() for _ in range(_TAKEN[code])]
            self.push(*reversed(taken), told)
        elif code in _MARKED:
            self.push(MARK, *self.marked(), told)
        elif code in _FILLED:
            items = self.marked()
            self.push(self.pop(), MARK, *items, told)
        elif code in _KEPT:
            self.keep(told)
        elif code in (b"g", b"h", b"j"):
            self.get(told)
        elif code == b"0":
            self.drop()
        elif code == b"1":
            self.before += MARK + b"".join(node.write() for node in self.marked()) + told
        elif code == b"2":
            top = self.pop()
            self.stack += [top, top]
        elif code in _READ:
            raise Unreadable
        else:
            self.push(told)

    def push(self, *pieces: bytes | Node) -> None:
        before = (self.before,) if self.before else ()
        self.before = b""
        self.stack.append(Node((*before, *pieces)))

    def pop(self) -> Node:
        if not self.stack or self.stack[-1] is None:
            raise Unreadable
        top = self.stack.pop()
        assert top is not None
        return top

    def marked(self) -> list[Node]:
        taken = list[Node]()
        while self.stack:
            top = self.stack.pop()
            if top is None:
                return taken[::-1]
            taken.append(top)
        raise Unreadable

    def drop(self) -> None:
        if self.stack and self.stack[-1] is None:
            self.stack.pop()
            self.before += MARK + b"0"
        else:
            self.before += self.pop().write() + b"0"

    def keep(self, told: bytes) -> None:
        key = str(len(self.memo)).encode() if told == MEMOIZE else _key(told)
        self.memo[key] = self.pop()
        if self.inline:
            self.stack.append(self.memo[key])
        else:
            self.stack.append(Node((self.memo[key], told)))

    def get(self, told: bytes) -> None:
        if not self.inline:
            self.push(told)
            return
        node = self.memo.get(_key(told))
        if node is None:
            raise Unreadable
        self.push(*node.pieces)


def _key(told: bytes) -> bytes:
    if told[:1] in b"pg":
        return told[1:].strip()
    return str(int.from_bytes(told[1:], "little")).encode()
