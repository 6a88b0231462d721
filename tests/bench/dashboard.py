"""What the live page costs: beside a busy run of 1,000 models, with nobody, one and 50 viewers.

And what a run pays for being followed: 32 downloads whose part files are looked at twice a second.
"""

from __future__ import annotations

import contextlib
import http.client
import multiprocessing
import os
import re
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

from comfyfix.screen.run.following import Follower
from comfyfix.state.journal import Arrived, Doing, Journal, Said
from comfyfix.state.layout import Layout
from tests.served import TOKEN, served
from tests.told_run import ToldRun, begun

MODELS = 1000
AT_WORK = 32
SECONDS = 10.0
SENT = re.compile(rb'"n":999,.*?"said":"([0-9.]+)"')


def main() -> None:
    """Print the table."""
    load = os.getloadavg()[0]
    print(f"dashboard: {MODELS} models, {AT_WORK} at work, {SECONDS:.0f} s each; load {load:.1f}")
    for viewers in (0, 1, 50):
        used, late = _served(viewers)
        slowest = f", event to viewer at most {late * 1000:.0f} ms" if viewers else ""
        print(f"  {viewers:2} viewers: {used:.1%} of one core{slowest}")
    print(f"  a run that is followed: {_following():.1%} of one core for its journal")


def _served(viewers: int) -> tuple[float, float]:
    """The share of a core that the server takes, and the longest way of an event."""
    late: list[float] = []
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        run = ToldRun(Path(folder), models=MODELS)
        server = spawning.Process(target=_server, args=(folder, theirs))
        server.start()
        port = ours.recv()
        lines = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(viewers)]
        for line in lines:
            line.request("GET", f"/events?token={TOKEN}")
            threading.Thread(target=_view, args=(line, late), daemon=True).start()
        run.tell(*(Doing(n=n, phase="downloading") for n in range(AT_WORK)))
        time.sleep(2)
        ours.send("from now")
        for step in range(int(SECONDS * 2)):
            arrived = {n: step * 1_000_000 + n for n in range(AT_WORK)}
            run.tell(Arrived(bytes=arrived), Said(n=MODELS - 1, text=f"{time.monotonic():.4f}"))
            time.sleep(0.5)
        ours.send("until now")
        used = ours.recv()
        run.end()
        for line in lines:
            line.close()
        server.join()
    return used / SECONDS, max(late, default=0.0)


def _server(folder: str, theirs: Connection) -> None:
    with served(Path(folder)) as page:
        theirs.send(page.port)
        theirs.recv()
        before = time.process_time()
        theirs.recv()
        theirs.send(time.process_time() - before)


def _view(line: http.client.HTTPConnection, late: list[float]) -> None:
    """Take in what a viewer is told, and how old it is."""
    with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
        answer = line.getresponse()
        while told := answer.readline():
            if found := SENT.search(told):
                late.append(time.monotonic() - float(found[1]))


def _following() -> float:
    """The share of a core that a run takes for its journal."""
    with tempfile.TemporaryDirectory() as folder:
        follower = Follower(Journal(Layout(Path(folder) / "output")))
        keys = {f"loras/{n}": n for n in range(AT_WORK)}
        follower.begin("20260102_030405", begun(AT_WORK), keys)
        paths = [Path(folder) / f"model_{n:02d}.safetensors" for n in range(AT_WORK)]
        parts = [path.with_name(f"{path.name}.cafe.1.part") for path in paths]
        for key, path, part in zip(keys, paths, parts, strict=True):
            part.write_bytes(b"x")
            follower.phase(key, "downloading", 50_000, path)
        before, end = time.process_time(), time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(0.5)
            for part in parts:
                os.truncate(part, os.path.getsize(part) + 1000)
        used = time.process_time() - before
        follower.end(0, stopped=False)
    return used / SECONDS
