"""The `paths` command: tells ComfyUI where the store is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from comfyfix.comfyui.store import path_sections
from comfyfix.comfyui.store.installation import EXTRA_PATHS
from comfyfix.errors import SetupProblem
from comfyfix.screen.commands import paths as words
from comfyfix.screen.objects import say_json_of
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.stages import paths_file
from comfyfix.stages.paths_file import PathsFile
from comfyfix.tasks.commands.base import ProjectCommand, project_heading, require_no_names
from comfyfix.tasks.face.options import JSON_OPTION, option, switch
from comfyfix.tasks.run.running import Run
from comfyfix.why import Why


class Paths(ProjectCommand):
    """Write extra_model_paths.yaml for ComfyUI."""

    doc_purpose = t("tell ComfyUI where the store is, by an extra_model_paths.yaml")
    doc_usage = "[-o FILE]"
    doc_description = t(
        "Writes the file that ComfyUI reads when it starts, with each model folder of `store:`. A "
        "file there that it has not written, or that was changed since, is left as it is: then "
        "take `-o FILE`."
    )
    cmd_options = (
        option(
            "out", "", t("write this file, in place of the one beside ComfyUI's main.py"), short="o"
        ),
        switch("dry-run", t("show what would be written, and write nothing")),
        JSON_OPTION,
    )
    name = "paths"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Tell it. Raises SetupProblem."""
        require_no_names(names, Why.PATHS_TAKES_NONE)
        out, dry = options["out"], options["dry_run"]
        place = Path(out).absolute() if out else None  # a dodo may change the folder
        runs = self.runs(options)
        if place and len(runs) > 1:
            raise SetupProblem(Why.PATHS_OF_SEVERAL)
        outcomes = {run: _tell_comfyui(run, place, dry=dry) for run in runs}
        if options["as_json"]:
            say_json_of({run.prefix: words.as_data(o, dry=dry) for run, o in outcomes.items()})
            return 0
        for run, outcome in outcomes.items():
            lines = words.lines(outcome, _own_file(run), dry=dry)
            say(*project_heading(run.prefix), *lines)
        return 0


def _own_file(run: Run) -> Path:
    """The file that ComfyUI reads by itself."""
    return run.project.folders.comfyui / EXTRA_PATHS


def _tell_comfyui(run: Run, place: Path | None, *, dry: bool) -> PathsFile | None:
    folders, tier = run.project.folders, run.project.manifest.tiers.fast
    needed = [p.model.folder for p in run.project.plan.models if p.model.folder]
    sections = [path_sections.of_tier(Path(tier), folders, needed)] if tier else []
    store = path_sections.of_store(folders, needed)
    sections += [store] if store else []
    if not sections:
        return None
    return paths_file.write(place or _own_file(run), sections, dry=dry)
