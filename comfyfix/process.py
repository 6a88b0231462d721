"""Child processes: the only module that starts any.

Each child leads a process group of its own, so that stopping it stops what it started, and a
Ctrl-C in the terminal reaches us first: we stop the children in order and say what is left.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from comfyfix.errors import ModelProblem
from comfyfix.outcomes import Outcome
from comfyfix.why import Why

GRACE_SECONDS = 5.0
_BOUND = """\
script="$(head -c "$2" <&"$1")"
(
  (
    trap '' HUP INT TERM
    exec <&"$1" >/dev/null 2>&1
    read -r _
    kill -TERM -- -$$
    sleep "$3" 2>/dev/null || sleep 1
    kill -KILL -- -$$
  ) &
)
eval "exec $1<&-"
set --
eval "$script"
"""
"""Runs a script that ends when who has started it ends, in whatever way.

That one holds the other end of a pipe, by which the script has come: nothing more does, so the end
of the pipe is its own end. A guard waits for that. It is no child of the script, which waits for
all its children, but one of the group, so that the group can be no other's when it is signalled.
"""
BROWSER_SECONDS = 20.0
"""How long a browser may take to begin."""


class Children:
    """The children of one run; after `stop` no new one starts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: set[subprocess.Popen[str]] = set()
        self._stopping = False

    def run(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        on_line: Callable[[str], None],
        *,
        answer: Callable[[str], str | None] | None = None,
        cwd: Path | None = None,
        seconds: float | None = None,
    ) -> int:
        """Run a program to its end, hand each line it prints to `on_line`, return its status.

        `answer` may reply to a line with one that the program reads on its standard input.
        After `seconds` it is killed with all that it started. Raises ModelProblem when the run
        is being stopped, and when there is no such program.
        """
        child = self._start(argv, env, cwd, talks=answer is not None)
        return self._talk(child, on_line, answer, seconds)

    def run_bound(
        self,
        script: str,
        name: str,
        env: Mapping[str, str],
        on_line: Callable[[str], None],
        answer: Callable[[str], str | None],
        *,
        grace: float = 0.5,
    ) -> int:
        """Run the text of a bash script as `run` does; it ends also when we are killed.

        `kill -9` lets nobody say goodbye: then it is stopped as at Ctrl-C, and after `grace`
        seconds all that it had started is gone. Of what we start otherwise a part may outlive us.
        """
        theirs, ours = os.pipe()
        data = script.encode()
        try:
            argv = ["bash", "-c", _BOUND, name, str(theirs), str(len(data)), str(grace)]
            try:
                child = self._start(argv, env, None, talks=True, hands_on=(theirs,))
            finally:
                os.close(theirs)
            with contextlib.suppress(BrokenPipeError), open(ours, "wb", closefd=False) as pipe:
                pipe.write(data)
            return self._talk(child, on_line, answer, None)
        finally:
            os.close(ours)

    def _talk(
        self,
        child: subprocess.Popen[str],
        on_line: Callable[[str], None],
        answer: Callable[[str], str | None] | None,
        seconds: float | None,
    ) -> int:
        clock = threading.Timer(seconds or 0, _signal_group, (child, signal.SIGKILL))
        clock.daemon = True
        if seconds is not None:
            clock.start()
        try:
            if child.stdout:
                for line in child.stdout:
                    on_line(line.rstrip("\n"))
                    _reply(child, answer and answer(line.rstrip("\n")))
            return child.wait()
        finally:
            clock.cancel()
            _end(child)
            with self._lock:
                self._live.discard(child)

    def _start(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: Path | None,
        *,
        talks: bool,
        hands_on: Collection[int] = (),
    ) -> subprocess.Popen[str]:
        with self._lock:
            if self._stopping:
                raise ModelProblem(Outcome.DOWNLOAD_FAILED, Why.STOPPED)
            try:
                child = subprocess.Popen(
                    list(argv),
                    stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env=dict(env),
                    cwd=cwd,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                    start_new_session=True,
                    pass_fds=hands_on,
                )
            except FileNotFoundError:
                raise ModelProblem(Outcome.TOOL_MISSING, Why.TOOL_ABSENT, name=argv[0]) from None
            self._live.add(child)
        return child

    @property
    def stopping(self) -> bool:
        """Whether no new child starts, since all is to end."""
        return self._stopping

    def stop(self) -> int:
        """Stop every child and what it started; return how many there were."""
        with self._lock:
            self._stopping = True
            live = list(self._live)
        for child in live:
            _signal_group(child, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        for child in live:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=max(0.0, deadline - time.monotonic()))
        for child in live:
            # The group outlives its leader while a grandchild ignores the first signal.
            _signal_group(child, signal.SIGKILL)
        return len(live)


def _end(child: subprocess.Popen[str]) -> None:
    if child.poll() is None:  # something was raised while it ran
        _signal_group(child, signal.SIGTERM)
        child.wait()
    for stream in (child.stdin, child.stdout):
        if stream:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def _reply(child: subprocess.Popen[str], text: str | None) -> None:
    if child.stdin and text is not None:
        with contextlib.suppress(BrokenPipeError):  # it has ended, and its status tells why
            child.stdin.write(f"{text}\n")
            child.stdin.flush()


def _signal_group(child: subprocess.Popen[str], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def require(*names: str) -> None:
    """Raise ModelProblem for the first of these programs that is not on PATH."""
    for name in names:
        if not shutil.which(name):
            raise ModelProblem(Outcome.TOOL_MISSING, Why.TOOL_ABSENT, name=name)


def browse(page: Path, env: Mapping[str, str]) -> bool:
    """Show a page in the user's browser; tells whether one was found and began."""
    # In a child: a browser inherits what it is started with, and prints what it likes.
    code = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"
    argv = [sys.executable, "-I", "-c", code, page.absolute().as_uri()]
    with contextlib.suppress(subprocess.TimeoutExpired):
        quiet = subprocess.DEVNULL
        done = subprocess.run(
            argv, env=env, stdout=quiet, stderr=quiet, timeout=BROWSER_SECONDS, check=False
        )
        return done.returncode == 0
    return True  # it runs in the terminal's place, as text browsers do
