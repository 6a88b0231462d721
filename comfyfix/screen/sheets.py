"""What commands that write workflows anew tell of each: the values left, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from comfyfix.disk.files import printable
from comfyfix.records import Left, Reason, Reference
from comfyfix.screen import words
from comfyfix.screen.words import t


def left_lines(left: Sequence[Left], problem: Reason | None) -> Iterator[str]:
    """Tell which values stay as they are, and why the whole does."""
    for one in left:
        value = printable(one.reference.value, words.LONGEST)
        yield f"  ✗ {value} ({node(one.reference)}): {words.sentence(one.reason)}"
    if problem is not None:
        yield f"  ✗ {words.sentence(problem)}"
        if step := words.told(problem).next_step:
            yield f"    {t('Next: {step}', step=step)}"


def left_data(left: Sequence[Left], problem: Reason | None) -> dict[str, Any]:
    """The same for programs."""
    return {
        "left": [{**place(one.reference), "reason": words.sentence(one.reason)} for one in left],
        "problem": words.sentence(problem) if problem else None,
    }


def place(reference: Reference) -> dict[str, str]:
    """Where a value stands, for programs."""
    return {
        "node_id": reference.node_id,
        "node_type": reference.node_type,
        "input": reference.input,
        "value": str(reference.value),
    }


def node(reference: Reference) -> str:
    """The node of a value, in words."""
    return t("node {node}, {type}", node=reference.node_id, type=reference.node_type)
