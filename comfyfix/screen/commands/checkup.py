"""What `doctor` shows: a line each, ✓ or what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from comfyfix.screen import words
from comfyfix.screen.grouped import next_step
from comfyfix.screen.objects import reason_data
from comfyfix.screen.words import t
from comfyfix.stages.checkup.base import Line


def lines(checks: Sequence[Line]) -> Iterator[str]:
    """Tell each thing, and below what is not well its next step, once where neighbours share it."""
    steps = ["" if check.good else words.worded(check.said).next_step for check in checks]
    for check, step, following in zip(checks, steps, [*steps[1:], ""], strict=True):
        yield f"{'✓' if check.good else '✗'} {words.sentence(check.said)}"
        if step != following:
            yield from next_step(step)
    bad = sum(not check.good for check in checks)
    yield ""
    yield t("All is well.") if not bad else t("To be done: {count}", count=bad)


def as_data(checks: Sequence[Line]) -> dict[str, object]:
    """The same, for programs."""
    return {
        "good": all(check.good for check in checks),
        "checks": [
            {
                "name": check.name,
                "good": check.good,
                **reason_data(check.said),
                "next": words.worded(check.said).next_step,
            }
            for check in checks
        ],
    }
