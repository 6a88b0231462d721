"""Scripts that run on the workers of a Dask cluster, as if they ran here.

Dask decides where and when: a worker takes as many at a time as it has `downloads` among its
resources, and what a lost worker had begun runs on another one. Only text is sent, and none of it
is secret: Dask logs what a failing task was given, and shows what it has done.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from comfyfix import __version__
from comfyfix.cluster import worker
from comfyfix.disk import temporary
from comfyfix.errors import ModelProblem
from comfyfix.outcomes import Outcome
from comfyfix.script.channel import Told
from comfyfix.settings.manifest import Cluster, Manifest
from comfyfix.stages.talk import BEGUN, Hear
from comfyfix.state.layout import STORE_STATE
from comfyfix.why import Why

RESOURCE = "downloads"
"""What a worker has as many of as it may fetch files at a time."""
CONNECT_SECONDS = 30.0
LOOK_SECONDS = 5.0
_UNFIT = (Why.CLUSTER_STORE_UNSEEN, Why.CLUSTER_VERSION_DIFFERS)
Errand = tuple[str, str, list[str]]
"""What is sent for a script: its text, the folder of its files, and their paths."""


class Away:
    """One cluster, as long as a run lasts. Safe to use from several threads.

    `workers` are those for downloads that were there in the beginning, names by address.
    """

    def __init__(self, manifest: Manifest, store: Path) -> None:
        """Connect, and see that each worker can do what it is for.

        `store` is the one here, which all workers see unless each has its own. Raises ModelProblem
        and OSError.
        """
        told = manifest.dask or Cluster(address="")
        self._address = told.address
        self._said: dict[str, SimpleQueue[list[str] | None]] = {}
        self._futures: dict[str, Any] = {}
        self._stopped = False
        self._fetch = worker.fetch_any if manifest.verify.pickle == "allow" else worker.fetch
        self._store = store
        self._shown: Path | None = None
        self._client = _client(told)
        try:
            self._client.subscribe_topic(worker.TOPIC, self._take_in)
            self.workers = self._of_downloads()
            if manifest.away:
                self._shown = _shown(store / STORE_STATE)
                self._require_that_all_see(self._shown)
        except BaseException:
            self.close()
            raise

    def run(self, errand: Errand, hear: Hear) -> int:
        """Run a script somewhere; hands on what it says, and returns its exit code.

        Where a worker is lost it begins again on another one. Raises ModelProblem.
        """
        if self._shown is not None:
            os.utime(self._shown)  # nothing of a day ago is left over
        return self._sent(self._fetch, (*errand, str(self._shown)), hear)[0]

    def every(self, place: str, settings: str, lock: str, hear: Hear) -> tuple[int, str]:
        """Let one worker bring what a lock file says to its own store; see `worker.every`.

        Raises ModelProblem, also where the worker is lost: what it was for is on no other disk.
        """
        return self._sent(worker.every, (settings, lock), hear, at=place)

    def _sent(
        self, function: Callable[..., Any], given: Sequence[Any], hear: Hear, *, at: str = ""
    ) -> tuple[int, str]:
        """Send one task, to a certain worker or to any, and return its result."""
        key = f"{worker.TOPIC}-{secrets.token_hex(16)}"
        said = self._said[key] = SimpleQueue()
        where = {"workers": [at], "allow_other_workers": False} if at else {}
        place = self.workers.get(at, "")
        try:
            with _lost(self._address):
                future = self._client.submit(
                    function, *given, key=key, resources={RESOURCE: 1}, **where
                )
                self._futures[key] = future
                if self._stopped:
                    future.cancel()
                future.add_done_callback(lambda _: said.put(None))
            while (told := self._next(said, at)) is not None:
                kind, *fields = told
                place = fields[0] if kind == BEGUN else place
                hear(fields[0] if kind == worker.LINE else Told(kind, tuple(fields)))
            with _lost(self._address):
                status, text = future.result()
        finally:
            self._futures.pop(key, None)
            del self._said[key]
        if status == worker.UNFIT:
            raise self._unfit(place, text)
        return int(status), str(text)

    def _next(self, said: SimpleQueue[list[str] | None], at: str) -> list[str] | None:
        """What is said next, None at the end. Raises ModelProblem for a lost worker."""
        while at:
            with contextlib.suppress(Empty):
                return said.get(timeout=LOOK_SECONDS)
            with _lost(self._address):
                if at not in self._client.scheduler_info()["workers"]:
                    told = {"worker": self.workers[at]}
                    raise ModelProblem(Outcome.DOWNLOAD_FAILED, Why.CLUSTER_WORKER_LOST, **told)
        return said.get()

    def stop(self) -> int:
        """Let go of all that runs there: its scripts end. Returns how many there were."""
        self._stopped = True
        running = list(self._futures.values())
        for future in running:
            with contextlib.suppress(Exception):  # the scheduler may be gone
                future.cancel()
        return len(running)

    def close(self) -> None:
        """Leave the cluster; what still runs there ends."""
        with contextlib.suppress(Exception):  # the same
            self._client.close(timeout=2)
        if self._shown is not None:
            self._shown.unlink(missing_ok=True)

    def _take_in(self, event: tuple[float, Any]) -> None:
        """Take in an event, in a thread of Dask's; others may log there what they like."""
        told = event[1]
        fits = isinstance(told, list | tuple) and len(told) > 1 and isinstance(told[0], str)
        if fits and (said := self._said.get(told[0])):
            said.put([str(field) for field in told[1:]])

    def _of_downloads(self) -> dict[str, str]:
        """The workers that are there for downloads: names by address. Raises ModelProblem."""
        with _lost(self._address):
            known = self._client.scheduler_info()["workers"]
        fit = (at for at, its in known.items() if its["resources"].get(RESOURCE))
        found = {at: str(known[at]["name"]) for at in fit}
        if known and not found:
            told = {"address": self._address}
            raise ModelProblem(Outcome.DOWNLOAD_FAILED, Why.CLUSTER_NO_DOWNLOADS, **told)
        return found

    def _require_that_all_see(self, shown: Path) -> None:
        with _lost(self._address):
            asked = self._client.run(
                worker.unfit, str(shown), workers=[*self.workers], on_error="return"
            )
        for place, why in asked.items():
            if isinstance(why, Exception):
                raise _failed(self.workers[place], why)
            if why:
                raise self._unfit(self.workers[place], why)

    def _unfit(self, place: object, why: str) -> ModelProblem:
        told = {"worker": str(place), "store": self._store, "version": __version__}
        told_by = [each for each in _UNFIT if each == why]
        known = told_by[0] if told_by else Why.CLUSTER_WORKER_FAILED
        return ModelProblem(Outcome.DOWNLOAD_FAILED, known, place=str(place), cause=why, **told)


