"""Commands that are no tasks: `scan` and `verify`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from doit.cmd_base import Command

from comfyfix import receipts
from comfyfix.comfyui.folders import Folders
from comfyfix.errors import SetupProblem
from comfyfix.files import printable
from comfyfix.records import Model, Receipt, Record, Reference
from comfyfix.stages import plan as plan_stage
from comfyfix.stages import scan as scan_stage
from comfyfix.stages import verify as verify_stage
from comfyfix.tasks.build import MANIFEST, Build, open_build, read_setup

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
        try:
            return self.work(opt_values, pos_args)
        except SetupProblem as problem:
            print(f"ERROR: {problem}", file=sys.stderr)  # noqa: T201 - as doit tells its own errors
            return 3

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Do what the command does; returns the exit code. Raises SetupProblem."""
        raise NotImplementedError


def say(text: str = "") -> None:
    """Print one line of a command's answer."""
    print(text)  # noqa: T201 - a command's answer goes to stdout


class Scan(Ours):
    """List every reference to a model file in the workflows."""

    doc_purpose = "list the references to model files in the workflows"
    doc_usage = "[FILE ...]"
    doc_description = "Without FILE: the workflows of manifest.yaml."
    cmd_options = (JSON_OPTION,)
    name = "scan"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Print the references."""
        manifest, folders, layout = read_setup(Path(MANIFEST))
        missing = [name for name in names if not Path(name).exists()]
        if missing:
            raise SetupProblem(
                f"{missing[0]} does not exist", next_step="check the name of the workflow file"
            )
        places = [str(Path(name).absolute()) for name in names] or manifest.workflows
        files = scan_stage.find_files(places)
        scanned = scan_stage.scan(files, None if names else layout.scan_cache)
        problems = [file for file in scanned if file.problem or (names and not file.is_workflow)]
        for file in problems:
            reason = file.problem or "it holds no workflow"
            print(f"! {file.path}: {reason}", file=sys.stderr)  # noqa: T201 - beside the answer
        found = [reference for file in scanned for reference in file.references]
        if options["as_json"]:
            rows = [_row(reference, folders) for reference in found]
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(rows), indent=1).decode())
            sys.stdout.write("\n")
        else:
            _print_scan(scanned, folders)
        return 1 if problems else 0


def _row(reference: Reference, folders: Folders) -> dict[str, Any]:
    """One reference in the shape that scripts rely on."""
    return {
        "workflow": reference.workflow,
        "node_id": reference.node_id,
        "node_type": reference.node_type,
        "input": reference.input,
        "value": reference.value,
        "name": reference.name,
        "path": reference.path,
        "folder": reference.folder,
        "kind": reference.kind,
        "active": reference.active,
        "optional": reference.optional,
        "present": plan_stage.found(folders, reference),
    }


def _print_scan(scanned: Sequence[scan_stage.ScannedFile], folders: Folders) -> None:
    for file in scanned:
        if not file.references:
            continue
        say(printable(file.workflow))
        for reference in file.references:
            there = plan_stage.found(folders, reference)
            remarks = [
                word
                for word, said in (
                    ("off", not reference.active),
                    ("optional", reference.optional),
                    (reference.kind, reference.kind != "file"),
                    ("folder guessed", reference.guessed),
                )
                if said
            ]
            mark = "✓" if there else ("·" if not reference.active else "✗")
            state_word = "present" if there else "absent"
            remark = f"  ({', '.join(remarks)})" if remarks else ""
            path = printable(f"{reference.folder or '?'}/{reference.path}", 300)
            say(f"  {mark} {state_word:7}  {path}{remark}")
    workflows = [file for file in scanned if file.is_workflow and not file.problem]
    references = [reference for file in workflows for reference in file.references]
    say(f"{len(workflows)} workflows, {len(references)} references")


class Verify(Ours):
    """Check the needed models that are there; never downloads."""

    doc_purpose = "check the model files that are there"
    doc_usage = "[MODEL ...]"
    doc_description = (
        "MODEL is a task name, a file name, or folder/path. Without MODEL: every needed model. "
        "A damaged file is moved aside, so that the next run fetches it."
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
        build = open_build(Path(MANIFEST))
        chosen = _chosen(build, names)
        known = receipts.load(build.layout)
        count: Counter[str] = Counter()
        for model, path, record, receipt in chosen:
            receipt = known.get(model.key) or receipt  # noqa: PLW2901 - the nearer one wins
            verdict = verify_stage.verify(model, path, record, receipt, anew=options["anew"])
            if verdict.status == "ok" and record is not None:
                fresh = receipts.of_file(
                    model, path, verdict.sha256 or "", script="", verified=True
                )
                if receipt is None or fresh.mtime_ns != receipt.mtime_ns:
                    receipts.save(build.layout, build.folders.store, model, fresh)
            elif not verdict.good and verdict.status != "missing":
                verdict = verify_stage.move_aside(verdict, receipt)
                if verdict.moved_to:
                    receipts.forget(build.layout, build.folders.store, model)
            count[verdict.status] += 1
            mark = "✓" if verdict.good else "✗"
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
    asked: dict[str, set[str]] = {}
    for planned in build.plan.models:
        if planned.problem is None:
            every[planned.model.key] = (
                planned.model, planned.path, planned.record, planned.receipt,
            )  # fmt: skip
            asked[planned.model.key] = {planned.task, f"download:{planned.task}"}
    for present in build.plan.present:
        every[present.model.key] = (present.model, present.path, None, present.receipt)
    if not names:
        return list(every.values())
    result = []
    for name in names:
        hits = [
            key
            for key, (model, *_) in every.items()
            if name in {key, model.path, model.name} | asked.get(key, set())
        ]
        if not hits:
            raise SetupProblem(
                f"No needed model is called {name}", next_step="see the names in `doit list --all`"
            )
        result += [every[key] for key in hits]
    return result
