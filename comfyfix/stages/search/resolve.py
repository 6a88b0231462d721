"""Resolve: ask the sources in trust order until one names a file that counts.

What counts is said in `judge`. Of several different contents none counts: that is uncertain.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import msgspec

from comfyfix.endings import is_pickle
from comfyfix.errors import ModelProblem, NameRefused, RegionBlocked, SourceDown
from comfyfix.outcomes import Outcome
from comfyfix.records import Candidate, Record, Rejected, because
from comfyfix.settings.overrides import Locked
from comfyfix.sources import LAST, chosen, costs, directories, huggingface, sets, store, workflow
from comfyfix.sources.base import Blocked, Doubtful, Services, Source, Wanted
from comfyfix.sources.trust.judge import judge
from comfyfix.stages.lock import locked
from comfyfix.stages.needs.work import Planned
from comfyfix.stages.search import demand, lent
from comfyfix.stages.search.unresolved import (
    doubted,
    not_found,
    one_of_several,
    several,
    users_place_fails,
)
from comfyfix.why import Why


def resolve(planned: Planned, services: Services) -> Record:
    """Find the one right file of a model.

    Raises ModelProblem with the sources that were asked and what they said.
    """
    return Search(planned, services).finish()


Steps = Generator[Source, None, Candidate]
"""Yields each source that costs something before it is asked, and returns what was found."""


class Search:
    """The search of one model, which may rest before a source whose questions cost something."""

    def __init__(self, planned: Planned, services: Services) -> None:
        self._planned, self._services = planned, services
        self._wanted = demand.of(planned, services.manifest)
        self._asked: dict[str, None] = {}  # sources by name, in the order of asking
        self._rejected: list[Rejected] = []
        self._seen: list[Candidate] = []
        self._blocked: list[Blocked] = []
        self._doubtful: list[Doubtful] = []
        self._regional: list[RegionBlocked] = []
        self._down: list[SourceDown] = []
        self._steps = self._find()

    def finish(self) -> Record:
        """Ask all that are left. Raises ModelProblem, as `resolve` does."""
        while (record := self.go_on()) is None:
            pass
        return record

    def go_on(self) -> Record | None:
        """Ask until the file is found; None where the next source costs something.

        That source is asked when this is called again. Raises ModelProblem, as `resolve` does.
        """
        try:
            next(self._steps)
        except StopIteration as end:
            return _record(self._planned, end.value, self._rejected, self._services)
        except ModelProblem as problem:
            problem.asked = tuple(self._asked)
            problem.rejected = tuple(self._rejected)
            problem.candidates = tuple(self._seen)
            raise
        return None

    @property
    def obstacle(self) -> ModelProblem | None:
        """What keeps the user from the file that was found, as far as has been asked."""
        return self._blocked[0].problem if self._blocked else None

    def _find(self) -> Steps:
        name = self._planned.model.name
        if self._services.manifest.verify.pickle == "refuse" and is_pickle(name):
            raise NameRefused(Why.PICKLE_NAME_REFUSED, name=name)
        if isinstance(self._planned.override, Locked):
            self._asked[locked.SOURCE] = None
            return _of_lock(self._planned, self._planned.override, self._wanted, self._services)
        wanted = self._wanted
        try:
            return (yield from self._ask_in_turn())
        except ModelProblem:
            if wanted.is_whole:
                raise
            lender = lent.stand_in(wanted, self._blocked, self._rejected, self._services)
            if lender is None:
                raise
            return msgspec.structs.replace(lender, renamed=lender.name != wanted.model.name)

    def _ask_in_turn(self) -> Steps:
        """Ask one source after the other; the first file that counts."""
        by_user = bool(self._planned.override and self._planned.override.names_a_place)
        # Where the user has said which file is meant, no other source may answer for it.
        for source in (workflow,) if by_user else self._sources():
            if source is LAST and self._needs_no_last():
                continue
            if costs(source, self._services.manifest):
                yield source
            self._asked[source.NAME] = None
            winner = self._answer_of(source)
            if winner is not None:
                _require_no_rival(winner, self._wanted, self._doubtful)
                if self._wanted.model.shards:
                    return sets.completed(winner, self._wanted, self._services)
                return _prefer_store(winner, self._wanted, self._services)
            if self._blocked:
                # The file that is meant is known, and locked away: only its equal may stand for it.
                self._wanted = replace(self._wanted, sha256=_meant(self._blocked[0], self._wanted))
        for obstacle in (*(b.problem for b in self._blocked), *self._regional, *self._down):
            raise obstacle  # the first that a user can do something about
        if by_user:
            raise users_place_fails(self._planned, self._rejected)
        if self._doubtful:
            raise doubted(self._wanted, self._doubtful)
        return _last_resort(self._wanted, self._rejected, self._services)

    def _sources(self) -> list[Source]:
        """Whom to ask. What lies here is linked file by file, never as a directory or a set."""
        names = self._services.manifest.search.sources
        if self._wanted.is_directory:
            return [source for source in chosen(names) if source in (workflow, huggingface)]
        sources = [s for s in chosen(names) if s is not store or not self._wanted.is_whole]
        return [*sources, *([LAST] if LAST.NAME in names else [])]

    def _needs_no_last(self) -> bool:
        """Tell whether the last question would find nothing better, or gets no answer."""
        whys = [r.reason.why for r in self._rejected if r.source == LAST.NAME]
        return Why.NOT_ASKED in whys or bool(self._blocked or self._regional or self._doubtful)

    def _answer_of(self, source: Source) -> Candidate | None:
        """What one source has that counts; nothing where it could not be asked."""
        try:
            return self._ask(source)
        except SourceDown as problem:
            reason = because(Why.NOT_ASKED, problem=problem.reason)
            self._services.log_search(self._wanted, source.NAME, self._wanted.model.name, reason)
            self._rejected.append(Rejected(source=source.NAME, where="", reason=reason))
            self._down.append(problem)
            if source.DECISIVE and source is not store:
                # The workflow says which file it means. While that can't be asked, a file of
                # the same name from elsewhere may be another one.
                raise
        except RegionBlocked as problem:
            self._rejected.append(Rejected(source=source.NAME, where="", reason=problem.reason))
            self._regional.append(problem)
        return None

    def _ask(self, source: Source) -> Candidate | None:
        wanted = replace(self._wanted, seen=tuple(self._rejected), doubted=tuple(self._doubtful))
        counting: list[Candidate] = []
        replaced: list[Candidate] = []
        for finding in source.find(wanted, self._services):
            judged = judge(finding, wanted, source, self._services)
            if isinstance(judged, Rejected):
                self._rejected.append(judged)
                continue
            candidate = judged if isinstance(judged, Candidate) else judged.candidate
            self._seen.append(candidate)
            if isinstance(judged, Blocked):
                judged.problem.behind = candidate
                self._blocked.append(judged)
            elif isinstance(judged, Doubtful):
                self._doubtful.append(judged)
                where = f"{candidate.where}: {candidate.url}"
                self._rejected.append(
                    Rejected(source=source.NAME, where=where, reason=judged.reason)
                )
            elif source.DECISIVE and wanted.likely and candidate.sha256 not in wanted.likely:
                replaced.append(candidate)
            elif source.DECISIVE:
                return candidate
            else:
                counting.append(candidate)
        if replaced:
            # The author's own address, with other bytes than the author had: replaced by its
            # publisher. Another of the workflow's addresses with the old bytes would have won.
            return msgspec.structs.replace(replaced[0], note=because(Why.REPLACED_SINCE))
        blocked = [b.candidate for b in self._blocked if b.candidate.source == source.NAME]
        if counting and len({candidate.content for candidate in (*counting, *blocked)}) > 1:
            self._rejected += map(one_of_several, (*counting, *blocked))
            raise several(wanted, [*counting, *blocked], source.NAME)
        # Mirrors of one content: the open one first, then the one that most people use.
        counting.sort(key=lambda c: (c.gated, -c.popularity, c.where))
        return counting[0] if counting else None


def _of_lock(planned: Planned, entry: Locked, wanted: Wanted, services: Services) -> Candidate:
    """What the lock file says of a model: then no source is asked. Raises HostRefused."""
    candidate = locked.candidate(entry, planned.model.name, services.manifest)
    if bool(candidate.files) != planned.is_whole:
        raise ModelProblem(Outcome.WRONG_CONTENT, Why.LOCK_OF_ANOTHER_KIND, model=planned.model.key)
    if bad := directories.refused(candidate.files, services):
        raise NameRefused(Why.LOCK_FILES_REFUSED, model=planned.model.key, cause=bad)
    candidate = _prefer_store(candidate, wanted, services)
    if candidate.url or candidate.local:
        return candidate
    if not (services.mirrored and candidate.sha256):
        raise locked.no_address(planned.model, entry)
    return msgspec.structs.replace(candidate, where=f"sha256 {candidate.sha256[:12]}")


def _require_no_rival(winner: Candidate, wanted: Wanted, doubtful: list[Doubtful]) -> None:
    """Raise Uncertain where an earlier source knows another content of the name, if unsurely."""
    rivals = [d.candidate for d in doubtful if d.candidate.content != winner.content]
    if rivals and not wanted.likely:
        raise several(wanted, [winner, *rivals])


def _meant(blocked: Blocked, wanted: Wanted) -> str:
    """The sha256 of a locked file, by its provider or by the workflow; raises what locks it."""
    hashes = {blocked.candidate.sha256} if blocked.candidate.sha256 else wanted.likely
    if len(hashes) != 1:
        raise blocked.problem
    return next(iter(hashes))


def _prefer_store(candidate: Candidate, wanted: Wanted, services: Services) -> Candidate:
    """Link what is on disk already instead of fetching it again."""
    if candidate.local or not (candidate.size and candidate.sha256):
        return candidate
    if store.NAME not in services.manifest.search.sources:
        return candidate
    return store.same_content(wanted, candidate.size, candidate.sha256, services) or candidate


def _last_resort(wanted: Wanted, rejected: list[Rejected], services: Services) -> Candidate:
    free = wanted.sha256 is None and not wanted.strict
    if store.NAME in services.manifest.search.sources and free and not wanted.is_whole:
        local = store.same_name(wanted, services)
        if local is not None:
            return local
    raise not_found(wanted, rejected)


def _record(
    planned: Planned, winner: Candidate, rejected: list[Rejected], services: Services
) -> Record:
    fields = msgspec.structs.asdict(winner)
    if not winner.files:
        fields["sha256"] = winner.sha256 or demand.vouched_sha256(planned, services.manifest)
    return Record(
        **fields,
        number=planned.number,
        model=planned.model,
        destination=str(planned.path),
        store=str(services.folders.store),
        asked=demand.place(planned),
        rejected=tuple(rejected),
    )
