"""The one question before the first download: how things stand, and what each key does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from comfyfix.disk.files import human_size, printable
from comfyfix.outcomes import GATES, Outcome
from comfyfix.screen import width
from comfyfix.screen.run.preview import Answer
from comfyfix.screen.words import fixed, t
from comfyfix.stages.plan.picking import Offer, Picked

KEYS = fixed("Your choice [y/n/v/p] ")
_NAMES_MAX = 5
_COLUMN = 23
"""Columns of one model where they are offered side by side."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand while the user is asked. Bytes; `room` is what may be written.

    `size` is what the models that were found still take, `fitting` how many of them there is room
    for, and `fitting_size` what those take. `resting` wait for a source that costs something.
    """

    answers: Sequence[Answer]
    size: int
    free: Sequence[int]
    room: int
    fitting: int
    fitting_size: int
    searching: Sequence[str] = ()
    resting: int = 0

    @property
    def found(self) -> int:
        """How many models were found."""
        return sum(answer.record is not None for answer in self.answers)

    @property
    def open(self) -> int:
        """How many are not settled, and no source that costs nothing is left for none of them."""
        unsettled = sum(a.unsettled and a.problem is None for a in self.answers)
        return unsettled - self.resting


def lines(now: Standing) -> list[str]:
    """Three lines: what does not fit, or what goes on; how things stand; what the keys do."""
    return [_first(now), ", ".join(_parts(now)), _keys(now)]


def _first(now: Standing) -> str:
    if now.fitting < now.found:
        line = "! {size:size} do not fit: {room:size} may be written here, the reserve left alone"
        return t(line, size=now.size, room=now.room)
    if now.open:
        names = tuple(now.searching[:_NAMES_MAX])
        return t("Searching: {names} …", names=names) if names else t("Searching …")
    if now.resting:
        return t("Searched. Qwen is asked only after y: {count:models}", count=now.resting)
    return t("Searched.")


def _parts(now: Standing) -> Iterator[str]:
    yield t("{found} of {count} found", found=now.found, count=len(now.answers))
    if now.found:
        yield human_size(now.size)
    if now.free:
        yield t("{size} free", size=" + ".join(map(human_size, now.free)))
    kinds = Counter(_kind(a.problem.outcome) for a in now.answers if a.problem is not None)
    for kind, count in kinds.items():
        yield f"{count} {kind}"
    if now.open > 0:
        yield t("{count} to go", count=now.open)
    if now.resting:
        yield t("{count} for Qwen", count=now.resting)


def _kind(outcome: str) -> str:
    if outcome == Outcome.LICENCE_NEEDED:
        return t("need a licence")
    if outcome == Outcome.TOKEN_NEEDED:
        return t("need a token")
    if outcome in GATES:
        return t("not open to you")
    if outcome in (Outcome.SOURCE_DOWN, Outcome.NETWORK):
        return t("could not be asked")
    return t(str(outcome))


def _keys(now: Standing) -> str:
    if now.fitting < now.found:
        line = "y: {found} of {count} models that fit, {size:size}"
        yes = t(line, found=now.fitting, count=len(now.answers), size=now.fitting_size)
    elif now.open > 0 or now.resting:
        yes = t("y: these, and what is still found") if now.found else t("y: what is found")
    elif now.found:
        yes = t("y: {found:models}, {size:size}", found=now.found, size=now.fitting_size)
    else:
        yes = t("y: try all the same")
    return " · ".join((yes, t("n: nothing"), t("v: the table"), t("p: pick")))


def heading(count: int, store: Path, project: str = "") -> Iterator[str]:
    """Say what the question is about."""
    if project:
        yield t("Project: {name}", name=project)
    line = "One model is missing." if count == 1 else "{count} models are missing."
    yield f"{t(line, count=count)} {t('They go to {store}.', store=str(store))}"


def declined() -> str:
    """Say what has come of a no."""
    return t("Nothing was downloaded.")


def offer(offered: Offer, sizes: Mapping[str, int], room: int) -> Iterator[str]:
    """What there is to pick from: workflows, then models as many side by side as have room."""
    yield t("Models:")
    names = [printable(p.model.name.removesuffix(".safetensors")) for p in offered.models]
    names = width.cut_apart(names, _COLUMN - len("000 "))
    cells = [f"{p.number:03d} {name}" for p, name in zip(offered.models, names, strict=True)]
    columns = max(1, (room - 2) // (_COLUMN + 2))
    rows = -(-len(cells) // columns)
    for row in range(rows):
        beside = (width.padded(cell, _COLUMN) for cell in cells[row::rows])
        yield f"  {'  '.join(beside)}".rstrip()
    yield t("Workflows:")
    for number, (workflow, keys) in enumerate(offered.workflows.items(), 1):
        line = f"  w{number}  {printable(workflow)}  ({_amount(keys, sizes)})"
        yield width.cut(line, room)


def _amount(keys: Collection[str], sizes: Mapping[str, int]) -> str:
    """How many models, and their bytes as far as they are known."""
    known_sizes = [sizes[key] for key in keys if key in sizes]
    if not known_sizes:
        return t("{count:models}", count=len(keys))
    unknown = len(keys) - len(known_sizes)
    line = "{count:models}, {size:size}" + (", {unknown} of unknown size" if unknown else "")
    return t(line, count=len(keys), size=sum(known_sizes), unknown=unknown)


def how_to_pick() -> str:
    """The line at which one picks."""
    example = fixed("3 7-9 w1 *.gguf !12")
    return f"{t('Pick numbers, ranges, names ({example}); empty: back', example=example)} "


def understood(picked: Picked, sizes: Mapping[str, int]) -> Iterator[str]:
    """Say what was understood."""
    if picked.unknown:
        yield t("! Nothing here is called {words}", words=picked.unknown)
    if not picked.models:
        yield t("! That picks nothing; all stay as they were")
        return
    amount = _amount([planned.model.key for planned in picked.models], sizes)
    names = tuple(planned.model.name for planned in picked.models[:_NAMES_MAX])
    more = len(picked.models) - len(names)
    line = "Picked {amount}: {names}" + (" and {more} more" if more else "")
    yield t(line, amount=amount, names=names, more=more)
