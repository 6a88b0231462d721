"""extra_model_paths.yaml: further directories of model folders, read as ComfyUI reads it.

Each section stands alone; its `base_path` and `is_default` are for its own lines.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from comfyfix.records import because
from comfyfix.settings import yamlfile
from comfyfix.why import Why

_SETTINGS = ("base_path", "is_default")


def read(path: Path) -> Iterator[tuple[str, Path, bool]]:
    """Yield (folder name as written, directory, is it a default) in the order of the file.

    Raises SetupProblem.
    """
    value, lines = yamlfile.read(path)
    if value is None:
        return
    if not isinstance(value, dict):
        raise yamlfile.refused(path, 1, because(Why.SECTIONS_MISSING))
    for section_name, section in value.items():
        if section is None:
            continue
        line = lines[f"$.{section_name}"]
        if not isinstance(section, dict):
            raise yamlfile.refused(path, line, because(Why.SECTION_NO_MAPPING), section_name)
        for key, value in section.items():
            if not isinstance(value, str | None) and key not in _SETTINGS:
                at = f"{section_name}.{key}"
                raise yamlfile.refused(path, lines[f"$.{at}"], because(Why.SECTION_PATHS), at)
        yield from _section(section, path.parent)


def _section(section: dict[str, Any], beside: Path) -> Iterator[tuple[str, Path, bool]]:
    base_text = section.get("base_path")
    # In this order: a `~` that comes out of a variable stays as it is.
    base = (
        Path(os.path.expandvars(os.path.expanduser(str(base_text)))) if base_text else None
    )  # an unknown user stays as written
    if base is not None and not base.is_absolute():
        base = (beside / base).absolute()
    is_default = bool(section.get("is_default"))
    for key, value in section.items():
        if key in _SETTINGS or value is None:
            continue
        for line in value.split("\n"):
            if not line:
                continue
            full = base / line if base is not None else Path(line)
            if base is None and not full.is_absolute():
                full = (beside / full).absolute()
            yield key, Path(os.path.normpath(full)), is_default
