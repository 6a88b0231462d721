"""Which values in a template are only read: printed, tested, compared, made text or a number.

Whatever object such a value is, the template can do nothing with it. So it is with one that is
given to a name which is nowhere used but to be read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from jinja2 import nodes

_ROUNDS_MAX = 8  # of dropping names; real templates need two
_TEXTUAL = {
    *("capitalize", "count", "e", "escape", "float", "forceescape", "int", "length", "lower"),
    *("replace", "safe", "string", "striptags", "title", "tojson", "trim", "upper"),
    *("urlencode", "wordcount"),
}
"""Filters that give a text or a number, in which no object lives on."""
_ONLY_READ_BY = ("raise_exception", "range", "strftime_now")
_READERS = (nodes.Output, nodes.Concat, nodes.Compare, nodes.Test, nodes.Not, nodes.Slice)
_HANDED_ON = (
    *(nodes.Add, nodes.And, nodes.Or, nodes.Neg, nodes.Pos, nodes.Sub, nodes.Mul, nodes.Mod),
    *(nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Operand),
    nodes.CondExpr,
)
"""Nodes whose value is made of those of their parts."""
Read = tuple[nodes.Node, bool]


def walk(template: nodes.Template, given: Collection[str]) -> list[Read]:
    """Return all nodes of a template, and of each whether it is only read.

    `given` are the names that the template gives something.
    """
    readers = frozenset(_ONLY_READ_BY).difference(given)
    only_read = frozenset(given)
    for _ in range(_ROUNDS_MAX):
        found = list(_nodes(template, only_read, readers))
        used = {
            node.name
            for node, read in found
            if isinstance(node, nodes.Name) and node.ctx == "load" and not read
        }
        if only_read.isdisjoint(used):
            return found
        only_read -= used
    return list(_nodes(template, frozenset(), readers))


def children(node: nodes.Node) -> list[nodes.Node]:
    """Return the nodes that a node is made of; three times as fast as jinja2's own way."""
    found: list[nodes.Node] = []
    for name in node.fields:
        value = getattr(node, name, None)
        if isinstance(value, nodes.Node):
            found.append(value)
        elif isinstance(value, list):
            found += [item for item in value if isinstance(item, nodes.Node)]
    return found


def _nodes(
    template: nodes.Template, only_read: frozenset[str], readers: frozenset[str]
) -> Iterator[Read]:
    todo: list[Read] = [(template, False)]
    while todo:
        node, read = todo.pop()
        yield node, read
        apart: nodes.Node | None = None  # a part that is read, whatever the others are
        rest = read and isinstance(node, _HANDED_ON)
        match node:
            case nodes.Assign(target=nodes.Name() as target):
                rest = target.name in only_read
            case nodes.Getitem():
                apart = node.arg
            case nodes.CondExpr() | nodes.If() | nodes.For():
                apart = node.test
            case nodes.Filter(name="default" | "d"):
                rest = read
            case nodes.Filter() if node.name in _TEXTUAL:
                apart = node.node  # what it is told can be what it gives
            case nodes.Call(node=nodes.Name() as called):
                rest = called.name in readers
            case _:
                rest = rest or isinstance(node, _READERS)
        todo += [(child, rest or child is apart) for child in children(node)]
