"""How equal files of a store are found, and made to share their bytes, step by step."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from comfyfix.comfyui.store.inventory import model_files
from comfyfix.disk import alone
from comfyfix.disk.twins import twins, unfinished
from comfyfix.disk.twins.twins import Changed
from comfyfix.errors import SetupProblem, system_says
from comfyfix.records import Model, Reason
from comfyfix.screen.run.progress import drawn
from comfyfix.stages.store import dedupe, sweep
from comfyfix.stages.store.dedupe import Duplicates, Pair
from comfyfix.state.hashing import Identity, identity_of
from comfyfix.state.renewed import Renewing, Seen
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.verify import hashing
from comfyfix.why import Why

FILES_AT_ONCE, BYTES_AT_ONCE = 64, 1 << 30
"""Files and bytes of one step: their leases are held until all of it is done."""


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
        raise SetupProblem(Why.DEDUPE_ODD, store=store, cause=system_says(error)) from None


def renewing(run: Run) -> Renewing:
    """What notes that files of a run's store are the same, though the system tells otherwise."""
    project = run.project
    return Renewing(project.layout, project.folders.store, project.trust, hashing.log_of(run))


class Deduping:
    """The files of one project's store."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._renewing = renewing(run)
        self._store = os.path.realpath(run.project.folders.store)
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
                    reason = unfinished.settle(
                        root, place, hashing.open_file_hasher(bool), self._renew
                    )
                except OSError as error:
                    reason = system_says(error)
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

    def find(self) -> Duplicates:
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

    def share(self, pairs: Sequence[Pair]) -> tuple[list[Pair], list[tuple[Pair, Reason]]]:
        """Let equal files share their bytes; returns the pairs that do now, and those that can't.

        Raises Stopped, SetupProblem.
        """
        won: list[Pair] = []
        failed: list[tuple[Pair, Reason]] = []
        self._learn()
        if not pairs:
            return won, failed
        total = 2 * sum(pair.other.info.st_size for pair in pairs)
        read = 0

        def passed(count: int) -> None:
            nonlocal read
            read += count

        with (
            store_alone(self._run) as root,
            drawn(total, len(pairs), lambda: (read, len(won) + len(failed))),
        ):
            for way in ("link", "clone"):
                chosen = [pair for pair in pairs if pair.way == way]
                for step in dedupe.steps(chosen, FILES_AT_ONCE, BYTES_AT_ONCE):
                    for pair, reason in self._step(root, way, step, passed):
                        if reason is None:
                            won.append(pair)
                        else:
                            failed.append((pair, reason))
        return won, failed

    def _step(
        self, root: int, way: str, step: Sequence[Pair], passed: Callable[[int], object]
    ) -> Iterator[tuple[Pair, Reason | None]]:
        by_kept = dedupe.by_kept(step)
        files = [file for file, _ in by_kept]
        if way == "link":
            results = twins.join(root, files, hashing.open_file_hasher(passed), self._renew)
        else:
            results = [twins.clone(root, file) for file in files]
        for (_, pairs), reasons in zip(by_kept, results, strict=True):
            yield from zip(pairs, reasons, strict=True)

    def _renew(self, changed: Sequence[Changed]) -> None:
        """Renew what is noted of each file, under all of its names."""
        seen = []
        for file in changed:
            names = self._names.setdefault(identity_of("", file.info), [])
            names += [self._by_place[place] for place in file.places if place in self._by_place]
            seen += [Seen(model, path, file.sha256, file.info) for model, path in names]
        self._renewing.renew(seen)
