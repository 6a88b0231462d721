"""The `move` command: a model that lies in the wrong folder of the store."""

from __future__ import annotations

from typing import Any

from comfyfix.errors import SetupProblem
from comfyfix.screen.commands import moving
from comfyfix.screen.words import t
from comfyfix.tasks.commands.base import ProjectCommand, tell_projects
from comfyfix.tasks.face.options import JSON_OPTION, switch
from comfyfix.tasks.store.moving import Moving
from comfyfix.why import Why


class Move(ProjectCommand):
    """Move a model to the folder in which ComfyUI looks for it."""

    doc_purpose = t("move a model of the store to the folder that it belongs to")
    doc_usage = "MODEL FOLDER"
    doc_description = t(
        "MODEL is a file name, or folder/path, of a file, a set or a directory in the model "
        "folders; FOLDER a folder of ComfyUI, such as `loras`. It goes to where new files of that "
        "folder are written, over nothing, and its receipts go with it."
    )
    cmd_options = (switch("dry-run", t("show what would be done, and move nothing")), JSON_OPTION)
    name = "move"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Find it, and move it."""
        if len(names) != 2:  # noqa: PLR2004 - a model and a folder
            raise SetupProblem(Why.MOVE_NEEDS_BOTH)
        runs = self.runs(options)
        model, folder = names
        works = [Moving(run, runs) for run in runs]
        fitting = [work for work in works if work.knows(model, folder)] or works[:1]
        prefixes = [work.run.prefix for work in fitting]
        if len(fitting) > 1:
            raise SetupProblem(
                Why.MODELS_OF_ONE_NAME, name=model, models=prefixes, first=prefixes[0]
            )
        moved = fitting[0].move(model, folder, dry=options["dry_run"])
        tell_projects(
            [(prefixes[0], moved)], moving.as_data, moving.lines, as_json=options["as_json"]
        )
        return int(moved.reason is not None)