def _client(told: Cluster) -> Any:
    """Connect to the scheduler. Raises ModelProblem."""
    try:
        import distributed  # half a second that only these runs need
    except ImportError:
        raise ModelProblem(Outcome.TOOL_MISSING, Why.CLUSTER_ABSENT) from None
    for name in (*logging.root.manager.loggerDict,):  # the screen is ours
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module="distributed")
    files = {"tls_ca_file": told.ca, "tls_client_cert": told.cert, "tls_client_key": told.key}
    given = {name: path for name, path in files.items() if path}
    with _lost(told.address):
        encrypted = told.address.startswith("tls:")
        dask: Any = distributed  # it tells no types of these
        security = dask.Security(require_encryption=encrypted, **given)
        if encrypted and not security.get_connection_args("client").get("ssl_context"):
            why = Why.CLUSTER_NO_CERTIFICATE
            raise ModelProblem(Outcome.DOWNLOAD_FAILED, why, address=told.address)
        return dask.Client(
            told.address, security=security, timeout=CONNECT_SECONDS, set_as_default=False,
            name=worker.TOPIC,
        )  # fmt: skip


def _shown(folder: Path) -> Path:
    """Write down which version asks, where each worker of the store sees it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary.clear(folder)
    handle, name = temporary.make(folder / "cluster")
    with open(handle, "w", encoding="ascii") as stream:
        os.fchmod(handle, 0o644)  # a worker may be another user
        stream.write(f"{__version__}\n")
    return Path(name)


@contextlib.contextmanager
def _lost(address: str) -> Iterator[None]:
    """Turn what Dask raises into a problem: of a cluster whatever may be missing is its own."""
    from concurrent.futures import CancelledError

    try:
        yield
    except (ModelProblem, KeyboardInterrupt):
        raise
    except CancelledError:
        raise ModelProblem(Outcome.DOWNLOAD_FAILED, Why.CLUSTER_LET_GO, address=address) from None
    except (OSError, TypeError, ValueError) as error:
        told = {"address": address, "cause": str(error)}
        raise ModelProblem(Outcome.NETWORK, Why.CLUSTER_UNREACHED, **told) from None
    except Exception as error:  # noqa: BLE001 - what a worker raised, and what Dask did with it
        raise _failed(address, error) from None


def _failed(place: str, error: Exception) -> ModelProblem:
    """The problem of a worker that could not even begin, or of one task that killed several."""
    cause = f"{type(error).__name__}: {error}"
    told = {"place": place, "cause": cause, "version": __version__}
    return ModelProblem(Outcome.DOWNLOAD_FAILED, Why.CLUSTER_WORKER_FAILED, **told)
