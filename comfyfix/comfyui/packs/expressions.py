"""Expressions of a node pack: how each kind of them is read."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from comfyfix.comfyui.packs import calls, methods, outside
from comfyfix.comfyui.packs.asking import LOOP_MAX, Asked, Locals
from comfyfix.comfyui.packs.choices import altered, either, items, joined
from comfyfix.comfyui.packs.conditions import PLAIN, truth
from comfyfix.comfyui.packs.filtered import narrowed
from comfyfix.comfyui.packs.source import CORE_MODULES, Module
from comfyfix.comfyui.packs.statements import bind
from comfyfix.comfyui.packs.values import (
    ITEMS_MAX,
    NAMES_MAX,
    UNKNOWN,
    Class,
    Declared,
    Dotted,
    FolderPaths,
    Function,
    Listing,
    as_key,
)

_Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp


def read(asked: Asked, node: ast.expr, module: Module, scope: Locals) -> Any:
    """The value of an expression, or UNKNOWN. Raises Spent."""
    reader = _READERS.get(type(node))
    return reader(asked, node, module, scope) if reader else UNKNOWN


def of_core(dotted: Dotted) -> bool:
    """Tell a class of the core's own modules by its dotted name."""
    return dotted.name.partition(".")[0] in CORE_MODULES


# -- names and their attributes --------------------------------------------------------------


def _constant(_asked: Asked, node: ast.Constant, _module: Module, _scope: Locals) -> Any:
    return node.value


def _name(asked: Asked, node: ast.Name, module: Module, scope: Locals) -> Any:
    if node.id in scope:
        value = asked.settled(scope[node.id], module)
        if not isinstance(value, PLAIN):  # of those it still counts that there was a choice
            scope[node.id] = value
        return value
    value = asked.name(module, node.id)
    # What is neither local nor of the module is a builtin, known by its name.
    return Dotted(node.id) if value is UNKNOWN and node.id not in module.names else value


def _attribute(asked: Asked, node: ast.Attribute, module: Module, scope: Locals) -> Any:
    owner = asked.value(node.value, module, scope)
    if isinstance(owner, Module):
        return asked.name(owner, node.attr)
    if isinstance(owner, Class):
        value = owner.name if node.attr == "__name__" else asked.attribute(owner, node.attr)
        if isinstance(value, Function) and calls.is_super(node.value):
            return replace(value, bound=scope.get("__bound__") or value.bound)
        if isinstance(value, Function) and _is_property(value):
            return asked.call(value, [], {})
        return value
    if isinstance(owner, Declared):
        return owner.keywords.get(node.attr, UNKNOWN)
    if isinstance(owner, Dotted):
        return outside.constant(asked.constants, Dotted(f"{owner.name}.{node.attr}"))
    return methods.attribute(owner, node.attr)


def _is_property(function: Function) -> bool:
    marks = [] if isinstance(function.node, ast.Lambda) else function.node.decorator_list
    names = (getattr(mark, "attr", getattr(mark, "id", "")) for mark in marks)
    return any(name.endswith("property") for name in names)


# -- texts, lists and dicts ------------------------------------------------------------------


def _sequence(
    asked: Asked, node: ast.List | ast.Tuple | ast.Set, module: Module, scope: Locals
) -> Any:
    values: list[Any] = []
    for element in node.elts[:ITEMS_MAX]:
        if isinstance(element, ast.Starred):
            spread = asked.value(element.value, module, scope)
            values += items(spread) if isinstance(spread, dict) else _spread(spread)
            asked.spend(len(values))
            del values[ITEMS_MAX:]
        else:
            values.append(asked.value(element, module, scope))
    return values


def _spread(value: Any) -> list[Any]:
    if isinstance(value, Listing):
        return [replace(value, one=False)]
    return value if isinstance(value, list) else items(value) or [UNKNOWN]


def _dict(asked: Asked, node: ast.Dict, module: Module, scope: Locals) -> Any:
    found: dict[Any, Any] = {}
    for key, item in zip(node.keys, node.values, strict=True):
        value = asked.value(item, module, scope)
        if key is None:
            asked.spend(len(value) if isinstance(value, dict) else 0)
            found.update(value if isinstance(value, dict) else {UNKNOWN: value})
        else:
            name = asked.value(key, module, scope)
            found[as_key(name)] = value
    return found


def _binary(asked: Asked, node: ast.BinOp, module: Module, scope: Locals) -> Any:
    left, right = (asked.value(side, module, scope) for side in (node.left, node.right))
    match node.op:
        case ast.Add():
            return joined(left, right)
        case ast.BitOr():
            if isinstance(left, dict) and isinstance(right, dict):
                asked.spend(len(left) + len(right))
                return {**left, **right}
            sides = [asked.registered.texts(side) for side in (left, right)]
            return [t for side in sides for t in side or ()] if None not in sides else UNKNOWN
        case ast.Div():
            return outside.path_of([left, right])
        case ast.Mod() if isinstance(left, str) and isinstance(right, str | list):
            return _filled(left, right if isinstance(right, list) else [right])
        case ast.Mod() if isinstance(left, str) and isinstance(right, Listing):
            return altered(right)
        case ast.Sub() if isinstance(left, int) and isinstance(right, int):
            return left - right
        case _:
            return UNKNOWN


