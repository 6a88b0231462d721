"""A project whose models were all fetched and verified, laid out without fetching any."""

from __future__ import annotations

import hashlib
from pathlib import Path

from comfyfix.project import open_project
from comfyfix.records import Record, Verdict, to_json
from comfyfix.script import engine, render
from comfyfix.settings import MANIFEST
from comfyfix.stages.verdicts.batch import batch_file
from comfyfix.state import ledger, receipts
from comfyfix.state.receipts import ReceiptFile
from tests.bench.line import COMMIT
from tests.rig import Site

CONTENT = b"x" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def lay_out(root: Path, models: int, *, each: int = 1, workflows: int = 0) -> Site:
    """So many models, and as many workflows as hold them if each names `each` of them, or more."""
    site = Site(root)
    names = [f"model_{number:05d}.safetensors" for number in range(models)]
    for number in range(workflows or models // each):
        first = number * each % models
        some = [("loras", name) for name in names[first : first + each]]
        site.workflow(f"{number % 100:02d}/w{number:05d}.json", *some)
    project = open_project(site.root / MANIFEST, bool)
    layout, manifest, plan = project.layout, project.manifest, project.plan
    ledger.reserve(layout, [planned.model for planned in plan.models])
    for folder in layout.folders:
        folder.mkdir(parents=True)
    (site.models / "loras").mkdir()
    engine.put(layout.output)
    kept = {}
    for planned in plan.models:
        planned.path.write_bytes(CONTENT)
        record = Record(
            number=planned.number,
            model=planned.model,
            destination=planned.location,
            store=str(project.folders.store),
            source="huggingface",
            where="a/b",
            url=f"https://huggingface.co/a/b/resolve/{COMMIT}/{planned.model.name}",
            size=len(CONTENT),
            sha256=SHA256,
        )
        layout.record(planned.number, planned.model).write_bytes(to_json(record))
        script = layout.script(planned.number, planned.model)
        script.write_text(render.render(record, manifest))
        kept[planned.model.key] = receipts.of_file(
            planned.model, planned.path, SHA256, script=script.name, verified=True
        )
    layout.receipts.write_bytes(to_json(ReceiptFile(models=kept)))
    for number, members in plan.batches.items():
        verdicts = [
            Verdict(model=m.model.key, filename=m.model.name, path=m.location, status="ok")
            for m in members
        ]
        layout.batch(number).write_bytes(batch_file(verdicts, "scan", {}, str))
    return site
