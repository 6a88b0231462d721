"""ComfyUI's model folders: which directories belong to a folder key, and what is found there.

Follows ComfyUI's folder_paths.py: search order, aliases, extra_model_paths.yaml, the endings that
a key takes, and a lookup that is anchored so that a name can't climb out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from comfyfix.comfyui.store import extra_paths
from comfyfix.disk.files import led_into, regular_stat
from comfyfix.endings import LISTED
from comfyfix.errors import SetupProblem
from comfyfix.why import Why

_OLD = {"unet": "diffusion_models", "clip": "text_encoders"}
ALIASES = {
    **_OLD,
    # ComfyUI-GGUF registers these over the very same directories, for .gguf alone.
    "unet_gguf": "diffusion_models",
    "clip_gguf": "text_encoders",
}

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
_MORE_OF_CORE = ("text_encoders", "diffusion_models", "controlnet")  # with several directories
# Keys of the core beside models/: extra_model_paths.yaml may name them, but they hold no models.
BESIDE = ("custom_nodes", "datasets", "fonts")
# Where the core's own save nodes write, and look again: the last directories of these keys.
_OUTPUT = ("checkpoints", "clip", "vae", "diffusion_models", "loras")
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
# What the files of a key may end in, in lower case; a key that is not here takes any file. The
# core lists no file of diffusers at all, only folders; a file there is for a pack's own reading.
_ENDINGS = {
    **dict.fromkeys(
        (*_CORE, *_MORE_OF_CORE),
        LISTED,
    ),
    "configs": frozenset({".yaml"}),
    "classifiers": frozenset({""}),
    "fonts": frozenset({".ttf", ".otf"}),
}

_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,3}")


def folder_key(name: str) -> str:
    """Map ComfyUI's old folder names to the ones of today."""
    return ALIASES.get(name, name)


def is_folder_key(name: str) -> bool:
    """Tell whether a folder name from outside can be one: it can't leave models/ or be hidden."""
    return bool(_KEY.fullmatch(name))


def core_directories() -> dict[str, tuple[str, ...]]:
    """The core's own keys, and the names of their directories in models/; new files go first."""
    return {
        key: tuple(dict.fromkeys((_written_name(key), *_DIRECTORIES.get(key, (key,)))))
        for key in (*_CORE, *_MORE_OF_CORE)
    }


def own_endings(name: str) -> frozenset[str] | None:
    """The endings of a key of the core that does not take what its other keys take."""
    told = _ENDINGS.get(name)
    return None if told is LISTED else told


def is_core(name: str) -> bool:
    """Tell a key of the core, under its old name too."""
    return _OLD.get(name, name) in (*_CORE, *_MORE_OF_CORE, *BESIDE)


def accepts(key: str, path: str) -> bool:
    """Tell whether ComfyUI would list a file of this name for a key: by ending, and not in .git."""
    endings = _ENDINGS.get(folder_key(key))
    if endings is not None and os.path.splitext(path)[1].lower() not in endings:  # hot
        return False
    return "/.git/" not in f"/{path}"


