"""The `script` command: one script that stands alone, for another machine."""

from __future__ import annotations

from typing import Any

from comfyfix.errors import ModelProblem, SetupProblem
from comfyfix.outcomes import Outcome
from comfyfix.records import Record
from comfyfix.screen import notes
from comfyfix.screen.objects import failed, say_json
from comfyfix.screen.text import exactly
from comfyfix.screen.words import t
from comfyfix.settings.manifest import Manifest
from comfyfix.stages.needs.work import Planned, Present
from comfyfix.tasks.commands.base import ProjectCommand
from comfyfix.tasks.face.options import JSON_OPTION
from comfyfix.tasks.run.names import model_named
from comfyfix.why import Why


class Script(ProjectCommand):
    """Print the script of a model with all that it needs in itself."""

    doc_purpose = t("print a script that fetches a model on another machine, on its own")
    doc_usage = "MODEL"
    doc_description = t(
        "MODEL is a task name, a file name, or folder/path. The script is all that is printed on "
        "stdout; it needs bash and curl, and holds no token. With --json it is the `script` of "
        "one object, beside the `model` and the `name` of the file to put it into."
    )
    cmd_options = (JSON_OPTION,)
    name = "script"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Print the script of the one model that is named."""
        from comfyfix.script import render  # templates, which only this command and downloads need

        if len(names) != 1:
            raise SetupProblem(Why.SCRIPT_NEEDS_MODEL)
        run, item = model_named(self.runs(options), names[0])
        try:
            record = _record(item, run.project.manifest)
        except ModelProblem as problem:
            notes.refusal(problem)
            if options["as_json"]:
                say_json(failed(problem), 1)
            return 1
        text = render.alone(record, run.project.manifest)
        if options["as_json"]:
            name = run.project.layout.script(record.number, record.model).name
            say_json({"model": record.model.key, "name": name, "script": text})
        else:
            exactly(text)
        return 0


def _record(item: Planned | Present, manifest: Manifest) -> Record:
    """Return what is known of where a model is from. Raises ModelProblem."""
    from comfyfix.stages.search import demand  # 200 ms that few commands need

    if isinstance(item, Planned):
        if item.problem is not None:
            raise item.problem
        record = item.record
        if record is not None and demand.still_wanted(record, item, manifest):
            if record.local:
                raise ModelProblem(
                    Outcome.NOT_FOUND,
                    Why.SCRIPT_LINKS_HERE,
                    model=item.model.key,
                    path=record.local,
                )
            return record
    raise ModelProblem(Outcome.NOT_FOUND, Why.SCRIPT_NEEDS_RECORD, model=item.model.key)
