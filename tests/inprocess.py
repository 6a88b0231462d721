"""A site whose commands run in this process: a test sees what they do, and can get in between.

It is the program as it is installed (`comfyfix …`), from the command line to the exit code, with
the environment of `Site` and nothing else; what it leaves in the process is put back. What a user
sees from outside, stops and terminals are for `Site.doit`, which starts the real program.
"""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from doit import cmd_clean, cmd_run, doit_cmd, plugin
from doit.dependency import JsonDB

from comfyfix.demo.hub import Hub
from comfyfix.net import http
from comfyfix.project import Project, open_project
from comfyfix.screen import words
from comfyfix.settings import MANIFEST, store_key
from comfyfix.tasks.declare import program
from comfyfix.tasks.face import inside_doit
from tests.rig import PROGRAM, Site

_entry_points = cache(metadata.entry_points)  # which packages are installed


@dataclass(frozen=True)
class Ran:
    """What one command has come to."""

    code: int
    out: str
    err: str


class Terminal(io.StringIO):
    """What is written to a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Tell that it is one."""
        return True


class InProcess(Site):
    """A project folder whose commands run here."""

    def __init__(
        self,
        root: Path,
        hub: Hub | None,
        monkeypatch: pytest.MonkeyPatch,
        capture: pytest.CaptureFixture[str],
    ) -> None:
        super().__init__(root, hub)
        self._monkeypatch = monkeypatch
        self._capture = capture
        # What only takes time here: no power is cut, and a hub that fails does so without a load.
        monkeypatch.setattr(os, "fsync", lambda _: None)
        monkeypatch.setattr(http, "backoff", lambda _: 0.0)
        monkeypatch.setattr(plugin, "entry_points_impl", lambda: _entry_points)

    def run(self, *arguments: str, **extra: str) -> Ran:
        """Run a command to its end."""
        self._capture.readouterr()
        with self._alone(extra) as patch:
            patch.setattr(sys, "argv", ["comfyfix", *arguments])
            with pytest.raises(SystemExit) as ended:
                program.main()
        told = self._capture.readouterr()
        code = ended.value.code
        assert isinstance(code, int), code
        return Ran(code, told.out, told.err)

    def on_terminal(
        self, *arguments: str, columns: int = 80, rows: int = 24, **extra: str
    ) -> tuple[int, str]:
        """Run a command on a terminal of this size; returns its code and what was written there."""
        size = {"COLUMNS": str(columns), "LINES": str(rows), "TERM": "xterm-256color"}
        with self._alone({**size, **extra}) as patch:
            screen = Terminal()
            for stream in ("stdout", "stderr"):
                patch.setattr(sys, stream, screen)
            patch.setitem(cmd_run.opt_outfile, "default", screen)
            patch.setattr(sys, "argv", ["comfyfix", *arguments])
            with pytest.raises(SystemExit) as ended:
                program.main()
        assert isinstance(ended.value.code, int), ended.value.code
        return ended.value.code, screen.getvalue()

    def doit(
        self, *arguments: str, program: Sequence[str] = PROGRAM, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        """The same, as `Site` tells it; another program is started as there."""
        if program != PROGRAM:
            return super().doit(*arguments, program=program, **extra)
        ran = self.run(*arguments, **extra)
        return subprocess.CompletedProcess(["comfyfix", *arguments], ran.code, ran.out, ran.err)

    def in_doit(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run doit itself here, with the dodo.py and the plugins of the folder."""
        self._capture.readouterr()
        modules = set(sys.modules)
        with self._alone(extra) as patch:
            patch.setattr(sys, "argv", ["doit", *arguments])
            patch.setattr(words, "_typed", [words.PROGRAMS[0]])
            patch.setattr(sys, "path", list(sys.path))
            try:
                code = doit_cmd.DoitMain().run(list(arguments))
            finally:
                for name in sys.modules.keys() - modules:
                    if str(getattr(sys.modules[name], "__file__", "")).startswith(str(self.root)):
                        del sys.modules[name]
        told = self._capture.readouterr()
        return subprocess.CompletedProcess(["doit", *arguments], code or 0, told.out, told.err)

    def project(self, workflow: str | None = None, **extra: str) -> Project:
        """Open the project that a command would open."""
        with self._alone(extra):
            return open_project(self.root / MANIFEST, bool, workflow)

    @contextmanager
    def _alone(self, extra: dict[str, str]) -> Iterator[pytest.MonkeyPatch]:
        """As in a process of its own: its folder, its environment, nothing that is remembered."""
        collects = gc.isenabled()
        environment = self.environment(**extra)
        with self._monkeypatch.context() as patch:
            patch.chdir(self.root)
            for name in os.environ.keys() - environment.keys():
                patch.delenv(name)
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setattr(store_key, "_taken", [])
            patch.setattr(doit_cmd, "_CMDLINE_VARS", {})
            patch.setitem(cmd_run.opt_outfile, "default", sys.stdout)
            for name in ("_load", "dump"):
                patch.setattr(JsonDB, name, getattr(JsonDB, name))
            for name in inside_doit.RUN_NAMES:
                patch.setattr(cmd_run, name, getattr(cmd_run, name))
            patch.setattr(cmd_clean, "TaskControl", cmd_clean.TaskControl)
            try:
                yield patch
            finally:
                if collects:
                    gc.enable()
