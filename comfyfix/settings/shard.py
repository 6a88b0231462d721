"""Where a job begins that is one of several for the same store: `COMFYFIX_SHARD=0/4` … `3/4`.

Each job ends with all models there; they only begin at different batches, so that none waits for
another at the first model. An array job of SLURM tells the same by its own variables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from comfyfix.errors import SetupProblem
from comfyfix.why import Why

T = TypeVar("T")
VARIABLE = "COMFYFIX_SHARD"
_SLURM = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT")
_STEP = "SLURM_ARRAY_TASK_STEP"
Shard = tuple[int, int]
"""Which one, from nought, and of how many."""
WHOLE: Shard = (0, 1)


def of(environ: Mapping[str, str]) -> Shard:
    """Which job this is. Raises SetupProblem for a `COMFYFIX_SHARD` that names none."""
    value = environ.get(VARIABLE, "").strip()
    if not value:
        return _of_slurm(environ)
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", value)
    if match is None or not int(match[1]) < int(match[2]):
        raise SetupProblem(Why.SHARD_UNFIT, variable=VARIABLE, told=value)
    return int(match[1]), int(match[2])


def _of_slurm(environ: Mapping[str, str]) -> Shard:
    numbers = [*(environ.get(name, "") for name in _SLURM), environ.get(_STEP, "1")]
    if not all(re.fullmatch("[0-9]{1,9}", number) for number in numbers):
        return WHOLE
    task, first, count, step = map(int, numbers)
    place = (task - first) // max(step, 1)
    return (place, count) if 0 <= place < count else WHOLE


def turned(shard: Shard, items: Sequence[T]) -> list[T]:
    """All of them, from where a job begins to where it would begin again."""
    first = shard[0] * len(items) // shard[1]
    return [*items[first:], *items[:first]]
