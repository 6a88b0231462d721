"""A dodo that loads our tasks beside its own leaves its process as it was."""

from __future__ import annotations

import pytest

from comfyfix.demo.hub import Hub
from tests.rig import Site

DODO = """
import atexit, gc, json, os, signal, sys, warnings
from pathlib import Path
def state():
    signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    return [gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), signals,
            list(warnings.filters), sys.getrecursionlimit(), os.getcwd(), os.umask(0o22)]
os.umask(0o22)
if {collects}: gc.enable()
else: gc.disable()
before = state()
from comfyfix.tasks import load
DOIT_CONFIG, ours = load(Path("manifest.yaml").absolute())
assert state() == before, "loading"
def task_own():
    yield {{"basename": "own", "actions": None}}
    assert state() == before, "declaring"
    print("declared", file=sys.stderr)
atexit.register(lambda: print("collects" if gc.isenabled() else "rests", file=sys.stderr))
"""


@pytest.mark.parametrize("collects", [True, pytest.param(False, marks=pytest.mark.soak)])
def test_nothing_of_the_process_is_changed(site: Site, hub: Hub, collects: bool) -> None:
    site.workflow("w.json", ("upscale_models", "rife49.pth"))
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    (site.root / "dodo.py").write_text(DODO.format(collects=collects))
    for command in (("list", "--all"), ()):
        done = site.doit(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr.split() == ["declared", "collects" if collects else "rests"]
