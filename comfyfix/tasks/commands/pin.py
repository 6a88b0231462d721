"""The `pin` command: the user says where an uncertain model is."""

from __future__ import annotations

from typing import Any

from comfyfix.errors import HostRefused, SetupProblem
from comfyfix.screen import notes
from comfyfix.screen.commands import pinning as words
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.settings import pins
from comfyfix.tasks.commands.base import ProjectCommand
from comfyfix.tasks.face.guard import REFUSED
from comfyfix.tasks.run import pinning
from comfyfix.tasks.run.running import Run
from comfyfix.why import Why


class Pin(ProjectCommand):
    """Settle by hand where a model comes from."""

    doc_purpose = t("settle by hand where a model comes from")
    doc_usage = "MODEL URL"
    doc_description = t(
        "Writes pins.yaml beside manifest.yaml, if the file is there: the address may be one of a "
        "file, a page of Civitai, an AIR or `hf://…`. `doit unpin` takes the pin back."
    )
    name = "pin"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Check the address and write the pin."""
        # An argument with `=` comes last, whatever its place was.
        urls = [name for name in names if pinning.is_address(name)]
        models = [name for name in names if not pinning.is_address(name)]
        if len(urls) != 1 or len(models) != 1:
            raise SetupProblem(Why.PIN_NEEDS_BOTH)
        try:
            pinning.pin(pinning.pinnable(self.runs(options), models[0]), urls[0])
        except HostRefused as problem:
            notes.refusal(problem)
            return REFUSED
        return 0


class Unpin(ProjectCommand):
    """Take a pin back."""

    doc_purpose = t("take back what `doit pin` has settled")
    doc_usage = "MODEL [MODEL ...]"
    doc_description = t("Removes entries of pins.yaml, by their key or by the file's name.")
    name = "unpin"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Remove the entries. Raises SetupProblem for a name that has none."""
        if not names:
            raise SetupProblem(Why.UNPIN_NEEDS_MODEL)
        runs = self.runs(options)
        for name in names:
            unpinned = [key for run in runs for key in _taken_back(run, name)]
            if not unpinned:
                raise SetupProblem(Why.UNPIN_NOTHING, file=pins.NAME, model=name)
            say(*words.taken_back(unpinned))
        return 0


def _taken_back(run: Run, name: str) -> list[str]:
    run.set_right()
    setup = run.project.setup
    path = pins.place(setup.manifest, setup.manifest_path)
    try:
        return pins.take_back(path, run.project.layout.pins_lock, name)
    except OSError as error:
        raise pinning.unwritten(error) from None
