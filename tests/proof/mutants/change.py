"""Changes of which values stand where: each takes a tree and returns another one."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.proof.assemble import (
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_TUPLE,
    FALSE,
    MARK,
    NEWOBJ,
    NONE,
    OBJ,
    REDUCE,
    SETITEM,
    SETITEMS,
    TRUE,
    number,
    text,
)
from tests.proof.mutants.pool import Pool
from tests.proof.mutants.tree import At, Node, atom, contains, put, walk

Change = Callable[[Node, Random, Pool], Node]
TEXTS = (b"X", b"\x8c", b"U", b"V", b"S")
PLAIN = (b"K", b"J", b"M", b"N", b"\x88", b"\x89", b"\x8a")
INSTEAD = tuple(
    atom(told)
    for told in (
        *(number(told) for told in (0, 1, -1, 2**31, 2**70)),
        *(NONE, TRUE, FALSE, text(""), EMPTY_TUPLE, EMPTY_DICT, EMPTY_LIST),
    )
)


def pick(tree: Node, draw: Random, *codes: bytes) -> tuple[At, Node] | None:
    """Draw a node that one of these opcodes makes (any, where none is named)."""
    found = [(at, node) for at, node in walk(tree) if not codes or node.code in codes]
    return draw.choice(found) if found else None


def drawn(tree: Node, draw: Random) -> tuple[At, Node]:
    """Draw any node."""
    return draw.choice(list(walk(tree)))


def key_of(draw: Random, pool: Pool) -> Node:
    """Draw a text that means something to a reader."""
    return atom(text(draw.choice(pool.words)))


def replaced(tree: Node, draw: Random, pool: Pool) -> Node:
    """A node by one of the same kind from anywhere."""
    at, node = drawn(tree, draw)
    return put(tree, at, pool.like(node, draw))


def spliced(tree: Node, draw: Random, pool: Pool) -> Node:
    """A node by any other."""
    return put(tree, drawn(tree, draw)[0], pool.any(draw))


def pasted(tree: Node, draw: Random, pool: Pool) -> Node:
    """A node by a part of a hostile pickle."""
    return put(tree, drawn(tree, draw)[0], pool.hostile(draw))


def swapped(tree: Node, draw: Random, _: Pool) -> Node:
    """Two nodes change places."""
    (first, one), (second, other) = drawn(tree, draw), drawn(tree, draw)
    if contains(first, second) or contains(second, first):
        return tree
    return put(put(tree, first, other), second, one)


def joined(tree: Node, draw: Random, pool: Pool) -> Node:
    """Two honest values in one dict."""
    items = (key_of(draw, pool), tree, key_of(draw, pool), pool.whole(draw))
    return Node((EMPTY_DICT, MARK, *items, SETITEMS))


def named_otherwise(tree: Node, draw: Random, pool: Pool) -> Node:
    """A name by another one."""
    found = pick(tree, draw, b"c")
    return put(tree, found[0], pool.name(draw)) if found else tree


def told_otherwise(tree: Node, draw: Random, pool: Pool) -> Node:
    """A text by another one."""
    found = pick(tree, draw, *TEXTS)
    return put(tree, found[0], key_of(draw, pool)) if found else tree


def counted_otherwise(tree: Node, draw: Random, _: Pool) -> Node:
    """A number, truth value or None by another one."""
    found = pick(tree, draw, *PLAIN)
    return put(tree, found[0], draw.choice(INSTEAD)) if found else tree


def attributed(tree: Node, draw: Random, pool: Pool) -> Node:
    """A state gets one more attribute."""
    found = pick(tree, draw, b"b")
    if found is None:
        return tree
    at, node = found
    item = pool.any(draw) if draw.random() < 0.7 else pool.hostile(draw)
    state = Node((node.parts[-1], key_of(draw, pool), item, SETITEM))
    return put(tree, at, Node((*node.pieces[:-2], state, b"b")))


def built_again(tree: Node, draw: Random, pool: Pool) -> Node:
    """An object gets a state, or a second one."""
    found = pick(tree, draw, b"b", REDUCE, NEWOBJ, b"c", OBJ)
    if found is None:
        return tree
    state = pool.state(draw) if draw.random() < 0.7 else pool.any(draw)
    return put(tree, found[0], Node((found[1], state, b"b")))


def emptied(tree: Node, draw: Random, _: Pool) -> Node:
    """A node is left out of a container."""
    found = pick(tree, draw, SETITEMS, b"e", b"t", b"\x90")
    if found is None or len(found[1].parts) < 2:
        return tree
    at, node = found
    place = draw.randrange(len(node.pieces) - 1)
    return put(tree, at, Node(node.pieces[:place] + node.pieces[place + 1 :]))
