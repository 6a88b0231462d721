"""What the commands that write pins.yaml share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from comfyfix.errors import SetupProblem
from comfyfix.records import Hint
from comfyfix.settings import pins
from comfyfix.tasks.running import Run
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.sources.base import Finding


def write(run: Run, entries: Mapping[str, Mapping[str, str]]) -> None:
    """Add entries to the project's pins.yaml. Raises SetupProblem."""
    setup = run.project.setup
    path = pins.place(setup.manifest, setup.manifest_path)
    try:
        pins.add(path, run.project.layout.pins_lock, entries)
    except OSError as error:
        raise unwritten(error) from None


def unwritten(error: OSError) -> SetupProblem:
    """The problem that pins.yaml can't be written."""
    cause = error.strerror or str(error)
    return SetupProblem(Why.PINS_NOT_WRITTEN, file=pins.NAME, cause=cause)


def at(run: Run, name: str, url: str, sha256: str = "") -> Finding:
    """Ask what is at an address, for a file of this name. Raises ModelProblem."""
    from comfyfix.sources import workflow  # 200 ms that only a look needs

    hint = Hint(name=name, url=url, sha256=sha256 or None)
    return workflow.confirm_url(hint, pins.NAME, run.services())
