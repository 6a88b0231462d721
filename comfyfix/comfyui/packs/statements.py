"""Statements of a node pack's functions, read once and in order, whatever their conditions."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from comfyfix.comfyui.packs.source import Module
from comfyfix.comfyui.packs.values import (
    UNKNOWN,
    Dotted,
    FolderPaths,
    Function,
    Listing,
    items,
    joined,
)

if TYPE_CHECKING:
    from comfyfix.comfyui.packs.evaluate import Evaluator

LOOP_MAX = 256
Locals = dict[str, Any]


class Reader:
    """Follows one body of statements; `scope` holds the local names, `returned` what it returns."""

    def __init__(self, evaluator: Evaluator, module: Module, scope: Locals) -> None:
        self.returned: list[Any] = []
        self._evaluator = evaluator
        self._module = module
        self._scope = scope

    def run(self, body: Sequence[ast.stmt]) -> None:
        """Read the statements. Raises Spent."""
        for statement in body:
            match statement:
                case ast.Return(value=ast.expr() as value):
                    self.returned.append(self._value(value))
                case ast.Assign(targets=[target], value=value):
                    self._assign(target, self._value(value))
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    self._assign(target, self._value(value))
                case ast.AugAssign(target=ast.Name(id=name), value=value):
                    self._add(name, self._value(value))
                case ast.Expr(value=ast.Call() as call):
                    self._change(call)
                case ast.FunctionDef():
                    self._scope[statement.name] = Function(statement, self._module)
                case ast.Import() | ast.ImportFrom():
                    for alias in statement.names:
                        self._scope[alias.asname or alias.name] = _imported(statement, alias)
                case _:
                    self._inside(statement)

    def _inside(self, statement: ast.stmt) -> None:
        """Bodies inside a statement: every branch is taken, a loop as often as it is long."""
        match statement:
            case ast.For(target=target, iter=source, body=body):
                for item in items(self._value(source))[:LOOP_MAX]:
                    bind(self._scope, target, item)
                    self.run(body)
            case ast.If() | ast.With() | ast.Try():
                self.run(statement.body)
                self.run(getattr(statement, "orelse", []))
                for handler in getattr(statement, "handlers", []):
                    self.run(handler.body)
            case _:
                pass

    def _value(self, node: ast.expr) -> Any:
        return self._evaluator.value(node, self._module, self._scope)

    def _add(self, name: str, new: Any) -> None:
        old = self._scope.get(name, UNKNOWN)
        both = isinstance(old, dict) and isinstance(new, dict)
        self._scope[name] = {**old, **new} if both else joined(old, new)

    def _change(self, call: ast.Call) -> None:
        """A list or dict that a statement adds to: `append`, `extend`, `insert`, `update`."""
        if not isinstance(call.func, ast.Attribute) or not call.args:
            return
        owner = self._value(call.func.value)
        item = self._value(call.args[-1])
        if isinstance(owner, dict) and call.func.attr == "update":
            owner.update(item if isinstance(item, dict) else {})
        elif isinstance(owner, list | Listing) and call.func.attr in ("append", "extend", "insert"):
            more = item if call.func.attr == "extend" else [item]
            self._assign(call.func.value, joined(owner, more))

    def _assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Subscript):
            owner, key = self._value(target.value), self._value(target.slice)
            if isinstance(owner, dict) and isinstance(key, str | int):
                owner[key] = value
        else:
            bind(self._scope, target, value)


def bind(scope: Locals, target: ast.expr, value: Any) -> None:
    """Give a name, or a tuple of names, its value."""
    if isinstance(target, ast.Name):
        scope[target.id] = value
    elif isinstance(target, ast.Tuple | ast.List):
        values = items(value)
        if isinstance(value, Listing | FolderPaths):
            values *= len(target.elts)
        for number, part in enumerate(target.elts):
            bind(scope, part, values[number] if number < len(values) else UNKNOWN)


def _imported(statement: ast.Import | ast.ImportFrom, alias: ast.alias) -> Dotted:
    if isinstance(statement, ast.ImportFrom):
        return Dotted(f"{statement.module}.{alias.name}")
    return Dotted(alias.name)
