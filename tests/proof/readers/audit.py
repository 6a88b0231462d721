"""What happens inside of Python while a file is loaded."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tests.proof.names import expected, only_classes

# Events that act on nothing outside of the interpreter, and that honest loads raise.
HARMLESS = {
    "sys._getframe",
    "gc.get_referrers",
    "gc.get_objects",
    "object.__getattr__",
    "sys.unraisablehook",  # an error while something was let go; `watch` keeps it from being shown
    "array.__new__",
    "builtins.id",
    "mmap.__new__",
    "cpython.PyInterpreterState_Clear",
}
# How `ast.parse` calls what it parses: headers of NumPy, sources of classes. What is then run as
# well raises `exec`.
PARSED = "<unknown>"
# How jinja2 calls what it makes of a template; rendering it is what the test does itself.
TEMPLATE = "<template>"


@dataclass
class Seen:
    """What was seen during one load."""

    path: str
    events: list[str] = field(default_factory=list)


class Audit:
    """Listens to Python's audit events, and to the functions that are called."""

    def __init__(self) -> None:
        self._seen: Seen | None = None
        self._codes: set[CodeType] = set()
        self._told: set[str] = set()
        sys.addaudithook(self._heard)

    @contextlib.contextmanager
    def watching(self, path: Path) -> Iterator[Seen]:
        """Watch what happens in the body."""
        seen = Seen(str(path))
        sys.setprofile(self._called)
        self._seen = seen
        try:
            yield seen
        finally:
            self._seen = None
            sys.setprofile(None)

    def new_calls(self) -> list[str]:
        """Return the functions that ran since the last question, and never before."""
        names = {f"{code.co_filename}:{code.co_qualname}" for code in self._codes} - self._told
        self._told |= names
        return sorted(names)

    def _called(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            self._codes.add(frame.f_code)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        seen = self._seen
        if seen is None or event in HARMLESS:
            return
        if event == "pickle.find_class":
            module, name = arguments
            if expected(str(module), str(name)):
                return
        elif (
            (event == "open" and _may_open(seen, arguments))
            or (event == "compile" and arguments[1] in (PARSED, TEMPLATE))
            or (event == "exec" and arguments[0].co_filename == TEMPLATE)
        ):
            return
        if len(seen.events) < 20:
            seen.events.append(f"{event}{_shown(arguments)}")


def _may_open(seen: Seen, arguments: tuple[Any, ...]) -> bool:
    """Tell what may be read: the file itself, and the source of a class that may be named."""
    name, mode, flags = (*arguments, None, None)[:3]
    writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (
        isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    )
    if isinstance(name, int):
        return True  # it is open already
    if writes or not isinstance(name, (str, os.PathLike)):
        return False
    return os.fspath(name) == seen.path or os.fspath(name) in _sources()


@functools.cache
def _sources() -> frozenset[str]:
    modules = [sys.modules[name] for name in sys.modules if only_classes(name)]
    return frozenset(str(getattr(module, "__file__", "")) for module in modules)


def _shown(arguments: tuple[Any, ...]) -> str:
    kinds = (str, int, bytes, type(None))
    told = [
        repr(item)[:80] if isinstance(item, kinds) else type(item).__name__ for item in arguments
    ]
    return f"({', '.join(told)})"
