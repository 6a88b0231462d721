"""Reading expressions of a node pack: only what leads to names, lists and folders is followed.

Nothing is imported and nothing runs. What can't be told is UNKNOWN; a budget of steps bounds
what a hostile pack can cost.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterable
from typing import Any

from comfyfix.comfyui.packs.source import Module, Pack
from comfyfix.comfyui.packs.statements import LOOP_MAX, Locals, Reader, bind
from comfyfix.comfyui.packs.values import (
    ITEMS_MAX,
    UNKNOWN,
    Class,
    Declared,
    Dotted,
    FolderPaths,
    Function,
    Listing,
    altered,
    items,
    joined,
    listing,
)

STEPS_MAX = 200_000  # per pack; the largest real one needs a tenth of it
DEPTH_MAX = 40

_PASSED_ON = ("list", "sorted", "set", "tuple", "reversed", "filter", "natsorted", "os_sorted")
_LISTED = ("listdir", "scandir", "glob", "walk", "recursive_search", "filter_files_extensions")
_ALTERING = ("splitext", "basename")
_PATHS = ("str", "Path", "abspath", "realpath", "normpath", "dirname", "join")


class Spent(Exception):
    """The budget of a pack is spent."""


class Evaluator:
    """Reads the expressions of one pack; `paths` are the values of folder_paths' directories."""

    def __init__(self, pack: Pack, paths: dict[str, str]) -> None:
        self.pack = pack
        self._paths = paths
        self._steps = 0
        self._depth = 0
        self._busy: set[tuple[str, str]] = set()
        self._known: dict[tuple[str, str], Any] = {}

    # -- names ---------------------------------------------------------------------------

    def name(self, module: Module, name: str) -> Any:
        """The value of a top-level name of a module."""
        key = (module.path, name)
        if key in self._known:
            return self._known[key]
        if key in self._busy:
            return UNKNOWN
        self._busy.add(key)
        try:
            found = self.pack.look_up(module, name)
            if isinstance(found, tuple):
                expression, home = found
                found = self.value(expression, home, {})
            elif found is UNKNOWN and name == "__file__":
                found = module.path
            self._known[key] = found
            return found
        finally:
            self._busy.discard(key)

    def attribute(self, owner: Class, name: str, depth: int = 0) -> Any:
        """An attribute of a class or of its bases: a value, or a Function."""
        for statement in owner.node.body:
            match statement:
                case ast.FunctionDef(name=found) if found == name:
                    return Function(statement, owner.module, owner)
                case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                    return self.value(value, owner.module, {"__class__": owner})
                case ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value) if (
                    found == name
                ):
                    return self.value(value, owner.module, {"__class__": owner})
                case _:
                    pass
        for base in self.bases(owner) if depth < DEPTH_MAX else ():
            told = self.attribute(base, name, depth + 1)
            if told is not UNKNOWN:
                return told
        return UNKNOWN

    def bases(self, owner: Class) -> list[Class]:
        """The base classes that lie in the pack."""
        found = [self.value(base, owner.module, {}) for base in owner.node.bases]
        return [base for base in found if isinstance(base, Class) and base.node is not owner.node]

    # -- expressions ---------------------------------------------------------------------

    def value(self, node: ast.expr, module: Module, scope: Locals) -> Any:
        """The value of an expression, or UNKNOWN. Raises Spent."""
        self._steps += 1
        if self._steps > STEPS_MAX:
            raise Spent
        if self._depth >= DEPTH_MAX:
            return UNKNOWN
        self._depth += 1
        try:
            reader = _READERS.get(type(node))
            return reader(self, node, module, scope) if reader else UNKNOWN
        finally:
            self._depth -= 1

    def _constant(self, node: ast.Constant, _module: Module, _scope: Locals) -> Any:
        return node.value

    def _name(self, node: ast.Name, module: Module, scope: Locals) -> Any:
        if node.id in scope:
            return scope[node.id]
        found = self.name(module, node.id)
        # What is neither local nor of the module is a builtin, known by its name.
        return Dotted(node.id) if found is UNKNOWN and node.id not in module.names else found

    def _attribute(self, node: ast.Attribute, module: Module, scope: Locals) -> Any:
        owner = self.value(node.value, module, scope)
        if isinstance(owner, Module):
            return self.name(owner, node.attr)
        if isinstance(owner, Class):
            return owner.name if node.attr == "__name__" else self.attribute(owner, node.attr)
        if isinstance(owner, Dotted):
            whole = f"{owner.name}.{node.attr}"
            return self._paths.get(whole, Dotted(whole))
        return UNKNOWN

    def _sequence(self, node: ast.List | ast.Tuple | ast.Set, module: Module, scope: Locals) -> Any:
        found: Any = []
        for element in node.elts[:ITEMS_MAX]:
            if isinstance(element, ast.Starred):
                found = joined(found, self.value(element.value, module, scope))
                found = [] if found is UNKNOWN else found
            else:
                value = self.value(element, module, scope)
                if isinstance(found, Listing):
                    found = joined(found, [value])
                else:
                    found = [*found, value]
        return found

    def _dict(self, node: ast.Dict, module: Module, scope: Locals) -> Any:
        found: dict[Any, Any] = {}
        for key, item in zip(node.keys, node.values, strict=True):
            value = self.value(item, module, scope)
            if key is None:
                found.update(value if isinstance(value, dict) else {})
            else:
                name = self.value(key, module, scope)
                found[name if isinstance(name, str | int) else UNKNOWN] = value
        return found

    def _binary(self, node: ast.BinOp, module: Module, scope: Locals) -> Any:
        left, right = (self.value(side, module, scope) for side in (node.left, node.right))
        if isinstance(node.op, ast.Add):
            return joined(left, right)
        if isinstance(node.op, ast.BitOr) and isinstance(left, dict) and isinstance(right, dict):
            return {**left, **right}
        if isinstance(node.op, ast.Div) and isinstance(left, str) and isinstance(right, str):
            return f"{left}/{right}"  # pathlib
        if isinstance(node.op, ast.Mod) and isinstance(left, str) and isinstance(right, str):
            return left.replace("%s", right, 1)
        if isinstance(left, int) and isinstance(right, int) and isinstance(node.op, ast.Sub):
            return left - right
        return UNKNOWN

    def _text(self, node: ast.JoinedStr, module: Module, scope: Locals) -> Any:
        parts = []
        for part in node.values:
            inner = part.value if isinstance(part, ast.FormattedValue) else part
            value = self.value(inner, module, scope)
            if isinstance(value, Listing | FolderPaths):
                return altered(value)
            if not isinstance(value, str | int):
                return UNKNOWN
            parts.append(str(value))
        return "".join(parts)[:ITEMS_MAX]

    def _choice(self, node: ast.IfExp, module: Module, scope: Locals) -> Any:
        return _either([self.value(side, module, scope) for side in (node.body, node.orelse)])

    def _any_of(self, node: ast.BoolOp, module: Module, scope: Locals) -> Any:
        return _either([self.value(side, module, scope) for side in node.values])

    def _subscript(self, node: ast.Subscript, module: Module, scope: Locals) -> Any:
        owner = self.value(node.value, module, scope)
        if isinstance(node.slice, ast.Slice):
            return owner
        key = self.value(node.slice, module, scope)
        if isinstance(owner, dict):
            return owner.get(key, UNKNOWN) if isinstance(key, str | int) else UNKNOWN
        if isinstance(owner, list) and isinstance(key, int) and -len(owner) <= key < len(owner):
            return owner[key]
        return owner if isinstance(owner, FolderPaths | Listing) else UNKNOWN

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp, module: Module, scope: Locals
    ) -> Any:
        if len(node.generators) != 1:
            return UNKNOWN
        over = node.generators[0]
        source = self.value(over.iter, module, scope)
        if isinstance(source, Listing):
            inner = dict(scope)
            bind(inner, over.target, source)
            value = self.value(node.elt, module, inner)
            return value if isinstance(value, Listing) else altered(source)
        found: Any = []
        for item in items(source)[:LOOP_MAX]:
            inner = dict(scope)
            bind(inner, over.target, item)
            value = self.value(node.elt, module, inner)
            found = joined(found, value) if isinstance(value, Listing) else joined(found, [value])
        return found

    def _dict_comprehension(self, node: ast.DictComp, module: Module, scope: Locals) -> Any:
        if len(node.generators) != 1:
            return UNKNOWN
        over = node.generators[0]
        found: dict[Any, Any] = {}
        for item in items(self.value(over.iter, module, scope))[:LOOP_MAX]:
            inner = dict(scope)
            bind(inner, over.target, item)
            key = self.value(node.key, module, inner)
            if isinstance(key, str | int):
                found[key] = self.value(node.value, module, inner)
        return found

    # -- calls ---------------------------------------------------------------------------

    def _call(self, node: ast.Call, module: Module, scope: Locals) -> Any:
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value, module, scope)
            method = _METHODS.get(node.func.attr)
            if method and isinstance(owner, dict | list | str | Listing):
                return method(owner, [self.value(arg, module, scope) for arg in node.args])
        called = self.value(node.func, module, scope)
        arguments: list[Any] = []
        for arg in node.args:
            spread = isinstance(arg, ast.Starred)
            value = self.value(arg.value if isinstance(arg, ast.Starred) else arg, module, scope)
            arguments += items(value) if spread else [value]
        keywords = {k.arg: self.value(k.value, module, scope) for k in node.keywords if k.arg}
        if isinstance(called, Function):
            return self.call(called, arguments, keywords)
        if isinstance(called, Dotted):
            if called.name == "super":
                return self._super(scope)
            return self._outside(called, arguments, keywords)
        return UNKNOWN

    def _super(self, scope: Locals) -> Any:
        owner = scope.get("__class__")
        bases = self.bases(owner) if isinstance(owner, Class) else []
        return bases[0] if bases else UNKNOWN

    def _outside(self, called: Dotted, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        first = arguments[0] if arguments else next(iter(keywords.values()), UNKNOWN)
        last = called.last
        if last == "get_filename_list" and isinstance(first, str):
            return Listing((first,))
        if last == "get_folder_paths" and isinstance(first, str):
            return FolderPaths(first)
        if last in _LISTED or last == "relpath":
            return listing(first) if isinstance(first, FolderPaths | Listing) else UNKNOWN
        if last in _ALTERING and isinstance(first, FolderPaths | Listing):
            return altered(first)
        if last in _PASSED_ON:
            source = arguments[-1] if last == "filter" else first
            return source if isinstance(source, Listing) else items(source)
        if called.name == "range":
            numbers = [a for a in arguments if isinstance(a, int)]
            return list(range(*numbers)[:LOOP_MAX]) if 0 < len(numbers) == len(arguments) else []
        if last in _PATHS:
            return _path(last, arguments)
        if called.name == "len" and isinstance(first, list):
            return len(first)
        if called.name == "dict":
            return {**(first if isinstance(first, dict) else {}), **keywords}
        if last in ("Input", "Schema"):
            return Declared(called.name, tuple(arguments), keywords)
        return UNKNOWN

    def call(self, function: Function, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        """What a function of the pack returns; its statements are read once, in order."""
        key = (function.module.path, f"{function.node.name}:{function.node.lineno}")
        if key in self._busy or self._depth >= DEPTH_MAX:
            return UNKNOWN
        self._busy.add(key)
        self._depth += 1
        try:
            scope = self._bound(function, arguments, keywords)
            reader = Reader(self, function.module, scope)
            reader.run(function.node.body)
            return _either(reader.returned)
        finally:
            self._depth -= 1
            self._busy.discard(key)

    def _bound(self, function: Function, arguments: list[Any], keywords: dict[str, Any]) -> Locals:
        names = [a.arg for a in (*function.node.args.posonlyargs, *function.node.args.args)]
        scope: Locals = {}
        if function.owner is not None:
            scope["__class__"] = function.owner
            decorators = {d.id for d in function.node.decorator_list if isinstance(d, ast.Name)}
            if "staticmethod" not in decorators and names:
                scope[names.pop(0)] = function.owner
        defaults = function.node.args.defaults
        for name, default in zip(names[len(names) - len(defaults) :], defaults, strict=False):
            scope[name] = self.value(default, function.module, {})
        scope.update(zip(names, arguments, strict=False))
        scope.update({name: value for name, value in keywords.items() if name in names})
        return {**dict.fromkeys(names, UNKNOWN), **scope}

    def changed(self, module: Module, name: str) -> Any:
        """A top-level dict with what later statements of its module add to it."""
        found = self.name(module, name)
        if not isinstance(found, dict):
            return found
        scope = {name: dict(found)}
        Reader(self, module, scope).run(module.later)
        return scope[name]


def _either(values: Iterable[Any]) -> Any:
    """Of several possible values the one that says most."""
    best: Any = UNKNOWN
    for value in values:
        if isinstance(value, Listing) and isinstance(best, Listing | list):
            best = joined(best, value)
        elif isinstance(value, dict) and isinstance(best, dict):
            best = {**value, **best}
        elif best is UNKNOWN or (not best and value is not UNKNOWN):
            best = value
    return best


def _path(name: str, arguments: list[Any]) -> Any:
    first = arguments[0] if arguments else UNKNOWN
    if not all(isinstance(part, str) for part in arguments) or not arguments:
        chosen = [part for part in arguments if isinstance(part, Listing | FolderPaths)]
        # A folder's own directory in front is what ComfyUI adds, too.
        return chosen[-1] if chosen and not isinstance(first, str) else UNKNOWN
    if name == "join":
        return os.path.join(*arguments)[:ITEMS_MAX]  # the pack's own words
    if name == "dirname":
        return os.path.dirname(str(first))
    return first


def _format(owner: Any, arguments: list[Any]) -> Any:
    if isinstance(owner, str) and all(isinstance(a, str | int) for a in arguments):
        text = owner
        for argument in arguments:
            text = text.replace("{}", str(argument), 1)
        return text
    return UNKNOWN


_METHODS: dict[str, Callable[[Any, list[Any]], Any]] = {
    "copy": lambda owner, _: dict(owner) if isinstance(owner, dict) else owner,
    "keys": lambda owner, _: list(owner) if isinstance(owner, dict) else UNKNOWN,
    "values": lambda owner, _: list(owner.values()) if isinstance(owner, dict) else UNKNOWN,
    "items": lambda owner, _: (
        [[k, v] for k, v in owner.items()] if isinstance(owner, dict) else UNKNOWN
    ),
    "get": lambda owner, args: (
        owner.get(args[0], args[1] if len(args) > 1 else UNKNOWN)
        if isinstance(owner, dict) and args and isinstance(args[0], str | int)
        else UNKNOWN
    ),
    "format": _format,
    "lower": lambda owner, _: owner.lower() if isinstance(owner, str) else UNKNOWN,
    "upper": lambda owner, _: owner.upper() if isinstance(owner, str) else UNKNOWN,
    "strip": lambda owner, _: owner.strip() if isinstance(owner, str) else UNKNOWN,
}

_READERS: dict[type[ast.expr], Callable[..., Any]] = {
    ast.Constant: Evaluator._constant,
    ast.Name: Evaluator._name,
    ast.Attribute: Evaluator._attribute,
    ast.List: Evaluator._sequence,
    ast.Tuple: Evaluator._sequence,
    ast.Set: Evaluator._sequence,
    ast.Dict: Evaluator._dict,
    ast.BinOp: Evaluator._binary,
    ast.JoinedStr: Evaluator._text,
    ast.IfExp: Evaluator._choice,
    ast.BoolOp: Evaluator._any_of,
    ast.Subscript: Evaluator._subscript,
    ast.ListComp: Evaluator._comprehension,
    ast.SetComp: Evaluator._comprehension,
    ast.GeneratorExp: Evaluator._comprehension,
    ast.DictComp: Evaluator._dict_comprehension,
    ast.Call: Evaluator._call,
}
