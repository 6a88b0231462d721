"""Calls in a node pack: of its functions and classes, of methods of values, of what is outside."""

from __future__ import annotations

import ast
from typing import Any

from comfyfix.comfyui.packs import methods, outside
from comfyfix.comfyui.packs.asking import Asked, Locals
from comfyfix.comfyui.packs.choices import items
from comfyfix.comfyui.packs.source import Module
from comfyfix.comfyui.packs.values import ITEMS_MAX, UNKNOWN, Class, Dotted, Function


def read(asked: Asked, node: ast.Call, module: Module, scope: Locals) -> Any:
    """What a call gives, or UNKNOWN. Raises Spent."""
    arguments, keywords = _arguments(asked, node, module, scope)
    if isinstance(node.func, ast.Attribute):
        owner = asked.value(node.func.value, module, scope)
        if methods.has(owner):
            outcome = methods.call(asked.registered, owner, node.func.attr, arguments, keywords)
            _keep(asked, node.func.value, owner, outcome, scope, module)
            return outcome.result
    called = asked.value(node.func, module, scope)
    if isinstance(called, Function):
        return asked.call(called, arguments, keywords)
    if isinstance(called, Class):
        return called  # an instance has what its class has
    if isinstance(called, Dotted):
        if called.name == "super":
            return _super(asked, scope)
        return outside.call(asked, module, called, arguments, keywords)
    return UNKNOWN


def _arguments(
    asked: Asked, node: ast.Call, module: Module, scope: Locals
) -> tuple[list[Any], dict[str, Any]]:
    arguments: list[Any] = []
    for argument in node.args[:ITEMS_MAX]:
        if isinstance(argument, ast.Starred):
            arguments += items(asked.value(argument.value, module, scope))
        else:
            arguments.append(asked.value(argument, module, scope))
    return arguments, {k.arg: asked.value(k.value, module, scope) for k in node.keywords if k.arg}


def _keep(
    asked: Asked,
    target: ast.expr,
    owner: Any,
    outcome: methods.Outcome,
    scope: Locals,
    module: Module,
) -> None:
    """A list of choices that a method added to is another value: give it to the name."""
    if outcome.changed is None or outcome.changed is owner:
        return
    match target:
        case ast.Name(id=name):
            names = scope if name in scope else module.names
            names[name] = outcome.changed
        case ast.Attribute(value=value, attr=name):
            holder = asked.value(value, module, scope)
            if isinstance(holder, Class):
                holder.given[name] = outcome.changed
        case ast.Subscript(value=value, slice=slice_):
            holder = asked.value(value, module, scope)
            key = asked.value(slice_, module, scope)
            methods.put(holder, key, outcome.changed)


def _super(asked: Asked, scope: Locals) -> Any:
    owner = scope.get("__class__")
    bases = asked.bases(owner) if isinstance(owner, Class) else []
    return bases[0] if bases else UNKNOWN


def is_super(node: ast.expr) -> bool:
    """Tell whether an expression is a call of `super`."""
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
    )
