"""Tally: what became of each model in a run."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from comfyfix.errors import Problem
from comfyfix.outcomes import Came, Outcome
from comfyfix.records import Model, Verdict


@dataclass(frozen=True, slots=True)
class Ending:
    """How one model ended in this run; `problem` is None for a success, which tells how it `came`.

    `licence` of what was downloaded, empty where its provider tells none. `size` in bytes;
    `requests` are those of its search; `mirror` is the mirror that it came from, if it did.
    """

    model: Model
    problem: Problem | None = None
    searching: bool = False
    came: Came | None = None
    licence: str | None = None
    size: int = 0
    requests: int = 0
    mirror: str = ""


@dataclass(slots=True)
class Tally:
    """What happened in one run; safe to fill from several threads.

    `ignored` are the models that the user has told doit to leave out, with their tasks; `unpicked`
    those that he has not chosen when he was asked, `no_room` those that the disk can't hold.
    `failed` are the models that have failed, and how.
    """

    total: int = 0
    already: int = 0
    scripts: int = 0
    unreadable: list[Problem] = field(default_factory=list)
    ignored: dict[str, str] = field(default_factory=dict)
    unpicked: frozenset[str] = frozenset()
    no_room: frozenset[str] = frozenset()
    endings: list[Ending] = field(default_factory=list)
    failed: dict[str, Outcome] = field(default_factory=dict)
    bad_verdicts: list[Verdict] = field(default_factory=list)
    unverified: list[Verdict] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, ending: Ending) -> None:
        """Note how one model ended."""
        with self._lock:
            self.endings.append(ending)
            if ending.problem is not None:
                self.failed[ending.model.key] = ending.problem.outcome

    def add_script(self) -> None:
        """Note that a script was written or found right."""
        with self._lock:
            self.scripts += 1

    def add_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Note what verification said, and which files have no published hash."""
        with self._lock:
            self.bad_verdicts += [v for v in verdicts if not v.good]
            self.unverified += [v for v in verdicts if v.status == "unverified"]

    def failures(self, *, searching: bool) -> list[Ending]:
        """The failed searches, or the failed downloads."""
        return sorted(
            (e for e in self.endings if e.problem is not None and e.searching is searching),
            key=lambda ending: ending.model.key,
        )
