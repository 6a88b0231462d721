"""The `choose` command: an uncertain model is settled by one of the files that were found."""

from __future__ import annotations

import sys
from typing import Any

from comfyfix.errors import HostRefused, SetupProblem
from comfyfix.outcomes import Outcome
from comfyfix.records import Candidate
from comfyfix.screen import notes, words
from comfyfix.screen.grouped import next_step
from comfyfix.screen.run import choosing
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.stages.needs.work import Planned
from comfyfix.state.searches import Search
from comfyfix.tasks.commands.base import ProjectCommand
from comfyfix.tasks.commands.why import record_or_search
from comfyfix.tasks.face.guard import REFUSED
from comfyfix.tasks.face.inside_doit import variables
from comfyfix.tasks.face.options import option, switch
from comfyfix.tasks.run import pinning
from comfyfix.why import Why

_URL = "--url"


class Choose(ProjectCommand):
    """Choose one of the files that a search has found for an uncertain model."""

    doc_purpose = t("choose one of the files that an uncertain model may be")
    doc_usage = "MODEL"
    doc_description = t(
        "Shows what the last search has found, with numbers, and asks for one of them; it is "
        "written to pins.yaml, as `doit pin` does, once its provider has confirmed that it is "
        "still there. Without a terminal, --number or --url says which."
    )
    cmd_options = (
        option("number", 0, t("take the one of this number")),
        option("url", "", t("take the one of this address")),
        switch("fresh", t("search again first")),
    )
    name = "choose"

    def _parsed(self, in_args: list[str]) -> int:
        # doit takes an address with `=` for a variable: it is what `--url` lacks then.
        lost = [f"{k}={v}" for k, v in variables().items() if pinning.is_address(k)]
        if in_args.count(_URL) == 1 and lost:
            in_args = [f"{_URL}={lost[0]}" if word == _URL else word for word in in_args]
        return super()._parsed(in_args)

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Show the candidates, and pin the one that is chosen."""
        names = [name for name in names if not pinning.is_address(name)]
        if len(names) != 1:
            raise SetupProblem(Why.CHOOSE_NEEDS_MODEL)
        named = pinning.pinnable(self.runs(options), names[0])
        run, item = named
        if not isinstance(item, Planned):
            raise SetupProblem(Why.CHOICE_SETTLED, model=item.model.key, where=item.location)
        if item.record is not None and not options["fresh"]:
            where = item.record.url or item.record.local
            raise SetupProblem(Why.CHOICE_SETTLED, model=item.model.key, where=where)
        _, search = record_or_search(run, item, fresh=options["fresh"])
        candidates = search.candidates if search else ()
        self.answer = choosing.as_data(item.model, search, candidates)
        if search is None:
            say(t("{model} is found, and there is nothing to choose", model=item.model.key))
            return 0
        if not candidates:
            _tell_none(item, search)
            return 1
        chosen = _named_by(options, candidates) or _asked(item, search, names[0])
        if chosen is None:
            return 1
        try:
            pinning.pin(named, chosen.url, chosen)
        except HostRefused as problem:
            notes.refusal(problem)
            return REFUSED
        self.answer = {**self.answer, "chosen": chosen.url}
        return 0


def _named_by(options: dict[str, Any], candidates: tuple[Candidate, ...]) -> Candidate | None:
    """The one that the options name. Raises SetupProblem where they name none of them."""
    number: int = options["number"]
    url: str = options["url"]
    if number and not 1 <= number <= len(candidates):
        raise SetupProblem(Why.CHOICE_NUMBER, number=number, count=len(candidates))
    if number:
        return candidates[number - 1]
    there = [candidate for candidate in candidates if url in (candidate.url, candidate.page)]
    if url and len(there) != 1:
        raise SetupProblem(Why.CHOICE_ADDRESS, address=url)
    return there[0] if url else None


def _asked(item: Planned, search: Search, name: str) -> Candidate | None:
    """Show the candidates, and ask on a terminal."""
    say(*choosing.lines(item.model, search))
    if sys.stdin.isatty() and sys.stdout.isatty():
        say("")
        number = choosing.ask_number(len(search.candidates))
        return search.candidates[number - 1] if number else None
    say("", choosing.how_to_choose(name))
    return None


def _tell_none(item: Planned, search: Search) -> None:
    reason = words.worded(search.reason)
    say(choosing.none_to_choose(item.model, search), f"  {search.outcome}: {reason.what}")
    say(*next_step(reason.next_step))
    if search.outcome == Outcome.NOT_FOUND:
        say(*choosing.by_hand(item.model))
