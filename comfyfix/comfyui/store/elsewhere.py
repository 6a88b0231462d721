"""Where other programs say that a ComfyUI is: comfy-cli, ComfyUI Desktop, StabilityMatrix.

Their files belong to others and may hold anything: they are read up to a bound, and what does not
fit says nothing. A path that Windows has written is read as the one that it is under WSL.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from comfyfix.disk import regular, windows
from comfyfix.records import Reason, because
from comfyfix.why import Why

_FOLDERS_MAX = 50
"""Folders of one folder that are looked at."""
_DESKTOP_PROGRAMS = (
    "/Applications/ComfyUI.app/Contents/Resources/ComfyUI",
    "Applications/ComfyUI.app/Contents/Resources/ComfyUI",
    "AppData/Local/Programs/ComfyUI/resources/ComfyUI",
    "AppData/Local/Programs/@comfyorgcomfyui-electron/resources/ComfyUI",
)
_LIBRARIES = ("StabilityMatrix", "StabilityMatrix/Data", "Downloads/StabilityMatrix/Data")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that may be a ComfyUI, and who says so.

    `base` is where models and workflows lie, if that is elsewhere; `extra` are files of further
    model folders that its program is started with; `also` holds models of other programs.
    """

    path: Path
    said: Reason
    base: Path | None = None
    extra: tuple[Path, ...] = ()
    also: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Home:
    """A user's folder, and where programs keep their settings in it, the likeliest first."""

    path: Path
    settings: tuple[str, ...]


def home_of(path: Path, system: str, environ: Mapping[str, str]) -> Home:
    """The home of a user of this system (`darwin`, or Linux)."""
    if system == "darwin":
        return Home(path, ("Library/Application Support", ".config"))
    own = environ.get("XDG_CONFIG_HOME", "")
    return Home(path, tuple(dict.fromkeys((own, ".config") if own else (".config",))))


def home_in_windows(path: Path) -> Home:
    """The home of a user of Windows, as WSL has it."""
    return Home(path, ("AppData/Local", "AppData/Roaming"))


def told_by_programs(home: Home, environ: Mapping[str, str]) -> Iterator[Place]:
    """Where the programs of one user say that a ComfyUI is."""
    for settings in home.settings:
        folder = home.path / settings
        yield from _of_comfy_cli(folder / "comfy-cli/config.ini", environ)
    for settings in home.settings:
        yield from _of_desktop(home.path, home.path / settings / "ComfyUI", environ)
    for settings in home.settings:
        programs = _json(home.path / settings / "StabilityMatrix/library.json")
        if (library := place_of(programs.get("LibraryPath"), environ)) is not None:
            yield from _of_library(library)
    for name in _LIBRARIES:
        yield from _of_library(home.path / name)


def below(folder: Path) -> list[Path]:
    """The folders in a folder that are not hidden, by name; of very many, some."""
    folders: list[Path] = []
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= _FOLDERS_MAX * 10 or len(folders) >= _FOLDERS_MAX:
                    break
                if not entry.name.startswith(".") and os.path.isdir(entry.path):
                    folders.append(Path(entry.path))
    except OSError:
        pass  # what can't be read says nothing
    return sorted(folders)


def _of_comfy_cli(file: Path, environ: Mapping[str, str]) -> Iterator[Place]:
    config = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        config.read_string(regular.text(file))
    except (OSError, ValueError, configparser.Error):
        return
    for key in ("default_workspace", "recent_workspace"):
        written = config.defaults().get(key, "").replace("%%", "%")  # as its parser writes a `%`
        if (path := place_of(written, environ)) is not None:
            yield Place(path, because(Why.COMFYUI_OF_COMFY_CLI, file=str(file)))


def _of_desktop(home: Path, settings: Path, environ: Mapping[str, str]) -> Iterator[Place]:
    file, extra = settings / "config.json", settings / "extra_models_config.yaml"
    base = place_of(_json(file).get("basePath"), environ)
    if base is None:
        return
    said = because(Why.COMFYUI_OF_DESKTOP, file=str(file))
    further = (extra,) if os.path.isfile(extra) else ()
    programs = (home / name for name in _DESKTOP_PROGRAMS)
    program = next((path for path in programs if os.path.isfile(path / "main.py")), None)
    if program is None:
        yield Place(base, said, extra=further)
    else:
        yield Place(program, said, base=base, extra=further)


def _of_library(library: Path) -> Iterator[Place]:
    for package in below(library / "Packages"):
        if "comfyui" in package.name.lower():
            models = library / "Models"
            said = because(Why.COMFYUI_OF_STABILITY_MATRIX, file=str(library))
            yield Place(package, said, also=(models,) if os.path.isdir(models) else ())


def _json(file: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(regular.read(file, regular.NOTE_MAX), type=dict[str, Any])
    except (OSError, ValueError, RecursionError):
        return {}


def place_of(written: object, environ: Mapping[str, str]) -> Path | None:
    """A path of a file of others, if it is one, and leads somewhere on this system."""
    if not isinstance(written, str) or not written or "\0" in written:
        return None
    here = windows.here(written, environ) if windows.is_windows(written) else written
    return Path(os.path.normpath(here)) if here and here.startswith("/") else None
