"""Reading one pack: every node class under the names that workflows use for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from comfyfix.comfyui.loaders.table import Loader, built_in
from comfyfix.comfyui.packs.evaluate import Evaluator, Spent
from comfyfix.comfyui.packs.facts import PackFacts
from comfyfix.comfyui.packs.nodes import schema_of
from comfyfix.comfyui.packs.source import Module, Pack
from comfyfix.comfyui.packs.values import Class

MAPPINGS = "NODE_CLASS_MAPPINGS"
NODES_MAX = 5000


def read(
    paths: Sequence[str], source: Callable[[str], bytes], comfyui: str, core: Pack | None = None
) -> PackFacts:
    """Read the files of one pack; `source` gives their bytes. Never raises for its content."""
    pack = Pack(paths, source, core)
    constants = {
        "folder_paths.models_dir": f"{comfyui}/models",
        "folder_paths.base_path": comfyui,
    }
    evaluator = Evaluator(pack, constants, built_in())
    loaders: dict[str, Loader] = {}
    nodes: set[str] = set()
    try:
        modules = list(pack.modules())
        for module in modules:
            evaluator.start(module)
        named = _named(evaluator, modules, nodes)
        for module in modules:
            for name, held in list(module.names.items()):
                if isinstance(held, Class) and held.module is module and held.name == name:
                    own = _add(evaluator, held, named.get(held, ()), loaders, only=bool(named))
                    nodes.update([own] if own else [])
        for owner, names in named.items():
            if owner.around:  # made by a function
                _add(evaluator, owner, names, loaders, only=True)
    except (Spent, RecursionError, MemoryError):
        pass  # what was read before stands
    finally:
        pack.forget()
    registered = evaluator.registered
    return PackFacts(
        loaders=loaders,
        folders=registered.folders,
        endings=registered.endings,
        nodes=tuple(sorted(nodes))[:NODES_MAX],
    )


def _named(evaluator: Evaluator, modules: list[Module], nodes: set[str]) -> dict[Class, list[str]]:
    """Class → the names that the pack's mappings give it; `nodes` gets all that stand there."""
    named: dict[Class, list[str]] = {}
    for module in modules:
        mapping = evaluator.name(module, MAPPINGS)
        for name, value in (mapping if isinstance(mapping, dict) else {}).items():
            nodes.update([name] if isinstance(name, str) else [])
            if isinstance(value, Class) and isinstance(name, str):
                names = named.setdefault(value, [])
                names += [name] if name not in names else []
    return named


def _add(
    evaluator: Evaluator,
    owner: Class,
    named: Sequence[str],
    loaders: dict[str, Loader],
    *,
    only: bool,
) -> str:
    """The inputs of a class, under its names; a pack that tells names has no others (`only`).

    Returns the name that the class gives itself, empty if none.
    """
    own, loader = schema_of(evaluator, owner)
    if not loader.inputs:
        return own
    for name in named or ([own] if own else [] if only else [owner.name]):
        known = loaders.get(name)
        loaders[name] = Loader(inputs={**loader.inputs, **known.inputs}) if known else loader
    return own
