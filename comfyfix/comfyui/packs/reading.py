"""Reading one pack: every node class under the names that workflows use for it."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from comfyfix.comfyui.loaders.table import Loader
from comfyfix.comfyui.packs.evaluate import Evaluator, Spent
from comfyfix.comfyui.packs.facts import PackFacts
from comfyfix.comfyui.packs.nodes import schema_of
from comfyfix.comfyui.packs.source import Module, Pack
from comfyfix.comfyui.packs.values import UNKNOWN, Class, Dotted

MAPPINGS = "NODE_CLASS_MAPPINGS"
_REGISTER = ("folder_names_and_paths", "add_model_folder_path")


def read(paths: Sequence[str], source: Callable[[str], bytes], comfyui: str) -> PackFacts:
    """Read the files of one pack; `source` gives their bytes. Never raises for its content."""
    pack = Pack(paths, source)
    directories = {
        "folder_paths.models_dir": f"{comfyui}/models",
        "folder_paths.base_path": comfyui,
    }
    evaluator = Evaluator(pack, directories)
    loaders: dict[str, Loader] = {}
    folders: dict[str, tuple[str, ...]] = {}
    try:
        modules = list(pack.modules())
        for module in modules:
            _register(evaluator, module, folders)
        named = _named(evaluator, modules)
        for module in modules:
            for statement in module.names.values():
                if isinstance(statement, ast.ClassDef):
                    _add(evaluator, Class(statement, module), named, loaders)
    except (Spent, RecursionError, MemoryError):
        pass  # what was read before stands
    return PackFacts(loaders=loaders, folders=folders)


def _named(evaluator: Evaluator, modules: list[Module]) -> dict[ast.ClassDef, list[str]]:
    """Class → the names that the pack's mappings give it."""
    named: dict[ast.ClassDef, list[str]] = {}
    for module in modules:
        if MAPPINGS not in module.names and not _mentions(module, MAPPINGS):
            continue
        mapping = evaluator.changed(module, MAPPINGS)
        for name, value in (mapping if isinstance(mapping, dict) else {}).items():
            if isinstance(value, Class) and isinstance(name, str):
                names = named.setdefault(value.node, [])
                names += [name] if name not in names else []
    return named


def _mentions(module: Module, name: str) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id == name
        for statement in module.later
        for node in ast.walk(statement)
    )


def _add(
    evaluator: Evaluator,
    owner: Class,
    named: Mapping[ast.ClassDef, list[str]],
    loaders: dict[str, Loader],
) -> None:
    own, loader = schema_of(evaluator, owner)
    if not loader.inputs:
        return
    for name in named.get(owner.node) or [own or owner.name]:
        known = loaders.get(name)
        loaders[name] = Loader(inputs={**loader.inputs, **known.inputs}) if known else loader


def _register(evaluator: Evaluator, module: Module, folders: dict[str, tuple[str, ...]]) -> None:
    """The directories that a module tells ComfyUI of, at its top level or in its functions."""
    bodies = [*module.later, *(n for n in module.names.values() if isinstance(n, ast.FunctionDef))]
    for statement in bodies:
        for node in ast.walk(statement):
            key, place = _registered(evaluator, module, node)
            if isinstance(key, str) and isinstance(place, str):
                folders[key] = tuple(
                    dict.fromkeys((*folders.get(key, ()), os.path.normpath(place)))
                )


def _registered(evaluator: Evaluator, module: Module, node: ast.AST) -> tuple[Any, Any]:
    match node:
        case ast.Call(func=func, args=[key, place, *_]):
            called = evaluator.value(func, module, {})
            if isinstance(called, Dotted) and called.last == _REGISTER[1]:
                return evaluator.value(key, module, {}), evaluator.value(place, module, {})
        case ast.Assign(targets=[ast.Subscript(value=owner, slice=key)], value=value):
            if evaluator.value(owner, module, {}) == Dotted(f"folder_paths.{_REGISTER[0]}"):
                told = evaluator.value(value, module, {})
                first = told[0] if isinstance(told, list) and told else UNKNOWN
                directory = first[0] if isinstance(first, list) and first else first
                return evaluator.value(key, module, {}), directory
        case _:
            pass
    return UNKNOWN, UNKNOWN
