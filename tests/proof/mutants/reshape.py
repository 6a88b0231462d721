"""Changes of how values are built: other instructions, other containers, the memo."""

from __future__ import annotations

from random import Random

from tests.proof.assemble import (
    ADDITEMS,
    APPEND,
    APPENDS,
    BUILD,
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_SET,
    EMPTY_TUPLE,
    FROZENSET,
    MARK,
    NEWOBJ,
    NEWOBJ_EX,
    NONE,
    OBJ,
    POP,
    REDUCE,
    SETITEM,
    SETITEMS,
    named,
    text,
)
from tests.proof.mutants import change
from tests.proof.mutants.change import Change, drawn, key_of, pick
from tests.proof.mutants.pool import Pool
from tests.proof.mutants.tree import Node, atom, contains, put

METHODS = ("forward", "forward_fuse", "forward_split")
CONTAINERS = (b"}", b"]", b"\x8f", SETITEMS, SETITEM, APPENDS, APPEND, ADDITEMS, REDUCE, b"d", b"l")
PLACES = (0, 1, 7, 255)
ORDERED = Node((named("collections.OrderedDict"), EMPTY_TUPLE, REDUCE))


def stated_otherwise(tree: Node, draw: Random, _: Pool) -> Node:
    """The state of an object in another spelling."""
    found = pick(tree, draw, BUILD)
    if found is None:
        return tree
    at, node = found
    state, none = node.parts[-1], atom(NONE)
    filled = state.code in (SETITEMS, SETITEM)
    spelled = (
        Node((none, state, b"\x86")),
        Node((state, none, b"\x86")),
        Node((state, state, b"\x86")),
        Node((state, b"\x85")),
        Node((ORDERED, *state.pieces[1:])) if filled else state,
    )
    return put(tree, at, Node((*node.pieces[:-2], draw.choice(spelled), BUILD)))


def called_otherwise(tree: Node, draw: Random, _: Pool) -> Node:
    """A call by another instruction."""
    found = pick(tree, draw, REDUCE, NEWOBJ)
    if found is None or len(found[1].parts) != 2:
        return tree
    at, node = found
    what, arguments = node.parts
    inside, name = arguments.parts, what.pieces[-1]
    spelled = [
        Node((what, arguments, NEWOBJ)),
        Node((what, arguments, REDUCE)),
        Node((what, arguments, EMPTY_DICT, NEWOBJ_EX)),
        Node((MARK, what, *inside, OBJ)),
        Node((what, arguments, REDUCE, EMPTY_DICT, BUILD)),
    ]
    if what.code == b"c" and isinstance(name, bytes):
        spelled.append(Node((MARK, *inside, b"i" + name[1:])))
    return put(tree, at, draw.choice(spelled))


def filled_otherwise(tree: Node, draw: Random, pool: Pool) -> Node:
    """Something is filled by one of the instructions that fill."""
    at, node = drawn(tree, draw)
    item = pool.any(draw)
    key = pool.any(draw) if draw.random() < 0.5 else key_of(draw, pool)
    spelled = (
        Node((node, item, APPEND)),
        Node((node, MARK, item, APPENDS)),
        Node((node, MARK, item, ADDITEMS)),
        Node((node, key, item, SETITEM)),
        Node((node, MARK, key, item, SETITEMS)),
    )
    return put(tree, at, draw.choice(spelled))


def wrapped(tree: Node, draw: Random, pool: Pool) -> Node:
    """A value becomes an argument, a key, a member of something else."""
    at, node = drawn(tree, draw)
    one = Node((node, b"\x85"))
    method = Node((node, text(draw.choice(METHODS)), b"\x86"))
    spelled = (
        Node((pool.name(draw), one, REDUCE)),
        Node((pool.name(draw), one, NEWOBJ)),
        Node((pool.called(draw), one, REDUCE)),
        Node((EMPTY_LIST, node, APPEND)),
        Node((EMPTY_DICT, node, NONE, SETITEM)),
        Node((EMPTY_DICT, text("x"), node, SETITEM)),
        Node((EMPTY_SET, MARK, node, ADDITEMS)),
        Node((MARK, node, FROZENSET)),
        Node((named("builtins.getattr"), method, REDUCE)),
        one,
    )
    return put(tree, at, draw.choice(spelled))


def shared(tree: Node, draw: Random, _: Pool) -> Node:
    """A value is kept, and taken again elsewhere: after it, before it, inside of itself."""
    (first, node), (second, _other) = drawn(tree, draw), drawn(tree, draw)
    place = bytes([draw.choice(PLACES)])
    kept, got = Node((node, b"q" + place)), atom(b"h" + place)
    if first == second:
        return put(tree, first, kept)
    if contains(first, second):
        return put(tree, first, put(kept, (0, *second[len(first) :]), got))
    if contains(second, first):
        return tree
    return put(put(tree, second, got), first, kept)


def kept_early(tree: Node, draw: Random, pool: Pool) -> Node:
    """An object is kept before its state comes, and stands in its own state."""
    found = pick(tree, draw, BUILD)
    if found is None:
        return tree
    at, node = found
    state = Node((node.parts[-1], key_of(draw, pool), b"h\x08", SETITEM))
    return put(tree, at, Node((*node.pieces[:-2], b"q\x08", state, BUILD)))


def filled_later(tree: Node, draw: Random, pool: Pool) -> Node:
    """A container is kept, used, and filled when that is done."""
    found = pick(tree, draw, *CONTAINERS)
    if found is None:
        return tree
    at, node = found
    kept = put(tree, at, Node((node, b"q\x09")))
    item = pool.any(draw) if draw.random() < 0.5 else pool.hostile(draw)
    key = key_of(draw, pool)
    later: tuple[tuple[bytes | Node, ...], ...] = (
        (MARK, key, item, SETITEMS),
        (item, APPEND),
        (MARK, item, ADDITEMS),
        (MARK, item, APPENDS),
        (pool.state(draw), BUILD),
    )
    return Node((kept, b"h\x09", *draw.choice(later), POP))


CHANGES: tuple[tuple[Change, int], ...] = (
    (change.replaced, 16),
    (change.spliced, 5),
    (change.pasted, 4),
    (change.swapped, 8),
    (change.joined, 6),
    (change.named_otherwise, 6),
    (change.told_otherwise, 8),
    (change.counted_otherwise, 6),
    (change.attributed, 8),
    (change.built_again, 4),
    (change.emptied, 5),
    (stated_otherwise, 4),
    (called_otherwise, 5),
    (filled_otherwise, 4),
    (wrapped, 8),
    (shared, 7),
    (kept_early, 3),
    (filled_later, 4),
)
"""Every change, and how often it is made."""
