"""What `paths` has told ComfyUI."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from comfyfix.screen.words import t
from comfyfix.stages.paths_file import PathsFile


def lines(file: PathsFile | None, own: Path, *, dry: bool) -> Iterator[str]:
    """For people; `own` is the file that ComfyUI reads by itself."""
    if file is None:
        yield t("ComfyUI looks by itself where models are written: there is nothing to tell it.")
        return
    if not file.written:
        yield t("{path} says so already.", path=file.path)
    elif dry:
        yield t("Would be written: {path}", path=file.path)
    else:
        yield t("Written: {path}", path=file.path)
    for section in file.sections:
        yield t("  {count} folders: {name}", count=len(section.places), name=section.name)
    if file.path != own:
        yield t("Start ComfyUI with `--extra-model-paths-config {path:shell}`,", path=file.path)
        yield t("and name that file in the manifest's `extra_model_paths:`.")
    elif file.written and not dry:
        yield t("ComfyUI reads it when it is started the next time.")


def as_data(file: PathsFile | None, *, dry: bool) -> dict[str, Any]:
    """For programs."""
    if file is None:
        return {"path": None, "written": False, "sections": []}
    return {
        "path": str(file.path),
        "written": file.written and not dry,
        "sections": [
            {
                "name": section.name,
                "first": section.first,
                "folders": {k: list(map(str, places)) for k, places in section.places.items()},
            }
            for section in file.sections
        ],
    }
