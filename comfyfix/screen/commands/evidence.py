"""Evidence: where a model is from, or the ladder of one search, source by source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from comfyfix.disk.files import human_size
from comfyfix.outcomes import Outcome
from comfyfix.records import Model, Record, Rejected
from comfyfix.screen import words
from comfyfix.screen.grouped import next_step
from comfyfix.screen.run import choosing
from comfyfix.screen.words import t
from comfyfix.stages.needs.work import Planned, Present
from comfyfix.state.searches import Search

SHOWN_MAX = 12
"""Rejected candidates of one source; a common name has hundreds."""
_NODES_MAX = 3


def of_present(item: Present) -> Iterator[str]:
    """Say what is known of a model that was there before."""
    size = human_size(item.size)
    yield f"  {t('It is there: {place} ({size})', place=item.location, size=size)}"
    if receipt := item.receipt:
        yield t("  Verified {at}, sha256 {sha256}", at=receipt.at, sha256=receipt.sha256[:12])
    yield t("  Nothing was searched for it.")


def heading(planned: Planned) -> str:
    """Say how a model with a task stands, and which nodes need it."""
    state = words.sentence(planned.pending) if planned.pending else t("it is there and verified")
    nodes = tuple(f"{r.workflow} ({r.node_type} {r.node_id})" for r in planned.references)
    more = len(nodes) - _NODES_MAX
    line = "needed by {nodes}" + (" and {count} more" if more > 0 else "")
    needed_by = t(line, nodes=nodes[:_NODES_MAX], count=more)
    return f"  {planned.number:03d}, {state}; {needed_by}"


def of_record(record: Record, sources: Sequence[str]) -> Iterator[str]:
    """Say why a record names the file it names."""
    if record.asked:
        yield from _rungs(["workflow"], record.rejected, record)
        yield f"  {record.url or record.local}"
        return
    below = [name for name in sources if name != record.source]
    asked = [*sources[: sources.index(record.source)]] if record.source in sources else below
    yield from _rungs([*asked, record.source], record.rejected, record)
    yield from _not_asked([n for n in below if n not in asked], t("it was found before"))
    yield f"  {record.url or record.local}"


def of_search(search: Search, model: Model, sources: Sequence[str]) -> Iterator[str]:
    """Say what was asked, and why nothing counts."""
    if search.asked:
        left = [name for name in sources if name not in search.asked]
        yield f"  {t('searched {at}; `--fresh` searches again', at=search.at)}"
        yield from _rungs(search.asked, search.rejected, None)
        yield from _not_asked(left, t("the search ended before"))
    wording = words.worded(search.reason)
    yield f"  {search.outcome}: {wording.what}"
    yield from next_step(wording.next_step)
    if search.outcome == Outcome.NOT_FOUND:
        yield from choosing.by_hand(model)


def _rungs(
    asked: Sequence[str], rejected: Sequence[Rejected], record: Record | None
) -> Iterator[str]:
    for name in asked:
        its_rejected = [r for r in rejected if r.source == name]
        lines = [*_found(record)] if record and record.source == name else []
        lines += map(_no, its_rejected[:SHOWN_MAX])
        if more := len(its_rejected[SHOWN_MAX:]):
            lines.append(t("and {count} more that do not count", count=more))
        for number, line in enumerate(lines or [_nothing(name)]):
            yield f"  {name if number == 0 else '':12} {line}"


def _not_asked(sources: Sequence[str], why: str) -> Iterator[str]:
    if sources:
        yield f"  {t('not asked'):12} {', '.join(sources)}: {why}"


def _nothing(source: str) -> str:
    if source == "store":
        return t("no file of this name or content")
    if source == "workflow":
        return t("names no address")
    return t("knows no address") if source == "catalog" else t("nothing of this name")


def _no(rejected: Rejected) -> str:
    place = f"{rejected.where}: " if rejected.where else ""
    return f"✗ {place}{words.sentence(rejected.reason)}"


def _found(record: Record) -> Iterator[str]:
    size = human_size(record.size) if record.size else t("size unknown")
    content = f"sha256 {record.sha256[:12]}" if record.sha256 else t("no published hash")
    if record.files:
        unproven = sum(not (file.sha256 or file.blob) for file in record.files)
        content = t("{count:files}", count=len(record.files))
        content += (
            t(", {count} of them without a published hash", count=unproven) if unproven else ""
        )
    name = f" {record.name}" if record.renamed and record.name else ""
    yield f"✓ {record.where}{name}, {size}, {content}"
    for reason in record.evidence:
        yield f"  {t('for it: {reason}', reason=reason)}"
    if record.note:
        yield f"! {words.sentence(record.note)}"
    facts = (
        record.publisher and t("published by {name}", name=record.publisher),
        record.licence and t("licence {name}", name=record.licence),
        record.base_model and t("based on {name}", name=record.base_model),
    )
    if any(facts):
        yield f"  {'; '.join(filter(None, facts))}"
