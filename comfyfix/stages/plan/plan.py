"""Plan: references joined into models; all that has to be done gets a number, a task, a reason."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from comfyfix.comfyui.references.lookup import Lookup
from comfyfix.comfyui.store.folders import Folders
from comfyfix.settings.manifest import Manifest
from comfyfix.stages.needs.hints import Hints
from comfyfix.stages.needs.join import Need
from comfyfix.stages.needs.scan import ScannedFile
from comfyfix.stages.needs.work import Plan, Planned
from comfyfix.stages.plan.looking import Looking
from comfyfix.state import ledger as ledgers
from comfyfix.state import receipts as receipt_files
from comfyfix.state.layout import Layout
from comfyfix.state.sources import Scripts, Sources
from comfyfix.state.trust import Trust

NEIGHBOURS_MAX = 8


def make(
    manifest: Manifest,
    folders: Folders,
    scanned: Iterable[ScannedFile],
    layout: Layout,
    trust: Trust,
) -> Plan:
    """Make the plan; nothing is written but a cache. Raises OSError if output/ can't be read."""
    files = list(scanned)
    ledger = ledgers.load(layout)
    sources, receipts = Sources(layout), receipt_files.load(layout)
    looking = Looking(
        manifest, Lookup(folders), layout, trust, sources, Scripts(layout), receipts, ledger.models
    )
    needs = looking.needs(files)
    sources.keep()
    tasked = [need for need in needs if need.present is None]
    entries = ledgers.numbered(ledger, [need.model for need in tasked]).models
    by_workflow = _by_workflow(files, needs)
    hints = Hints(file.hints for file in files)
    models = [
        _planned(
            need,
            entries[need.model.key],
            hints,
            _neighbours(need, by_workflow) if need.pending else (),
            reserved=need.model.key in ledger.models,
        )
        for need in tasked
    ]
    return Plan(
        models=tuple(sorted(models, key=lambda planned: planned.number)),
        present=tuple(need.present for need in needs if need.present),
        workflows={name: tuple(keys) for name, keys in by_workflow.items()},
        unreadable=tuple(file for file in files if file.problem),
        batch_size=manifest.batch,
    )


def _by_workflow(files: Iterable[ScannedFile], needs: Iterable[Need]) -> dict[str, dict[str, None]]:
    """The keys of the models that each workflow needs, in the order of first sight."""
    result: dict[str, dict[str, None]] = {
        file.workflow: {} for file in files if file.is_workflow and not file.problem
    }
    for need in needs:
        for reference in need.references:
            result[reference.workflow][need.model.key] = None
    return result


def _planned(
    need: Need,
    entry: ledgers.Entry,
    hints: Hints,
    neighbours: tuple[str, ...],
    *,
    reserved: bool,
) -> Planned:
    return Planned(
        model=need.model,
        number=entry.number,
        task=entry.task,
        location=need.location,
        pending=need.pending,
        references=tuple(need.references),
        hints=hints.of(need),
        override=need.override,
        named=need.named,
        record=need.record,
        receipt=need.receipt,
        problem=need.problem,
        neighbours=neighbours,
        reserved=reserved,
        is_directory=need.is_directory,
        last=entry.attempts[-1] if entry.attempts and not entry.again else None,
    )


def _neighbours(need: Need, by_workflow: dict[str, dict[str, None]]) -> tuple[str, ...]:
    """Some other models of the workflows that need this one: what it is used with."""
    workflows = dict.fromkeys(reference.workflow for reference in need.references)
    keys = (key for name in workflows for key in islice(by_workflow[name], NEIGHBOURS_MAX + 1))
    others = dict.fromkeys(key for key in keys if key != need.model.key)
    return tuple(islice(others, NEIGHBOURS_MAX))
