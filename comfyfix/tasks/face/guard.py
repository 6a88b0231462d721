"""What every command is wrapped in: a stop at any time, and a screen that may be gone."""

from __future__ import annotations

import contextlib
import functools
import io
import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TextIO

from doit.cmd_base import Command
from doit.cmdparse import CmdOption, CmdParseError
from doit.exceptions import InvalidCommand, InvalidDodoFile

from comfyfix.errors import SetupProblem
from comfyfix.records import because
from comfyfix.screen import notes
from comfyfix.screen.ends import guarded, last_word, settle_descriptors
from comfyfix.screen.objects import failed, say_json
from comfyfix.screen.text import say
from comfyfix.settings.switches import kept_on
from comfyfix.stopping import STOPPED, Stopped
from comfyfix.tasks.face import inside_doit
from comfyfix.tasks.face.nearest import nearest, unknown
from comfyfix.tasks.face.options import COMMON, variable_of
from comfyfix.why import Why

REFUSED = 3
"""The exit code of a command that can't start."""
_HELP = ("-h", "--help")
_JSON = "--json"
_DOITS = (InvalidCommand, InvalidDodoFile, CmdParseError)
"""What doit tells by itself, on stderr."""


class Guarded(Command):  # type: ignore[misc]
    """A command that can be stopped from its first moment, and that tells if no one hears it.

    A problem of set-up, or of its options, is one line on stderr. With `--json` one object is on
    stdout, also then: a command with an option of its own makes it, of any other it has the lines
    that people would read, and the `answer` of the command besides.
    """

    answer: Mapping[str, Any] = {}
    serves: ClassVar[bool] = False
    """Does its object come first, and the command end when it is stopped?"""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        settle_descriptors()  # before doit keeps `sys.stdout`
        super().__init__(*arguments, **keywords)

    def parse_execute(self, in_args: list[str]) -> int:
        """Run the command; returns the exit code."""
        before_names = in_args[: in_args.index("--")] if "--" in in_args else in_args
        words = [word for word in before_names if not variable_of(word)]
        with kept_on(filter(None, map(variable_of, before_names))):
            work = self._for_people
            if _JSON in words:  # wherever it stands
                words, work = [_JSON, *(word for word in words if word != _JSON)], self._as_object
            return guarded(functools.partial(work, [*words, *in_args[len(before_names) :]]))

    def get_options(self) -> list[CmdOption]:
        """The options, with those that all commands have."""
        return self._with_common(super().get_options())

    @staticmethod
    def _with_common(options: list[CmdOption]) -> list[CmdOption]:
        names = {option.name for option in options}
        return [*options, *(CmdOption(o) for o in COMMON if o["name"] not in names)]

    def help(self) -> str:
        """How to use the command; doit's own tells of its configuration."""
        from comfyfix.screen.commands import usage  # for who asks

        options = [
            usage.Option(
                name=option.name, short=option.short, long=option.long, inverse=option.inverse,
                value=option.type is not bool, about=option.help.replace("%(default)s", "").strip(),
            )
            for option in self.cmdparser.options
        ]  # fmt: skip
        lines = usage.lines(
            self.bin_name, self.name, self.doc_purpose, self.doc_usage,
            self.doc_description or "", options,
        )  # fmt: skip
        return "\n".join(lines)

    def lines_to(self) -> TextIO:
        """Where the lines for people go while the answer is an object."""
        return io.StringIO()

    def _as_object(self, in_args: list[str]) -> int:
        """Run the command, and see to it that there is one object on stdout and nothing else."""
        screen = sys.stdout

        def stopped(code: int) -> None:
            with contextlib.redirect_stdout(screen):
                say_json(failed(SetupProblem(Why.COMMAND_STOPPED)), code)

        try:
            with last_word(stopped):
                return self._run_for_object(in_args, stopped)
        except Stopped as stop:
            if not self.serves:
                stopped(stop.exit_code)
            raise

    def _run_for_object(self, in_args: list[str], stopped: Callable[[int], object]) -> int:
        try:
            if any(option.get("name") == "as_json" for option in self.cmd_options):
                code = self._parsed(in_args)
                if code > STOPPED:  # it has told people how far it came
                    stopped(code)
                return code
            buffer = self.lines_to()
            with contextlib.redirect_stdout(buffer):
                self.outstream = buffer  # where doit's own commands write
                code = self._parsed(in_args)
        except (SetupProblem, *_DOITS) as error:
            # What doit is to tell may be of ours: it has no other way to be raised there.
            problem = error if isinstance(error, SetupProblem) else error.__cause__
            doits = {"error": {"message": str(error)}}
            say_json(failed(problem) if isinstance(problem, SetupProblem) else doits, REFUSED)
            if not isinstance(error, SetupProblem):
                raise
            notes.refusal(error)
            return REFUSED
        lines = buffer.getvalue().splitlines() if isinstance(buffer, io.StringIO) else []
        say_json({"command": self.name, **self.answer, **({"lines": lines} if lines else {})}, code)
        return code

    def _for_people(self, in_args: list[str]) -> int:
        try:
            return self._parsed(in_args)
        except SetupProblem as problem:
            notes.refusal(problem)
            return REFUSED
        except _DOITS as error:
            if getattr(error, "not_found", None) is not None:
                raise  # doit has yet to say in it what was typed
            notes.error(str(error))
            return REFUSED

    def _parsed(self, in_args: list[str]) -> int:
        try:
            return super().parse_execute(in_args) or 0
        except CmdParseError as error:
            option, kind = inside_doit.option_refused(error)
            if option in _HELP and kind is Why.OPTION_UNKNOWN:
                say(*self.help().split("\n"))
                return 0
            if not option:
                raise
            raise self._mistaken(option, kind) from None
        except InvalidCommand as error:
            name = inside_doit.no_task(error)
            tasks = getattr(self, "task_list", None)
            if name is None or tasks is None:
                raise
            raise unknown(name, [task.name for task in tasks]) from None

    def _mistaken(self, option: str, kind: Why) -> SetupProblem:
        long = {o.name: inside_doit.dashed(o.long) for o in self.cmdparser.options if o.long}
        near = nearest(option, long.values()) if kind is Why.OPTION_UNKNOWN else []
        cause = because(Why.NEAREST_NAMES, names=near) if near else ""
        option = long.get(option, option)
        return SetupProblem(kind, command=self.name, option=option, cause=cause)
