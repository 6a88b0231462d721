"""Whether a condition is sure to hold, or not to: then only one way is followed."""

from __future__ import annotations

import ast
from typing import Any

from comfyfix.comfyui.packs.asking import Asked, Locals
from comfyfix.comfyui.packs.source import Choice, Module
from comfyfix.comfyui.packs.values import UNKNOWN, Class, Function, Registry

PLAIN = (str, int, float, bool, type(None))


def truth(asked: Asked, test: ast.expr, module: Module, scope: Locals) -> bool | None:
    """True or False where that is sure, else None. Raises Spent."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            inner_truth = truth(asked, inner, module, scope)
            return None if inner_truth is None else not inner_truth
        case ast.BoolOp(op=op, values=values):
            told_all = [truth(asked, value, module, scope) for value in values]
            decides = isinstance(op, ast.Or)
            if decides in told_all:
                return decides
            return None if None in told_all else not decides
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            if _is_open(left, module, scope) or _is_open(right, module, scope):
                return None
            sides = (asked.value(side, module, scope) for side in (left, right))
            return _compared(asked, op, *sides)
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return False
        case ast.Name() if _is_open(test, module, scope):
            return None
        case ast.Constant() | ast.Name() | ast.Attribute():
            value = asked.value(test, module, scope)
            return bool(value) if isinstance(value, PLAIN) else None
        case _:
            return None


def _is_open(node: ast.expr, module: Module, scope: Locals) -> bool:
    """Tell a name that holds one of several values, by branches before."""
    return isinstance(node, ast.Name) and isinstance(
        scope.get(node.id, module.names.get(node.id)), Choice
    )


def _compared(asked: Asked, op: ast.cmpop, left: Any, right: Any) -> bool | None:
    if isinstance(op, ast.In | ast.NotIn):
        inside = _within(asked, left, right)
        return None if inside is None else inside == isinstance(op, ast.In)
    if isinstance(op, ast.Is | ast.IsNot) and right is None and isinstance(left, Function | Class):
        return isinstance(op, ast.IsNot)
    if not isinstance(left, PLAIN) or not isinstance(right, PLAIN):
        return None
    if isinstance(op, ast.Eq | ast.Is):
        return left == right
    return left != right if isinstance(op, ast.NotEq | ast.IsNot) else None


def _within(asked: Asked, left: Any, right: Any) -> bool | None:
    if isinstance(right, Registry):
        return asked.registered.knows(left) if isinstance(left, str) else None
    if not isinstance(left, str | int) or not isinstance(right, str | list | dict):
        return None
    if isinstance(right, str):
        return left in right if isinstance(left, str) else None
    if left in right:
        return True
    whole = all(isinstance(item, PLAIN) for item in right) and UNKNOWN not in right
    return False if whole and isinstance(right, list) else None
