"""The modules of one pack: what is parsed of them, and where an import leads."""

from __future__ import annotations

import ast
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from comfyfix.comfyui.packs.thinned import thinned
from comfyfix.comfyui.packs.values import UNKNOWN

# A large pack has hundreds of modules, few of which declare nodes, and fewer that choose a file.
# Words and not a pattern: they are sought in all that lies there, a tenth of the time.
_MARKERS = (b"folder_paths", b"NODE_CLASS_MAPPINGS")
_DECLARES = (b"INPUT_TYPES", b"define_schema")
_CHOOSES = (
    b"from .", b"import nodes", b"from nodes", b"listdir", b"scandir", b"glob", b"walk", b"iterdir",
)  # fmt: skip
# What ComfyUI itself runs of a pack, in this order.
_FIRST = ("prestartup_script.py", "__init__.py")
SOURCE_MAX = 512 << 10  # bytes of one file as it is parsed, which takes 500 times the room
PARSED_MAX = 32 << 20  # bytes of one pack; the largest real one has a tenth of it
CORE_MODULES = ("nodes", "comfy_extras")
"""Modules of the core that hold node classes; packs take theirs from them."""
_NEVER_OWN = {*sys.stdlib_module_names, "comfy", "comfy_api", "folder_paths", "server", "torch"}


@dataclass(frozen=True, slots=True)
class Import:
    """A name that comes from another module: `name` empty for the module itself."""

    module: str  # a path without .py where it is told from the pack, else a dotted name
    name: str = ""
    inside: bool = False


@dataclass(slots=True, eq=False)
class Module:
    """One source file. `names` is what its top level gives once it was `started`."""

    path: str
    body: list[ast.stmt] = field(default_factory=list, repr=False)
    names: dict[str, Any] = field(default_factory=dict, repr=False)
    stars: list[Import] = field(default_factory=list)  # modules imported with `*`
    started: bool = False

    @property
    def folder(self) -> str:
        """The directory of the file."""
        return os.path.dirname(self.path)


@dataclass(slots=True, eq=False)
class Later:
    """An expression of a module's top level that is read when it is first asked for, once."""

    node: ast.expr
    module: Module
    value: Any = UNKNOWN
    known: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What a name may hold after branches of which one was taken."""

    options: tuple[Any, ...]


class Pack:
    """All modules of one pack, parsed when they are first needed.

    `core` is the ComfyUI that it belongs to, whose classes it may build on.
    """

    def __init__(
        self, paths: Sequence[str], read: Callable[[str], bytes], core: Pack | None = None
    ) -> None:
        first = min(paths, key=lambda path: path.count("/"), default="")
        self._root = os.path.dirname(first)
        self._paths = sorted(paths, key=lambda path: (_rank(path, self._root), path))
        self._known = frozenset(paths)
        self._read = read
        self._core = core
        below = (path[len(self._root) + 1 :].removesuffix(".py") for path in paths)
        self._tops = frozenset(part for path in below for part in path.split("/"))
        self._parsed = 0
        self._modules: dict[str, Module | None] = {}

    def modules(self) -> Iterator[Module]:
        """Every module that says something of nodes or folders and can be parsed."""
        for path in self._paths:
            data = self._read(path)
            if _says_something(data) and (module := self.module(path)):
                yield module

    def forget(self) -> None:
        """Let go of all modules: what they hold leads back to them, and would be kept."""
        for module in filter(None, self._modules.values()):
            module.names.clear()
            module.body.clear()
        self._modules.clear()

    def module(self, path: str) -> Module | None:
        """One module by its file, or None if it is not Python."""
        if path not in self._modules:
            data = self._read(path) if path in self._known else b""
            self._parsed += len(data)
            fits = data and self._parsed <= PARSED_MAX
            self._modules[path] = _parsed(path, data) if fits else None
        return self._modules[path]

    def find(self, stem: str) -> Module | None:
        """One module by its path without ending: a file, or a package."""
        return self.module(f"{stem}.py") or self.module(f"{stem}/__init__.py")

    def outside(self, dotted: str) -> Module | None:
        """A module by its absolute name: one of the core's, or one that lies in the pack.

        Packs put folders of theirs into the module path; where one has a module of the name, that
        is it.
        """
        top, stem = dotted.partition(".")[0], dotted.replace(".", "/")
        if top in CORE_MODULES:
            return self._core.outside_of_core(stem) if self._core else None
        if top in _NEVER_OWN or top not in self._tops:
            return None
        ends = (f"/{stem}.py", f"/{stem}/__init__.py")
        found = [path for path in self._paths if path.endswith(ends)]
        return self.module(min(found, key=lambda path: path.count("/"))) if found else None

    def outside_of_core(self, stem: str) -> Module | None:
        """One of the core's own modules."""
        return self.find(f"{self._root}/{stem}")


def _says_something(data: bytes) -> bool:
    return _has(data, _MARKERS) or (_has(data, _DECLARES) and _has(data, _CHOOSES))


def _has(data: bytes, words: Iterable[bytes]) -> bool:
    return any(word in data for word in words)


def _rank(path: str, root: str) -> int:
    folder, _, name = path.rpartition("/")
    return _FIRST.index(name) if folder == root and name in _FIRST else len(_FIRST)


def _parsed(path: str, data: bytes) -> Module | None:
    for text in (thinned(data), data):
        if len(text) > SOURCE_MAX:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of strings with odd escapes; not our code
                return Module(path, ast.parse(text).body)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def imports(module: Module, statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Import]]:
    """Yield (name that it gives, what it leads to); `*` for all names of a module."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            name = alias.name if alias.asname else alias.name.partition(".")[0]
            yield alias.asname or name, Import(name)
        return
    origin = statement.module or ""
    if statement.level:
        origin = relative(module, statement.level, origin)
    for alias in statement.names:
        yield alias.asname or alias.name, Import(origin, alias.name, inside=statement.level > 0)


def relative(module: Module, level: int, dotted: str) -> str:
    """The path without ending of `from ...dotted import`, with so many dots."""
    base = module.folder
    for _ in range(level - 1):
        base = os.path.dirname(base)
    return f"{base}/{dotted.replace('.', '/')}".rstrip("/")
