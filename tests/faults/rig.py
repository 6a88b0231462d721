"""Many scripts against one server: each case has a thing on the shelf and a folder of its own."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import sha256
from comfyfix.disk.files import sha256_of
from comfyfix.records import Model, Record
from tests.faults.server import Server
from tests.faults.shelf import COMMIT, Shelf, Thing
from tests.rig import is_alive, put_script

NAME = "night_train.safetensors"
SECONDS = 300  # a script that takes longer hangs
T = TypeVar("T")
R = TypeVar("R")


def file_of(size: int, seed: str = "truth") -> bytes:
    """A valid safetensors file of about this size."""
    return file_for(NAME, seed=seed, size=size)


@dataclass(frozen=True, slots=True)
class Case:
    """One script and the folder that it writes to."""

    script: Path
    folder: Path
    env: dict[str, str]
    name: str = NAME

    @property
    def final(self) -> Path:
        """Where the file shall be."""
        return self.folder / self.name

    @property
    def left(self) -> list[str]:
        """Every name in the folder, hidden ones included."""
        return sorted(p.name for p in self.folder.iterdir()) if self.folder.is_dir() else []

    @property
    def got(self) -> str | None:
        """The sha256 of what has the final name, if anything has."""
        return sha256_of(self.final) if self.final.exists() else None

    def run(self, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run the script to its end."""
        return subprocess.run(
            ["bash", str(self.script)],
            cwd="/", env=self.env | extra, capture_output=True, text=True, timeout=SECONDS,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    @contextmanager
    def running(self, *before: str, **extra: str) -> Iterator[subprocess.Popen[str]]:
        """Start the script as the leader of a group; it is killed at the end of the block."""
        with subprocess.Popen(
            [*before, "bash", str(self.script)],
            cwd="/", env=self.env | extra, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, stdin=subprocess.DEVNULL, start_new_session=True,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                subprocess.run(["kill", "-9", "--", f"-{process.pid}"], capture_output=True,
                               check=False)  # fmt: skip


class Rig:
    """A place for many cases of one test."""

    def __init__(self, root: Path, shelf: Shelf, server: Server) -> None:
        self.root = root
        self.shelf = shelf
        self.server = server
        self.home = root / "home"
        self.home.mkdir()

    def case(self, key: str, thing: Thing, **changes: object) -> Case:
        """Put a thing on the shelf and render the script that fetches it."""
        repo = f"someone/{key}"
        self.shelf.things[repo] = thing
        folder = self.root / key / "loras"
        name = str(changes.pop("name", NAME))
        values: dict[str, object] = {
            "number": 1,
            "model": Model(folder="loras", path=name),
            "destination": str(folder / name),
            "store": str(folder.parent),
            "source": "huggingface",
            "where": repo,
            "repo": repo,
            "url": f"https://huggingface.co/{repo}/resolve/{COMMIT}/{name}",
            "size": len(thing.data),
            "sha256": sha256(thing.data),
            **changes,
        }
        retries, reserve = values.pop("retries", 5), values.pop("reserve", 0)
        script = self.root / key / "download.sh"
        put_script(script, Record(**values), retries=retries, reserve=reserve)  # type: ignore[arg-type]
        return Case(script, folder, self.environment(), name)

    def environment(self) -> dict[str, str]:
        """Nothing of the user's own, the shelf as the Hub, and no pauses."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "HF_ENDPOINT": self.server.url,
            "NO_PROXY": "127.0.0.1,127.0.0.2",
            "COMFYFIX_PAUSE": "0",
            "COMFYFIX_TEST": str(self.root),  # by which what is left running is found
        }

    def require_nothing_runs(self) -> None:
        """Fail if some script of ours has left a process."""
        require_nothing_runs(self.root)


def require_nothing_runs(root: Path) -> None:
    """Fail if a process is left; what only sleeps until its next sign of life may finish that."""
    wait_until(lambda: running_of(root) == [], seconds=15)


def running_of(root: Path) -> list[int]:
    """Processes whose environment says that a test in this folder has started them."""
    mark = f"COMFYFIX_TEST={root}\0".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if is_alive(pid)]


def side_by_side(work: Callable[[T], R], cases: Iterable[T], *, width: int = 4) -> list[R]:
    """Do the same for every case, a few at a time; results are in the order of the cases."""
    with ThreadPoolExecutor(width) as pool:
        return list(pool.map(work, cases))


def wait_until(true: Callable[[], bool], *, seconds: float = 60) -> None:
    """Look again and again until something is so. Fails when it never is."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if true():
            return
        pause.wait(0.02)
    raise AssertionError("what was waited for did not come")


def on_disk(folder: Path) -> int:
    """Bytes that the files below a folder really take."""
    total = 0
    for path in folder.rglob("*"):
        try:
            info = path.lstat()
        except OSError:
            continue
        total += info.st_blocks * 512 if path.is_file() else 0
    return total
