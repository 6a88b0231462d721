"""The `mirror` command: what the lock file needs, put where others take it by its hash."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from comfyfix.errors import SetupProblem, system_says
from comfyfix.mirrors.holders import holder
from comfyfix.net.buckets import BucketFailed
from comfyfix.records import because
from comfyfix.screen.commands import mirroring as words
from comfyfix.screen.objects import say_json_of
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.settings import mirror as settings
from comfyfix.settings.mirror import VARIABLE, Mirror
from comfyfix.stages.lock import mirroring
from comfyfix.stages.lock.mirroring import Filled, Here
from comfyfix.state import receipts
from comfyfix.stopping import Stopped, signals
from comfyfix.tasks.commands.base import ProjectCommand, project_heading
from comfyfix.tasks.face.options import JSON_OPTION, switch
from comfyfix.tasks.run.opening import begin_lock
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.store import filling
from comfyfix.why import Why


@dataclass(frozen=True, slots=True)
class _Wish:
    verify: bool
    aloud: bool


class MirrorCommand(ProjectCommand):
    """Fill mirrors from the lock file."""

    doc_purpose = t("put what the lock file needs into mirrors, or hash what is there")
    doc_usage = "[PLACE ...]"
    doc_description = t(
        "PLACE is a folder, `s3://bucket/prefix` or `gs://bucket/prefix`; without one all of "
        "`mirror:` are filled. Files lie there by their sha256 alone: what is absent is copied "
        "from the model folders, or fetched. What the lock file does not need is listed, and stays."
    )
    cmd_options = (
        switch("verify", t("hash all that lies there; fetch and write nothing")),
        JSON_OPTION,
    )
    name = "mirror"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Fill, or verify."""
        wish = _Wish(verify=options["verify"], aloud=not options["as_json"])
        mirrors: dict[str, list[Filled]] = {}
        named = _named(names)  # before a dodo changes the folder
        with signals():
            try:
                for tasks in self.projects(options):
                    run = begin_lock(tasks.manifest, self.name)
                    if wish.aloud:
                        say(*project_heading(tasks.prefix))
                    mirrors[tasks.prefix] = _filled(run, named or _of_manifest(run), wish)
            except Stopped as stopped:
                if wish.aloud:
                    say(t("Stopped. What is there by now stays; the same command goes on."))
                return stopped.exit_code
        if options["as_json"]:
            answers = {p: {"mirrors": list(map(words.as_data, f))} for p, f in mirrors.items()}
            say_json_of(answers)
        return int(not all(mirror.good for filled in mirrors.values() for mirror in filled))


def _named(names: Sequence[str]) -> Sequence[Mirror]:
    """The mirrors of the command line. Raises SetupProblem."""
    for name in names:
        if unfit := settings.flaw(name):
            raise SetupProblem(Why.MIRROR_NAMED_UNFIT, cause=unfit)
    return [settings.mirror(settings.absolute(name)) for name in names]


def _of_manifest(run: Run) -> Sequence[Mirror]:
    """The mirrors of the manifest, or of the environment. Raises SetupProblem."""
    if not run.project.mirrors:
        demo = run.project.manifest.is_demo
        why = Why.MIRROR_NONE_IN_DEMO if demo else Why.MIRROR_NONE
        raise SetupProblem(why, variable=VARIABLE)
    return run.project.mirrors


def _filled(run: Run, places: Sequence[Mirror], wish: _Wish) -> list[Filled]:
    setup = run.project.setup
    here = Here(run.project.folders, receipts.load(run.project.layout))
    contents, without = mirroring.contents(setup.lock, setup.manifest, here)
    outcomes = []
    for place in places:
        filled = Filled(place.label, tuple(contents))
        outcomes.append(filled)
        if wish.aloud:
            say(words.heading(filled))
        _fill(run, place, filled, wish)
        if wish.aloud:
            say(*words.lines(filled, verified=wish.verify), *words.left_out(without))
    return outcomes


def _fill(run: Run, place: Mirror, filled: Filled, wish: _Wish) -> None:
    """Fill or verify one mirror; why it can't be done is noted."""
    try:
        into = holder(place, lambda: run.stopping)
        if into is None:
            filled.reason = because(Why.MIRROR_READ_ONLY, place=place.label)
            return
        if wish.verify:
            if place.kind == "folder":
                os.stat(place.place)  # one that is away is not one that is empty
            filling.verify(run, filled, into)
        else:
            filling.fill(
                run,
                filled,
                into,
                lambda content, done: say(*words.filled_one(content, done)) if wish.aloud else None,
            )
        mirroring.look(filled, into)
    except BucketFailed as failed:
        filled.reason = because(Why.MIRROR_UNUSABLE, place=place.label, cause=failed.reason)
    except OSError as error:
        cause = system_says(error)
        filled.reason = because(Why.MIRROR_UNUSABLE, place=place.label, cause=cause)
