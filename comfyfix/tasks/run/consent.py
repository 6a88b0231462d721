"""Consent: the user is asked while searches that cost nothing go on, and may pick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from comfyfix.disk.room import disk_of
from comfyfix.screen.run import preview, question
from comfyfix.screen.run.preview import Answer
from comfyfix.screen.run.prompt import Prompt
from comfyfix.screen.run.question import Standing
from comfyfix.screen.text import room, say
from comfyfix.stages.needs.work import Planned
from comfyfix.stages.plan.fitting import Room, Space, fitting, room_for, space_of
from comfyfix.stages.plan.picking import Offer, picked
from comfyfix.tasks.face import inside_doit
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.run.searching import BackgroundSearches


def agreed(run: Run) -> bool:
    """Ask, and leave out of the run what the user does not want, or there is no room for."""
    ignored = inside_doit.ignored(run.project.layout.doit_db)
    pending = [p for p in run.pending if run.task("download", p.task) not in ignored]
    if not pending:
        return True
    costs = run.project.manifest.search.before_consent == "all"
    searches = BackgroundSearches([run.search_of(planned) for planned in pending], costs=costs)
    searches.begin(run.project.manifest.search.parallel)
    try:
        return _Asking(run, pending, searches).agreed()
    finally:
        searches.halt()


@dataclass
class _Asking:
    """One conversation; `picked` are the models that it is about by now."""

    run: Run
    pending: Sequence[Planned]
    searches: BackgroundSearches

    def __post_init__(self) -> None:
        self.picked = tuple(self.pending)
        self._spaces: dict[str, Space] = {}

    def agreed(self) -> bool:
        store = self.run.project.folders.store
        say(*question.heading(len(self.pending), store, self.run.prefix))
        prompt = Prompt(lambda: question.lines(self.standing()))
        while True:
            answer = prompt.ask(question.KEYS)
            match "n" if answer is None else answer.lower():
                case "y" | "yes":
                    self._settle()
                    return True
                case "n" | "no":
                    if answer is None:
                        say("")
                    say(question.declined())
                    return False
                case "v" | "view":
                    self._view()
                case "p" | "pick":
                    self._pick()

    def answers(self) -> list[Answer]:
        """What is known of the models that it is about."""
        keys = {planned.model.key for planned in self.picked}
        return [a for a in self.searches.answers() if a.planned.model.key in keys]

    def standing(self) -> Standing:
        """How things stand now."""
        answers = self.answers()
        spaces = self._spaces_of(answers)
        bytes_left = self._room()
        fits = fitting(spaces, bytes_left)
        folders = {planned.path.parent for planned in self.picked}
        free = dict(disk for folder in folders if (disk := disk_of(folder)))
        return Standing(
            answers=answers,
            size=sum(space.size for space in spaces),
            free=tuple(free.values()),
            room=sum(bytes_left.values()),
            fitting=len(fits),
            fitting_size=sum(space.size for space in spaces if space.key in fits),
            searching=self.searches.under_way(),
            resting=sum(a.unsettled and self.run.search_of(a.planned).rests for a in answers),
        )

    def _room(self) -> dict[int, int]:
        reserve = self.run.project.manifest.download.reserve_bytes
        return room_for({planned.path.parent for planned in self.picked}, reserve)

    def _spaces_of(self, answers: Sequence[Answer]) -> list[Space]:
        """What was found still takes; the disk is looked at once for each."""
        for answer in answers:
            key = answer.planned.model.key
            if answer.record is not None and key not in self._spaces:
                self._spaces[key] = space_of(answer.planned, answer.record)
        return [self._spaces[a.planned.model.key] for a in answers if a.record is not None]

    def _view(self) -> None:
        run, store = self.run, self.run.project.folders.store
        reserve = run.project.manifest.download.reserve_bytes
        view = preview.preview(self.answers(), store, reserve, run.group("download"))
        say(*preview.table(view, store, room()))

    def _pick(self) -> None:
        offer = Offer.of(self.pending)
        sizes = {space.key: space.size for space in self._spaces_of(self.searches.answers())}
        say(*question.offer(offer, sizes, room() or 1))
        answer = Prompt(list).ask(question.how_to_pick())
        if not answer:
            return
        meant = picked(answer, offer)
        say(*question.understood(meant, sizes))
        if meant.models:
            self.picked = meant.models
            self.searches.prefer({planned.model.key for planned in meant.models})

    def _settle(self) -> None:
        """Tell the run what is left out, and how much room there is for what is found later."""
        answers = self.answers()
        spaces, room_left = self._spaces_of(answers), Room(self._room())
        fits = fitting(spaces, room_left.bytes)
        for space in spaces:
            if space.key in fits:
                room_left.take(space)
        picked_keys = {planned.model.key for planned in self.picked}
        self.run.leave_unpicked(
            frozenset(p.model.key for p in self.pending) - picked_keys,
            no_room=frozenset(space.key for space in spaces) - fits,
        )
        self.run.room = room_left
