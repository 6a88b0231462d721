"""The values that ComfyUI refuses, and what helps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from comfyfix.disk.files import printable
from comfyfix.screen.words import t
from comfyfix.stages.values.refused import Refusal

SHOWN_MAX = 6
"""Values of one workflow that are told; the others are counted."""


def line(refusal: Refusal) -> str:
    """Tell one value, where it stands, and what ComfyUI takes in its place."""
    reference = refusal.reference
    place = {"value": reference.value, "node": reference.node_id, "type": reference.node_type}
    if refusal.instead is not None:
        return t(
            "ComfyUI refuses {value} in node {node} ({type}); its list has {instead}",
            instead=refusal.instead,
            **place,
        )
    if not reference.active:
        return t(
            "ComfyUI refuses {value} in node {node} ({type}): the row is off, the file is absent",
            **place,
        )
    return t("ComfyUI refuses {value} in node {node} ({type}): its list has no such name", **place)


def next_step() -> str:
    """Say what helps against all of them."""
    return t("choose it in the node, or run `doit relink`")


def lines(refusals: Sequence[Refusal]) -> Iterator[str]:
    """Tell the workflows that are not ready by their values alone; nothing where there are none."""
    if not refusals:
        return
    yield ""
    yield t("Not ready: ComfyUI refuses values of these workflows, whatever is downloaded:")
    for workflow, group in groupby(refusals, key=lambda refusal: refusal.reference.workflow):
        values = list(dict.fromkeys(map(line, group)))
        yield f"  {printable(workflow)}:"
        yield from (f"    {value}" for value in values[:SHOWN_MAX])
        if len(values) > SHOWN_MAX:
            yield f"    {t('and {count} more', count=len(values) - SHOWN_MAX)}"
    yield f"    {t('Next:')} {next_step()}"
