"""The `lock` command: where every model is from, written down for everyone who has the project."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from comfyfix import project as projects
from comfyfix.errors import SetupProblem
from comfyfix.project import Project
from comfyfix.records import Reason
from comfyfix.screen import notes
from comfyfix.screen.commands import locking as words
from comfyfix.screen.commands.locking import Changes
from comfyfix.screen.objects import say_json_of
from comfyfix.screen.text import data, say
from comfyfix.screen.words import t
from comfyfix.settings import lockfile
from comfyfix.settings.lockfile import Entry
from comfyfix.settings.overrides import Locked
from comfyfix.settings.switches import FROZEN, LOCKED, on
from comfyfix.stages.lock import locking
from comfyfix.stages.needs.hints import Hints
from comfyfix.stages.needs.work import Planned, Present
from comfyfix.state import receipts
from comfyfix.tasks.commands.base import ProjectCommand, project_heading, tell_projects
from comfyfix.tasks.face.dodo import Tasks
from comfyfix.tasks.face.options import JSON_OPTION, option, switch
from comfyfix.tasks.run.names import keys_by_run
from comfyfix.tasks.run.opening import begin, begin_lock
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.run.searching import side_by_side
from comfyfix.why import Why

_FORMAT = {
    **option(
        "format", "", t("print what is locked in another tool's form; search and write nothing")
    ),
    "choices": (("comfy-lock", t("print what is locked as comfy-lock.yaml of comfy-cli")),),
}


class Lock(ProjectCommand):
    """Write down where every model is from, and what its bytes are."""

    doc_purpose = t("write where each model is from, and its hash, into manifest.lock.yaml")
    doc_usage = "[MODEL ...]"
    doc_description = t(
        "A run takes what is locked as it is and searches nothing. What is in manifest.lock.yaml "
        "stays; what is missing there is searched, what no workflow needs any more is taken out. "
        "MODEL is for `--upgrade`."
    )
    cmd_options = (
        switch("check", t("ask whether all is still there as locked; download and write nothing")),
        switch("upgrade", t("search anew, all or MODEL")),
        switch("dry-run", t("show what would change, and write nothing")),
        _FORMAT,
        JSON_OPTION,
    )
    name = "lock"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Search and write, or ask."""
        if names and not options["upgrade"]:
            raise SetupProblem(Why.LOCK_TAKES_NO_MODEL)
        as_json = options["as_json"]
        if options["format"]:
            if others := [name for name in ("check", "upgrade", "dry_run") if options[name]]:
                raise SetupProblem(Why.LOCK_FORMAT_ALONE, option=others[0].replace("_", "-"))
            return _print_as_comfy_lock(self.projects(options), as_json=as_json)
        if options["check"]:
            return _check(self.projects(options), as_json=as_json)
        if forbids := on([*LOCKED, *FROZEN], os.environ):
            raise SetupProblem(Why.LOCK_FORBIDDEN, variable=forbids)
        runs = [_opened(tasks) for tasks in self.projects(options)]
        upgraded = _upgraded(runs, names) if options["upgrade"] else {}
        locked = [(run, _changes(run, upgraded.get(run, frozenset()))) for run in runs]
        dry = options["dry_run"]
        for run, changes in locked:
            if changes.differ and not dry:
                _write(run.project, changes)
        tell_projects(
            [(run.prefix, changes) for run, changes in locked],
            lambda changes: words.as_data(changes, written=changes.differ and not dry),
            partial(words.lines, dry=dry),
            as_json=as_json,
        )
        return int(any(c.left or run.project.plan.unreadable for run, c in locked))


def _opened(tasks: Tasks) -> Run:
    """Open a project to search with: what lies here is no address. Raises SetupProblem."""
    run = begin(tasks.manifest, prefix=tasks.prefix)
    if run.project.manifest.is_demo:
        run.reserve()
    run.set_right()
    notes.unreadable(run.project.plan.unreadable)
    return run


def _upgraded(runs: Sequence[Run], names: Sequence[str]) -> dict[Run, frozenset[str]]:
    """The keys in the lock file of what is searched anew: all, or what is named."""
    models = keys_by_run(runs, names) if names else None
    return {
        run: frozenset(
            key
            for key, item in locking.needed(run.project.plan).items()
            if models is None or item.model.key in models.get(run, ())
        )
        for run in runs
    }


