"""Paths file: ComfyUI's file of model paths is written, and nobody's own is lost."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from comfyfix.comfyui.store import path_sections
from comfyfix.comfyui.store.path_sections import Section, Unsayable
from comfyfix.disk import regular
from comfyfix.disk.files import write_atomic, write_new
from comfyfix.errors import SetupProblem
from comfyfix.why import Why

_MODE = 0o644


@dataclass(frozen=True, slots=True)
class PathsFile:
    """A file that tells ComfyUI of folders; `written` where it was not as it is now."""

    path: Path
    sections: Sequence[Section]
    written: bool


def write(path: Path, sections: Sequence[Section], *, dry: bool) -> PathsFile:
    """Write the file. Raises SetupProblem; where somebody else has written it, nothing happens."""
    try:
        data = path_sections.text(sections)
    except Unsayable as error:
        raise SetupProblem(Why.PATHS_UNSAYABLE, path=error.path) from None
    try:
        old = _content(path)
        if old is not None and old != data and not path_sections.is_ours(old):
            raise SetupProblem(Why.PATHS_NOT_OURS, path=path)
        if old != data and not dry:
            if old is None:
                write_new(path, data, mode=_MODE)
            else:
                write_atomic(path, data)
    except (FileExistsError, regular.NotRegular):  # somebody has been faster; it is none of ours
        raise SetupProblem(Why.PATHS_NOT_OURS, path=path) from None
    except OSError as error:
        cause = error.strerror or str(error)
        raise SetupProblem(Why.PATHS_UNWRITTEN, path=path, cause=cause) from None
    return PathsFile(path, sections, written=old != data)


def _content(path: Path) -> bytes | None:
    """What lies there; None for nothing. A link or no file at all is somebody's. Raises OSError."""
    if not os.path.lexists(path):
        return None
    if os.path.islink(path) or not os.path.isfile(path):
        raise SetupProblem(Why.PATHS_NOT_OURS, path=path)
    return regular.read(path, path_sections.SIZE_MAX)
