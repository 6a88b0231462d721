"""What of a project's models lies in its fast tier, and how it leaves when a model goes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from comfyfix.comfyui.store.together import Together
from comfyfix.errors import system_says
from comfyfix.records import Reason, because
from comfyfix.stages.store.tiers.needed_copies import named_directories
from comfyfix.stages.store.tiers.opened import Opened, noted_hashes
from comfyfix.stages.store.tiers.raising import Raising
from comfyfix.state.tier import Busy, Tier
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.verify.hashing import log_of
from comfyfix.why import Why


def opened_in(run: Run) -> Opened:
    """Tells which copies ComfyUI opens in place of files of the store. Raises SetupProblem."""
    folders = run.project.folders
    references = (reference for file in run.project.scanned for reference in file.references)
    together = Together(named_directories(references, folders) if folders.fast else frozenset())
    tier = tier_of(run)
    copies = tier.copies.values() if tier else ()
    return Opened(folders, noted_hashes(tier.root, copies) if tier else {}, together)


def tier_of(run: Run) -> Tier | None:
    """The fast tier with what lies in it by our doing; None without one, or without its disk.

    Raises SetupProblem.
    """
    root = run.project.folders.tier
    if root is None or not root.is_dir():
        return None
    tier = Tier(root)
    try:
        tier.read()
    except OSError:  # its disk is not there: neither are its copies
        return None
    return tier


def raising(run: Run, tier: Tier) -> Raising:
    """The work on a tier."""
    project = run.project
    return Raising(
        tier=tier,
        limit=project.manifest.tiers.size_bytes,
        reserve=project.manifest.download.reserve_bytes,
        hash_of=run.services().hash_of,
        log=log_of(run),
        now=time.time(),
        stopped=lambda: run.children.stopping,
    )


@dataclass(frozen=True, slots=True)
class LettingGo:
    """Takes the copies of models that are about to leave their places in the store.

    `why_not` is set where nothing can be done in the tier now.
    """

    work: Raising | None = None
    why_not: Reason | None = None

    def let_go(self, places: Iterable[str]) -> Reason | None:
        """Remove the copies of files or directories; or say why one of them has to stay."""
        if self.work is None:
            return None
        sources = list(map(Path, places))
        if self.why_not:
            return self.why_not if self.work.copies_of(sources) else None
        try:
            return self.work.let_go(sources)
        except OSError as error:
            return system_says(error)


@contextmanager
def letting_go(run: Run) -> Iterator[LettingGo]:
    """Hold the tier of a project, where it has one and its disk is there. Raises SetupProblem.

    On a disk that is away a copy stays: it is then the only one, and never leaves by itself.
    """
    tier = tier_of(run)
    if tier is None or not tier.copies:
        yield LettingGo()
        return
    work = raising(run, tier)
    with ExitStack() as stack:
        why_not = None
        try:
            stack.enter_context(tier.held())
        except Busy:
            why_not = because(Why.TIER_BUSY, path=tier.root)
        except OSError as error:
            why_not = system_says(error)
        yield LettingGo(work, why_not)
