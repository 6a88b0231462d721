"""Where a ComfyUI keeps what it reads: its own folder, and what its options move elsewhere.

Follows ComfyUI's folder_paths.py and main.py: extra_model_paths.yaml lies beside main.py whatever
the options say; `--base-directory` moves models/, custom_nodes/, output/ and user/,
`--models-directory` and `--output-directory` one of them, also where a base is given.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from comfyfix.disk import looked
from comfyfix.errors import SetupProblem
from comfyfix.why import Why

EXTRA_PATHS = "extra_model_paths.yaml"
_PROGRAM = ("main.py", "folder_paths.py", "nodes.py", "comfy")
# Where other programs that bring a ComfyUI with them keep it, from their own folder.
_BELOW = (
    "ComfyUI",  # the portable one of Windows
    "resources/ComfyUI", "Contents/Resources/ComfyUI",  # Desktop, on Windows and macOS
    "Packages/ComfyUI", "Data/Packages/ComfyUI",  # StabilityMatrix
    "app", "app/ComfyUI",
)  # fmt: skip
_LOOKED_AT_MAX = 2000  # entries of the folders below, where none of these is there
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Options:
    """What ComfyUI is started with; None is its default."""

    base_directory: Path | None = None
    models_directory: Path | None = None
    output_directory: Path | None = None


@dataclass(frozen=True, slots=True)
class Installation:
    """`root` holds main.py, `base` custom_nodes/ and user/; `models` and `output` are theirs."""

    root: Path
    base: Path
    models: Path
    output: Path


def installation(root: Path, options: Options) -> Installation:
    """Find the folders of an installation. Raises SetupProblem, with the folder that is meant.

    ComfyUI makes do without models/; then something else must show that this is its folder.
    """
    for name in ("base_directory", "models_directory"):
        path = getattr(options, name)
        if path is not None and not looked.is_dir(path):
            raise SetupProblem(Why.DIRECTORY_OF_OPTION, name=name, path=path)
    base = options.base_directory or root
    models = options.models_directory or base / "models"
    if not looked.is_dir(root):
        if (meant := _spelled(root)) is not None:
            raise SetupProblem(Why.COMFYUI_ELSEWHERE, path=root, meant=meant)
        raise SetupProblem(Why.COMFYUI_ABSENT, path=root)
    moved = options.base_directory or options.models_directory
    if not moved and not (
        _is_program(root) or (looked.is_dir(models) and _shows(root, "custom_nodes"))
    ):
        meant = meant_by(root)
        if meant is not None:
            raise SetupProblem(Why.COMFYUI_ELSEWHERE, path=root, meant=meant)
        if not looked.is_dir(models):
            raise SetupProblem(Why.COMFYUI_WITHOUT_MODELS, path=root)
    return Installation(root, base, models, options.output_directory or base / "output")


def meant_by(root: Path) -> Path | None:
    """The ComfyUI that lies in or above a folder that is none, if there is one.

    Where there are models, it is looked for in the usual places alone.
    """
    below = (root / name for name in _BELOW)
    if looked.is_dir(root / "models"):
        return next(filter(looks_like_one, below), None)
    nearest = (*below, *root.parents[:3])
    return next(filter(looks_like_one, nearest), None) or next(_below(root), None)


def _spelled(root: Path) -> Path | None:
    """The ComfyUI that a path is meant for which is no folder: main.py, or other case."""
    try:
        beside = [path for path in root.parent.iterdir() if path.name.lower() == root.name.lower()]
    except OSError:
        return None
    return next(filter(looks_like_one, (root.parent, *beside)), None)


def looks_like_one(path: Path) -> bool:
    """Tell whether a folder is a ComfyUI: by its program, or by models/ and what lies beside."""
    if _is_program(path):
        return True
    named = "comfyui" in path.name.lower()
    return looked.is_dir(path / "models") and (named or _shows(path, "custom_nodes"))


def _is_program(path: Path) -> bool:
    return sum(_shows(path, name) for name in _PROGRAM) > 1


def _shows(path: Path, name: str) -> bool:
    return looked.at(path / name) is not None


def _below(root: Path) -> Iterator[Path]:
    """Every ComfyUI a few folders below, the nearest first; of a large tree, of its first part."""
    pending, left = [(root, 0)], _LOOKED_AT_MAX
    for folder, depth in pending:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries[: max(left, 0)]:
            left -= 1
            if entry.name.startswith(".") or not os.path.isdir(entry.path):
                continue
            if looks_like_one(Path(entry.path)):
                yield Path(entry.path)
            if depth + 1 < _DEPTH:
                pending.append((Path(entry.path), depth + 1))
