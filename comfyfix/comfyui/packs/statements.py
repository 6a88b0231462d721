"""Statements of a node pack, read once and in order; of branches all that may be taken are."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Any, Literal

from comfyfix.comfyui.packs import methods
from comfyfix.comfyui.packs.asking import LOOP_MAX, Asked, Locals
from comfyfix.comfyui.packs.choices import items, joined
from comfyfix.comfyui.packs.conditions import truth
from comfyfix.comfyui.packs.filtered import narrowed
from comfyfix.comfyui.packs.source import Choice, Later, Module, imports
from comfyfix.comfyui.packs.values import (
    ITEMS_MAX,
    UNKNOWN,
    Class,
    Declared,
    FolderPaths,
    Function,
    Listing,
    Registry,
)

OPTIONS_MAX = 32  # of one name, after branches in a loop
_End = Literal["", "loop", "body"]  # what a statement ended for certain


class Reader:
    """Follows one body of statements; `scope` holds the names, `returned` what it returns, `given`
    what it yields.

    `top` for the top level of a module, where a value is read when it is first asked for.
    """

    def __init__(self, asked: Asked, module: Module, scope: Locals, *, top: bool = False) -> None:
        self.returned: list[Any] = []
        self.given: list[Any] = []
        self._asked = asked
        self._module = module
        self._scope = scope
        self._top = top

    def run(self, body: Sequence[ast.stmt]) -> _End:
        """Read the statements. Raises Spent."""
        for statement in body:
            self._asked.spend()
            ended = self._read(statement)
            if ended:
                return ended
        return ""

    def _read(self, statement: ast.stmt) -> _End:
        match statement:
            case ast.Return(value=value):
                self.returned.append(self._value(value) if value else None)
                return "body"
            case ast.Raise():
                return "body"
            case ast.Continue() | ast.Break():
                return "loop"
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._define(statement)
            case ast.Import() | ast.ImportFrom():
                self._import(statement)
            case ast.If() | ast.With() | ast.AsyncWith() | ast.Try():
                return self._inside(statement)
            case ast.For() | ast.AsyncFor():
                self._loop(statement)
            case ast.While():
                self.run(statement.body)
            case _:
                self._change(statement)
        return ""

    def _define(self, statement: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        around = {} if self._top else self._scope
        if isinstance(statement, ast.ClassDef):
            self._scope[statement.name] = Class(statement, self._module, around)
        else:
            self._scope[statement.name] = Function(statement, self._module, around=around)

    def _import(self, statement: ast.Import | ast.ImportFrom) -> None:
        for name, imported in imports(self._module, statement):
            if name != "*":
                self._scope[name] = imported
            else:
                self._module.stars.append(imported)

    def _change(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._set(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._set(target, value)
            case ast.AugAssign(target=target, op=ast.Add() | ast.BitOr(), value=value):
                self._assign(target, self._more(self._value(target), self._value(value)))
            case ast.Expr(value=ast.Yield(value=ast.expr() as value)):
                self._give([self._value(value)])
            case ast.Expr(value=ast.YieldFrom(value=value)):
                self._give(items(self._value(value)))
            case ast.Expr(value=value):
                self._value(value)
            case _:
                pass

    # -- branches and loops --------------------------------------------------------------

    def _inside(self, statement: ast.If | ast.With | ast.AsyncWith | ast.Try) -> _End:
        match statement:
            case ast.If():
                return self._if(statement)
            case ast.Try():
                return self._try(statement)
            case _:
                return self.run(statement.body)

    def _loop(self, statement: ast.For | ast.AsyncFor) -> None:
        over = self._value(statement.iter)
        if over is UNKNOWN:  # of it there may be none, or any number
            bind(self._scope, statement.target, UNKNOWN)
            self._branches([statement.body, []])
        for item in items(over)[:LOOP_MAX]:
            bind(self._scope, statement.target, item)
            if self.run(statement.body) == "body":
                return

    def _if(self, statement: ast.If) -> _End:
        known = truth(self._asked, statement.test, self._module, self._scope)
        if known is not None:
            return self.run(statement.body if known else statement.orelse)
        narrowings = self._narrowed(statement.test)
        return self._branches([statement.body, statement.orelse], narrowings=narrowings)

    def _try(self, statement: ast.Try) -> _End:
        handlers = [handler.body for handler in statement.handlers]
        # What ends a handler says nothing of the body, which is what is meant to run.
        ended = self._branches([[*statement.body, *statement.orelse], *handlers], first=True)
        return self.run(statement.finalbody) or ended

    def _narrowed(self, test: ast.expr) -> list[Locals]:
        """The names that hold something else in a body because a condition holds, or does not."""
        refuses = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        inner = test.operand if isinstance(test, ast.UnaryOp) and refuses else test
        narrower: Locals = dict(narrowed(self._asked, [inner], self._module, self._scope))
        return [{}, narrower] if refuses else [narrower, {}]

    def _branches(
        self,
        bodies: Iterable[Sequence[ast.stmt]],
        *,
        first: bool = False,
        narrowings: Sequence[Locals] = (),
    ) -> _End:
        """Read each body from the same state, and put together what each leaves.

        `told` are names that hold another value in a body, and after it if no other goes on.
        """
        self._asked.spend(4 * len(self._scope))
        before = dict(self._scope)
        states, ends = [], []
        nothing: Locals = {}
        for body, known in zip(bodies, chain(narrowings, repeat(nothing)), strict=False):
            self._scope.clear()
            self._scope.update({**before, **known})
            ends.append(self.run(body))
            states.append(dict(self._scope))
        going = [state for state, end in zip(states, ends, strict=True) if end != "body"]
        merged = self._merged(going or states[:1])
        only = [state for state, end in zip(states, ends, strict=True) if not end]
        for name in {name for known in narrowings for name in known}:
            merged[name] = only[0][name] if len(only) == 1 else before[name]
        self._scope.clear()
        self._scope.update(merged)
        if all(ends):
            return "body" if "body" in ends else "loop"
        return ends[0] if first and ends[0] == "body" else ""

    def _merged(self, states: list[Locals]) -> Locals:
        merged: Locals = {}
        for name in dict.fromkeys(name for state in states for name in state):
            values = [state[name] for state in states if name in state]
            if all(one is values[0] for one in values):  # most names, of many branches
                merged[name] = values[0]
                continue
            options: list[Any] = []
            for one in values:
                for option in one.options if isinstance(one, Choice) else (one,):
                    if not any(option is known for known in options):
                        options.append(option)
            merged[name] = options[0] if len(options) == 1 else Choice(tuple(options[:OPTIONS_MAX]))
        return merged

    # -- values --------------------------------------------------------------------------

    def _value(self, node: ast.expr) -> Any:
        return self._asked.value(node, self._module, self._scope)

    def _give(self, more: list[Any]) -> None:
        self._asked.spend(len(more))
        self.given += more[: ITEMS_MAX - len(self.given)]

    def _set(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name) and self._top and not _does(value, target.id):
            self._scope[target.id] = Later(value, self._module)
            return
        read = self._value(value)
        if read is UNKNOWN and _mentions(value, target):
            return  # made of itself by what can't be read: what it was still says most
        self._assign(target, read)

    def _more(self, old: Any, new: Any) -> Any:
        if isinstance(old, dict):
            old.update(new if isinstance(new, dict) else {UNKNOWN: new})
            return old
        both = joined(old, new)
        return old if both is UNKNOWN else both

    def _assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Subscript):
            owner, key = self._value(target.value), self._value(target.slice)
            if isinstance(owner, Registry):
                self._asked.registered.put(key, value)
            else:
                methods.put(owner, key, value)
        elif isinstance(target, ast.Attribute):
            owner = self._value(target.value)
            if isinstance(owner, Class):
                owner.given[target.attr] = value
            elif isinstance(owner, Declared):
                owner.keywords[target.attr] = value
        else:
            bind(self._scope, target, value)


def bind(scope: Locals, target: ast.expr, value: Any) -> None:
    """Give a name, or a tuple of names, its value; what can't be told leaves a known one."""
    if isinstance(target, ast.Name):
        scope[target.id] = value
    elif isinstance(target, ast.Tuple | ast.List):
        values = list(value) if isinstance(value, list | dict) else []
        if isinstance(value, Listing | FolderPaths):
            values = [value] * len(target.elts)
        for number, part in enumerate(target.elts):
            item = values[number] if number < len(values) else UNKNOWN
            bind(scope, part.value if isinstance(part, ast.Starred) else part, item)


def _does(value: ast.expr, name: str) -> bool:
    """Tell whether a value must be read at once: it is made of the name, or may change things."""
    return any(
        (isinstance(node, ast.Name) and node.id == name)
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
        for node in ast.walk(value)
    )


def _mentions(value: ast.expr, target: ast.expr) -> bool:
    names = {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}
    return any(isinstance(node, ast.Name) and node.id in names for node in ast.walk(value))
