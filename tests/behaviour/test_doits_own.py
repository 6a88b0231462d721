"""Commands of doit's own, and a screen that is gone; a stop before doit is even loaded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import pytest
from doit.doit_cmd import DoitMain

from comfyfix.demo.hub import Hub
from comfyfix.screen.words import t
from comfyfix.tasks.face.command_names import COMMANDS
from tests.rig import PROGRAM, Site

pytestmark = pytest.mark.soak  # a minute of short runs
OURS = (sys.executable, "-c", "from comfyfix.tasks.declare.program import main; main()")
TASK = "download:rife49"
TELLING = (
    ("help",), ("help", "task"), ("help", "list"), ("help", TASK), ("tabcompletion",),
    ("list",), ("list", "--all"), ("ignore",),
)  # fmt: skip
DOING = (("forget",), ("ignore", TASK), ("reset-dep",))
LOST = {">&-": "Bad file descriptor", ">/dev/full": "No space left on device"}
BUFFERS = ("", "1")  # PYTHONUNBUFFERED: many containers set it
SCREENS = pytest.mark.parametrize(
    ("lost", "unbuffered"), [(">&-", ""), (">/dev/full", ""), (">/dev/full", "1")]
)


@pytest.fixture
def complete(site: Site, hub: Hub) -> Site:
    site.workflow("clip.json", ("upscale_models", "rife49.pth"))
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    assert site.doit().returncode == 0
    return site


def shell(
    site: Site, line: str, words: Iterable[str], unbuffered: str
) -> subprocess.CompletedProcess[str]:
    """Run a line of bash, in which "$@" is the command."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}", "bash", *words],
        cwd=site.root,
        env=site.environment(PYTHONUNBUFFERED=unbuffered),
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


def memory(site: Site) -> Any:
    """What doit remembers of the task."""
    return site.state(".cache/doit.json").get(TASK)


def test_every_command_of_doit_is_under_our_guard() -> None:
    """In both of the places where commands are named."""
    assert {command.get_name() for command in DoitMain.DOIT_CMDS} <= set(COMMANDS)
    named = DoitMain(config_filenames=("pyproject.toml",)).config["COMMAND"]
    assert named == COMMANDS


@SCREENS
def test_an_answer_that_is_lost_is_told(complete: Site, lost: str, unbuffered: str) -> None:
    for command in TELLING:
        done = shell(complete, f'"$@" {lost}', (*PROGRAM, *command), unbuffered)
        told = t(
            "ERROR: The answer can't be written: {cause}. "
            "Next: give the command an output that takes it",
            cause=LOST[lost],
        )
        assert done.stderr.splitlines() == [told], command
        assert done.returncode == 2, command
    # Nothing is to be said: nothing is lost.
    done = shell(complete, f'"$@" {lost}', (*PROGRAM, "list", "-q"), unbuffered)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unbuffered", BUFFERS)
def test_a_reader_that_is_gone_is_none_to_tell(complete: Site, unbuffered: str) -> None:
    for command in (*TELLING, *DOING, ("clean",)):
        # The pipe is closed for certain before the command begins.
        line = '{ read -r _ <gone; "$@"; } | { exec <&-; echo >gone; }'
        if not (complete.root / "gone").exists():
            os.mkfifo(complete.root / "gone")
        done = shell(complete, line, (*PROGRAM, *command), unbuffered)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), command


@SCREENS
def test_what_can_not_be_told_is_done_all_the_same(
    complete: Site, lost: str, unbuffered: str
) -> None:
    before = memory(complete)
    assert before
    assert "ignore:" not in before
    for command, after in ((("ignore", TASK), "ignored"), (("forget", TASK), "forgotten")):
        done = shell(complete, f'"$@" {lost}', (*PROGRAM, *command), unbuffered)
        assert done.returncode == 2, done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert bool(memory(complete)) == (after == "ignored")
        assert "ignore:" in (memory(complete) or "ignore:")


@pytest.mark.parametrize("unbuffered", BUFFERS)
@pytest.mark.parametrize("command", ["--help", "--version", "help"])
def test_our_own_program(site: Site, command: str, unbuffered: str) -> None:
    """No command of doit's answers these two, so only our own program can guard them."""
    for lost, cause in LOST.items():
        done = shell(site, f'"$@" {lost}', (*OURS, command), unbuffered)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert cause in done.stderr
    assert shell(site, '"$@"', (*OURS, command), unbuffered).returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_while_our_program_loads(site: Site, number: signal.Signals, code: int) -> None:
    """A doit that takes its time to load stands in for a slow disk."""
    ready = site.root / "ready"
    os.mkfifo(ready)
    (site.root / "slow" / "doit").mkdir(parents=True)
    wait = f"open({str(ready)!r}, 'w').close()\nimport time\ntime.sleep(100)\n"
    (site.root / "slow" / "doit" / "__init__.py").write_text(wait)
    running = subprocess.Popen(
        [*OURS, "list"], cwd=site.root, env=site.environment(PYTHONPATH=str(site.root / "slow")),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    with ready.open() as told:
        told.read()
    running.send_signal(number)
    printed = running.communicate(timeout=60)[0]
    assert running.returncode == code, printed
    assert printed == t("\nStopped. Next: run the same command again") + "\n"
