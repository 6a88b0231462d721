"""The `verify` command: the needed models that are there, or every model file of the store."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from doit import doit_cmd

from comfyfix.disk.files import human_size, printable
from comfyfix.errors import SetupProblem
from comfyfix.records import Verdict, because
from comfyfix.screen import words
from comfyfix.screen.text import say, warn
from comfyfix.stages import sweep
from comfyfix.stages.sweep import Choice
from comfyfix.stages.work import Planned
from comfyfix.state import hashing, receipts
from comfyfix.stopping import Stopped, signals
from comfyfix.tasks.build import MANIFEST, Build, open_build, open_store, unwritten
from comfyfix.tasks.commands.base import Ours
from comfyfix.tasks.commands.verify_store import Sweep, Wish
from comfyfix.tasks.names import named
from comfyfix.why import Why

JOBS_MAX = 64
ASK = "`--ask` looks it up: Civitai is told hashes, Hugging Face is told names"


def _switch(name: str, told: str) -> dict[str, Any]:
    return {
        "name": name, "short": "", "long": name, "type": bool, "default": False, "help": told,
    }  # fmt: skip


class Verify(Ours):
    """Check the model files that are there; never downloads."""

    doc_purpose = "check the model files that are there"
    doc_usage = "[MODEL ...]"
    doc_description = (
        "MODEL is a task name, a file name, or folder/path. Without MODEL: every needed model. "
        "A damaged file is moved aside, so that the next run fetches it; so is an unsafe one. "
        "With --store every model file of all model folders is hashed, also those that no "
        "workflow needs, and nothing is moved unless --move says so. What was hashed is "
        "remembered: stopped by Ctrl-C, the same command goes on where it was."
    )
    cmd_options = (
        _switch("store", "check every model file in all model folders; moves nothing"),
        _switch("move", "with --store: move damaged and unsafe files aside, as without it"),
        _switch(
            "ask",
            "look up files that nothing here knows: Civitai is told their hashes, "
            "Hugging Face their names",
        ),
        _switch("anew", "hash every file, also where size and time are as they were"),
        {
            "name": "jobs", "short": "", "long": "jobs", "type": int, "default": 0,
            "help": "files hashed at a time (default: one per processor; 1 suits a hard disk)",
        },
    )  # fmt: skip
    name = "verify"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Verify and print a line per file."""
        with signals():
            try:
                return _verified(options, names)
            except Stopped as stopped:
                return stopped.exit_code


def _verified(options: dict[str, Any], names: list[str]) -> int:
    begun = time.monotonic()
    store = options["store"]
    if store and names:
        raise SetupProblem(
            "--store checks every file, and takes no MODEL",
            next_step=f"leave out --store, or {printable(names[0])}",
        )
    build = open_store(Path(MANIFEST)) if store else _needed()
    choices = _store(build) if store else _chosen(build, names)
    lacking = [] if store else _lacking(build, names)
    for item in lacking:
        told = printable(str(item.problem), 400)
        say(f"  ✗ missing    {printable(item.model.key, 300)} ({told})")
    run = Sweep(build, choices, _wish(options), _tell)
    try:
        run.run()
    except Stopped:
        _stopped(run)
        raise
    seconds = time.monotonic() - begun
    return _summary(run, store=store, seconds=seconds, lacking=len(lacking))


def _wish(options: dict[str, Any]) -> Wish:
    jobs = options["jobs"] or hashing.cores()
    if not 1 <= jobs <= JOBS_MAX:
        raise SetupProblem(f"--jobs is not from 1 to {JOBS_MAX}", next_step="leave it out")
    return Wish(
        anew=options["anew"],
        always=options["store"],
        ask=options["ask"],
        move=options["move"] or not options["store"],
        jobs=jobs,
    )


def _needed() -> Build:
    return open_build(Path(MANIFEST), doit_cmd.get_var("workflow"))


def _store(build: Build) -> list[Choice]:
    choices = sweep.whole_store(build.manifest, build.folders, build.layout, build.trust)
    size = human_size(sweep.total(choices))
    say(f"Verifying {_files(len(choices))} ({size}) in the model folders")
    return choices


def _chosen(build: Build, names: Sequence[str]) -> list[Choice]:
    known = receipts.load(build.layout)
    every: dict[str, Choice] = {}
    for item in build.plan.models:
        if item.problem is None:
            receipt = known.get(item.model.key) or item.receipt
            every[item.model.key] = sweep.one(
                build.manifest, item.model, item.path, item.record, receipt
            )
    for there in build.plan.present:
        every[there.model.key] = sweep.one(
            build.manifest, there.model, there.path, None, there.receipt
        )
    if not names:
        return list(every.values())
    hits = [item.model.key for name in names for item in named(build.plan, name)]
    return [every[key] for key in dict.fromkeys(hits) if key in every]


def _lacking(build: Build, names: Sequence[str]) -> list[Planned]:
    """The needed models that can have no file of ours: there is nothing to look at."""
    hits = {item.model.key for name in names for item in named(build.plan, name)}
    return [
        item
        for item in build.plan.models
        if item.problem is not None and (not names or item.model.key in hits)
    ]


def _tell(choice: Choice, verdict: Verdict) -> None:
    mark = {"ok": "✓", "unverified": "!"}.get(verdict.status, "✗")
    note = because(Why.AS_TOLD, source=verdict.by) if verdict.by else verdict.reason
    told = f" ({words.sentence(note)})" if note else ""
    say(f"  {mark} {verdict.status:10} {printable(choice.model.key, 300)}{told}")


def _summary(run: Sweep, *, store: bool, seconds: float, lacking: int) -> int:
    good = run.count["ok"] + run.count["unverified"]
    bad = run.files_done - good + lacking
    for file in run.build.plan.unreadable:
        warn(f"! {file.path} can't be read: {words.sentence(file.problem or '')}")
    noted = unwritten(run.build)
    for problem in (*([str(noted)] if noted else []), *run.problems):
        warn(f"! {problem}")
    took = f", {human_size(run.total)} in {seconds:.1f} s" if store else ""
    fetch = ". Next: run doit to fetch what is not" if bad > lacking and not store else ""
    say(f"{good} good, {bad} not{took}{fetch}")
    if store and run.stayed:
        say("Nothing was moved. Next: `doit verify --store --move` moves what is damaged or "
               "unsafe aside")  # fmt: skip
    if store and run.unknown:
        say(f"Of {_files(run.unknown)} nothing here knows the hash. Next: {ASK}")
    return 1 if bad or run.build.plan.unreadable else 0


def _stopped(run: Sweep) -> None:
    done, total = human_size(run.bytes_done), human_size(run.total)
    say(
        f"Stopped: {run.files_done} of {_files(len(run.choices))} done, {done} of {total}.\n"
        "  What is hashed is remembered. Next: run the same command again to go on"
    )


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"
