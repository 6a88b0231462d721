"""Whether a load changed what all loads share: a class or a function that a file may name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from tests.proof.names import exact, only_classes


class State:
    """Remembers what the attributes of classes and functions are."""

    def __init__(self) -> None:
        self._known = {id(item): item for item in _nameable()}
        self._seen = {key: _mark(item) for key, item in self._known.items()}

    def changes(self) -> list[str]:
        """Tell which of them are not as they were at the beginning."""
        return [
            f"changed {item!r}"[:120]
            for key, item in self._known.items()
            if _mark(item) != self._seen[key]
        ]


def _nameable() -> Iterator[Any]:
    for module, name in exact():
        found = getattr(sys.modules.get(module), name, None)
        if isinstance(found, (type, FunctionType)):
            yield found
    for module in list(sys.modules):
        if only_classes(module):
            for found in vars(sys.modules[module]).values():
                if isinstance(found, (type, FunctionType)):
                    yield found


def _mark(item: Any) -> tuple[int, int]:
    """Return what changes when an attribute is set: how many there are, and which values."""
    told = [value for name, value in vars(item).items() if name != "__annotations__"]
    if isinstance(item, FunctionType):
        told += [item.__code__, item.__defaults__, item.__kwdefaults__]
    return len(told), sum(map(id, told))
