"""The first process of a container that asks nobody how it ended: what ends there stays a zombie.

It reads orders from stdin, one JSON object a line, and answers each with one: `start` a program,
`wait` for it (at most `seconds`, or to its end), `kill` it alone or all that runs there.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

STARTED: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []
"""Held to the end: Python asks how those have ended that it lets go of."""


def start(order: dict[str, Any]) -> dict[str, Any]:
    """Start a program as the leader of a group of its own."""
    said = tempfile.TemporaryFile()  # noqa: SIM115 - to the end
    child = subprocess.Popen(
        order["argv"], cwd=order["cwd"], env=order["env"], stdin=subprocess.DEVNULL,
        stdout=said, stderr=said, start_new_session=True,
    )  # fmt: skip
    STARTED.append((child, said))
    return {"pid": child.pid}


def wait(order: dict[str, Any]) -> dict[str, Any]:
    """Tell how the newest program has ended, without taking it off the list of processes."""
    child, said = STARTED[-1]
    handle = os.pidfd_open(child.pid)
    over, _, _ = select.select([handle], [], [], order["seconds"])
    os.close(handle)
    if not over:
        return {"code": None, "said": ""}
    told = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert told is not None
    said.seek(0)
    code = told.si_status if told.si_code == os.CLD_EXITED else -told.si_status
    return {"code": code, "said": said.read().decode(errors="replace")}


def kill(order: dict[str, Any]) -> dict[str, Any]:
    """End the newest program, or with `all` whatever lives here: of this process that is -1."""
    os.kill(-1 if order["all"] else STARTED[-1][0].pid, signal.SIGKILL)
    os.waitid(os.P_PID, STARTED[-1][0].pid, os.WEXITED | os.WNOWAIT)
    return {}


def zombies(_: dict[str, Any]) -> dict[str, Any]:
    """Count those who have ended and were never asked how."""
    count = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            count += stat.read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
    return {"count": count}


if __name__ == "__main__":
    assert os.getpid() == 1
    KNOWN = {"start": start, "wait": wait, "kill": kill, "zombies": zombies}
    for line in sys.stdin:
        wanted = json.loads(line)
        print(json.dumps(KNOWN[wanted["do"]](wanted)), flush=True)
