"""ComfyUI's model folders: which directories belong to a folder key, and what is found there.

Follows ComfyUI's folder_paths.py: search order, aliases, extra_model_paths.yaml, and a lookup
that is anchored so that a name can't climb out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from comfyfix import yamlfile
from comfyfix.errors import ManifestProblem, SetupProblem
from comfyfix.files import regular_stat

ALIASES = {"unet": "diffusion_models", "clip": "text_encoders"}

MODEL_EXTENSIONS = frozenset(
    {".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"}
)
# Node packs add these to the core's list; a file of ours may have them.
PACK_EXTENSIONS = frozenset({".gguf", ".onnx", ".engine"})

_CORE = (
    "audio_encoders",
    "background_removal",
    "checkpoints",
    "clip_vision",
    "configs",
    "detection",
    "diffusers",
    "embeddings",
    "frame_interpolation",
    "geometry_estimation",
    "gligen",
    "hypernetworks",
    "latent_upscale_models",
    "loras",
    "model_patches",
    "optical_flow",
    "photomaker",
    "style_models",
    "upscale_models",
    "vae",
    "vae_approx",
    "classifiers",
)
# Folder keys with more than one directory, in search order, or with a directory of another name.
_DIRECTORIES = {
    "text_encoders": ("text_encoders", "clip"),
    "diffusion_models": ("unet", "diffusion_models"),
    "controlnet": ("controlnet", "t2i_adapter"),
    "ultralytics_bbox": ("ultralytics/bbox",),
    "ultralytics_segm": ("ultralytics/segm",),
    "cogvideox_loras": ("CogVideo/loras",),
    "xlabs_controlnets": ("xlabs/controlnets",),
    "xlabs_loras": ("xlabs/loras",),
    "xlabs_ipadapters": ("xlabs/ipadapters",),
}
# What a folder is written to when its first directory is the old name.
_WRITTEN = {"diffusion_models": "diffusion_models"}


_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,3}")


def folder_key(name: str) -> str:
    """Map ComfyUI's old folder names to the ones of today."""
    return ALIASES.get(name, name)


def is_folder_key(name: str) -> bool:
    """Tell whether a folder name from outside can be one: it can't leave models/ or be hidden."""
    return bool(_KEY.fullmatch(name))


@dataclass(frozen=True, slots=True)
class Folders:
    """All model folders of one installation.

    `paths` holds the directories of each key in search order; `written` the directory that
    new files of a key go to; `default_root` is where keys without either lie. `store` is the
    tree that everything written stays inside.
    """

    paths: dict[str, tuple[Path, ...]]
    written: dict[str, Path]
    default_root: Path
    store: Path
    comfyui: Path = Path()

    def directories(self, key: str) -> tuple[Path, ...]:
        """The directories of a key in search order; a key of a node pack has one of its name."""
        known = self.paths.get(folder_key(key))
        return known if known is not None else tuple(_in(self.default_root, key))

    def find(self, key: str, path: str) -> tuple[str, os.stat_result] | None:
        """The file ComfyUI would load for this name, with its stat, or None."""
        anchored = _anchored(path)
        for directory in self.directories(key):
            found = f"{directory}/{anchored}"
            info = regular_stat(found)
            if info:
                return found, info
        return None

    def is_directory(self, key: str, path: str) -> bool:
        """Tell whether a directory model (diffusers and the like) is there."""
        anchored = _anchored(path)
        return any(os.path.isdir(f"{d}/{anchored}") for d in self.directories(key))  # noqa: PTH112 - never raises

    def destination(self, key: str, path: str) -> Path:
        """Where a new file of this model is written."""
        key = folder_key(key)
        base = self.written.get(key) or self.default_root / _written_name(key)
        return Path(f"{base}/{path}")

    def with_registered(self, told: Mapping[str, Iterable[str]]) -> Folders:
        """Add the directories that node packs register; those outside the installation are left.

        A key that only packs know is written where its pack looks below models/.
        """
        paths, written = dict(self.paths), dict(self.written)
        models = self.comfyui / "models"
        for name, places in told.items():
            key = folder_key(name)
            inside = [Path(place) for place in places if Path(place).is_relative_to(self.comfyui)]
            if not is_folder_key(name) or not inside:
                continue
            below = [path.relative_to(models) for path in inside if path.is_relative_to(models)]
            if below and key not in paths:
                written[key] = self.default_root / below[0]
            own = paths.get(key, (written[key],) if key in written else ())
            paths[key] = tuple(dict.fromkeys((*own, *inside)))
        return replace(self, paths=paths, written=written)

    def roots(self) -> tuple[Path, ...]:
        """Every directory that may hold models, none inside another."""
        every = {p for paths in self.paths.values() for p in paths} | {self.default_root}
        ordered = sorted(every, key=lambda p: len(p.parts))
        roots: list[Path] = []
        for path in ordered:
            if not any(path.is_relative_to(root) for root in roots):
                roots.append(path)
        return tuple(roots)


