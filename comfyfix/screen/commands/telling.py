"""What `paths` has told ComfyUI."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from comfyfix.screen.words import t
from comfyfix.stages.paths_file import PathsFile


def lines(told: PathsFile | None, own: Path, *, dry: bool) -> Iterator[str]:
    """For people; `own` is the file that ComfyUI reads by itself."""
    if told is None:
        yield t("ComfyUI looks by itself where models are written: there is nothing to tell it.")
        return
    if not told.written:
        yield t("{path} says so already.", path=told.path)
    elif dry:
        yield t("Would be written: {path}", path=told.path)
    else:
        yield t("Written: {path}", path=told.path)
    for section in told.sections:
        yield t("  {count} folders: {name}", count=len(section.places), name=section.name)
    if told.path != own:
        yield t("Start ComfyUI with `--extra-model-paths-config {path:shell}`,", path=told.path)
        yield t("and name that file in the manifest's `extra_model_paths:`.")
    elif told.written and not dry:
        yield t("ComfyUI reads it when it is started the next time.")


def as_data(told: PathsFile | None, *, dry: bool) -> dict[str, Any]:
    """For programs."""
    if told is None:
        return {"path": None, "written": False, "sections": []}
    return {
        "path": str(told.path),
        "written": told.written and not dry,
        "sections": [
            {
                "name": section.name,
                "first": section.first,
                "folders": {k: [str(place) for place in v] for k, v in section.places.items()},
            }
            for section in told.sections
        ],
    }
