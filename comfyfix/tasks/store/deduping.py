"""How equal files of a store are found, and made to share their bytes, step by step."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from comfyfix.comfyui.store.inventory import model_files
from comfyfix.disk import alone, twins, unfinished
from comfyfix.disk.twins import Changed
from comfyfix.errors import SetupProblem
from comfyfix.records import Model, Reason, because
from comfyfix.screen.run.progress import drawn
from comfyfix.stages.store import dedupe, sweep
from comfyfix.stages.store.dedupe import Duplicates, Pair
from comfyfix.state.hashes import HashLog
from comfyfix.state.hashing import Identity, identity_of
from comfyfix.state.renewed import Renewing, Seen
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.verify import hashing
from comfyfix.why import Why

FILES_AT_ONCE, BYTES_AT_ONCE = 64, 1 << 30
"""Files and bytes of one step: their leases are held until all of it is done."""


@dataclass(slots=True)
class Done:
    """What came of it: pairs that share by now, pairs that could not, and what was left before."""

    won: list[Pair] = field(default_factory=list)
    failed: list[tuple[Pair, Reason]] = field(default_factory=list)
    odd: list[Reason] = field(default_factory=list)


@contextmanager
def store_alone(run: Run) -> Iterator[int]:
    """Open the folder of a store for this process alone. Raises SetupProblem."""
    store = run.project.folders.store
    try:
        with alone.opened(store) as root:
            yield root
    except alone.Busy:
        raise SetupProblem(Why.DEDUPE_BUSY, store=store) from None
    except OSError as error:
        cause = because(Why.SYSTEM_SAYS, error=error.strerror or error)
        raise SetupProblem(Why.DEDUPE_ODD, store=store, cause=cause) from None


class Deduping:
    """The files of one project's store."""

    def __init__(self, run: Run) -> None:
        self._run = run
        project = run.project
        log = HashLog(project.layout.hashes, project.trust.identity)
        self._renewing = Renewing(project.layout, project.folders.store, project.trust, log)
        self._store = os.path.realpath(project.folders.store)
        self._names: dict[Identity, list[tuple[Model, str]]] = {}
        self._by_place: dict[str, tuple[Model, str]] = {}

    def settle(self) -> list[Reason]:
        """Finish or undo what a killed process has left; tells what can't be."""
        left = list(unfinished.left_over(self._run.project.folders.store))
        if not left:
            return []
        self._learn()
        odd = []
        with store_alone(self._run) as root:
            for place in left:
                try:
                    reason = unfinished.settle(root, place, hashing.of_open(bool), self._renew)
                except OSError as error:
                    reason = because(Why.SYSTEM_SAYS, error=error.strerror or error)
                odd += [reason] if reason else []
        return odd

    def _learn(self) -> None:
        real = functools.cache(os.path.realpath)  # many files share a folder
        for file in model_files(self._run.project.folders):
            name = (file.model, file.path)
            self._names.setdefault(file.identity, []).append(name)
            folder, _, last = file.path.rpartition("/")
            place = f"{real(folder)}/{last}".removeprefix(f"{self._store}/")
            self._by_place[place] = name

    def found(self) -> Duplicates:
        """Find what is equal; what may be is hashed, and remembered. Raises Stopped, OSError."""
        project = self._run.project
        choices = sweep.whole_store(
            project.manifest, project.folders, project.layout, project.trust
        )
        others = [os.path.realpath(folder) for folder in project.manifest.also_look_in]
        every = dedupe.copies(choices, project.folders, others, self._renewing.cannot_sign)
        alike = dedupe.of_equal_size(every)
        hashes = hashing.all_of(self._run, [copy.path for copy in alike])
        return dedupe.duplicates(every, hashes)

    def share(self, found: Duplicates) -> Done:
        """Let equal files share their bytes. Raises Stopped, SetupProblem."""
        done = Done()
        self._learn()
        pairs = found.planned
        if not pairs:
            return done
        total = 2 * sum(pair.other.info.st_size for pair in pairs)
        read = 0

        def passed(count: int) -> None:
            nonlocal read
            read += count

        with (
            store_alone(self._run) as root,
            drawn(total, len(pairs), lambda: (read, len(done.won) + len(done.failed))),
        ):
            for way in ("link", "clone"):
                chosen = [pair for pair in pairs if pair.way == way]
                for step in dedupe.steps(chosen, FILES_AT_ONCE, BYTES_AT_ONCE):
                    for pair, reason in self._step(root, way, step, passed):
                        if reason is None:
                            done.won.append(pair)
                        else:
                            done.failed.append((pair, reason))
        return done

    def _step(
        self, root: int, way: str, step: Sequence[Pair], passed: Callable[[int], object]
    ) -> Iterator[tuple[Pair, Reason | None]]:
        asked = dedupe.by_kept(step)
        every = [one for one, _ in asked]
        if way == "link":
            told = twins.join(root, every, hashing.of_open(passed), self._renew)
        else:
            told = [twins.clone(root, one) for one in every]
        for (_, pairs), reasons in zip(asked, told, strict=True):
            yield from zip(pairs, reasons, strict=True)

    def _renew(self, every: Sequence[Changed]) -> None:
        """Renew what is noted of each file, under all of its names."""
        seen = []
        for one in every:
            identity = identity_of("", one.info)
            names = self._names.setdefault(identity, [])
            names += [self._by_place[place] for place in one.places if place in self._by_place]
            seen += [Seen(model, path, one.sha256, one.info) for model, path in names]
        self._renewing.renew(seen)
