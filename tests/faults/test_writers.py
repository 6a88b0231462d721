"""Several writers of one file: one download, nothing vanishes, and without locks no harm."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from comfyfix.demo.hub import sha256
from tests.faults.rig import Case, Rig, file_of, side_by_side
from tests.faults.server import Ask, Reply, Server
from tests.faults.shelf import Thing, cut, proper, slow

pytestmark = pytest.mark.faults
PROCESSES = 16
SIZE = 4_000_000
DATA = file_of(SIZE)


def two_spellings(rig: Rig, key: str, thing: Thing) -> list[Case]:
    """One folder under two paths, as two machines mount one store in different places."""
    case = rig.case(key, thing)
    case.folder.mkdir(parents=True)
    other = rig.root / f"{key}-again" / "loras"
    other.parent.mkdir()
    other.symlink_to(case.folder)
    again = rig.case(f"{key}-again", thing)
    return [case, again]


class Watch:
    """Looks at a final name all the time: once it is there it stays, and is right."""

    def __init__(self, path: Path, size: int = len(DATA)) -> None:
        self.path = path
        self.size = size
        self.vanished = 0
        self.wrong = 0
        self.inodes: set[int] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._over.wait(0.002):
            try:
                info = self.path.stat()
            except FileNotFoundError:
                self.vanished += bool(self.inodes)
                continue
            self.inodes.add(info.st_ino)
            self.wrong += info.st_size != self.size

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def run_all(cases: list[Case], **extra: str) -> list[subprocess.CompletedProcess[str]]:
    every = cases * (PROCESSES // len(cases))
    return side_by_side(lambda case: case.run(**extra), every, width=PROCESSES)


def test_sixteen_processes_make_one_download(rig: Rig, server: Server) -> None:
    cases = two_spellings(rig, "shared", slow(DATA, 4e6))
    with Watch(cases[0].final) as watch:
        done = run_all(cases)
    assert [each.returncode for each in done] == [0] * PROCESSES
    assert cases[0].got == sha256(DATA)
    assert (watch.vanished, watch.wrong, len(watch.inodes)) == (0, 0, 1)
    assert server.sent() == len(DATA), f"{server.sent() / len(DATA):.1f} downloads"
    assert cases[0].left == [cases[0].name]
    rig.require_nothing_runs()


LOCKS = {  # program → what makes its lock none, whatever it is asked
    "ln succeeds": ("ln", 'case " $* " in *" -s"*) exit 0 ;; esac'),
    "ln fails": ("ln", 'case " $* " in *" -s"*) exit 1 ;; esac'),
    "flock succeeds": ("flock", "exit 0"),
}


@pytest.mark.parametrize("lock", LOCKS)
def test_without_locks_there_is_no_harm(rig: Rig, tmp_path: Path, lock: str) -> None:
    """Every one downloads, and some are cut off: still no wrong byte and nothing left."""

    def serve(ask: Ask, number: int) -> Reply:
        reply = proper(DATA, ask)
        return cut(reply, len(reply.body) // 3) if number % 3 == 1 and number < 20 else reply

    program, lines = LOCKS[lock]
    tools = tmp_path / "tools"
    tools.mkdir()
    fake = tools / program
    fake.write_text(f'#!/bin/bash\n{lines}\nexec {shutil.which(program) or "false"} "$@"\n')
    fake.chmod(0o755)
    cases = two_spellings(rig, "shared", Thing(DATA, serve))
    with Watch(cases[0].final) as watch:
        done = run_all(cases, PATH=f"{tools}:{os.environ['PATH']}")
    assert [each.returncode for each in done] == [0] * PROCESSES, done[0].stdout
    assert cases[0].got == sha256(DATA)
    assert (watch.vanished, watch.wrong) == (0, 0)
    assert cases[0].left == [cases[0].name]
    rig.require_nothing_runs()
