"""The `explain` command: what a word, a code or a reason means, and what helps."""

from __future__ import annotations

from typing import Any

from comfyfix.errors import SetupProblem
from comfyfix.screen.commands import explaining
from comfyfix.screen.objects import say_json
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.tasks.commands.base import ProjectCommand
from comfyfix.tasks.face.options import JSON_OPTION
from comfyfix.why import Why


class Explain(ProjectCommand):
    """Tell what an outcome means."""

    doc_purpose = t("what an outcome, a verdict or an exit code means, and what helps")
    doc_usage = "[OUTCOME]"
    doc_description = t(
        "OUTCOME is a word of the summary or of a report (`explain not found`), a script's or a "
        "command's exit code (`explain 11`), or a reason as report.json names it. Without one: all."
    )
    cmd_options = (JSON_OPTION,)
    name = "explain"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Explain one, or all."""
        word = " ".join(names)
        explained = explaining.find(word) if word else explaining.all_words()
        if not explained:
            raise SetupProblem(Why.NOTHING_TO_EXPLAIN, word=word)
        if options["as_json"]:
            fields = {word: {"means": e.means, "helps": e.helps} for word, e in explained.items()}
            say_json({"explained": fields})
            return 0
        for word, explanation in explained.items():
            say(*explaining.lines(word, explanation))
        return 0
