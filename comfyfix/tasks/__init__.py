"""The doit face: the only package that knows doit.

`load` is what a dodo.py needs of it; the rest is our own affair.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from comfyfix.tasks.face.dodo import Tasks

__all__ = ["load"]


def load(
    manifest: str | Path = "manifest.yaml", *, prefix: str = ""
) -> tuple[dict[str, Any], Tasks]:
    """Return doit's configuration and the tasks of one manifest, for the names of a dodo.py.

        DOIT_CONFIG, task_models = load("manifest.yaml")

    The path is relative to doit's working folder, which is that of the dodo.py unless `--dir` says
    otherwise. The configuration is a plain dict, to be changed or merged with one's own. With a
    `prefix` the tasks are called `PREFIX:download:NAME` and so on, `PREFIX` is all of them, and
    several manifests have room in one dodo.py; any one of their configurations is enough.
    """
    from comfyfix.tasks.declare import loading  # doit, for a dodo alone

    return loading.load(Path(manifest), prefix)
