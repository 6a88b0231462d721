"""The modules of one pack: what a name means in them, following imports inside the pack."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from comfyfix.comfyui.packs.values import UNKNOWN, Class, Dotted, Function

# A large pack has hundreds of modules, few of which declare nodes.
_MARKERS = (b"INPUT_TYPES", b"define_schema", b"NODE_CLASS_MAPPINGS", b"folder_paths")
IMPORTS_MAX = 12  # modules that pass a name on


@dataclass(slots=True, eq=False)
class Module:
    """One source file: its top-level names, each the statement that gave it last."""

    path: str
    names: dict[str, Any] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)  # modules imported with `*`
    later: list[ast.stmt] = field(default_factory=list)  # statements that change what a name holds

    @property
    def folder(self) -> str:
        """The directory of the file."""
        return os.path.dirname(self.path)


@dataclass(frozen=True, slots=True)
class Import:
    """A name that comes from another module: `name` empty for the module itself."""

    module: str  # a path without .py where it lies in the pack, else a dotted name
    name: str = ""
    inside: bool = False


class Pack:
    """All modules of one pack, parsed when they are first needed."""

    def __init__(self, paths: Sequence[str], read: Callable[[str], bytes]) -> None:
        self._paths = paths
        self._known = frozenset(paths)
        self._read = read
        self._modules: dict[str, Module | None] = {}

    def modules(self) -> Iterator[Module]:
        """Every module that says something of nodes or folders and can be parsed."""
        for path in self._paths:
            data = self._read(path)
            if any(marker in data for marker in _MARKERS) and (module := self.module(path)):
                yield module

    def module(self, path: str) -> Module | None:
        """One module by its file, or None if it is not Python."""
        if path not in self._modules:
            data = self._read(path) if path in self._known else b""
            self._modules[path] = _parsed(path, data) if data else None
        return self._modules[path]

    def find(self, stem: str) -> Module | None:
        """One module by its path without ending: a file, or a package."""
        return self.module(f"{stem}.py") or self.module(f"{stem}/__init__.py")

    def look_up(self, module: Module, name: str, depth: int = 0) -> Any:
        """What a top-level name means: a statement's value, Function, Class, Module, or Dotted.

        Returns (expression, module) for an assignment, UNKNOWN for a name that is not there.
        """
        if depth > IMPORTS_MAX:
            return UNKNOWN
        known = module.names.get(name)
        if isinstance(known, Import):
            return self._imported(module, known, depth)
        if isinstance(known, ast.FunctionDef):
            return Function(known, module)
        if isinstance(known, ast.ClassDef):
            return Class(known, module)
        if known is not None:
            return (known, module)
        for stem in module.stars:
            other = self.find(stem)
            if other is not None and other is not module:
                found = self.look_up(other, name, depth + 1)
                if found is not UNKNOWN:
                    return found
        return UNKNOWN

    def _imported(self, module: Module, told: Import, depth: int) -> Any:
        if not told.inside:
            return Dotted(f"{told.module}.{told.name}" if told.name else told.module)
        if not told.name:
            return self.find(told.module) or UNKNOWN
        other = self.find(told.module)
        if other is not None and other is not module:
            found = self.look_up(other, told.name, depth + 1)
            if found is not UNKNOWN:
                return found
        return self.find(f"{told.module}/{told.name}") or UNKNOWN


def _parsed(path: str, data: bytes) -> Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of strings with odd escapes; not our code
            tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    module = Module(path)
    _collect(module, tree.body)
    return module


def _collect(module: Module, body: list[ast.stmt]) -> None:
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.ClassDef():
                module.names[statement.name] = statement
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                module.names[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                module.names[name] = value
            case ast.Import() | ast.ImportFrom():
                _import(module, statement)
            case ast.If() | ast.Try() | ast.With():
                _collect(module, statement.body)
                for handler in getattr(statement, "handlers", []):
                    _fill(module, handler.body)
                _fill(module, getattr(statement, "orelse", []))
            case _:
                module.later.append(statement)


def _fill(module: Module, body: list[ast.stmt]) -> None:
    """Take the names of a branch that may not be taken, but not in place of known ones."""
    known = dict(module.names)
    _collect(module, body)
    module.names.update(known)


def _import(module: Module, statement: ast.Import | ast.ImportFrom) -> None:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            name = alias.name if alias.asname else alias.name.partition(".")[0]
            module.names[alias.asname or name] = Import(name)
        return
    inside = statement.level > 0
    origin = (statement.module or "").replace(".", "/") if inside else statement.module or ""
    if inside:
        base = module.folder
        for _ in range(statement.level - 1):
            base = os.path.dirname(base)
        origin = f"{base}/{origin}".rstrip("/")
    for alias in statement.names:
        if alias.name == "*":
            module.stars += [origin] if inside else []
        else:
            module.names[alias.asname or alias.name] = Import(origin, alias.name, inside)
