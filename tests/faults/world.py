"""A small world apart: a thread with network and mounts of its own, that no one else sees.

Public addresses lie on its loopback interface, names are what the test says, and file systems that
are mounted there are gone with it. Servers and programs that the thread starts live in it too.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")
NEWNS, NEWNET = 0x00020000, 0x40000000  # of <sched.h>


def apart(
    work: Callable[[], T],
    folder: Path,
    *,
    names: Mapping[str, str] | None = None,
    addresses: Iterable[str] = (),
    nameserver: str = "",
) -> T:
    """Do something in a world of its own. Skips where the machine does not permit one.

    `names` is the content of /etc/hosts, `addresses` are brought up on `lo`, and `nameserver` is
    the one that /etc/resolv.conf names.
    """
    result: list[T] = []
    trouble: list[BaseException] = []

    def inside() -> None:
        try:
            _leave()
            _furnish(folder, names or {}, addresses, nameserver)
            result.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread of the test
            trouble.append(error)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    if trouble:
        raise trouble[0]
    return result[0]


def small_disk(place: Path, size: str) -> None:
    """Mount a file system of this size; inside `apart` only."""
    place.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place))


def _leave() -> None:
    for tool in ("mount", "ip"):
        if not shutil.which(tool):
            pytest.skip(f"the program {tool} is not installed")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEWNS | NEWNET):
        pytest.skip(f"a world apart is not permitted: {os.strerror(ctypes.get_errno())}")


def _furnish(
    folder: Path, names: Mapping[str, str], addresses: Iterable[str], nameserver: str
) -> None:
    _run("mount", "--make-rprivate", "/")
    _run("ip", "link", "set", "lo", "up")
    for address in addresses:
        # Looking for another with the address ends whenever the kernel comes to it: not before use.
        at_once = ["nodad"] if ":" in address else []
        _run("ip", "address", "add", address, "dev", "lo", *at_once)
    folder.mkdir(parents=True, exist_ok=True)
    hosts = folder / "hosts"
    lines = {"localhost": "127.0.0.1", **names}
    hosts.write_text("".join(f"{address} {name}\n" for name, address in lines.items()))
    _run("mount", "--bind", str(hosts), "/etc/hosts")
    resolv = folder / "resolv.conf"
    resolv.write_text(f"nameserver {nameserver or '127.0.0.1'}\noptions timeout:1 attempts:1\n")
    _run("mount", "--bind", str(resolv), "/etc/resolv.conf")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{' '.join(command)} is not permitted here: {done.stderr.strip()}")
