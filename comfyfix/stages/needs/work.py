"""What a run would do: the models with work to do, and those that are simply there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import msgspec

from comfyfix.errors import ModelProblem
from comfyfix.outcomes import Outcome
from comfyfix.records import Attempt, Hint, Model, Receipt, Record, Reference
from comfyfix.settings.overrides import Override
from comfyfix.stages.needs.scan import ScannedFile
from comfyfix.why import Why

_OF_PINS = (Why.PIN_FAILS, Why.USERS_PLACE_FAILS, Why.ONLY_BY_HAND)


class Pending(StrEnum):
    """Why there is work to do for a model that can have a file: the word that `list` shows."""

    ABSENT = "absent"
    INCOMPLETE = "incomplete"  # a directory or a set, of which some files are there
    EMPTY = "empty"
    CHANGED = "changed"
    UNVERIFIED = "not verified"  # there, with a record but without a receipt of ours
    SEARCH_AGAIN = "search again"  # there, and the user has told us to forget where it is from
    RECORD_LOST = "record lost"
    SCRIPT_LOST = "script lost"


class Needed(msgspec.Struct, frozen=True, kw_only=True):
    """A model that workflows need; `location` is where its file is or will be.

    `named` is set where the file that is there has another path than it would have elsewhere.
    """

    model: Model
    location: str
    references: tuple[Reference, ...] = ()
    override: Override | None = None
    named: Model | None = None
    receipt: Receipt | None = None

    @property
    def path(self) -> Path:
        """`location` as a path."""
        return Path(self.location)

    @property
    def lock_as(self) -> Model:
        """The model as every machine calls it, whatever lies on this one."""
        return self.named or self.model

    @property
    def workflows(self) -> tuple[str, ...]:
        """The workflows that need the model, each once."""
        return tuple(dict.fromkeys(r.workflow for r in self.references))


class Planned(Needed, frozen=True, kw_only=True):
    """One model with a task. `pending` says why there is work to do; None: it is settled.

    `problem` is set for a model that can have no legal file, whose task fails with it; `last` is
    its newest try. `neighbours` are some of the other models that its workflows name. Until a run
    has `reserved` number and task another run may take them.
    """

    number: int
    task: str
    pending: Pending | Outcome | None
    hints: tuple[Hint, ...] = ()
    record: Record | None = None
    problem: ModelProblem | None = None
    neighbours: tuple[str, ...] = ()
    reserved: bool = True
    is_directory: bool = False
    last: Attempt | None = None

    @property
    def status(self) -> str:
        """Why there is work to do, for people: of an absent model how its newest try ended.

        Nothing of a try that a pin has overtaken, or that went well: the file went away since.
        """
        last = self.last
        if self.pending is not Pending.ABSENT or last is None or last.outcome == Outcome.DONE:
            return self.pending or ""
        pinned = self.override is not None and self.override.names_a_place
        searched = last.outcome in (Outcome.UNCERTAIN, Outcome.NOT_FOUND)
        of_pin = last.reason is not None and last.reason.why in _OF_PINS
        return self.pending if pinned and searched and not of_pin else last.outcome

    @property
    def is_whole(self) -> bool:
        """True for what consists of several files: a directory, or a set of shards."""
        return self.is_directory or bool(self.model.shards)


class Present(Needed, frozen=True, kw_only=True):
    """A needed model that was there before us: no number, no task of its own.

    `claimed`: a receipt in the store speaks of it, and does not count. `files` are the paths of
    the model files of a directory or a set, if it is one; `size` is that of all its files.
    """

    size: int
    mtime_ns: int
    claimed: bool = False
    files: tuple[str, ...] | None = None

    @property
    def is_directory(self) -> bool:
        """True for a directory, and not for a set."""
        return self.files is not None and not self.model.shards

    @property
    def members(self) -> list[tuple[Model, Path]]:
        """Each of its model files, as the model that it is by itself."""
        if self.files is None:
            return [(self.model, self.path)]
        above = self.location.removesuffix(self.model.path)
        folder = self.model.folder
        return [
            (Model(folder=folder, path=file.removeprefix(above)), Path(file)) for file in self.files
        ]


@dataclass(frozen=True)
class Plan:
    """What a run would do; `unreadable` are workflow files with a problem."""

    models: tuple[Planned, ...]
    present: tuple[Present, ...]
    workflows: dict[str, tuple[str, ...]]
    unreadable: tuple[ScannedFile, ...]
    batch_size: int = 6

    @cached_property
    def pending(self) -> tuple[Planned, ...]:
        """The models with work to do."""
        return tuple(planned for planned in self.models if planned.pending)

    @property
    def missing(self) -> tuple[Planned, ...]:
        """The same, for programs: most of them are absent."""
        return self.pending

    @cached_property
    def by_task(self) -> dict[str, Planned]:
        """The models by the names of their tasks."""
        return {planned.task: planned for planned in self.models}

    @cached_property
    def batches(self) -> dict[int, list[Planned]]:
        """Members by batch number; the batch of number n is (n-1)//6+1."""
        batches: dict[int, list[Planned]] = defaultdict(list)
        for planned in self.models:  # in the order of their numbers
            batches[(planned.number - 1) // self.batch_size + 1].append(planned)
        return dict(batches)


def stamps(present: Sequence[Present]) -> dict[str, list[int]]:
    """Size and time of files, as doit remembers them between runs."""
    return {p.location: [p.size, p.mtime_ns] for p in present}
