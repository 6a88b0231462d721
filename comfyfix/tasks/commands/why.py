"""The `why` command: the evidence for one model's source, or for there being none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from doit.doit_cmd import get_var

from comfyfix.disk.files import human_size, printable
from comfyfix.errors import ModelProblem, SetupProblem
from comfyfix.records import Record
from comfyfix.screen import evidence
from comfyfix.screen.text import say, warn
from comfyfix.stages.work import Planned, Present
from comfyfix.tasks.build import MANIFEST, Build, open_build
from comfyfix.tasks.commands.base import Ours
from comfyfix.tasks.names import named


class Why(Ours):
    """Show what each source said of a model, what was rejected, and why."""

    doc_purpose = "show the evidence: what each source said of a model"
    doc_usage = "MODEL"
    doc_description = (
        "MODEL is a task name, a file name, or folder/path. A model without a record is searched "
        "now; nothing is written and nothing downloaded."
    )
    name = "why"

    def work(self, options: dict[str, Any], names: list[str]) -> int:  # noqa: ARG002 - a command's signature
        """Print the ladder of each model that is named."""
        if not names:
            raise SetupProblem("why needs a model", next_step="use `doit why MODEL`")
        build = open_build(Path(MANIFEST), get_var("workflow"))
        good = True
        for name in names:
            for item in named(build.plan, name):
                lines, fine = _of_present(item) if isinstance(item, Present) else _of(build, item)
                good = good and fine
                for line in (item.model.key, *lines):
                    say(line)
        return 0 if good else 1


def _of_present(item: Present) -> tuple[list[str], bool]:
    lines = [f"  It is there: {item.location} ({human_size(item.size)})"]
    if item.receipt:
        lines.append(f"  Verified {item.receipt.at}, sha256 {item.receipt.sha256[:12]}")
    return [*lines, "  Nothing was searched for it."], True


def _of(build: Build, planned: Planned) -> tuple[list[str], bool]:
    needed = ", ".join(
        f"{printable(r.workflow)} ({printable(r.node_type)} {printable(r.node_id)})"
        for r in planned.references[:3]
    )
    more = f" and {len(planned.references) - 3} more" if len(planned.references) > 3 else ""  # noqa: PLR2004 - as shown
    state = planned.pending or "it is there and verified"
    head = [f"  {planned.number:03d}, {state}; needed by {needed}{more}"]
    sources = build.manifest.search.sources
    try:
        record = planned.record or _search(build, planned)
    except ModelProblem as problem:
        tail = [f"  {problem.outcome}: {problem.what}"]
        tail += [f"    Next: {problem.next_step}"] if problem.next_step else []
        return [*head, *evidence.of_problem(problem, sources), *tail], False
    place = record.url or record.local
    return [*head, *evidence.of_record(record, sources), f"  {place}"], True


def _search(build: Build, planned: Planned) -> Record:
    from comfyfix.stages import resolve  # noqa: PLC0415 - 200 ms that only a search needs

    if planned.problem is not None:
        raise planned.problem
    warn(f"Searching for {planned.model.name} …")
    return resolve.resolve(planned, build.services())
