"""The `choose` command: an uncertain model is settled by one of the files that were found."""

from __future__ import annotations

import sys
from typing import Any

from comfyfix.errors import HostRefused, ModelProblem, SetupProblem
from comfyfix.outcomes import Outcome
from comfyfix.records import Candidate
from comfyfix.screen import notes, words
from comfyfix.screen.grouped import next_step
from comfyfix.screen.run import choosing
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.stages.needs.work import Planned
from comfyfix.state import searches
from comfyfix.state.searches import Search
from comfyfix.tasks.commands.base import Ours
from comfyfix.tasks.face.guard import REFUSED
from comfyfix.tasks.face.inside_doit import variables
from comfyfix.tasks.face.options import option, switch
from comfyfix.tasks.run import pinning, tried
from comfyfix.tasks.run.names import Named
from comfyfix.why import Why

_URL = "--url"


class Choose(Ours):
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
        named = pinning.only_one(self.runs(options), names[0])
        run, item = named
        if not isinstance(item, Planned):
            raise SetupProblem(Why.CHOICE_SETTLED, model=item.model.key, where=item.location)
        if item.record is not None and not options["fresh"]:
            where = item.record.url or item.record.local
            raise SetupProblem(Why.CHOICE_SETTLED, model=item.model.key, where=where)
        search = None if options["fresh"] else tried.last_search(run, item)
        search = search or _searched(named, item)
        found = search.candidates if search else ()
        self.told = choosing.as_data(item.model, search, found)
        if search is None:
            say(t("{model} is found, and there is nothing to choose", model=item.model.key))
            return 0
        if not found:
            _tell_none(item, search)
            return 1
        chosen = _told_which(found, options) or _asked(item, search, names[0])
        if chosen is None:
            return 1
        try:
            pinning.settle(named, chosen.url, chosen)
        except HostRefused as problem:
            notes.refusal(problem)
            return REFUSED
        self.told = {**self.told, "chosen": chosen.url}
        return 0


def _searched(named: Named, item: Planned) -> Search | None:
    """Search now; None where the right file is found."""
    notes.searching(item.model.name)
    try:
        if item.problem is not None:
            raise item.problem
        tried.search(named.run, item)
    except ModelProblem as problem:
        return searches.ended(item.model, problem)
    return None


def _told_which(found: tuple[Candidate, ...], options: dict[str, Any]) -> Candidate | None:
    """The one that the options name. Raises SetupProblem where they name none of them."""
    number: int = options["number"]
    url: str = options["url"]
    if number and not 1 <= number <= len(found):
        raise SetupProblem(Why.CHOICE_NUMBER, number=number, count=len(found))
    if number:
        return found[number - 1]
    same = [one for one in found if url in (one.url, one.page)]
    if url and len(same) != 1:
        raise SetupProblem(Why.CHOICE_ADDRESS, address=url)
    return same[0] if url else None


def _asked(item: Planned, search: Search, name: str) -> Candidate | None:
    """Show the candidates, and ask on a terminal."""
    say(*choosing.lines(item.model, search))
    if sys.stdin.isatty() and sys.stdout.isatty():
        say("")
        number = choosing.asked(len(search.candidates))
        return search.candidates[number - 1] if number else None
    say("", choosing.how(name))
    return None


def _tell_none(item: Planned, search: Search) -> None:
    told = words.told(search.reason)
    say(choosing.none_to_choose(item.model, search), f"  {search.outcome}: {told.what}")
    say(*next_step(told.next_step))
    if search.outcome == Outcome.NOT_FOUND:
        say(*choosing.by_hand(item.model))
