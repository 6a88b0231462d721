"""What a condition leaves of a list: files with some endings, or the directories in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

from comfyfix.comfyui.packs.asking import LOOP_MAX, Asked, Locals
from comfyfix.comfyui.packs.choices import items, with_endings
from comfyfix.comfyui.packs.source import Module
from comfyfix.comfyui.packs.values import DIRECTORY, UNKNOWN, Function, Listing
from comfyfix.endings import LISTED

_ENDING = re.compile(r"\.[A-Za-z0-9]{2,16}")


def narrowed(
    asked: Asked, tests: Sequence[ast.expr], module: Module, scope: Locals
) -> dict[str, Listing]:
    """The names that hold one choice of a list, as conditions that hold leave it. Raises Spent."""
    found: dict[str, Listing] = {}
    for test in tests:
        endings = _endings(asked, test, module, scope)
        if endings:
            for name in _names(test):
                one = found.get(name, scope.get(name))
                if isinstance(one, Listing) and one.one:
                    found[name] = with_endings(one, endings)
    return found


def _names(test: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}


def _endings(asked: Asked, test: ast.expr, module: Module, scope: Locals) -> tuple[str, ...]:
    """The endings of which a choice must have one; none where that is not told."""
    match test:
        case ast.BoolOp(op=ast.Or(), values=values):
            of_each = [_endings(asked, value, module, scope) for value in values]
            return tuple(one for each in of_each for one in each) if all(of_each) else ()
        case ast.BoolOp(values=values):
            of_each = [_endings(asked, value, module, scope) for value in values]
            return next(filter(None, of_each), ())
        case ast.Call(func=ast.Attribute(attr="endswith", value=name), args=[ends]):
            return _texts(asked, ends, module, scope) if _is_name(name) else ()
        case ast.Call(func=ast.Attribute(attr="is_dir", value=name), args=[]):
            return (DIRECTORY,) if _is_name(name) else ()
        case ast.Call(func=ast.Attribute(attr="isdir") | ast.Name(id="isdir"), args=[_]):
            return (DIRECTORY,)
        case ast.Call(func=ast.Name(id="any"), args=[ast.GeneratorExp() as each]):
            return _of_any(asked, each, module, scope)
        case ast.Call(func=called, args=[name], keywords=[]) if _is_name(name):
            return _of_function(asked, asked.value(called, module, scope))
        case ast.Compare(
            left=ast.Constant(value=str(part)), ops=[ast.In()], comparators=[name]
        ) if _is_name(name) and _ENDING.fullmatch(part):
            return (part, *sorted(one for one in LISTED if one.startswith(part) and one != part))
        case ast.Compare(left=left, ops=[ast.In() | ast.Eq()], comparators=[right]):
            return _texts(asked, right, module, scope) if _is_ending(left) else ()
        case _:
            return ()


def _of_function(asked: Asked, function: Any) -> tuple[str, ...]:
    """A function of the pack that looks at the one name that it is given, and does nothing else."""
    if not isinstance(function, Function) or function.owner is not None:
        return ()
    body = function.node.body
    statements = body if isinstance(body, list) else [ast.Return(body)]
    statements = [one for one in statements if not isinstance(one, ast.Expr)]  # its docstring
    match function.node.args.args, statements:
        case [ast.arg(arg=name)], [ast.Return(value=ast.expr() as test)] if name in _names(test):
            asked.spend(len(function.around))
            return _endings(asked, test, function.module, {**function.around, name: UNKNOWN})
        case _:
            return ()


def _of_any(
    asked: Asked, generator: ast.GeneratorExp, module: Module, scope: Locals
) -> tuple[str, ...]:
    """`any(name.endswith(ending) for ending in ENDINGS)`."""
    match generator:
        case ast.GeneratorExp(
            elt=ast.Call(func=ast.Attribute(attr="endswith", value=name), args=[ends]),
            generators=[ast.comprehension(target=ast.Name(id=each), iter=over, ifs=[])],
        ) if _is_name(name):
            endings: list[str] = []
            for item in items(asked.value(over, module, scope))[:LOOP_MAX]:
                asked.spend(len(scope))
                one = _texts(asked, ends, module, {**scope, each: item})
                if not one:
                    return ()
                endings += one
            return tuple(endings)
        case _:
            return ()


def _texts(asked: Asked, node: ast.expr, module: Module, scope: Locals) -> tuple[str, ...]:
    value: Any = asked.value(node, module, scope)
    texts = [value] if isinstance(value, str) else list(value) if isinstance(value, list) else []
    whole = all(isinstance(one, str) and one and "/" not in one for one in texts)
    return tuple(texts) if texts and whole else ()


def _is_name(node: ast.expr) -> bool:
    """Tell a name, or what has its end: `name.lower()`, `path.name`, `os.path.basename(name)`."""
    match node:
        case ast.Name():
            return True
        case ast.Attribute(attr="name", value=inner):
            return _is_name(inner)
        case ast.Call(func=ast.Attribute(attr="lower" | "casefold" | "strip", value=inner)):
            return _is_name(inner)
        case ast.Call(func=ast.Attribute(attr="basename"), args=[inner]):
            return _is_name(inner)
        case ast.Call(func=ast.Name(id="str"), args=[inner]):
            return _is_name(inner)
        case _:
            return False


def _is_ending(node: ast.expr) -> bool:
    """Tell the ending of a name: `os.path.splitext(name)[1]`, `path.suffix`."""
    match node:
        case ast.Call(func=ast.Attribute(attr="lower", value=inner), args=[]):
            return _is_ending(inner)
        case ast.Attribute(attr="suffix", value=inner):
            return _is_name(inner) or isinstance(inner, ast.Call)
        case ast.Subscript(
            value=ast.Call(func=ast.Attribute(attr="splitext"), args=[inner]),
            slice=ast.Constant(value=1) | ast.UnaryOp(),
        ):
            return _is_name(inner)
        case _:
            return False
