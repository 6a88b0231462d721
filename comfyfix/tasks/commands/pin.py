"""The `pin` command: the user says where an uncertain model is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from comfyfix.errors import HostRefused, SetupProblem
from comfyfix.net.hosts import DirectFile, HubFile, read_url
from comfyfix.screen import notes, pinning
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.settings import pins
from comfyfix.settings.read import load
from comfyfix.stages.work import Planned
from comfyfix.tasks.commands.base import Ours
from comfyfix.tasks.guard import REFUSED
from comfyfix.tasks.names import Named, only
from comfyfix.tasks.running import Run
from comfyfix.why import Why


class Pin(Ours):
    """Settle by hand where a model comes from."""

    doc_purpose = t("settle by hand where a model comes from")
    doc_usage = "MODEL URL"
    doc_description = t(
        "Writes pins.yaml beside manifest.yaml. The address is asked and checked by the next run, "
        "like any other; delete the entry to take the pin back."
    )
    name = "pin"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Check the address and write the pin."""
        # An argument with `=` comes last, whatever its place was.
        urls = [name for name in names if "://" in name]
        models = [name for name in names if "://" not in name]
        if len(urls) != 1 or len(models) != 1:
            raise SetupProblem(Why.PIN_NEEDS_BOTH)
        run, item = _only(self.runs(options), models[0])
        run.set_right()
        manifest = run.project.setup.manifest_path
        try:
            there = _name_at(run, urls[0])
        except HostRefused as problem:
            notes.refusal(problem)
            return REFUSED
        try:
            pins.add(
                manifest.parent / pins.NAME,
                run.project.layout.pins_lock,
                item.model.key,
                {"url": urls[0]},
            )
        except OSError as error:
            cause = error.strerror or str(error)
            raise SetupProblem(Why.PINS_NOT_WRITTEN, file=pins.NAME, cause=cause) from None
        told = pinning.lines(
            item.model.key,
            urls[0],
            other_name="" if there == item.model.name else there,
            task=run.task("download", item.task) if isinstance(item, Planned) else "",
        )
        say(*told)
        return 0


def _only(runs: Sequence[Run], name: str) -> Named:
    found = only(runs, name)
    run, item = found
    if item.model.folder is None:
        entry = f"{{{item.model.name}: {{folder: FOLDER}}}}"
        raise SetupProblem(Why.FOLDER_OF_PIN_UNKNOWN, path=item.model.path, entry=entry)
    manifest = run.project.setup.manifest_path
    own = load(manifest, run.environ, with_pins=False)
    override = own.override_for(item.model.folder, item.model.path)
    if override and override.names_a_place:
        raise SetupProblem(Why.PINNED_IN_MANIFEST, manifest=manifest.name, model=item.model.key)
    return found


def _name_at(run: Run, url: str) -> str:
    """The file's name there, if the address tells it. Raises HostRefused."""
    target = read_url(
        url, run.project.manifest.endpoints, run.project.manifest.download.allow_hosts
    )
    return target.name if isinstance(target, HubFile | DirectFile) else ""
