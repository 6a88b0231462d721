"""A script that is bound to who started it ends with it, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from comfyfix.process import _BOUND, Children
from tests.faults.rig import wait_until
from tests.rig import REPO, children_of, is_alive

STARTS = """
import os, sys
from comfyfix.process import Children
say = lambda line: print(line, flush=True)
Children().run_bound(sys.argv[1], "x.sh", dict(os.environ), say, str)
"""
STUBBORN = "trap '' TERM\nsleep 300 &\n(trap '' TERM; sleep 300) &\necho ready $$\nwait\nwait\n"
ORDERLY = "trap 'echo bye >\"$GONE\"; exit 143' TERM\nsleep 300 &\necho ready $$\nwait\n"


def run(script: str, *, answer: str | None = None) -> tuple[int, list[str]]:
    lines: list[str] = []
    env = {"PATH": os.environ["PATH"]}
    code = Children().run_bound(script, "x.sh", env, lines.append, lambda _: answer)
    return code, lines


def test_it_is_run_as_a_script_of_its_name_without_arguments() -> None:
    assert run('echo "$0 $#"\nexit 7\n') == (7, ["x.sh 0"])


def test_it_may_be_longer_than_an_argument_and_than_a_pipe() -> None:
    script = "true\n" * 100_000 + "echo the end é\n"
    assert run(script) == (0, ["the end é"])


def test_it_is_answered() -> None:
    assert run('echo ask\nread -r said\necho "got $said"\n', answer="yes") == (
        0,
        ["ask", "got yes"],
    )


def test_it_waits_for_its_own_children_alone() -> None:
    assert run("true &\nwait\necho through\n") == (0, ["through"])


def test_what_it_leaves_behind_ends_with_it() -> None:
    code, lines = run("sleep 300 >/dev/null 2>&1 &\necho $!\n")
    assert code == 0
    wait_until(lambda: not is_alive(int(lines[0])))


def test_it_is_not_started_with_half_of_its_text() -> None:
    """The text comes by a pipe; who is killed while it writes has sent a part of it."""
    reading, writing = os.pipe()
    argv = ["bash", "-c", _BOUND, "x.sh", str(reading), "1000", "0.5"]
    with subprocess.Popen(argv, pass_fds=[reading], stdout=subprocess.PIPE, text=True,
                          start_new_session=True) as child:  # fmt: skip
        os.close(reading)
        os.write(writing, b"{ echo begun\n" + b"#" * 100)
        os.close(writing)
        said, _ = child.communicate(timeout=60)
    assert said == ""


@pytest.mark.parametrize("script", [STUBBORN, ORDERLY], ids=["stubborn", "orderly"])
def test_it_ends_when_who_started_it_is_killed(script: str, tmp_path: os.PathLike[str]) -> None:
    gone = os.path.join(tmp_path, "gone")
    with subprocess.Popen(
        [sys.executable, "-c", STARTS, script], cwd=REPO, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(REPO), "GONE": gone},
    ) as starter:  # fmt: skip
        assert starter.stdout
        leader = int(starter.stdout.readline().split()[1])
        below = [leader, *children_of(leader)]
        assert len(below) >= 2
        starter.send_signal(signal.SIGKILL)
        starter.wait()
    wait_until(lambda: not any(map(is_alive, below)), seconds=30)
    assert os.path.exists(gone) is (script == ORDERLY), "it is asked first, and has a moment"


def test_a_stop_ends_it_in_order() -> None:
    children, ready = Children(), threading.Event()
    codes: list[int] = []
    env = {"PATH": os.environ["PATH"], "GONE": os.devnull}

    def work() -> None:
        codes.append(
            children.run_bound(ORDERLY, "x.sh", env, lambda _: ready.set(), lambda _: None)
        )

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(60)
    children.stop()
    thread.join(60)
    assert codes == [143]
