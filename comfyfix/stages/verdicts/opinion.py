"""Opinion: what Qwen is told of a verified file, and what it thinks of each of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from comfyfix.disk.files import printable
from comfyfix.formats import about as gist
from comfyfix.records import Opinion, Record, Reference, Verdict
from comfyfix.sources.base import Services
from comfyfix.sources.qwen import opinion as qwen_opinion
from comfyfix.stages.needs.work import Planned

NODES_MAX = 8
NAME_MAX = 250  # characters
File = tuple[Planned, Record | None, Verdict]


def of_batch(number: int, files: Sequence[File], services: Services) -> dict[str, Opinion]:
    """Ask about the files of a batch that are in order; return opinions by model key.

    Raises NoOpinion.
    """
    good = {printable(file[0].model.key, NAME_MAX): file for file in files if file[2].good}
    if not good:
        return {}
    facts = [_facts(name, *file) for name, file in good.items()]
    opinions = qwen_opinion.ask(f"{number:03d}", facts, services)
    return {good[name][0].model.key: opinion for name, opinion in opinions.items()}


def _facts(name: str, planned: Planned, record: Record | None, verdict: Verdict) -> dict[str, Any]:
    return {
        "file": name,
        "name": printable(planned.model.name, NAME_MAX),
        "folder": planned.model.folder,
        "loaded_by": _nodes(planned.references),
        "bytes": verdict.size,
        "header": gist.of_file(Path(verdict.path)),
        "came_from": _origin(record),
    }


def _nodes(references: Sequence[Reference]) -> list[dict[str, str]]:
    nodes = dict.fromkeys((r.node_type, r.input) for r in references)
    return [
        {"node": printable(node), "input": printable(named)}
        for node, named in list(nodes)[:NODES_MAX]
    ]


def _origin(record: Record | None) -> str:
    if record is None:
        return "it was there before"
    place = "a file of the store" if record.local else printable(record.where)
    renamed = f", named {printable(record.name)} there" if record.renamed and record.name else ""
    return f"{record.source}: {place}{renamed}"
