"""A Dask cluster on loopback: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.rig import REPO, kill_hard

SECONDS = 120  # until a process has begun
_ADDRESS = re.compile(r"((?:tcp|tls)://127\.0\.0\.1:\d+)")


class Process:
    """One process of the cluster, and what it has logged."""

    def __init__(
        self,
        name: str,
        argv: list[str],
        env: dict[str, str],
        ready: str,
        before: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.lines: list[str] = []
        self._ready = threading.Event()
        self.running = subprocess.Popen(
            [*before, sys.executable, "-m", "distributed.cli.dask_" + argv[0], *argv[1:]],
            cwd=env["HOME"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, text=True, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, args=(ready,), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self.running.pid

    @property
    def log(self) -> str:
        """All that it has said so far."""
        return "".join(self.lines)

    def wait(self) -> None:
        """Wait until it is at work."""
        assert self._ready.wait(SECONDS), self.log
        assert self.running.poll() is None, self.log

    def kill(self) -> None:
        """kill -9."""
        kill_hard(self.running)
        self._reader.join()

    def _read(self, ready: str) -> None:
        assert self.running.stdout
        with contextlib.suppress(ValueError):
            for line in self.running.stdout:
                self.lines.append(line)
                if ready in line:
                    self._ready.set()
        self._ready.set()


class DaskCluster:
    """A scheduler, and workers that can be killed; `tls` are options of certificates."""

    def __init__(self, root: Path, tls: tuple[str, ...] = ()) -> None:
        self.root, self._tls = root, tls
        self.workers: dict[str, Process] = {}
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(root),
            "PYTHONPATH": str(REPO),
            "COMFYFIX_PAUSE": "0",
            "COMFYFIX_TEST": str(root),
            "NO_PROXY": "127.0.0.1",
            "DASK_LOGGING__DISTRIBUTED": "info",
        }
        self.scheduler = self.schedule()

    def schedule(self, port: int = 0) -> Process:
        """Start a scheduler."""
        kind = "tls" if self._tls else "tcp"
        made = Process(
            "scheduler",
            ["scheduler", "--host", f"{kind}://127.0.0.1", "--port", str(port),
             "--dashboard-address", "127.0.0.1:0", *self._tls],
            self._env, "Scheduler at:",
        )  # fmt: skip
        made.wait()
        return made

    @property
    def address(self) -> str:
        """Where the scheduler listens."""
        found = next(line for line in self.scheduler.lines if "Scheduler at:" in line)
        match = _ADDRESS.search(found)
        assert match, found
        return match[1]

    @property
    def dashboard(self) -> str:
        """Where its pages are."""
        found = next(line for line in self.scheduler.lines if "dashboard at:" in line)
        return "http://" + found.split()[-1].removeprefix("http://").partition("/")[0]

    def start(
        self,
        *names: str,
        downloads: int = 1,
        threads: int = 0,
        env: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> None:
        """Start workers side by side, `downloads` at a time; `before` is what starts them."""
        resources = ["--resources", f"downloads={downloads}"] if downloads else []
        for name in names:
            folder = self.root / f"worker-{name}"
            folder.mkdir(exist_ok=True)
            argv = [
                "worker", self.address, "--name", name, "--no-nanny", "--no-dashboard",
                "--nthreads", str(threads or downloads or 1), "--local-directory", str(folder),
                *resources, *self._tls,
            ]  # fmt: skip
            self.workers[name] = Process(
                name,
                argv,
                {**self._env, **(env or {})},
                "Registered to:",
                before,
            )
        for name in names:
            self.workers[name].wait()

    def close(self) -> None:
        """Kill what is left."""
        for process in (*self.workers.values(), self.scheduler):
            process.kill()

    @property
    def logs(self) -> str:
        """What all of them have logged."""
        return "".join(each.log for each in (self.scheduler, *self.workers.values()))


@contextlib.contextmanager
def cluster(root: Path, tls: tuple[str, ...] = ()) -> Iterator[DaskCluster]:
    """A cluster as long as the block lasts; it has a scheduler and no worker yet."""
    root.mkdir(exist_ok=True)
    made = DaskCluster(root, tls)
    try:
        yield made
    finally:
        made.close()
