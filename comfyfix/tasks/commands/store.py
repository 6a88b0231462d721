"""The `store` command: what lies in the model folders, and what it is for."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from typing import Any

from comfyfix.records import because
from comfyfix.screen import notes
from comfyfix.screen.commands import storing
from comfyfix.screen.commands import tiers as told_of_tier
from comfyfix.screen.commands.storing import Holding
from comfyfix.screen.objects import say_json_of
from comfyfix.screen.text import room, say
from comfyfix.screen.words import t
from comfyfix.stages.store.gc import Unit
from comfyfix.stopping import Stopped, signals
from comfyfix.tasks.commands.base import (
    JOBS_OPTION,
    ProjectCommand,
    jobs_of,
    project_heading,
    require_no_names,
)
from comfyfix.tasks.face.options import JSON_OPTION, switch
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.store.in_tier import tier_of
from comfyfix.tasks.store.needing import Needing
from comfyfix.tasks.verify import hashing
from comfyfix.why import Why


class Store(ProjectCommand):
    """Show what lies in the model folders."""

    doc_purpose = t("show what lies in the model folders, and what of it workflows need")
    doc_usage = ""
    doc_description = t(
        "A line for each folder: files, bytes, what is needed and not, what comfyfix has fetched, "
        "and equal files as far as their hashes are known. Nothing is changed, and nothing hashed "
        "without `--hash`. What was hashed is remembered: stopped by Ctrl-C, the same command goes "
        "on where it was."
    )
    cmd_options = (
        switch("all", t("a line for each file, with who needs it")),
        switch("hash", t("hash what is not known yet, to tell equal files and unknown origin")),
        JOBS_OPTION,
        JSON_OPTION,
    )
    name = "store"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Look and tell."""
        require_no_names(names, Why.STORE_TAKES_NONE)
        jobs = jobs_of(options)
        runs = self.runs(options)
        needing = Needing(runs)
        for doubt in needing.doubts:
            notes.remark(doubt)
        units = {run: needing.units(run) for run in runs}
        tiers = {run.prefix: _Fast(run) for run in runs}
        with signals():
            try:
                holdings = {
                    run.prefix: Holding(
                        of_run, _hashes(run, of_run, options, jobs), provenance.contents
                    )
                    for run, (provenance, of_run) in units.items()
                }
            except Stopped as stopped:
                return stopped.exit_code
        if options["as_json"]:
            say_json_of(
                {
                    prefix: {
                        **storing.as_data(holding, needing.doubts),
                        "tier": tiers[prefix].as_data(),
                    }
                    for prefix, holding in holdings.items()
                }
            )
            return 0
        table = storing.files if options["all"] else storing.folders
        for prefix, holding in holdings.items():
            tier_lines = tiers[prefix].lines(all_of_it=options["all"])
            say(*project_heading(prefix), *table(holding, room()), *tier_lines)
        return 0


class _Fast:
    """The fast tier of a project, if it has one."""

    def __init__(self, run: Run) -> None:
        self._tier, place = tier_of(run), run.project.folders.tier
        if place and not self._tier:
            cause = os.strerror(errno.ENOTDIR if place.exists() else errno.ENOENT)
            notes.remark(because(Why.TIER_UNUSABLE, path=place, cause=cause))
        self._others = self._tier.others() if self._tier else 0
        self._limit = run.project.manifest.tiers.size_bytes

    def lines(self, *, all_of_it: bool) -> Iterator[str]:
        if self._tier:
            yield from told_of_tier.copies(self._tier, room()) if all_of_it else ()
            yield from told_of_tier.held(self._tier, self._others, self._limit)

    def as_data(self) -> dict[str, Any] | None:
        if self._tier is None:
            return None
        return told_of_tier.held_as_data(self._tier, self._others, self._limit)


def _hashes(run: Run, units: Sequence[Unit], options: dict[str, Any], jobs: int) -> dict[str, str]:
    """The sha256 of files, where it is known or was asked for. Raises Stopped."""
    paths = [path for unit in units for path in unit.files]
    return hashing.all_of(run, paths, jobs) if options["hash"] else hashing.remembered(run, paths)
