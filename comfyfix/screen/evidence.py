"""Evidence: the ladder of one search in words, source by source."""

from __future__ import annotations

from collections.abc import Sequence

from comfyfix.disk.files import human_size, printable
from comfyfix.errors import ModelProblem
from comfyfix.records import Record, Rejected
from comfyfix.screen.words import LONGEST, t

SHOWN_MAX = 12
"""Rejected candidates of one source; a common name has hundreds."""


def of_record(record: Record, sources: Sequence[str]) -> list[str]:
    """Say why a record names the file it names."""
    if record.asked:
        return _rungs(["workflow"], [], record.rejected, record)
    below = [name for name in sources if name != record.source]
    asked = [*sources[: sources.index(record.source)]] if record.source in sources else below
    left = [name for name in below if name not in asked]
    return _rungs([*asked, record.source], left, record.rejected, record)


def of_problem(problem: ModelProblem, sources: Sequence[str]) -> list[str]:
    """Say what was asked, and why nothing counts."""
    left = [name for name in sources if name not in problem.asked]
    return _rungs(problem.asked, left, problem.rejected, None)


def _rungs(
    asked: Sequence[str], left: Sequence[str], rejected: Sequence[Rejected], record: Record | None
) -> list[str]:
    lines: list[str] = []
    for name in asked:
        own = [r for r in rejected if r.source == name]
        told = [_found(record), *_because(record)] if record and record.source == name else []
        told += [_no(r) for r in own[:SHOWN_MAX]]
        if len(own) > SHOWN_MAX:
            told.append(t("and {count} more that do not count", count=len(own) - SHOWN_MAX))
        for number, line in enumerate(told or [_nothing(name)]):
            lines.append(f"  {name if number == 0 else '':12} {line}")
    if not left:
        return lines
    if record:
        return [*lines, t("  not asked    {sources}: it was found before", sources=left)]
    return [*lines, t("  not asked    {sources}: the search ended before", sources=left)]


def _nothing(source: str) -> str:
    if source == "store":
        return t("no file of this name or content")
    if source == "workflow":
        return t("names no address")
    if source == "catalog":
        return t("knows no address")
    return t("nothing of this name")


def _no(rejected: Rejected) -> str:
    if rejected.where:
        return t("✗ {place}: {reason}", place=rejected.where, reason=rejected.reason)
    return t("✗ {reason}", reason=rejected.reason)


def _found(record: Record) -> str:
    place = printable(record.where, LONGEST)
    if record.renamed and record.name:
        place += f" {printable(record.name)}"
    size = human_size(record.size) if record.size else t("size unknown")
    digest = (record.sha256 or "")[:12]
    content = t("sha256 {digest}", digest=digest) if digest else t("no published hash")
    return f"✓ {place}, {size}, {content}"


def _because(record: Record) -> list[str]:
    lines = [t("  because {reason}", reason=each) for each in record.evidence]
    lines += [t("! {note}", note=record.note)] if record.note else []
    facts = (
        (t("published by"), record.publisher),
        (t("licence"), record.licence),
        (t("based on"), record.base_model),
    )
    told = "; ".join(f"{fact} {printable(value)}" for fact, value in facts if value)
    return [*lines, *([f"  {told}"] if told else [])]