def _filled(text: str, parts: list[Any]) -> Any:
    if len(parts) > NAMES_MAX or not all(isinstance(part, str | int) for part in parts):
        return UNKNOWN
    for part in parts:
        text = text.replace("%s", str(part), 1)[:ITEMS_MAX]
    return text


def _text(asked: Asked, node: ast.JoinedStr, module: Module, scope: Locals) -> Any:
    text: Any = ""
    for part in node.values:
        inner = part.value if isinstance(part, ast.FormattedValue) else part
        value = asked.value(inner, module, scope)
        if not isinstance(value, str | int | Listing | FolderPaths):
            return UNKNOWN
        if isinstance(value, FolderPaths):
            return UNKNOWN
        text = joined(text, str(value) if isinstance(value, int) else value)
    return text


def _either(asked: Asked, node: ast.IfExp, module: Module, scope: Locals) -> Any:
    known = truth(asked, node.test, module, scope)
    sides = [node.body, node.orelse] if known is None else [node.body if known else node.orelse]
    return either(asked.value(side, module, scope) for side in sides)


def _any_of(asked: Asked, node: ast.BoolOp, module: Module, scope: Locals) -> Any:
    return either(asked.value(side, module, scope) for side in node.values)


def _subscript(asked: Asked, node: ast.Subscript, module: Module, scope: Locals) -> Any:
    owner = asked.value(node.value, module, scope)
    if isinstance(node.slice, ast.Slice):
        return _sliced(asked, owner, node.slice, module, scope)
    key = asked.value(node.slice, module, scope)
    return methods.item(owner, key)


def _sliced(asked: Asked, owner: Any, part: ast.Slice, module: Module, scope: Locals) -> Any:
    if isinstance(owner, Listing) and owner.one:  # of a name: without its start, or its ending
        whole = owner.full and part.upper is None
        return replace(owner, full=False) if whole else replace(owner, altered=True)
    ends = [asked.value(end, module, scope) if end else None for end in (part.lower, part.upper)]
    plain = all(end is None or isinstance(end, int) for end in ends)
    if isinstance(owner, str):
        return owner[ends[0] : ends[1]] if plain else UNKNOWN
    return owner[ends[0] : ends[1]] if isinstance(owner, list) and plain else owner


# -- comprehensions and functions ------------------------------------------------------------


def _comprehension(asked: Asked, node: _Comprehension, module: Module, scope: Locals) -> Any:
    if isinstance(node, ast.DictComp):
        pairs: dict[Any, Any] = {}
        for inner in _rounds(asked, node.generators, module, scope):
            key = asked.value(node.key, module, inner)
            pairs[as_key(key)] = asked.value(node.value, module, inner)
        return pairs
    found = [
        asked.value(node.elt, module, inner)
        for inner in _rounds(asked, node.generators, module, scope)
    ]
    return found[:ITEMS_MAX]


def _rounds(
    asked: Asked, over: list[ast.comprehension], module: Module, scope: Locals
) -> Iterator[Locals]:
    if not over:
        yield scope
        return
    for item in items(asked.value(over[0].iter, module, scope))[:LOOP_MAX]:
        asked.spend(len(scope))
        inner = dict(scope)
        bind(inner, over[0].target, item)
        if all(truth(asked, test, module, inner) is not False for test in over[0].ifs):
            inner.update(narrowed(asked, over[0].ifs, module, inner))
            yield from _rounds(asked, over[1:], module, inner)


def _lambda(asked: Asked, node: ast.Lambda, module: Module, scope: Locals) -> Any:
    asked.spend(len(scope))
    return Function(node, module, around=dict(scope))


def _inner(
    asked: Asked, node: ast.Await | ast.Starred | ast.NamedExpr, module: Module, scope: Locals
) -> Any:
    value = asked.value(node.value, module, scope)
    if isinstance(node, ast.NamedExpr):
        scope[node.target.id] = value
    return value


_READERS: dict[type[ast.expr], Callable[..., Any]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.List: _sequence,
    ast.Tuple: _sequence,
    ast.Set: _sequence,
    ast.Dict: _dict,
    ast.BinOp: _binary,
    ast.JoinedStr: _text,
    ast.IfExp: _either,
    ast.BoolOp: _any_of,
    ast.Subscript: _subscript,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
    ast.Lambda: _lambda,
    ast.Await: _inner,
    ast.NamedExpr: _inner,
    ast.Call: calls.read,
}
