"""Evidence: the ladder of one search in words, source by source."""

from __future__ import annotations

from collections.abc import Sequence

from comfyfix.disk.files import human_size, printable
from comfyfix.errors import ModelProblem
from comfyfix.records import Record, Rejected

_NOTHING = {
    "store": "no file of this name or content",
    "workflow": "names no address",
    "catalog": "knows no address",
}
SHOWN_MAX = 12
"""Rejected candidates of one source; a common name has hundreds."""


def of_record(record: Record, sources: Sequence[str]) -> list[str]:
    """Say why a record names the file it names."""
    if record.asked:
        return _rungs(["workflow"], [], record.rejected, record, "manifest.yaml names its place")
    below = [name for name in sources if name != record.source]
    asked = [*sources[: sources.index(record.source)]] if record.source in sources else below
    left = [name for name in below if name not in asked]
    return _rungs([*asked, record.source], left, record.rejected, record, "it was found before")


def of_problem(problem: ModelProblem, sources: Sequence[str]) -> list[str]:
    """Say what was asked, and why nothing counts."""
    left = [name for name in sources if name not in problem.asked]
    return _rungs(problem.asked, left, problem.rejected, None, "the search ended before")


def _rungs(
    asked: Sequence[str],
    left: Sequence[str],
    rejected: Sequence[Rejected],
    record: Record | None,
    why_left: str,
) -> list[str]:
    lines: list[str] = []
    for name in asked:
        own = [r for r in rejected if r.source == name]
        told = [_found(record), *_because(record)] if record and record.source == name else []
        told += [_no(r) for r in own[:SHOWN_MAX]]
        if len(own) > SHOWN_MAX:
            told.append(f"and {len(own) - SHOWN_MAX} more that do not count")
        for number, line in enumerate(told or [_NOTHING.get(name, "nothing of this name")]):
            lines.append(f"  {name if number == 0 else '':12} {line}")
    return [*lines, f"  not asked    {', '.join(left)}: {why_left}"] if left else lines


def _no(rejected: Rejected) -> str:
    place = "" if rejected.where == "-" else f"{printable(rejected.where, 300)}: "
    return f"✗ {place}{printable(rejected.reason, 300)}"


def _found(record: Record) -> str:
    size = human_size(record.size) if record.size else "size unknown"
    content = f"sha256 {record.sha256[:12]}" if record.sha256 else "no published hash"
    name = f" {printable(record.name)}" if record.renamed and record.name else ""
    return f"✓ {printable(record.where, 300)}{name}, {size}, {content}"


def _because(record: Record) -> list[str]:
    lines = [f"  because {printable(text, 300)}" for text in record.evidence]
    lines += [f"! {printable(record.note, 300)}"] if record.note else []
    facts = (
        ("published by", record.publisher),
        ("licence", record.licence),
        ("based on", record.base_model),
    )
    told = "; ".join(f"{word} {printable(value)}" for word, value in facts if value)
    return [*lines, *([f"  {told}"] if told else [])]
