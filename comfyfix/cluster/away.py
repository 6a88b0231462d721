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
from comfyfix.script.channel import Message
from comfyfix.settings.manifest import Cluster, Manifest
from comfyfix.stages.download.talk import BEGUN, Hear
from comfyfix.state.layout import STORE_STATE
from comfyfix.why import Why

RESOURCE = "downloads"
"""What a worker has as many of as it may fetch files at a time."""
LOOK_SECONDS = 5.0
Errand = tuple[str, str, list[str]]
"""What is sent for a script: its text, the folder of its files, and their paths."""
_Inbox = SimpleQueue[list[str] | ModelProblem | None]
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
        settings = manifest.dask or Cluster(address="")
        self._address, self._store, self._left_out = settings.address, store, left_out
        self._pickle = manifest.verify.pickle
        self._tasks: dict[str, tuple[_Inbox, Sequence[str]]] = {}
        self._unfit: dict[str, ModelProblem] = {}
        self._looking, self._over = Lock(), Event()
        self._client = scheduler.connected(settings)
        self._probe = store
        try:
            self._client.subscribe_topic(worker.TOPIC, self._receive)
            self.workers = self._fit_workers()
            if manifest.workers_fetch:
                self._probe = _new_probe(store / STORE_STATE)
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
        os.utime(self._probe)  # nothing of a day ago is left over
        text, *places = errand
        arguments = (worker.headed(text, self._pickle), *places, str(self._probe))
        while True:
            count = len(self._unfit)
            try:
                fit = at or ([*self._fit_workers()] if count else [])
                return int(self._result(worker.fetch, arguments, hear, fit))
            except Gone:
                at = ()  # they all are: whoever has come since may be fit as well
            except Failed:
                self._leave_out_unfit(count)
                if len(self._unfit) == count:
                    raise

    def others(self, name: str) -> list[str]:
        """Where the fit workers are, but one of this name. Raises ModelProblem."""
        return [address for address, other in self._fit_workers().items() if other != name]

    def run_locked(self, address: str, manifest: str, lock: str, hear: Hear) -> tuple[int, str]:
        """Let one worker bring what a lock file says to its own store; see `worker.every`.

        Raises ModelProblem, also where the worker is lost: what it was for is on no other disk.
        """
        arguments = worker.headed(manifest), lock
        code, rows = self._result(worker.every, arguments, hear, [address])
        return int(code), str(rows)

    def close(self) -> int:
        """Leave the cluster; what still runs there ends. Returns how many scripts that were."""
        self._over.set()
        count = len(self._tasks)
        # First: of a client that is closed, who asks for a result waits for ever.
        self._tell_all(self._left())
        with contextlib.suppress(Exception):  # the scheduler may be gone
            self._client.close(timeout=2)
        if self._probe != self._store:
            self._probe.unlink(missing_ok=True)
        return count

    def _result(
        self, function: Callable[..., Any], arguments: Sequence[Any], hear: Hear, at: Sequence[str]
    ) -> Any:
        """Send one task, `at` some workers or, without, at any, and return its result.

        Raises ModelProblem: Gone once none of these workers is there, Failed for what one did.
        """
        key = f"{worker.TOPIC}-{secrets.token_hex(16)}"
        inbox: _Inbox = SimpleQueue()
        self._tasks[key] = inbox, at
        place = self.workers.get(at[0], at[0]) if len(at) == 1 else self._address
        try:
            with problems(self._address):
                future = self._client.submit(
                    function, *arguments, key=key, resources={RESOURCE: 1}, workers=at or None
                )
                future.add_done_callback(lambda _: inbox.put(None))
            while (message := inbox.get()) is not None:
                if isinstance(message, ModelProblem):
                    raise message
                kind, *fields = message
                place = fields[0] if kind == BEGUN else place
                hear(fields[0] if kind == worker.LINE else Message(kind, tuple(fields)))
            if self._over.is_set():
                raise self._left()
            with problems(self._address):
                error = future.exception(timeout=scheduler.PATIENCE_SECONDS)
                if error is None:
                    return future.result(timeout=scheduler.PATIENCE_SECONDS)
            raise self._failure(place, error)
        finally:
            del self._tasks[key]

    def _receive(self, event: tuple[float, Any]) -> None:
        """Take in an event, in a thread of Dask's; others may log there what they like."""
        match event[1]:
            case [str(key), *message] if message and (task := self._tasks.get(key)):
                inbox, _ = task
                inbox.put([str(field) for field in message])

    def _watch(self) -> None:
        """Tell who waits that the scheduler answers no more, or that who could do it is gone."""
        while not self._over.wait(LOOK_SECONDS):
            try:
                present = self._all_workers()
            except ModelProblem as problem:
                self._tell_all(problem)
                return
            for inbox, at in [*self._tasks.values()]:
                if at and present.keys().isdisjoint(at):
                    lost = self.workers.get(at[0], at[0])
                    inbox.put(Gone(Outcome.DOWNLOAD_FAILED, Why.CLUSTER_WORKER_LOST, worker=lost))

    def _left(self) -> Lost:
        return Lost(Outcome.DOWNLOAD_FAILED, Why.CLUSTER_LET_GO, address=self._address)

    def _tell_all(self, problem: ModelProblem) -> None:
        for inbox, _ in [*self._tasks.values()]:
            inbox.put(problem)

    def _all_workers(self) -> dict[str, Any]:
        """All workers that the scheduler knows, by address. Raises ModelProblem."""
        seconds = scheduler.PATIENCE_SECONDS
        with problems(self._address):
            ask = self._client.scheduler.identity
            identity = self._client.sync(ask, n_workers=-1, callback_timeout=seconds)
        return dict(identity["workers"])

    def _fit_workers(self) -> dict[str, str]:
        """The workers that get downloads: names by address. Raises ModelProblem for a lack."""
        present = self._all_workers()
        able = {
            address: str(facts["name"])
            for address, facts in present.items()
            if facts["resources"].get(RESOURCE)
        }
        fit = {address: name for address, name in able.items() if address not in self._unfit}
        if able and not fit:
            raise self._unfit[next(iter(able))]
        if present and not able:
            why = Why.CLUSTER_NO_DOWNLOADS
            raise ModelProblem(Outcome.DOWNLOAD_FAILED, why, address=self._address)
        return fit

    def _leave_out_unfit(self, count: int = 0) -> None:
        """Look who can do nothing for us, unless others than `count` were left out meanwhile.

        Each is told once. Raises ModelProblem where nobody else is there.
        """
        with self._looking:
            if len(self._unfit) != count:
                return
            fit = self._fit_workers()
            with problems(self._address):
                ask = partial(
                    self._client.run, worker.require_fit, __version__, str(self._probe),
                    workers=[*fit], on_error="return",
                )  # fmt: skip
                errors = within(scheduler.PATIENCE_SECONDS, ask)
            for address, error in errors.items():
                if error is not None and not isinstance(error, OSError):  # that one is about to go
                    self._unfit[address] = self._failure(fit[address], error)
                    self._left_out(self._unfit[address])
        self._fit_workers()

    def _failure(self, place: str, error: Exception) -> Failed:
        """The problem of a worker that can't even begin, or of one task that has killed several."""
        unfit = isinstance(error, worker.Unfit)
        why = Why(error.args[0]) if unfit else Why.CLUSTER_WORKER_FAILED
        fields = {"worker": place, "place": place, "store": self._store, "version": __version__}
        cause = "" if unfit else f"{type(error).__name__}: {error}"
        return Failed(Outcome.DOWNLOAD_FAILED, why, cause=cause, **fields)


def _new_probe(folder: Path) -> Path:
    """Put a file where each worker of the store sees it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary.clear(folder)
    handle, name = temporary.make(folder / "cluster")
    os.close(handle)
    return Path(name)
