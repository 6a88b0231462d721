"""What those who read parts of a pack may ask of the one who reads all of it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, Protocol

from comfyfix.comfyui.loaders.table import Loaders
from comfyfix.comfyui.packs.registered import Registered
from comfyfix.comfyui.packs.source import Module
from comfyfix.comfyui.packs.values import Class, Function

Locals = dict[str, Any]
LOOP_MAX = 256
"""How often a loop is followed."""


class Asked(Protocol):
    """Reads expressions and calls, within the budget of a pack."""

    registered: Registered
    constants: Mapping[str, str]
    core: Loaders

    def spend(self, items: int = 0) -> None:
        """Count one step, and what it is to copy so many items. Raises Spent."""

    def value(self, node: ast.expr, module: Module, scope: Locals) -> Any:
        """The value of an expression, or UNKNOWN. Raises Spent."""

    def name(self, module: Module, name: str) -> Any:
        """The value of a top-level name of a module, or UNKNOWN."""

    def settled(self, held: Any, module: Module) -> Any:
        """What a name holds, where that was not asked before."""

    def attribute(self, owner: Class, name: str) -> Any:
        """An attribute of a class or of its bases, or UNKNOWN."""

    def bases(self, owner: Class) -> list[Any]:
        """The base classes: of the pack, or by their dotted names."""

    def call(self, function: Function, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        """What a function of the pack returns, or UNKNOWN."""

    def found(self, module: Module, dotted: str) -> Any:
        """A module that is asked for by name while the pack runs, or UNKNOWN."""