def read(comfyui: Path, extra: Iterable[Path], store: Path | None) -> Folders:
    """Read the folders of a ComfyUI installation. Raises SetupProblem, ManifestProblem."""
    if not comfyui.is_dir():
        raise SetupProblem(
            f"There is no ComfyUI in {comfyui}",
            cause="the folder does not exist",
            next_step="set `comfyui:` in manifest.yaml or COMFYUI_PATH to ComfyUI's own folder",
        )
    if not (comfyui / "models").is_dir():
        raise SetupProblem(
            f"There is no ComfyUI in {comfyui}",
            cause="it has no folder models/",
            next_step="set `comfyui:` in manifest.yaml or COMFYUI_PATH to the folder that holds it",
        )
    models = comfyui / "models"
    table = {key: list(_in(models, key)) for key in (*_CORE, *_DIRECTORIES)}
    written: dict[str, Path] = {}
    own = comfyui / "extra_model_paths.yaml"
    for path in [*([own] if own.is_file() else []), *extra]:
        for key, directory, is_default in _extra_paths(path):
            _add(table, key, directory, is_default)
            if is_default:
                written[key] = directory
    default_root = models
    if store is not None:
        # What ComfyUI was told about this store is where it will look for new files.
        for key, paths in table.items():
            told = [path for path in paths if path.is_relative_to(store)]
            named = [path for path in told if path.name == _written_name(key)]
            written[key] = (named or told or [store / _written_name(key)])[0]
            paths.extend(path for path in _in(store, key) if path not in paths)
        default_root = store
    return Folders(
        paths={key: tuple(paths) for key, paths in table.items()},
        written=written,
        default_root=default_root,
        store=store or models,
        comfyui=comfyui,
    )


def _anchored(path: str) -> str:
    """Make a path that can't climb out of its folder with `..`, as ComfyUI does."""
    if path.startswith("/") or "//" in path or "./" in path or path.endswith(".."):
        return os.path.relpath(os.path.join("/", path), "/")  # noqa: PTH118 - ComfyUI's words
    return path


def _in(root: Path, key: str) -> Iterator[Path]:
    for name in _DIRECTORIES.get(key, (key,)):
        yield root / name


def _written_name(key: str) -> str:
    return _WRITTEN.get(key) or _DIRECTORIES.get(key, (key,))[0]


def _add(table: dict[str, list[Path]], key: str, path: Path, is_default: bool) -> None:
    paths = table.setdefault(key, [])
    if path in paths:
        if is_default and paths[0] != path:
            paths.remove(path)
            paths.insert(0, path)
    elif is_default:
        paths.insert(0, path)
    else:
        paths.append(path)


def _extra_paths(path: Path) -> Iterator[tuple[str, Path, bool]]:
    value, lines = yamlfile.read(path)
    if value is None:
        return
    if not isinstance(value, dict):
        raise ManifestProblem(
            f"{path}, line 1", cause="sections are missing", next_step="mend the file"
        )
    for section_name, section in value.items():
        if section is None:
            continue
        if not isinstance(section, dict):
            raise ManifestProblem(
                f"{path}, line {lines[f'$.{section_name}']}, key {section_name}",
                cause="a section must be a list of `folder: path` lines",
                next_step="mend that line",
            )
        yield from _section(section, path.parent, f"{path}, line {lines[f'$.{section_name}']}")


def _section(section: dict[str, Any], beside: Path, where: str) -> Iterator[tuple[str, Path, bool]]:
    base_text = section.get("base_path")
    base = Path(os.path.expanduser(os.path.expandvars(str(base_text)))) if base_text else None  # noqa: PTH111 - an unknown user stays as written
    if base is not None and not base.is_absolute():
        base = (beside / base).absolute()
    is_default = bool(section.get("is_default"))
    for key, value in section.items():
        if key in ("base_path", "is_default") or value is None:
            continue
        if not isinstance(value, str):
            raise ManifestProblem(
                f"{where}, key {key}",
                cause="a folder's paths must be text, one path a line",
                next_step="mend that line",
            )
        for line in value.split("\n"):
            if not line:
                continue
            full = base / line if base is not None else Path(line)
            if base is None and not full.is_absolute():
                full = (beside / full).absolute()
            yield folder_key(key), Path(os.path.normpath(full)), is_default
