"""The `doctor` command: is all there that a run needs, and what is to be done if not."""

from __future__ import annotations

import os
from typing import Any

from comfyfix import setup as setups
from comfyfix.errors import SetupProblem
from comfyfix.records import Reason, because
from comfyfix.screen.commands import checkup as words
from comfyfix.screen.objects import say_json
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.read import of_values
from comfyfix.settings.secrets import tokens
from comfyfix.settings.store_key import store_key
from comfyfix.settings.switches import OFFLINE, on
from comfyfix.stages import checkup
from comfyfix.stages.checkup.base import Line, Patient
from comfyfix.tasks.commands.base import ProjectCommand, require_no_names
from comfyfix.tasks.face.dodo import Tasks
from comfyfix.tasks.face.options import JSON_OPTION
from comfyfix.why import Why


class Doctor(ProjectCommand):
    """Look whether all is there that a run needs."""

    doc_purpose = t("look whether all is there that a run needs, and say what to do")
    doc_usage = ""
    doc_description = t(
        "Programs, versions, tokens and whose they are, services, proxies, room, store, output, "
        "clock, Qwen. No token is shown. It works without a manifest; `--offline` asks nobody. The "
        "exit code is 0 where nothing needs doing, else 1."
    )
    cmd_options = (JSON_OPTION,)
    name = "doctor"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Look, and say what was seen."""
        require_no_names(names, Why.DOCTOR_TAKES_NONE)
        findings: list[Line] = []
        for project in self.projects(options):
            patient = _patient(project, findings)
            findings += checkup.look(patient)
        if options["as_json"]:
            say_json(words.as_data(findings))
        else:
            say(*words.lines(findings))
        return int(not all(line.good for line in findings))


def _patient(project: Tasks, findings: list[Line]) -> Patient:
    """Read the set-up; where that can't be done, it is told, and the rest is looked at."""
    environ = os.environ
    remarks: list[Reason] = []
    common: dict[str, Any] = {
        "signs": bool(store_key(environ)),  # takes it out of the environment
        "environ": dict(environ),
        "offline": on(OFFLINE, environ),
    }
    try:
        setup = setups.read_setup(project.manifest, remarks.append)
    except SetupProblem as problem:
        findings.append(Line("setup", good=False, said=problem.reason))
        manifest = of_values({"comfyui": "-"}, {})
        return Patient(manifest, tokens=_tokens(manifest, findings), **common)
    findings += [Line("setup", good=False, said=remark) for remark in remarks]
    comfyui, name = setup.folders.comfyui, project.manifest.name
    reason = because(Why.CHECK_SETUP, comfyui=comfyui, manifest=name)
    findings.append(Line("setup", good=True, said=reason))
    manifest = setup.manifest
    if manifest.is_demo:  # its own hub is asked by a run alone; a real one asks these
        manifest = of_values({"comfyui": "-"}, environ)
    return Patient(
        manifest, folders=setup.folders, output=setup.layout.output,
        tokens=_tokens(manifest, findings), **common,
    )  # fmt: skip


def _tokens(manifest: Manifest, findings: list[Line]) -> dict[str, str]:
    try:
        return tokens(manifest, os.environ)
    except SetupProblem as problem:
        findings.append(Line("tokens", good=False, said=problem.reason))
        return {}
