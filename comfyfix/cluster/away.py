"""Scripts that run on the workers of a Dask cluster, as if they ran here.

Dask decides where and when: a worker takes as many at a time as it has `downloads` among its
resources, and what a lost worker had begun runs on another one. Only text is sent, and none of it
is secret: Dask logs what a failing task was given, and shows what it has done.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

from comfyfix import __version__
from comfyfix.cluster import scheduler, worker
from comfyfix.cluster.scheduler import Failed, Gone, Lost, problems
from comfyfix.disk import temporary
from comfyfix.errors import ModelProblem
from comfyfix.net.deadline import within
from comfyfix.outcomes import Outcome
from comfyfix.script.channel import Told
from comfyfix.settings.manifest import Cluster, Manifest
from comfyfix.stages.download.talk import BEGUN, Hear
from comfyfix.state.layout import STORE_STATE
from comfyfix.why import Why

RESOURCE = "downloads"
"""What a worker has as many of as it may fetch files at a time."""
LOOK_SECONDS = 5.0
Errand = tuple[str, str, list[str]]
"""What is sent for a script: its text, the folder of its files, and their paths."""
_Said = SimpleQueue[list[str] | ModelProblem | None]
"""What is told of one task, in the end None."""


class Away:
    """One cluster, as long as its scheduler lives. Safe to use from several threads.

    `workers` are those for downloads that were there in the beginning, names by address.
    """

    def __init__(
        self, manifest: Manifest, store: Path, left_out: Callable[[ModelProblem], object]
    ) -> None:
        """Connect, and see who can do what it is for.

        `store` is the one here, which all workers see unless each has its own; `left_out` is told
        of each that gets nothing to do. Raises ModelProblem, where that are all, and OSError.
        """
        told = manifest.dask or Cluster(address="")
        self._address, self._store, self._left_out = told.address, store, left_out
        self._pickle = manifest.verify.pickle
        self._said: dict[str, tuple[_Said, Sequence[str]]] = {}
        self._unfit: dict[str, ModelProblem] = {}
        self._looking, self._over = Lock(), Event()
        self._client = scheduler.reached(told)
        self._seen = store
        try:
            self._client.subscribe_topic(worker.TOPIC, self._take_in)
            self.workers = self._fit()
            if manifest.workers_fetch:
                self._seen = _put_in(store / STORE_STATE)
                self._leave_out_unfit()
        except BaseException:
            self.close()
            raise
        Thread(target=self._watch, daemon=True).start()

    def run(self, errand: Errand, hear: Hear, *, at: Sequence[str] = ()) -> int:
        """Run a script somewhere, or `at` some workers; returns its exit code.

        `hear` takes what it says. Where a worker is lost it begins again on another one, and so it
        does where one turns out to be unfit. Raises ModelProblem.
        """
        os.utime(self._seen)  # nothing of a day ago is left over
        text, *rest = errand
        given = (worker.headed(text, self._pickle), *rest, str(self._seen))
        while True:
            count = len(self._unfit)
            try:
                fit = at or ([*self._fit()] if count else [])
                return int(self._sent(worker.fetch, given, hear, fit))
            except Gone:
                at = ()  # they all are: whoever has come since may be fit as well
            except Failed:
                self._leave_out_unfit(count)
                if len(self._unfit) == count:
                    raise

    def others(self, name: str) -> list[str]:
        """Where the fit workers are, but one of this name. Raises ModelProblem."""
        return [at for at, its in self._fit().items() if its != name]

    def every(self, place: str, manifest: str, lock: str, hear: Hear) -> tuple[int, str]:
        """Let one worker bring what a lock file says to its own store; see `worker.every`.

        Raises ModelProblem, also where the worker is lost: what it was for is on no other disk.
        """
        code, told = self._sent(worker.every, (worker.headed(manifest), lock), hear, [place])
        return int(code), str(told)

    def close(self) -> int:
        """Leave the cluster; what still runs there ends. Returns how many scripts that were."""
        self._over.set()
        count = len(self._said)
        # First: of a client that is closed, who asks for a result waits for ever.
        self._tell_all(self._let_go())
        with contextlib.suppress(Exception):  # the scheduler may be gone
            self._client.close(timeout=2)
        if self._seen != self._store:
            self._seen.unlink(missing_ok=True)
        return count

    def _sent(
        self, function: Callable[..., Any], given: Sequence[Any], hear: Hear, at: Sequence[str]
    ) -> Any:
        """Send one task, `at` some workers or, without, at any, and return its result.

        Raises ModelProblem: Gone once none of these workers is there, Failed for what one did.
        """
        key = f"{worker.TOPIC}-{secrets.token_hex(16)}"
        said: _Said = SimpleQueue()
        self._said[key] = said, at
        place = self.workers.get(at[0], at[0]) if len(at) == 1 else self._address
        try:
            with problems(self._address):
                future = self._client.submit(
                    function, *given, key=key, resources={RESOURCE: 1}, workers=at or None
                )
                future.add_done_callback(lambda _: said.put(None))
            while (told := said.get()) is not None:
                if isinstance(told, ModelProblem):
                    raise told
                kind, *fields = told
                place = fields[0] if kind == BEGUN else place
                hear(fields[0] if kind == worker.LINE else Told(kind, tuple(fields)))
            if self._over.is_set():
                raise self._let_go()
            with problems(self._address):
                error = future.exception(timeout=scheduler.PATIENCE_SECONDS)
                if error is None:
                    return future.result(timeout=scheduler.PATIENCE_SECONDS)
            raise self._failed(place, error)
        finally:
            del self._said[key]

    def _take_in(self, event: tuple[float, Any]) -> None:
        """Take in an event, in a thread of Dask's; others may log there what they like."""
        told = event[1]
        fits = isinstance(told, list | tuple) and len(told) > 1 and isinstance(told[0], str)
        if fits and (known := self._said.get(told[0])):
            known[0].put([str(field) for field in told[1:]])

    def _watch(self) -> None:
        """Tell who waits that the scheduler answers no more, or that who could do it is gone."""
        while not self._over.wait(LOOK_SECONDS):
            try:
                known = self._known()
            except ModelProblem as problem:
                self._tell_all(problem)
                return
            for said, at in [*self._said.values()]:
                if at and not any(place in known for place in at):
                    told = {"worker": self.workers.get(at[0], at[0])}
                    said.put(Gone(Outcome.DOWNLOAD_FAILED, Why.CLUSTER_WORKER_LOST, **told))

    def _let_go(self) -> Lost:
        return Lost(Outcome.DOWNLOAD_FAILED, Why.CLUSTER_LET_GO, address=self._address)

    def _tell_all(self, problem: ModelProblem) -> None:
        for said, _ in [*self._said.values()]:
            said.put(problem)

    def _known(self) -> dict[str, Any]:
        """All workers that the scheduler knows, by address. Raises ModelProblem."""
        seconds = scheduler.PATIENCE_SECONDS
        with problems(self._address):
            ask = self._client.scheduler.identity
            told = self._client.sync(ask, n_workers=-1, callback_timeout=seconds)
        return dict(told["workers"])

    def _fit(self) -> dict[str, str]:
        """The workers that get downloads: names by address. Raises ModelProblem for a lack."""
        known = self._known()
        able = {at: str(its["name"]) for at, its in known.items() if its["resources"].get(RESOURCE)}
        fit = {at: name for at, name in able.items() if at not in self._unfit}
        if able and not fit:
            raise self._unfit[next(iter(able))]
        if known and not able:
            told = {"address": self._address}
            raise ModelProblem(Outcome.DOWNLOAD_FAILED, Why.CLUSTER_NO_DOWNLOADS, **told)
        return fit

    def _leave_out_unfit(self, count: int = 0) -> None:
        """Look who can do nothing for us, unless others than `count` were left out meanwhile.

        Each is told once. Raises ModelProblem where nobody else is there.
        """
        with self._looking:
            if len(self._unfit) != count:
                return
            fit = self._fit()
            given = (__version__, str(self._seen))
            with problems(self._address):
                asking = partial(
                    self._client.run, worker.require_fit, *given, workers=[*fit], on_error="return"
                )
                asked = within(scheduler.PATIENCE_SECONDS, asking)
            for at, error in asked.items():
                if error is not None and not isinstance(error, OSError):  # that one is about to go
                    self._unfit[at] = self._failed(fit[at], error)
                    self._left_out(self._unfit[at])
        self._fit()

    def _failed(self, place: str, error: Exception) -> Failed:
        """The problem of a worker that can't even begin, or of one task that has killed several."""
        unfit = isinstance(error, worker.Unfit)
        why = Why(error.args[0]) if unfit else Why.CLUSTER_WORKER_FAILED
        told = {"worker": place, "place": place, "store": self._store, "version": __version__}
        cause = "" if unfit else f"{type(error).__name__}: {error}"
        return Failed(Outcome.DOWNLOAD_FAILED, why, cause=cause, **told)


def _put_in(folder: Path) -> Path:
    """Put a file where each worker of the store sees it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary.clear(folder)
    handle, name = temporary.make(folder / "cluster")
    os.close(handle)
    return Path(name)
