"""The `init` command: finds the ComfyUI of this machine and writes a manifest for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from comfyfix.disk.files import clean_text, write_new
from comfyfix.errors import Problem, SetupProblem
from comfyfix.screen import notes
from comfyfix.screen.commands import starting
from comfyfix.screen.objects import say_json
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.settings import MANIFEST, read
from comfyfix.stages import installs
from comfyfix.stages.installs import Proposal, Surroundings
from comfyfix.tasks.commands.base import ProjectCommand
from comfyfix.tasks.face.options import JSON_OPTION, switch
from comfyfix.why import Why

_MODE = 0o644


class Init(ProjectCommand):
    """Write a manifest for the ComfyUI that is found."""

    doc_purpose = t("find your ComfyUI and write a manifest for it, here")
    doc_usage = "[PATH]"
    doc_description = t(
        "PATH is the folder of ComfyUI, or one that holds it. Without it: this folder and those "
        "around it, `COMFYUI_PATH`, comfy-cli, ComfyUI Desktop, the portable one, StabilityMatrix, "
        "and usual places. A manifest that is there is left as it is."
    )
    cmd_options = (JSON_OPTION, switch("dry-run", t("show the manifest, and write nothing")))
    name = "init"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Find, look, and write. Raises SetupProblem."""
        if len(names) > 1:
            raise SetupProblem(Why.INIT_TAKES_ONE, name=names[1])
        path, home, dry = Path(MANIFEST).absolute(), _home(), options["dry_run"]
        around = Surroundings(path.parent, home, os.environ, sys.platform)
        first, *others = installs.find(names[0] if names else "", around)
        if os.path.lexists(path):
            comfyui = starting.scalar(first.path, home)
            raise SetupProblem(Why.MANIFEST_THERE, path=path, found=comfyui)
        proposal = installs.propose(first, path.parent)
        text = starting.manifest(proposal, others, home)
        _require_readable(text, path, proposal)
        if not dry:
            try:
                write_new(path, text.encode(), mode=_MODE)
            except OSError as error:
                raise _unwritten(error, path) from None
        for remark in proposal.remarks:
            notes.remark(remark)
        if options["as_json"]:
            say_json(starting.as_data(proposal, others, path, text, dry=dry))
        else:
            say(*starting.lines(proposal, others, path, text, dry=dry))
        return 0


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a user without one
        return Path("/")


def _require_readable(text: str, path: Path, proposal: Proposal) -> None:
    """Raise SetupProblem where a path can't stand in a manifest: `${x}` in its name, say."""
    place = proposal.place
    try:
        manifest = read.of_text(text, path, {})
        base = str(place.base) if place.base else None
        same = (manifest.comfyui, manifest.base_directory) == (str(place.path), base)
    except (Problem, UnicodeEncodeError):
        same = False
    if not same:
        raise SetupProblem(Why.INIT_UNFIT, path=clean_text(str(place.path)))


def _unwritten(error: OSError, path: Path) -> SetupProblem:
    if isinstance(error, FileExistsError):  # another was faster
        return SetupProblem(Why.MANIFEST_THERE, path=path, found="-")
    return SetupProblem(Why.MANIFEST_UNWRITTEN, path=path, cause=error.strerror or str(error))
