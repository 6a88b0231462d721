"""Ctrl-C and SIGTERM: every child ends, parts stay, and the message says how to go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.screen.words import t
from tests.behaviour.test_script import wait_for_part
from tests.rig import FOLDS, PROGRAM, Site, children_of, is_alive

SOAK = pytest.mark.soak  # the same way, a second time
NAMES = [f"style{i}.safetensors" for i in range(8)]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        *(pytest.param(*of, marks=SOAK) for of in ((signal.SIGTERM, 143), (signal.SIGHUP, 129))),
    ],
)
def test_stop(site: Site, hub: Hub, number: signal.Signals, code: int) -> None:
    site.workflow("many.json", *[("loras", name) for name in NAMES])
    for name in NAMES:
        repository = hub.add(f"someone/{name.partition('.')[0]}", [])
        repository.files[name] = file_for(name, size=100_000)
    hub.faults.append(Fault("file *", "stall"))
    three = threading.Semaphore(0)
    hub.on_request = lambda what: three.release() if what.startswith("file ") else None
    running = site.start()
    for _ in range(3):
        assert three.acquire(timeout=30)
    parts: tuple[Path, ...] = ()
    for _ in range(3):
        parts = (*parts, wait_for_part(site.models / "loras", 50_000, but=parts))
    below = children_of(running.pid)
    assert len([pid for pid in below if is_alive(pid)]) >= 6  # three scripts, three curls
    os.kill(running.pid, number)
    printed = running.communicate(timeout=30)[0]
    assert running.returncode == code, printed
    assert t("Stopped: {done} done, {left} not finished", done=0, left=8) in printed
    assert t("Next: run `doit` again to go on") in printed
    assert "Traceback" not in printed
    assert not any(is_alive(pid) for pid in below)
    assert all(part.exists() for part in parts)
    assert not list((site.models / "loras").glob(".*.lock"))

    hub.faults.clear()
    again = site.doit()
    assert again.returncode == 0, again.stdout
    assert sum(seen.status == 206 for seen in hub.seen) == 3
    assert site.files() == {f"loras/{name}": sha256(file_for(name, size=100_000)) for name in NAMES}


@SOAK
@pytest.mark.parametrize("service", FOLDS)
def test_a_fold_is_closed_before_the_last_words(site: Site, hub: Hub, service: str) -> None:
    site.workflow("w.json", ("loras", NAMES[0]))
    hub.add("someone/style0", [NAMES[0]])
    hub.faults.append(Fault("file *", "stall"))
    asked = threading.Event()
    hub.on_request = lambda what: asked.set() if what.startswith("file ") else None
    running = site.start(**{service: "true"})
    assert asked.wait(timeout=60)
    os.kill(running.pid, signal.SIGINT)
    printed = running.communicate(timeout=30)[0]
    assert running.returncode == 130, printed
    opens, closes = FOLDS[service]
    (opened,), (closed,) = opens.finditer(printed), closes.finditer(printed)
    assert opened.start() < closed.start()
    assert (
        t("What has arrived is kept. Next: run `doit` again to go on.") in printed[closed.end() :]
    )


@pytest.mark.parametrize(
    "command", ["lock", *(pytest.param(name, marks=SOAK) for name in ("plan", "run"))]
)
def test_who_waits_for_an_object_gets_one_of_a_stop_too(site: Site, hub: Hub, command: str) -> None:
    site.workflow("w.json", ("loras", NAMES[0]))
    hub.faults.append(Fault("search *", "stall"))
    asked = threading.Event()
    hub.on_request = lambda _: asked.set()
    running = subprocess.Popen(
        [*PROGRAM, command, "--json"], cwd=site.root, env=site.environment(), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert asked.wait(timeout=60)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    told = json.loads(out)
    assert (told["version"], told["exit_code"]) == (1, 130)
    assert "Traceback" not in err
