"""What commands share that are no tasks, and `verify`."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from doit import doit_cmd
from doit.cmd_base import Command

from comfyfix import receipts
from comfyfix.errors import SetupProblem
from comfyfix.records import Model, Receipt, Record
from comfyfix.tasks.build import MANIFEST, Build, open_build
from comfyfix.tasks.naming import named
from comfyfix.tasks.verifying import verified

JSON_OPTION = {
    "name": "as_json",
    "short": "",
    "long": "json",
    "type": bool,
    "default": False,
    "help": "print JSON, and nothing else, on stdout",
}


class Ours(Command):  # type: ignore[misc]
    """A command that reads the manifest of the working folder."""

    name: ClassVar[str]

    def execute(self, opt_values: dict[str, Any], pos_args: list[str]) -> int:
        """Run it; a problem of set-up is one line on stderr and exit code 3."""
        # doit takes any argument with `=` for a variable; a file's name may hold one.
        variables = doit_cmd._CMDLINE_VARS or {}
        others = [f"{k}={v}" for k, v in variables.items() if k != "workflow"]
        try:
            return self.work(opt_values, [*pos_args, *others])
        except BrokenPipeError:
            # The reader (`| head`) has seen enough; nothing may be flushed to it at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except SetupProblem as problem:
            print(f"ERROR: {problem}", file=sys.stderr)  # noqa: T201 - as doit tells its own errors
            return 3

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Do what the command does; returns the exit code. Raises SetupProblem."""
        raise NotImplementedError


def say(text: str = "") -> None:
    """Print one line of a command's answer."""
    print(text)  # noqa: T201 - a command's answer goes to stdout


class Verify(Ours):
    """Check the needed models that are there; never downloads."""

    doc_purpose = "check the model files that are there"
    doc_usage = "[MODEL ...]"
    doc_description = (
        "MODEL is a task name, a file name, or folder/path. Without MODEL: every needed model. "
        "A damaged file is moved aside, so that the next run fetches it; so is an unsafe one."
    )
    cmd_options = (
        {
            "name": "anew",
            "short": "",
            "long": "anew",
            "type": bool,
            "default": False,
            "help": "hash every file, also where size and time are as in its receipt",
        },
    )
    name = "verify"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Verify and print a line per file."""
        build = open_build(Path(MANIFEST), doit_cmd.get_var("workflow"))
        chosen = _chosen(build, names)
        known = receipts.load(build.layout)
        count: Counter[str] = Counter()
        for model, path, record, receipt in chosen:
            receipt = known.get(model.key) or receipt  # noqa: PLW2901 - the nearer one wins
            verdict = verified(build, model, path, record, receipt, anew=options["anew"])
            if verdict.status == "ok" and record is not None:
                fresh = receipts.of_file(
                    model, path, verdict.sha256 or "", script="", verified=True
                )
                if receipt is None or fresh.mtime_ns != receipt.mtime_ns:
                    receipts.save(build.layout, build.folders.store, model, fresh)
            count[verdict.status] += 1
            mark = {"ok": "✓", "unverified": "!"}.get(verdict.status, "✗")
            reason = f" ({verdict.reason})" if verdict.reason else ""
            say(f"  {mark} {verdict.status:10} {model.key}{reason}")
        good = count["ok"] + count["unverified"]
        bad = sum(count.values()) - good
        for file in build.plan.unreadable:
            print(f"! {file.path} can't be read: {file.problem}", file=sys.stderr)  # noqa: T201
        say(f"{good} good, {bad} not" + (". Next: run doit to fetch what is not" if bad else ""))
        return 1 if bad or build.plan.unreadable else 0


_Choice = tuple[Model, Path, Record | None, Receipt | None]


def _chosen(build: Build, names: Sequence[str]) -> list[_Choice]:
    every: dict[str, _Choice] = {}
    for planned in build.plan.models:
        if planned.problem is None:
            every[planned.model.key] = (
                planned.model, planned.path, planned.record, planned.receipt,
            )  # fmt: skip
    for present in build.plan.present:
        every[present.model.key] = (present.model, present.path, None, present.receipt)
    if not names:
        return list(every.values())
    hits = [item.model.key for name in names for item in named(build.plan, name)]
    return [every[key] for key in dict.fromkeys(hits) if key in every]