@dataclass(frozen=True, slots=True)
class Folders:
    """All model folders of one installation.

    `paths` holds the directories of each key in search order; `written` the directory that
    new files of a key go to; `default_root` is where keys without either lie. `store` is the
    tree that everything written stays inside; `searched` are the keys for which ComfyUI looks
    there, None where it is ComfyUI's own.
    """

    paths: dict[str, tuple[Path, ...]]
    written: dict[str, Path]
    default_root: Path
    store: Path
    comfyui: Path = Path()
    searched: frozenset[str] | None = None

    def directories(self, key: str) -> tuple[Path, ...]:
        """The directories of a key in search order; a key of a node pack has one of its name."""
        known = self.paths.get(folder_key(key))
        return known if known is not None else tuple(_in(self.default_root, key))

    def find(self, key: str, path: str) -> tuple[str, os.stat_result] | None:
        """The file ComfyUI would load for this name, with its stat, or None.

        The first directory that has it wins; a file that ComfyUI does not list is refused by it.
        """
        anchored = _anchored(path)
        if not accepts(key, anchored):
            return None
        for directory in self.directories(key):
            found = f"{directory}/{anchored}"
            info = regular_stat(found)
            if info:
                return found, info
        return None

    def is_directory(self, key: str, path: str) -> bool:
        """Tell whether a directory model is there; one of diffusers must hold model_index.json."""
        anchored = _anchored(path)
        places = (f"{directory}/{anchored}" for directory in self.directories(key))
        first = next((place for place in places if os.path.isdir(place)), None)  # never raises
        if first is None or folder_key(key) != "diffusers":
            return first is not None
        return regular_stat(f"{first}/model_index.json") is not None

    def destination(self, key: str, path: str) -> Path:
        """Where a new file of this model is written."""
        return Path(self.place(key, path))

    def place(self, key: str, path: str) -> str:
        """`destination` as a plain string: every command asks for that of every model."""
        key = folder_key(key)
        base = self.written.get(key) or self.default_root / _written_name(key)
        return f"{base}/{path}"

    def with_registered(self, told: Mapping[str, Iterable[str]]) -> Folders:
        """Add the directories that node packs register; those outside the installation are left.

        A place that is no absolute path is a key whose directories are meant. A key that only packs
        know is written where its pack looks below models/, else to the first place it has.
        """
        paths, written = dict(self.paths), dict(self.written)
        models = self.comfyui / "models"
        for name, places in told.items():
            key = folder_key(name)
            inside = [path for place in places for path in self._registered(place)]
            if not is_folder_key(name) or not inside:
                continue
            if key not in paths:
                below = [p.relative_to(models) for p in inside if p.is_relative_to(models)]
                written[key] = self.default_root / (below[0] if below else key)
                if not below and self.default_root == models:
                    written[key] = inside[0]
            own = paths.get(key, (written[key],) if key in written else ())
            paths[key] = tuple(dict.fromkeys((*own, *inside)))
        return replace(self, paths=paths, written=written)

    def _registered(self, place: str) -> tuple[Path, ...]:
        if not place.startswith("/"):
            return self.paths.get(folder_key(place), ())
        path = Path(place)
        return (path,) if path.is_relative_to(self.comfyui) else ()

    def roots(self) -> tuple[Path, ...]:
        """Every directory that may hold models, none inside another."""
        every = {p for key, paths in self.paths.items() if key not in BESIDE for p in paths}
        every.add(self.default_root)
        ordered = sorted(every, key=lambda p: len(p.parts))
        roots: list[Path] = []
        for path in ordered:
            if not any(path.is_relative_to(root) for root in roots):
                roots.append(path)
        return tuple(roots)


def read(
    comfyui: Path, extra: Iterable[Path], store: Path | None, *, create_store: bool = False
) -> Folders:
    """Read the folders of a ComfyUI installation. Raises SetupProblem.

    A store that is not there may be one whose disk is not mounted; it is made only if that is
    wanted.
    """
    if store is not None and not store.is_dir():
        _make_store(store, wanted=create_store)
    if not comfyui.is_dir():
        raise SetupProblem(Why.COMFYUI_ABSENT, path=comfyui)
    if not (comfyui / "models").is_dir():
        raise SetupProblem(Why.COMFYUI_WITHOUT_MODELS, path=comfyui)
    models = comfyui / "models"
    table = {key: list(_in(models, key)) for key in (*_CORE, *_DIRECTORIES)}
    table |= {key: [comfyui / key] for key in BESIDE}
    written: dict[str, Path] = {}
    own = comfyui / "extra_model_paths.yaml"
    # Docker makes a folder of a file that it can't mount, and ComfyUI passes over it; a pipe or a
    # link to nothing is told: without it models would go where ComfyUI does not look.
    there = os.path.lexists(own) and not own.is_dir()
    for path in [*([own] if there else []), *extra]:
        for name, directory, is_default in extra_paths.read(path):
            key = folder_key(name)
            _add(table, key, directory, is_default)
            if is_default:
                written[key] = directory
    for name in _OUTPUT:
        _add(table, folder_key(name), comfyui / "output" / name, is_default=False)
    default_root = models
    searched = None
    if store is not None:
        searched = _searched(store, table)
        # What ComfyUI was told about this store is where it will look for new files.
        for key, paths in table.items():
            if key in BESIDE:
                continue
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
        searched=searched,
    )


def _make_store(store: Path, *, wanted: bool) -> None:
    if not wanted:
        raise SetupProblem(Why.STORE_ABSENT, path=store)
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        told = error.strerror or error
        raise SetupProblem(Why.STORE_UNMADE, path=store, error=told) from None


def _searched(store: Path, table: Mapping[str, Iterable[Path]]) -> frozenset[str]:
    """The folder keys for which ComfyUI looks into the store."""
    return frozenset(
        key for key, paths in table.items() if any(led_into(path, store) for path in paths)
    )


def _anchored(path: str) -> str:
    """Make a path that can't climb out of its folder with `..`, as ComfyUI does."""
    plain = not (path.startswith("/") or path.endswith(("/", ".")) or "//" in path or "./" in path)
    if plain:
        return path
    return os.path.relpath(os.path.join("/", path), "/")  # ComfyUI's words


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
