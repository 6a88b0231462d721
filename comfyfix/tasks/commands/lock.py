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
from comfyfix.screen.commands import locking as told_of
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
from comfyfix.tasks.commands.base import Ours, project_heading
from comfyfix.tasks.face.dodo import Tasks
from comfyfix.tasks.face.options import JSON_OPTION, option, switch
from comfyfix.tasks.run.names import chosen
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


class Lock(Ours):
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
            return _print(self.projects(options), as_json=as_json)
        if options["check"]:
            return _check(self.projects(options), as_json=as_json)
        if forbids := on([*LOCKED, *FROZEN], os.environ):
            raise SetupProblem(Why.LOCK_FORBIDDEN, variable=forbids)
        runs = [_opened(tasks) for tasks in self.projects(options)]
        upgraded = _upgraded(runs, names) if options["upgrade"] else {}
        done = {run: _locked(run, upgraded.get(run, frozenset())) for run in runs}
        dry = options["dry_run"]
        for run, changes in done.items():
            if changes.differ and not dry:
                _write(run.project, changes)
        if as_json:
            say_json_of(
                {
                    run.prefix: told_of.as_data(changes, written=changes.differ and not dry)
                    for run, changes in done.items()
                }
            )
        else:
            for run, changes in done.items():
                say(*project_heading(run.prefix), *told_of.lines(changes, dry=dry))
        return 1 if any(c.left or run.project.plan.unreadable for run, c in done.items()) else 0


def _opened(tasks: Tasks) -> Run:
    """Open a project to search with: what lies here is no address. Raises SetupProblem."""
    run = begin(tasks.manifest, prefix=tasks.prefix)
    if run.project.manifest.is_demo:
        run.reserve()
    run.set_right()
    notes.unreadable(run.project.plan.unreadable)
    return run


def _upgraded(runs: Sequence[Run], names: Sequence[str]) -> dict[Run, frozenset[str]]:
    if names:
        asked = chosen(runs, names)
        return {
            run: frozenset(
                key
                for key, item in locking.needed(run.project.plan).items()
                if item.model.key in (asked.get(run) or ())
            )
            for run in runs
        }
    return {run: frozenset(locking.needed(run.project.plan)) for run in runs}


def _locked(run: Run, upgraded: frozenset[str]) -> Changes:
    """Work out what the lock file is to say."""
    from comfyfix.stages.addresses import addressed  # 200 ms that only a search needs

    project = _searching(run.project, upgraded)
    run.project = project
    lock = project.setup.lock
    items = locking.needed(project.plan)
    kept = {
        key: lock.entries[key]
        for key, item in items.items()
        if key in lock.entries and isinstance(item.override, Locked)
    }
    asked = [item for key, item in items.items() if key not in kept]
    if asked:
        notes.searching(len(asked))
    hints = Hints(file.hints for file in project.scanned)
    records = addressed.Records(run.services(), hints, notes.hashing)
    known = receipts.load(project.layout)
    left: dict[str, Reason] = {}
    for item, found in zip(asked, side_by_side(run, asked, records.of), strict=True):
        key = item.lock_as.key
        entry = found if isinstance(found, Reason) else locking.entry(item, found, known)
        old = lock.entries.get(key) if key in upgraded else None
        ours = not (old and old.url) and item.model.key not in records.unasked
        if isinstance(entry, Reason) and ours:
            entry = _of_what_is_here(run, item) or entry
        if isinstance(entry, Entry):
            kept[key] = entry
        else:
            left[key] = entry
            if old:  # nothing better was found
                kept[key] = old
    left |= {p.lock_as.key: p.problem.reason for p in project.plan.models if p.problem}
    after = lock.with_entries(kept.values()).entries
    if project.plan.unreadable:  # what they need is not known, so nothing is taken out
        after = lock.with_entries([*{**lock.entries, **after}.values()]).entries
    return Changes(str(lock.path), lock.entries, after, left, lock.exists)


def _of_what_is_here(run: Run, item: Planned | Present) -> Entry | None:
    """The entry of a file that is here and that every source was asked for in vain."""
    if not isinstance(item, Present) or item.files is not None:
        return None
    digest = item.receipt.sha256 if item.receipt else run.services().hash_of(item.path)
    return locking.by_hash(item, item.size, digest)


def _searching(project: Project, upgraded: frozenset[str]) -> Project:
    """The project, with these models not locked, and without what lies on this disk as a source."""
    from comfyfix.stages.addresses import addressed  # 200 ms that only a search needs

    setup = project.setup
    wanted = addressed.searching(setup.manifest)
    models = {
        key: told
        for key, told in wanted.models.items()
        if not (isinstance(told, Locked) and key in upgraded)
    }
    wanted = msgspec.structs.replace(wanted, models=models, include=setup.manifest.include)
    opened = projects.look(replace(setup, manifest=wanted), bool)
    plan = opened.plan
    if upgraded:
        fresh = [
            msgspec.structs.replace(p, record=None, receipt=None)
            if p.lock_as.key in upgraded
            else p
            for p in plan.models
        ]
        plan = replace(plan, models=tuple(fresh))
    return replace(opened, plan=plan)


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


def _print(tasks: Sequence[Tasks], *, as_json: bool) -> int:
    """Print what is locked as comfy-lock.yaml, which knows of no projects."""
    from comfyfix.comfyui.manifests import comfy_lock

    locks = {
        one.prefix: begin_lock(one.manifest, "lock --format").project.setup.lock for one in tasks
    }
    if as_json:
        say_json_of({p: comfy_lock.shaped(lock.entries.values()) for p, lock in locks.items()})
    else:
        every = [entry for lock in locks.values() for entry in lock.entries.values()]
        data(comfy_lock.text(comfy_lock.shaped(every)))
    return 0


def _check(tasks: Sequence[Tasks], *, as_json: bool) -> int:
    """Ask the providers about every entry."""
    from comfyfix.stages.lock import drift  # 200 ms that only a search needs

    told: dict[str, Any] = {}
    good = True
    for one in tasks:
        run = begin_lock(one.manifest, "lock --check")
        lock = run.project.setup.lock
        entries = [entry for entry in lock.entries.values() if entry.url]
        if entries:
            notes.searching(len(entries))
        answers = side_by_side(run, entries, partial(drift.of, services=run.services()))
        found = {e.key: a for e, a in zip(entries, answers, strict=True) if a is not None}
        good = good and not found
        if as_json:
            told[one.prefix] = told_of.drift_data(str(lock.path), entries, found)
        else:
            say(*project_heading(one.prefix), *told_of.drifted(str(lock.path), len(entries), found))
    if as_json:
        say_json_of(told)
    return 0 if good else 1
