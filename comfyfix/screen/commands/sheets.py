"""What commands that write workflows anew tell of each: the values left, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from comfyfix.disk.files import printable
from comfyfix.records import Left, Reason, Reference
from comfyfix.screen import words
from comfyfix.screen.grouped import with_step
from comfyfix.screen.words import t


@dataclass
class Sheet:
    """One workflow: the file that was written, or would be, and what is left.

    `there` where a file of this name holds just that already.
    """

    workflow: str
    copy: str = ""
    there: bool = False
    left: list[Left] = field(default_factory=list)
    problem: Reason | None = None

    @property
    def is_done(self) -> bool:
        """Tell whether nothing is left."""
        return not self.left and self.problem is None

    def left_lines(self) -> Iterator[str]:
        """Tell which values stay as they are, and why the whole does."""
        for value in self.left:
            shown = printable(value.reference.value, words.LONGEST)
            yield f"  ✗ {shown} ({node(value.reference)}): {words.sentence(value.reason)}"
        if self.problem is not None:
            yield from with_step("  ✗ ", self.problem)

    def left_data(self) -> dict[str, Any]:
        """The same for programs."""
        left = [{**place(v.reference), "reason": words.sentence(v.reason)} for v in self.left]
        return {"left": left, "problem": words.sentence(self.problem) if self.problem else None}


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
