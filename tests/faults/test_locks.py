"""Stale locks: the dead are replaced soon, and the living never, whatever their clock says."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from comfyfix.demo.hub import sha256
from tests.faults.rig import Case, Rig, file_of, on_disk, wait_until
from tests.faults.server import Ask, Reply, Server
from tests.faults.shelf import Thing, cut, proper

pytestmark = pytest.mark.faults
DATA = file_of(300_000)
LONG = file_of(1_300_000)  # more than a script tries at once: that ends before a sign of life
SIGN_OF_LIFE = 10  # seconds between two of a script


def stalling(until: Callable[[], bool] = lambda: False, data: bytes = DATA) -> Thing:
    """Transfers stop half-way, and wait, until something is so."""

    def serve(ask: Ask, number: int) -> Reply:
        reply = proper(data, ask)
        return reply if until() else cut(reply, len(reply.body) // 2, stall=True)

    return Thing(data, serve)


def another_machine() -> list[str]:
    """Start a program where process ids mean something else. Skips where that is not permitted."""
    before = ["unshare", "--pid", "--fork", "--kill-child"]
    if not shutil.which("unshare"):
        pytest.skip("unshare is not installed")
    tried = subprocess.run([*before, "true"], capture_output=True, check=False, text=True)
    if tried.returncode:
        pytest.skip(f"a process namespace is not permitted: {tried.stderr.strip()}")
    return before


def test_the_dead_of_another_machine_is_replaced_within_two_leases(
    rig: Rig, server: Server
) -> None:
    dead = threading.Event()
    case = rig.case("dead", stalling(dead.is_set))
    lease = 4
    with case.running(*another_machine()):
        wait_until(lambda: on_disk(case.folder) >= len(DATA) // 3)
    dead.set()
    begin = time.monotonic()
    done = case.run(COMFYFIX_LOCK_STILL=str(lease))
    seconds = time.monotonic() - begin
    assert done.returncode == 0, done.stdout
    assert seconds <= 2 * lease, f"{seconds:.1f} s"
    assert case.got == sha256(DATA)
    assert case.left == [case.name]


def test_the_dead_of_this_machine_is_replaced_at_once(rig: Rig) -> None:
    dead = threading.Event()
    case = rig.case("dead", stalling(dead.is_set))
    with case.running():
        wait_until(lambda: on_disk(case.folder) >= len(DATA) // 3)
    dead.set()
    assert case.run(COMFYFIX_LOCK_WAIT="0").returncode == 0
    assert case.got == sha256(DATA)
    assert case.left == [case.name]


@contextlib.contextmanager
def stamped(folder: Path, offset: float) -> Iterator[None]:
    """Keep every time of a folder this far from the clock, as a file server with another one."""
    over = threading.Event()

    def keep() -> None:
        while not over.wait(0.1):
            wrong = time.time() + offset
            for path in folder.rglob("*"):
                with contextlib.suppress(OSError):
                    os.utime(path, (wrong, wrong), follow_symlinks=False)

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def clock(tools: Path, offset: int) -> str:
    """A PATH whose `date` is this far off."""
    tools.mkdir()
    date = shutil.which("date")
    (tools / "date").write_text(
        f'#!/bin/bash\nwhen="$({date} -d "{offset:+d} seconds")"\nexec {date} -d "$when" "$@"\n'
    )
    (tools / "date").chmod(0o755)
    return f"{tools}:{os.environ['PATH']}"


@pytest.mark.parametrize("offset", [-600, 600])
def test_a_clock_that_is_off_never_costs_the_living_its_lease(
    rig: Rig, server: Server, tmp_path: Path, offset: int
) -> None:
    case = rig.case("alive", stalling(data=LONG))
    lease = SIGN_OF_LIFE + 5
    with case.running(*another_machine(), PATH=clock(tmp_path / "tools", offset)) as holder:
        wait_until(lambda: server.count("/cdn/") == 1)
        with stamped(case.folder, offset):
            done = outwait(case, lease)
        assert done.returncode == 16, done.stdout
        assert server.count("/cdn/") == 1
        assert holder.poll() is None
    assert case.got is None


def outwait(case: Case, lease: int) -> subprocess.CompletedProcess[str]:
    """Contend for more than two leases."""
    return case.run(COMFYFIX_LOCK_STILL=str(lease), COMFYFIX_LOCK_WAIT=str(2 * lease + 3))
