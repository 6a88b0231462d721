"""What `doctor` shows: a line each, ✓ or what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from comfyfix.screen import words
from comfyfix.screen.words import t
from comfyfix.stages.checkup.base import Line


def lines(found: Sequence[Line]) -> Iterator[str]:
    """Tell each thing, and below what is not well its next step, once where neighbours share it."""
    steps = ["" if line.good else words.told(line.said).next_step for line in found]
    for line, step, following in zip(found, steps, [*steps[1:], ""], strict=True):
        yield f"{'✓' if line.good else '✗'} {words.sentence(line.said)}"
        if step and step != following:
            yield f"    {t('Next: {step}', step=step)}"
    bad = sum(not line.good for line in found)
    yield ""
    yield t("All is well.") if not bad else t("To be done: {count}", count=bad)


def as_data(found: Sequence[Line]) -> dict[str, object]:
    """The same, for programs."""
    return {
        "good": all(line.good for line in found),
        "checks": [
            {
                "name": line.name,
                "good": line.good,
                "why": line.said.why,
                "message": words.sentence(line.said),
                "next": words.told(line.said).next_step,
            }
            for line in found
        ],
    }
