"""Reading a node pack: only what leads to names, lists and folders is followed.

Nothing is imported and nothing runs. What can't be told is UNKNOWN; a budget of steps bounds
what a hostile pack can cost.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from comfyfix.comfyui.loaders.table import Loaders
from comfyfix.comfyui.packs import expressions, outside
from comfyfix.comfyui.packs.asking import Locals
from comfyfix.comfyui.packs.choices import either
from comfyfix.comfyui.packs.registered import Registered
from comfyfix.comfyui.packs.source import Choice, Import, Later, Module, Pack, relative
from comfyfix.comfyui.packs.statements import Reader
from comfyfix.comfyui.packs.values import UNKNOWN, Class, Dotted, Function

STEPS_MAX = 400_000  # per pack; the largest real one needs a fifth of it
COPIED_IN_A_STEP = 16  # items of a list or dict take as long as a step does
DEPTH_MAX = 40
IMPORTS_MAX = 12  # modules that pass a name on


class Spent(Exception):
    """The budget of a pack is spent."""


class Evaluator:
    """Reads the expressions of one pack; `constants` are what names of ComfyUI's modules hold."""

    def __init__(self, pack: Pack, constants: Mapping[str, str], core: Loaders) -> None:
        self.registered = Registered()
        self.constants = constants
        self.core = core
        self._pack = pack
        self._steps = 0
        self._depth = 0
        self._busy: set[object] = set()

    def spend(self, items: int = 0) -> None:
        """Count one step, and what it is to copy so many items. Raises Spent."""
        self._steps += 1 + items // COPIED_IN_A_STEP
        if self._steps > STEPS_MAX:
            raise Spent

    # -- names ---------------------------------------------------------------------------

    def start(self, module: Module) -> None:
        """Read the top level of a module, if that was not done. Raises Spent."""
        if not module.started:
            module.started = True
            Reader(self, module, module.names, top=True).run(module.body)

    def name(self, module: Module, name: str, depth: int = 0) -> Any:
        """The value of a top-level name of a module, or UNKNOWN. Raises Spent."""
        self.start(module)
        if name in module.names:
            value = self.settled(module.names[name], module, depth)
            module.names[name] = value
            return value
        for star in module.stars if depth < IMPORTS_MAX else ():
            other = (self._pack.find if star.inside else self._pack.outside)(star.module)
            if other is not None and other is not module:
                value = self.name(other, name, depth + 1)
                if value is not UNKNOWN:
                    return value
        return module.path if name == "__file__" else UNKNOWN

    def settled(self, held: Any, module: Module, depth: int = 0) -> Any:
        """What a name holds, where that was not asked before. Raises Spent."""
        if not isinstance(held, Later | Choice | Import):
            return held
        if isinstance(held, Later) and held.known:
            return held.value
        if held in self._busy or depth > IMPORTS_MAX:
            return UNKNOWN
        self._busy.add(held)
        try:
            if isinstance(held, Later):
                held.value, held.known = self.value(held.node, held.module, {}), True
                return held.value
            if isinstance(held, Choice):
                return either(self.settled(one, module, depth + 1) for one in held.options)
            return self._imported(module, held, depth)
        finally:
            self._busy.discard(held)

    def _imported(self, module: Module, imported: Import, depth: int) -> Any:
        find = self._pack.find if imported.inside else self._pack.outside
        other = find(imported.module)
        if not imported.name:
            return other or Dotted(imported.module)
        if other is not None and other is not module:
            value = self.name(other, imported.name, depth + 1)
            if value is not UNKNOWN:
                return value
        if imported.inside:
            return find(f"{imported.module}/{imported.name}") or UNKNOWN
        whole = f"{imported.module}.{imported.name}"
        return find(whole) or outside.constant(self.constants, Dotted(whole))

    def found(self, module: Module, dotted: str) -> Any:
        """A module that is asked for by name while the pack runs, or UNKNOWN."""
        bare = dotted.lstrip(".")
        level = len(dotted) - len(bare)
        if level:
            return self._pack.find(relative(module, level, bare)) or UNKNOWN
        return self._pack.outside(bare) or Dotted(bare)

    def attribute(self, owner: Class, name: str, depth: int = 0) -> Any:
        """An attribute of a class or of its bases: a value, or a Function. Raises Spent."""
        if name in owner.given:
            return owner.given[name]
        for statement in owner.node.body:
            match statement:
                case ast.FunctionDef() | ast.AsyncFunctionDef() if statement.name == name:
                    return Function(statement, owner.module, owner, owner, owner.around)
                case (
                    ast.Assign(targets=[ast.Name(id=found)], value=value)
                    | ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value)
                ) if found == name:
                    scope = {**owner.around, "__class__": owner}
                    owner.given[name] = self.value(value, owner.module, scope)
                    return owner.given[name]
                case _:
                    pass
        for base in self.bases(owner) if depth < DEPTH_MAX else ():
            if isinstance(base, Class):
                inherited = self.attribute(base, name, depth + 1)
            else:
                inherited = Dotted(f"{base.name}.{name}")
            if isinstance(inherited, Function):
                return replace(inherited, bound=owner)
            if inherited is not UNKNOWN:
                return inherited
        return UNKNOWN

    def bases(self, owner: Class) -> list[Any]:
        """The base classes: of the pack, or of the core by their dotted names. Raises Spent."""
        bases = [self.value(base, owner.module, owner.around) for base in owner.node.bases]
        return [
            base
            for base in bases
            if (isinstance(base, Class) and base.node is not owner.node)
            or (isinstance(base, Dotted) and expressions.of_core(base))
        ]

    # -- expressions and calls -----------------------------------------------------------

    def value(self, node: ast.expr, module: Module, scope: Locals) -> Any:
        """The value of an expression, or UNKNOWN. Raises Spent."""
        self.spend()
        if type(node) is ast.Constant:  # half of all, and told at once
            return node.value
        if self._depth >= DEPTH_MAX:
            return UNKNOWN
        self._depth += 1
        try:
            return expressions.read(self, node, module, scope)
        finally:
            self._depth -= 1

    def call(self, function: Function, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        """What a function of the pack returns; its statements are read once, in order."""
        if function.node in self._busy or self._depth >= DEPTH_MAX:
            return UNKNOWN
        self._busy.add(function.node)
        self._depth += 1
        try:
            scope = self._bound(function, arguments, keywords)
            if isinstance(function.node, ast.Lambda):
                return self.value(function.node.body, function.module, scope)
            reader = Reader(self, function.module, scope)
            reader.run(function.node.body)
            return reader.given or either(reader.returned)
        finally:
            self._depth -= 1
            self._busy.discard(function.node)

    def _bound(self, function: Function, arguments: list[Any], keywords: dict[str, Any]) -> Locals:
        signature = function.node.args
        names = [argument.arg for argument in (*signature.posonlyargs, *signature.args)]
        self.spend(len(function.around))
        scope: Locals = dict(function.around)
        if function.owner is not None:
            scope["__class__"], scope["__bound__"] = function.owner, function.bound
            if names and _takes_owner(function.node, names[0]):
                scope[names.pop(0)] = function.bound or function.owner
        only = [argument.arg for argument in signature.kwonlyargs]
        every = [*names, *only]
        scope.update(dict.fromkeys(every, UNKNOWN))
        firsts = names[max(0, len(names) - len(signature.defaults)) :]
        last = signature.defaults[len(signature.defaults) - len(firsts) :]
        defaults = [*zip(firsts, last, strict=True), *zip(only, signature.kw_defaults, strict=True)]
        for name, default in defaults:
            if default is not None:
                scope[name] = self.value(default, function.module, function.around)
        scope.update(zip(names, arguments, strict=False))
        scope.update({name: value for name, value in keywords.items() if name in every})
        if signature.vararg:
            scope[signature.vararg.arg] = list(arguments[len(names) :])
        return scope


def _takes_owner(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, first: str) -> bool:
    """Tell whether a function of a class is given its class, or an instance of it."""
    if isinstance(node, ast.Lambda):
        return False
    decorators = {d.id for d in node.decorator_list if isinstance(d, ast.Name)}
    if "staticmethod" in decorators:
        return False
    # Without a decorator it may be called on the class itself, which gives nothing.
    return "classmethod" in decorators or first in ("self", "s", "cls")
