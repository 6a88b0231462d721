"""What a run tells those who follow it from another process, written into its journal.

The scripts are not asked how far downloads are: their part files tell, twice a second. Once a
journal has grown they are looked at less often, so that a run of days fits into one.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from comfyfix.errors import Problem
from comfyfix.records import Verdict
from comfyfix.screen import words
from comfyfix.screen.run import choosing
from comfyfix.screen.run.part import Part
from comfyfix.state import journal, searches
from comfyfix.state.journal import Journal, Phase

LOOK_SECONDS = 0.5
"""How often part files are looked at."""
SLOWER_BYTES = 4_000_000
"""Bytes of a journal after which that happens half as often, and so on."""


class Follower:
    """Writes into a journal what a console is told; before `begin` nothing."""

    def __init__(self, written: Journal) -> None:
        self._journal = written
        self._numbers: dict[str, int] = {}
        self._parts: dict[int, Part] = {}
        self._arrived: dict[int, int] = {}
        self._settled = Counter[bool]()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._watches = False

    def begin(self, stamp: str, about: Sequence[journal.Line], numbers: Mapping[str, int]) -> None:
        """A run begins. `about`: its first events; `numbers`: what they call its models, by key."""
        self._numbers = dict(numbers)
        self._journal.begin(stamp, about)

    def phase(self, key: str, now: Phase, size: int | None, path: Path | None) -> None:
        """A model is `searching`, `waiting`, `downloading` or `verifying` now."""
        n = self._numbers.get(key)
        if n is None:
            return
        part = Part(path) if path is not None else None
        with self._lock:
            self._parts.pop(n, None)
            if part is not None:
                self._parts[n] = part
        have = part.arrived() if part is not None else 0
        self._journal.tell(journal.Doing(n=n, phase=now, size=size, have=have))
        if path is not None:
            self._watch()

    def expect(self, key: str, size: int | None) -> None:
        """So many bytes are to come of a model; None: nobody knows."""
        n = self._numbers.get(key)
        if n is not None and size is not None:
            self._journal.tell(journal.Expected(n=n, size=size))

    def said(self, key: str, text: str) -> None:
        """The run has written a line about a model."""
        n = self._numbers.get(key)
        if n is not None:
            self._journal.tell(journal.Said(n=n, text=text))

    def failed(self, key: str, problem: Problem) -> None:
        """A model has failed."""
        n = self._numbers.get(key)
        if n is not None:
            what, step = words.sentence(problem.reason), words.worded(problem.reason).next_step
            self._journal.tell(journal.Failed(n=n, what=what, next=step))
            if problem.choices:
                choices = map(choosing.in_short, searches.each_once(problem.choices))
                self._journal.tell(journal.Choices(n=n, found=tuple(choices)))

    def settled(self, key: str, *, good: bool) -> None:
        """A model is done, or has failed."""
        n = self._numbers.get(key)
        if n is not None:
            with self._lock:
                self._parts.pop(n, None)
                self._settled[good] += 1
            self._journal.tell(journal.Settled(n=n, good=good))

    def verifying(self, batch: int) -> None:
        """A batch is verified."""
        self._journal.tell(journal.Verifying(batch=batch))

    def judged(self, verdicts: Sequence[Verdict]) -> None:
        """Models are verified."""
        self._journal.tell(
            *(
                journal.Judged(
                    n=self._numbers[verdict.model],
                    status=verdict.status,
                    what=words.sentence(verdict.reason or ""),
                )
                for verdict in verdicts
                if verdict.model in self._numbers
            )
        )

    def end(self, code: int, *, stopped: bool) -> None:
        """The run is over, if it has begun and is not over yet."""
        self._over.set()
        if self._journal.is_open:
            self._look()
            count = self._settled
            ended = journal.Ended(code=code, stopped=stopped, done=count[True], failed=count[False])
            self._journal.end(ended)

    def _watch(self) -> None:
        with self._lock:
            if self._watches:
                return
            self._watches = True
        threading.Thread(target=self._looking, name="follower", daemon=True).start()

    def _looking(self) -> None:
        while not self._over.wait(LOOK_SECONDS * 2 ** (self._journal.written // SLOWER_BYTES)):
            self._look()

    def _look(self) -> None:
        """Tell how far the downloads are, where that has changed."""
        with self._lock:
            parts = dict(self._parts)
        arrived = {n: part.arrived() for n, part in parts.items()}
        new = {n: count for n, count in arrived.items() if self._arrived.get(n) != count}
        self._arrived.update(new)
        if new:
            self._journal.tell(journal.Arrived(bytes=new))