def _changes(run: Run, upgraded: frozenset[str]) -> Changes:
    """Work out what the lock file is to say."""
    from comfyfix.stages.addresses import addressed  # 200 ms that only a search needs

    project = _searching(run.project, upgraded)
    run.project = project
    lock = project.setup.lock
    items = locking.needed(project.plan)
    entries = {
        key: lock.entries[key]
        for key, item in items.items()
        if key in lock.entries and isinstance(item.override, Locked)
    }
    unlocked = [item for key, item in items.items() if key not in entries]
    if unlocked:
        notes.searching(len(unlocked))
    hints = Hints(file.hints for file in project.scanned)
    records = addressed.Records(run.services(), hints, notes.hashing)
    fetched = receipts.load(project.layout)
    left: dict[str, Reason] = {}
    for item, found in zip(unlocked, side_by_side(run, unlocked, records.of), strict=True):
        key = item.lock_as.key
        entry = found if isinstance(found, Reason) else locking.entry(item, found, fetched)
        old = lock.entries.get(key) if key in upgraded else None
        may_be_ours = not (old and old.url) and item.model.key not in records.unasked
        if isinstance(entry, Reason) and may_be_ours:
            entry = _of_what_is_here(run, item) or entry
        if isinstance(entry, Entry):
            entries[key] = entry
        else:
            left[key] = entry
            if old:  # nothing better was found
                entries[key] = old
    left |= {p.lock_as.key: p.problem.reason for p in project.plan.models if p.problem}
    after = lock.with_entries(entries.values()).entries
    if project.plan.unreadable:  # what they need is not known, so nothing is taken out
        after = lock.with_entries([*{**lock.entries, **after}.values()]).entries
    return Changes(str(lock.path), lock.entries, after, left, lock.exists)


def _of_what_is_here(run: Run, item: Planned | Present) -> Entry | None:
    """The entry of a file that is here and that every source was asked for in vain."""
    if not isinstance(item, Present) or item.files is not None:
        return None
    try:
        digest = item.receipt.sha256 if item.receipt else run.services().hash_of(item.path)
    except OSError:  # the search has told why
        return None
    return locking.by_hash(item, item.size, digest)


def _searching(project: Project, upgraded: frozenset[str]) -> Project:
    """The project, with these models not locked, and without what lies on this disk as a source."""
    from comfyfix.stages.addresses import addressed  # 200 ms that only a search needs

    setup = project.setup
    manifest = addressed.searching(setup.manifest)
    models = {
        key: override
        for key, override in manifest.models.items()
        if not (isinstance(override, Locked) and key in upgraded)
    }
    manifest = msgspec.structs.replace(manifest, models=models, include=setup.manifest.include)
    opened = projects.scan_and_plan(replace(setup, manifest=manifest), bool)
    anew = [
        msgspec.structs.replace(p, record=None, receipt=None) if p.lock_as.key in upgraded else p
        for p in opened.plan.models
    ]
    return replace(opened, plan=replace(opened.plan, models=tuple(anew)))


def _write(project: Project, changes: Changes) -> None:
    path = project.setup.lock.path

    def update(now: lockfile.Lock) -> lockfile.Lock:
        # The search may have taken minutes. Who has searched meanwhile has found the same, mostly.
        if now.entries not in (changes.before, changes.after):
            raise SetupProblem(Why.LOCK_CHANGED, path=path)
        return now.with_entries(changes.after.values())

    try:
        lockfile.change(path, project.layout.lock_cache, project.layout.lock_lock, update)
    except OSError as error:
        cause = error.strerror or str(error)
        raise SetupProblem(Why.LOCK_NOT_WRITTEN, path=path, cause=cause) from None


def _print_as_comfy_lock(projects_named: Sequence[Tasks], *, as_json: bool) -> int:
    """Print what is locked as comfy-lock.yaml, which knows of no projects."""
    from comfyfix.comfyui.manifests import comfy_lock

    locks = {
        named.prefix: begin_lock(named.manifest, "lock --format").project.setup.lock
        for named in projects_named
    }
    if as_json:
        say_json_of({p: comfy_lock.shaped(lock.entries.values()) for p, lock in locks.items()})
    else:
        every = [entry for lock in locks.values() for entry in lock.entries.values()]
        data(comfy_lock.text(comfy_lock.shaped(every)))
    return 0


def _check(projects_named: Sequence[Tasks], *, as_json: bool) -> int:
    """Ask the providers about every entry."""
    from comfyfix.stages.lock import drift  # 200 ms that only a search needs

    answers: dict[str, Any] = {}
    good = True
    for named in projects_named:
        run = begin_lock(named.manifest, "lock --check")
        lock = run.project.setup.lock
        entries = [entry for entry in lock.entries.values() if entry.url]
        if entries:
            notes.searching(len(entries))
        drifts = side_by_side(run, entries, partial(drift.of, services=run.services()))
        drifted = {e.key: d for e, d in zip(entries, drifts, strict=True) if d is not None}
        good = good and not drifted
        path = str(lock.path)
        if as_json:
            answers[named.prefix] = words.drift_data(path, entries, drifted)
        else:
            say(*project_heading(named.prefix), *words.drifted(path, len(entries), drifted))
    if as_json:
        say_json_of(answers)
    return 0 if good else 1
