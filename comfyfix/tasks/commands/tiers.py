"""The `tiers` command: brings up to the fast disk what workflows need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from comfyfix.errors import SetupProblem
from comfyfix.screen.commands import tiers as words
from comfyfix.screen.objects import say_json_of
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.stages.store import sweep
from comfyfix.stages.store.tiers.needed_copies import NeededCopy, needed_copies
from comfyfix.stages.store.tiers.raising import CopyOutcome, CopyResult
from comfyfix.state.tier import Busy, Tier
from comfyfix.tasks.commands.base import ProjectCommand, project_heading, require_no_names
from comfyfix.tasks.face.options import JSON_OPTION
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.store.in_tier import raising
from comfyfix.why import Why


class Tiers(ProjectCommand):
    """Bring up what workflows need."""

    doc_purpose = t("bring up to the fast tier what workflows need; what was not for long leaves")
    doc_usage = "[workflow=FILE]"
    doc_description = t(
        "Copies to `tiers: {{fast: FOLDER, size: 500GB}}` the models of the manifest's workflows, "
        "or of one; each copy is hashed, and a directory or a set comes whole or not at all. What "
        "no workflow has needed for longest leaves where room is lacking, once the store is seen "
        "to have it. Nothing is downloaded."
    )
    cmd_options = (JSON_OPTION,)
    name = "tiers"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Bring up. Raises SetupProblem."""
        require_no_names(names, Why.TIER_TAKES_NONE)
        answers: dict[str, dict[str, Any]] = {}
        good = True
        aloud = not options["as_json"]
        for run in self.runs(options):
            place, limit = run.project.manifest.tiers.fast, run.project.manifest.tiers.size_bytes
            if not place:
                raise SetupProblem(Why.TIER_NONE)
            tier, results = Tier(Path(place)), []
            if aloud:
                say(*project_heading(run.prefix))
            for result in _brought_up(run, tier):
                results.append(result)
                if aloud:
                    say(words.line(result))
            sizes = [copy.size for copy in tier.copies.values()]
            answers[run.prefix] = words.as_data(results, sizes, limit)
            if aloud:
                say(words.total(sizes, limit))
            good = good and not any(result.outcome is CopyOutcome.STAYS for result in results)
        if not aloud:
            say_json_of(answers)
        return int(not good)


def _brought_up(run: Run, tier: Tier) -> Iterator[CopyResult]:
    """What is done, as it is done. Raises SetupProblem."""
    needed = _needed(run)
    try:
        if not tier.root.is_dir():
            raise NotADirectoryError(20, "Not a directory")
        work = raising(run, tier)
        with tier.held():
            yield from work.bring_up(needed)
    except Busy:
        raise SetupProblem(Why.TIER_BUSY, path=tier.root) from None
    except OSError as error:
        cause = error.strerror or str(error)
        raise SetupProblem(Why.TIER_UNUSABLE, path=tier.root, cause=cause) from None


def _needed(run: Run) -> list[NeededCopy]:
    """What workflows need and the store has, in order."""
    project = run.project
    choices = sweep.needed(project.manifest, project.plan, project.layout)
    references = [reference for file in project.scanned for reference in file.references]
    return needed_copies(project.plan, choices, project.folders, references)
