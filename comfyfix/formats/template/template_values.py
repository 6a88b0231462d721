"""What a value in a template can be: surely no text, or a text that is written out.

Taken is what a name is given anywhere in the template, in whatever order and scope. A name counts
only if all of that counts, by these rules, which start from all names and drop what fails.

*No text* are
- numbers, true, false, none, lists, mappings, comparisons, tests and `not`;
- `-`, `/`, `//`, `**` and signs, which no text knows; `+` beside something that is no text, and `%`
  after it (`"%s" % 1` is a text); `*`, `and`, `or` and `if` of nothing else;
- filters that count or list; `int` and `float` without a value for what is no number;
- the numbers of `loop`; what runs through `range()`, or through a list of such values;
- what is set on a namespace, under a name that never gets anything else on any namespace.

*Plain* is what is no text, a text that is written out and names nothing inside (the caller says
which do), `and`, `or` and `if` of such, and what of these runs through a list.

A macro gets what all its calls hand it. A name that was given nothing is the caller's, and may be
the text of a token, which is in the file as well: so names with "token" in them never count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jinja2 import nodes

from comfyfix.formats.template.template_reads import children

_ROUNDS_MAX = 20  # of dropping names; real templates need three
_LOOP = {
    *("index", "index0", "revindex", "revindex0", "length", "depth", "depth0", "first", "last"),
}
_COUNTS = {
    *(
        "length",
        "count",
        "wordcount",
        "abs",
        "round",
        "list",
        "items",
        "dictsort",
        "batch",
        "slice",
    ),
}
_SIGNS = (nodes.Sub, nodes.Div, nodes.FloorDiv, nodes.Pow, nodes.Neg, nodes.Pos)
_NO_TEXTS = (nodes.List, nodes.Tuple, nodes.Dict, nodes.Slice, nodes.Compare, nodes.Test, nodes.Not)
_SAME_ITEMS = {"list", "reverse", "sort", "unique"}
_Given = nodes.Node | None
"""What a name is given: a value, what runs through a loop, or anything."""
_Is = Callable[[nodes.Node], bool]


@dataclass(slots=True)
class _Standing:
    """The names, and the names on namespaces, of which something is not disproved yet."""

    names: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()


class Values:
    """What the names of one template, and what is set on its namespaces, can be.

    `is_inner` tells of a text whether it names an attribute that leads inside.
    """

    def __init__(self, template: nodes.Template, is_inner: Callable[[str], bool]) -> None:
        self._is_inner = is_inner
        self.given = defaultdict[str, list[_Given]](list)
        self._kept = defaultdict[str, list[_Given]](list)
        self._macros = defaultdict[str, list[nodes.Macro]](list)
        self._calls = defaultdict[str, list[nodes.Call]](list)
        self._uses = defaultdict[str, int](int)
        for node in _every(template):
            self._collect(node)
        for macros in self._macros.values():
            self._hand_over(macros)
        spaces = {name for name, given in self.given.items() if all(map(_is_space, given))}
        self._spaces = spaces if "namespace" not in self.given else set[str]()
        names = frozenset(name for name in self.given if "token" not in name)
        self._no_text = _Standing(names, frozenset(self._kept))
        self._settle(self._no_text, self.never_text)
        self._plain = _Standing(names, frozenset(self._kept))
        self._settle(self._plain, self.is_plain)

    def never_text(self, value: nodes.Node) -> bool:
        """Tell whether a value is no text, whatever the caller hands to the template."""
        never = self.never_text
        match value:
            case nodes.Const():
                return not isinstance(value.value, str)
            case nodes.Name():
                return value.name in self._no_text.names
            case nodes.Add():
                return never(value.left) or never(value.right)
            case nodes.Mod():
                return never(value.left)
            case nodes.Mul():
                return never(value.left) and never(value.right)
            case nodes.Filter(name="int" | "float"):
                return not (value.args or value.kwargs or value.dyn_args or value.dyn_kwargs)
            case nodes.Filter():
                return value.name in _COUNTS
            case nodes.Getattr(node=nodes.Name(name="loop")):
                return value.attr in _LOOP and "loop" not in self.given
            case nodes.Call():
                return self._is_range(value)
        return isinstance(value, (*_SIGNS, *_NO_TEXTS)) or self._of_parts(
            value, self._no_text, never
        )

    def is_plain(self, value: nodes.Node) -> bool:
        """Tell whether a value is no text, or a text that is written out and leads nowhere."""
        match value:
            case nodes.Const(value=str()):
                return not self._is_inner(value.value)
            case nodes.Name():
                return value.name in self._plain.names or self.never_text(value)
        return self.never_text(value) or self._of_parts(value, self._plain, self.is_plain)

    def _of_parts(self, value: nodes.Node, standing: _Standing, is_: _Is) -> bool:
        match value:
            case nodes.And() | nodes.Or():
                return is_(value.left) and is_(value.right)
            case nodes.CondExpr():
                return is_(value.expr1) and (value.expr2 is None or is_(value.expr2))
            case nodes.Getattr(node=nodes.Name() as space):
                return space.name in self._spaces and value.attr in standing.kept
        return False

    def _runs_through(self, iterated: nodes.Node, is_: _Is) -> bool:
        """Tell whether all that runs through something is of a kind."""
        match iterated:
            case nodes.List() | nodes.Tuple():
                return all(map(is_, iterated.items))
            case nodes.Filter(node=nodes.Expr() as inner) if iterated.name in _SAME_ITEMS:
                return self._runs_through(inner, is_)
            case nodes.Getitem(arg=nodes.Slice()):
                return self._runs_through(iterated.node, is_)
        return self._is_range(iterated)

    def _is_range(self, value: nodes.Node) -> bool:
        return _calls(value, "range") and "range" not in self.given

    def _settle(self, standing: _Standing, is_: _Is) -> None:
        """Drop names until all that is left stands. Past the rounds nothing is left."""

        def stands(value: _Given) -> bool:
            if isinstance(value, nodes.For):
                return self._runs_through(value.iter, is_)
            return value is not None and is_(value)

        for _ in range(_ROUNDS_MAX):
            before = (standing.names, standing.kept)
            standing.names, standing.kept = (
                frozenset(name for name in names if all(map(stands, given[name])))
                for names, given in zip(before, (self.given, self._kept), strict=True)
            )
            if before == (standing.names, standing.kept):
                return
        standing.names = standing.kept = frozenset()

    def _collect(self, node: nodes.Node) -> None:
        match node:
            case nodes.Assign():
                self._give(node.target, node.node)
            case nodes.For():
                self._give(node.target, node)
            case nodes.With():
                for name, value in zip(node.targets, node.values, strict=True):
                    self._give(name, value)
            case nodes.AssignBlock():
                self._give(node.target, None)
            case nodes.Macro():
                self.given[node.name].append(None)
                self._macros[node.name].append(node)
            case nodes.CallBlock():
                for argument in node.args:
                    self._give(argument, None)
            case nodes.Call(node=nodes.Name() as called):
                self._calls[called.name].append(node)
                for keyword in node.kwargs if called.name == "namespace" else ():
                    self._kept[keyword.key].append(keyword.value)
            case nodes.Name(ctx="load"):
                self._uses[node.name] += 1

    def _give(self, target: nodes.Node, value: _Given) -> None:
        match target:
            case nodes.Name():
                self.given[target.name].append(value)
            case nodes.NSRef():
                self._kept[target.attr].append(value)
            case nodes.Tuple():
                for item in target.items:
                    self._give(item, None)

    def _hand_over(self, macros: list[nodes.Macro]) -> None:
        """Give the parameters of a macro what its calls hand over, if all of them are known."""
        macro = macros[0]
        calls = self._calls[macro.name]
        known = len(macros) == len(self.given[macro.name]) == 1
        known = known and len(calls) == self._uses[macro.name]
        known = known and all(call.dyn_args is call.dyn_kwargs is None for call in calls)
        for place, name in enumerate(argument.name for each in macros for argument in each.args):
            if not known:
                self.given[name].append(None)
                continue
            for call in calls:
                if place < len(call.args):
                    self.given[name].append(call.args[place])
                self.given[name] += (word.value for word in call.kwargs if word.key == name)
        if known:
            for argument, default in zip(macro.args[::-1], macro.defaults[::-1], strict=False):
                self.given[argument.name].append(default)


def _every(template: nodes.Node) -> Iterator[nodes.Node]:
    todo = [template]
    while todo:
        node = todo.pop()
        yield node
        todo += children(node)


def _calls(node: object, name: str) -> bool:
    match node:
        case nodes.Call(node=nodes.Name() as called):
            return called.name == name
    return False


def _is_space(given: _Given) -> bool:
    """Tell whether a value is a namespace that holds what its keywords say."""
    return _calls(given, "namespace") and not (
        isinstance(given, nodes.Call) and (given.args or given.dyn_args or given.dyn_kwargs)
    )
