"""Resolve: ask the sources in trust order until one names a file that counts.

What counts is said in `judge`. Of several different contents none counts: that is uncertain.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace

import msgspec

from comfyfix.endings import is_pickle
from comfyfix.errors import ModelProblem, NameRefused, RegionBlocked, SourceDown
from comfyfix.outcomes import Outcome
from comfyfix.records import Candidate, Reason, Record, Rejected, because
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


class Search:
    """The search of one model, which may rest before a source whose questions cost something."""

    def __init__(self, planned: Planned, services: Services) -> None:
        self._planned, self._services = planned, services
        self._ladder = _Ladder(planned, services, demand.of(planned, services.manifest))
        self._way = self._found()

    def finish(self) -> Record:
        """Ask all that are left. Raises ModelProblem, as `resolve` does."""
        while True:
            record = self.go_on()
            if record is not None:
                return record

    def go_on(self) -> Record | None:
        """Ask until the file is found; None where the next source costs something.

        That source is asked when this is called again. Raises ModelProblem, as `resolve` does.
        """
        try:
            next(self._way)
        except StopIteration as end:
            return _record(self._planned, end.value, self._ladder.rejected, self._services)
        except ModelProblem as problem:
            problem.asked = tuple(self._ladder.asked)
            problem.rejected = tuple(self._ladder.rejected)
            problem.candidates = tuple(self._ladder.seen)
            raise
        return None

    @property
    def obstacle(self) -> ModelProblem | None:
        """What keeps the user from the file that was found, as far as has been asked."""
        return self._ladder.stuck[0].problem if self._ladder.stuck else None

    def _found(self) -> Way:
        _refuse_pickle(self._planned, self._services)
        return _locked(self._ladder) or (yield from self._ladder.climb())


Way = Generator[Source, None, Candidate]
"""Yields each source that costs something before it is asked, and returns what was found."""


def _locked(ladder: _Ladder) -> Candidate | None:
    """What the lock file says of a model: then no source is asked. Raises HostRefused."""
    planned, services = ladder.planned, ladder.services
    if not isinstance(planned.override, Locked):
        return None
    ladder.asked.append(locked.SOURCE)
    found = locked.candidate(planned.override, planned.model.name, services.manifest)
    if bool(found.files) != planned.is_whole:
        raise ModelProblem(Outcome.WRONG_CONTENT, Why.LOCK_OF_ANOTHER_KIND, model=planned.model.key)
    if bad := directories.refused(found.files, services):
        raise NameRefused(Why.LOCK_FILES_REFUSED, model=planned.model.key, cause=bad)
    found = _prefer_store(ladder.wanted, found, services)
    if found.url or found.local:
        return found
    if not (services.mirrored and found.sha256):
        raise locked.no_address(planned.model, planned.override)
    return msgspec.structs.replace(found, where=f"sha256 {found.sha256[:12]}")


@dataclass(slots=True)
class _Ladder:
    """The sources of one model, and what those below have said."""

    planned: Planned
    services: Services
    wanted: Wanted
    asked: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    seen: list[Candidate] = field(default_factory=list)
    stuck: list[Blocked] = field(default_factory=list)
    doubtful: list[Doubtful] = field(default_factory=list)
    regional: list[RegionBlocked] = field(default_factory=list)
    down: list[SourceDown] = field(default_factory=list)

    def climb(self) -> Way:
        """Ask one source after the other; the first file that counts."""
        wanted = self.wanted
        try:
            return (yield from self._climbed())
        except ModelProblem:
            if wanted.is_whole:
                raise
            found = lent.stand_in(wanted, self.stuck, self.rejected, self.services)
            if found is None:
                raise
            return msgspec.structs.replace(found, renamed=found.name != wanted.model.name)

    def _climbed(self) -> Way:
        by_user = bool(self.planned.override and self.planned.override.names_a_place)
        # Where the user has said which file is meant, no other source may answer for it.
        for source in (workflow,) if by_user else self._sources():
            if source is LAST and self._needs_no_last():
                continue
            if costs(source, self.services.manifest):
                yield source
            self.asked += [source.NAME] if source.NAME not in self.asked else []
            good = self._rung(source)
            if good is not None:
                _require_no_rival(good, self.wanted, self.doubtful)
                if self.wanted.model.shards:
                    return sets.completed(good, self.wanted, self.services)
                return _prefer_store(self.wanted, good, self.services)
            if self.stuck:
                # The file that is meant is known, and locked away: only its equal may stand for it.
                self.wanted = replace(self.wanted, sha256=_meant(self.stuck[0], self.wanted))
        for obstacle in (*(b.problem for b in self.stuck), *self.regional, *self.down):
            raise obstacle  # the first that a user can do something about
        if by_user:
            raise users_place_fails(self.planned, self.rejected)
        if self.doubtful:
            raise doubted(self.wanted, self.doubtful)
        return _last_resort(self.wanted, self.rejected, self.services)

    def _sources(self) -> list[Source]:
        """Whom to ask. What lies here is linked file by file, never as a directory or a set."""
        every = chosen(self.services.manifest.search.sources)
        if self.wanted.is_directory:
            return [source for source in every if source in (workflow, huggingface)]
        kept = [source for source in every if source is not store or not self.wanted.is_whole]
        return [*kept, *([LAST] if LAST.NAME in self.services.manifest.search.sources else [])]

    def _needs_no_last(self) -> bool:
        """Tell whether the last question would find nothing better, or gets no answer."""
        reasons = [r.reason for r in self.rejected if r.source == LAST.NAME]
        silent = any(isinstance(r, Reason) and r.why == Why.NOT_ASKED for r in reasons)
        return silent or bool(self.stuck or self.regional or self.doubtful)

    def _rung(self, source: Source) -> Candidate | None:
        """What one source has that counts; nothing where it could not be asked."""
        try:
            return self._ask(source)
        except SourceDown as problem:
            reason = because(Why.NOT_ASKED, problem=problem.reason)
            self.services.log_search(self.wanted, source.NAME, self.wanted.model.name, reason)
            self.rejected.append(Rejected(source=source.NAME, where="", reason=reason))
            self.down.append(problem)
            if source.DECISIVE and source is not store:
                # The workflow says which file it means. While that can't be asked, a file of
                # the same name from elsewhere may be another one.
                raise
        except RegionBlocked as problem:
            self.rejected.append(Rejected(source=source.NAME, where="", reason=problem.reason))
            self.regional.append(problem)
        return None

    def _ask(self, source: Source) -> Candidate | None:
        wanted = replace(self.wanted, seen=tuple(self.rejected), doubted=tuple(self.doubtful))
        counting: list[Candidate] = []
        changed: list[Candidate] = []
        for finding in source.find(wanted, self.services):
            judged = judge(finding, wanted, source, self.services)
            if not isinstance(judged, Rejected):
                self.seen.append(judged if isinstance(judged, Candidate) else judged.candidate)
            if isinstance(judged, Rejected):
                self.rejected.append(judged)
            elif isinstance(judged, Blocked):
                judged.problem.behind = judged.candidate
                self.stuck.append(judged)
            elif isinstance(judged, Doubtful):
                self.doubtful.append(judged)
                where = f"{judged.candidate.where}: {judged.candidate.url}"
                self.rejected.append(
                    Rejected(source=source.NAME, where=where, reason=judged.reason)
                )
            elif source.DECISIVE and wanted.likely and judged.sha256 not in wanted.likely:
                changed.append(judged)
            elif source.DECISIVE:
                return judged
            else:
                counting.append(judged)
        if changed:
            # The author's own address, with other bytes than the author had: replaced by its
            # publisher. Another of the workflow's addresses with the old bytes would have won.
            return msgspec.structs.replace(changed[0], note=because(Why.REPLACED_SINCE))
        held = [*counting, *(b.candidate for b in self.stuck if b.candidate.source == source.NAME)]
        if counting and len({candidate.content for candidate in held}) > 1:
            self.rejected += map(one_of_several, held)
            raise several(wanted, held, source.NAME)
        # Mirrors of one content: the open one first, then the one that most people use.
        counting.sort(key=lambda c: (c.gated, -c.popularity, c.where))
        return counting[0] if counting else None


def _require_no_rival(good: Candidate, wanted: Wanted, doubtful: list[Doubtful]) -> None:
    """Raise Uncertain where an earlier source knows another content of the name, if unsurely."""
    rivals = [d.candidate for d in doubtful if d.candidate.content != good.content]
    if rivals and not wanted.likely:
        raise several(wanted, [good, *rivals])


def _meant(blocked: Blocked, wanted: Wanted) -> str:
    """The sha256 of a locked file, by its provider or by the workflow; raises what locks it."""
    known = {blocked.candidate.sha256} if blocked.candidate.sha256 else wanted.likely
    if len(known) != 1:
        raise blocked.problem
    return next(iter(known))


def _refuse_pickle(planned: Planned, services: Services) -> None:
    if services.manifest.verify.pickle == "refuse" and is_pickle(planned.model.name):
        raise NameRefused(Why.PICKLE_NAME_REFUSED, name=planned.model.name)


def _prefer_store(wanted: Wanted, found: Candidate, services: Services) -> Candidate:
    """Link what is on disk already instead of fetching it again."""
    if found.local or not (found.size and found.sha256):
        return found
    if store.NAME not in services.manifest.search.sources:
        return found
    local = store.same_content(wanted, found.size, found.sha256, services)
    return local or found


def _last_resort(wanted: Wanted, rejected: list[Rejected], services: Services) -> Candidate:
    free = wanted.sha256 is None and not wanted.strict
    if store.NAME in services.manifest.search.sources and free and not wanted.is_whole:
        local = store.same_name(wanted, services)
        if local is not None:
            return local
    raise not_found(wanted, rejected)


def _record(
    planned: Planned, found: Candidate, rejected: list[Rejected], services: Services
) -> Record:
    told = msgspec.structs.asdict(found)
    if not found.files:
        told["sha256"] = found.sha256 or demand.sha256_told(planned, services.manifest)
    return Record(
        **told,
        number=planned.number,
        model=planned.model,
        destination=str(planned.path),
        store=str(services.folders.store),
        asked=demand.place(planned),
        rejected=tuple(rejected),
    )
