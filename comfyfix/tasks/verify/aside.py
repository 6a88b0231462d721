"""What is done with a file that can't be used."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from comfyfix.records import Model, Receipt, Verdict
from comfyfix.screen.commands import checking
from comfyfix.stages.store.sweep import Choice
from comfyfix.stages.verdicts.verify import move_aside
from comfyfix.state.tier import Busy, Tier
from comfyfix.tasks.run.running import Run
from comfyfix.why import Why


def set_aside(run: Run, model: Model, verdict: Verdict, receipt: Receipt | None) -> Verdict:
    """Move a damaged or unsafe file aside, and drop its receipts."""
    if verdict.good or verdict.status in ("missing", "unreachable"):
        return verdict
    moved = move_aside(verdict, receipt)
    if moved.moved_to:
        with contextlib.suppress(OSError):  # without the file they say nothing
            run.receipts.forget(run.project.folders.store, model)
    return moved


def set_copy_aside(run: Run, choice: Choice, verdicts: list[Verdict]) -> str:
    """Move a copy in the fast tier that is not right to where ComfyUI does not look.

    Returns what is to be said of it, and writes its new place into the verdicts of its files.
    What is none of ours stays unless it is damaged or unsafe: it may be meant.
    """
    root, unit = run.project.folders.tier, Path(choice.unit)
    bad = [v for v in verdicts if v.is_copy and not v.good and Path(v.path).is_relative_to(unit)]
    moves = any(
        (choice.noted_sha256 or verdict.status in ("damaged", "unsafe"))
        and not (verdict.reason and verdict.reason.why == Why.PICKLE_REFUSED)
        for verdict in bad
    )
    if not moves or root is None or not unit.is_relative_to(root):
        return ""
    tier = Tier(root)
    try:
        with tier.held():
            target = tier.put_aside(unit.relative_to(root).as_posix())
    except Busy:
        return checking.copy_stays(choice.unit, checking.tier_busy())
    except OSError as error:
        return checking.copy_stays(choice.unit, error.strerror or str(error))
    for number, verdict in enumerate(verdicts):
        if verdict in bad:
            verdicts[number] = msgspec.structs.replace(verdict, moved_to=str(target))
    return checking.copy_moved(choice.unit, str(target))
