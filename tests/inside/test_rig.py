"""The commands in this process do what the program does, and leave nothing behind in it."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path

from doit.dependency import JsonDB

from comfyfix.demo.hub import Hub
from comfyfix.screen.words import t
from comfyfix.settings import store_key
from tests.inprocess import InProcess

NAME = "harbor_light.safetensors"


def test_a_model_is_brought_and_a_second_run_has_nothing_to_do(
    inprocess: InProcess, hub: Hub
) -> None:
    inprocess.workflow("w.json", ("loras", NAME))
    hub.add("maker/harbor_light", [NAME])
    done = inprocess.run()
    assert done.code == 0, done
    assert "✓ Download completed successfully" in done.out
    assert list(inprocess.files()) == [f"loras/{NAME}"]
    seen = len(hub.seen)
    done = inprocess.run()
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(t("Nothing to do"))
    assert len(hub.seen) == seen


def test_exit_codes_and_stderr_are_those_of_the_program(inprocess: InProcess) -> None:
    inprocess.workflow("w.json", ("loras", NAME))
    assert inprocess.run("list", "-q").out == "download:harbor_light\n"
    done = inprocess.run("why", "what_nobody_needs.pth")
    assert done.code == 3
    assert t("Next: ") in done.err
    assert inprocess.run("no_such_command").code == 3


def test_nothing_is_left_in_the_process(inprocess: InProcess) -> None:
    def state() -> tuple[object, ...]:
        handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
        kept = list(store_key._taken)
        folder = str(Path.cwd())
        return dict(os.environ), folder, gc.isenabled(), handlers, kept, JsonDB._load, JsonDB.dump

    inprocess.workflow("w.json", ("loras", NAME))
    before = state()
    inprocess.run("list", COMFYFIX_STORE_KEY="canary")
    inprocess.run("verify", COMFYFIX_STORE_KEY="canary")
    assert inprocess.project(COMFYFIX_STORE_KEY="canary").trust.key == b"canary"
    assert inprocess.project().trust.key == b""
    assert state() == before


def test_what_was_put_aside_is_told_also_where_nothing_can_start(inprocess: InProcess) -> None:
    (inprocess.output / ".cache" / "scan.json").mkdir(parents=True)
    done = inprocess.run("list")
    assert done.code == 3, "there are no workflows"
    assert "scan.json.damaged" in done.err
    assert not (inprocess.output / ".cache" / "scan.json").exists()
