"""What lies in the model folders of a project, as what goes as a whole."""

from __future__ import annotations

from comfyfix.records import Record
from comfyfix.stages.store import gc, sweep
from comfyfix.stages.store.gc import Provenance, Unit
from comfyfix.state import ledger, receipts
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.store.needing import Needing


def known_units(run: Run, needing: Needing) -> tuple[Provenance, list[Unit]]:
    """The files of a project's folders as what goes as a whole. Raises OSError."""
    project = run.project
    records: dict[str, Record] = sweep.records(project.layout)
    choices = sweep.whole_store(
        project.manifest, project.folders, project.layout, project.trust, known_records=records
    )
    provenance = Provenance(
        folders=project.folders,
        trust=project.trust,
        receipts={receipt.path: receipt for receipt in receipts.load(project.layout).values()},
        records=records,
        entries=ledger.load(project.layout).models,
        contents=sweep.contents(choices),
    )
    return provenance, gc.units(choices, provenance, needing.needs)
