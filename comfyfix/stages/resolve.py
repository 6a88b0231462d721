"""Resolve: ask the sources in trust order until one names a file that counts.

A candidate counts when its provider has confirmed existence, size and sha256 and its name is
exactly the wanted one. The workflow's own URL may bear another name, and may lack a hash; the
file is `unverified` then. Of several different contents none counts: that is uncertain.
"""

from __future__ import annotations

import shlex
from dataclasses import replace

import msgspec

from comfyfix.errors import (
    HostRefused,
    ModelProblem,
    NameRefused,
    NotFound,
    RegionBlocked,
    SearchFailed,
    SourceDown,
    Uncertain,
)
from comfyfix.files import human_size, is_pickle, printable
from comfyfix.records import Candidate, Record, Rejected
from comfyfix.sources import chosen, store, workflow
from comfyfix.sources.base import Blocked, Doubtful, Finding, Services, Source, Wanted
from comfyfix.stages.planned import Planned

TITLES_SHOWN = 6
FLAGGED = ("unsafe", "malicious", "infected")
"""Words of a provider's scanner that refuse a file, unless `verify.pickle` is `allow`."""

UNSCANNED = ("queued", "unscanned", "pending", "scanning", "error")


def resolve(planned: Planned, services: Services) -> Record:
    """Find the one right file of a model.

    Raises NotFound, Uncertain, SourceDown, HostRefused, TokenNeeded or LicenceNeeded, each with
    the sources that were asked and what they said.
    """
    rejected: list[Rejected] = []
    asked: list[str] = []
    try:
        return _climb(planned, services, rejected, asked)
    except ModelProblem as problem:
        problem.asked, problem.rejected = tuple(asked), tuple(rejected)
        raise


def _climb(
    planned: Planned, services: Services, rejected: list[Rejected], asked: list[str]
) -> Record:
    wanted = Wanted(
        model=planned.model,
        references=planned.references,
        hints=planned.hints,
        override=planned.override,
        sha256=_expected_hash(planned),
        neighbours=planned.neighbours,
        destination=str(planned.path),
    )
    _refuse_pickle(planned, services)
    down: list[SourceDown] = []
    stuck: list[Blocked] = []
    regional: list[RegionBlocked] = []
    doubtful: list[Doubtful] = []
    by_user = bool(planned.override and planned.override.names_a_place)
    # Where the user has said which file is meant, no other source may answer for it.
    ladder = (workflow,) if by_user else chosen(services.manifest.search.sources)
    for source in ladder:
        asked.append(source.NAME)
        try:
            asking = replace(wanted, seen=tuple(rejected), doubted=tuple(doubtful))
            good = _ask(source, asking, services, rejected, stuck, doubtful)
        except SourceDown as problem:
            services.log_search(wanted, source.NAME, wanted.model.name, f"not asked: {problem}")
            rejected.append(Rejected(source=source.NAME, where="-", reason=f"not asked: {problem}"))
            down.append(problem)
            if source.DECISIVE and source is not store:
                # The workflow says which file it means. While that can't be asked, a file of
                # the same name from elsewhere may be another one.
                raise
            continue
        except RegionBlocked as problem:
            rejected.append(Rejected(source=source.NAME, where="-", reason=problem.what))
            regional.append(problem)
            continue
        if good is not None:
            return _record(planned, _prefer_store(wanted, good, services), rejected, services)
        if stuck:
            # The file that is meant is known, and locked away: only its equal may stand for it.
            if stuck[0].candidate.sha256 is None:
                raise stuck[0].problem
            wanted = replace(wanted, sha256=stuck[0].candidate.sha256)
    for obstacle in (*(b.problem for b in stuck), *regional, *down):
        raise obstacle  # the first that a user can do something about
    if by_user:
        raise _users_place_fails(planned, rejected)
    if doubtful:
        raise _doubted(wanted, doubtful)
    return _record(planned, _last_resort(wanted, rejected, services), rejected, services)


def _refuse_pickle(planned: Planned, services: Services) -> None:
    if services.manifest.verify.pickle == "refuse" and is_pickle(planned.model.name):
        raise NameRefused(
            f"{planned.model.name} is a pickle file, and these are refused",
            cause="verify.pickle is `refuse`",
            next_step="use a .safetensors file in the workflow, or set verify.pickle: scan",
        )


def still_wanted(record: Record, planned: Planned) -> bool:
    """Tell whether a record may be used again: same place, and the user has not decided anew."""
    override = planned.override
    if record.destination != planned.location or record.asked != _asked(planned):
        return False
    return not (override and override.digest) or override.digest == record.sha256


def _asked(planned: Planned) -> str:
    """The place that the user has named for a model, as one address."""
    return workflow.address(planned.override) if planned.override else ""


def _expected_hash(planned: Planned) -> str | None:
    if planned.override and planned.override.digest:
        return planned.override.digest
    if planned.receipt and planned.receipt.verified and planned.record is None:
        return planned.receipt.sha256  # only the record was lost; the file is known to be right
    return None


def _ask(
    source: Source,
    wanted: Wanted,
    services: Services,
    rejected: list[Rejected],
    stuck: list[Blocked],
    doubtful: list[Doubtful],
) -> Candidate | None:
    counting: list[Candidate] = []
    changed: list[Candidate] = []
    for finding in source.find(wanted, services):
        judged = _judge(finding, wanted, source, services)
        if isinstance(judged, Rejected):
            rejected.append(judged)
        elif isinstance(judged, Blocked):
            stuck.append(judged)
        elif isinstance(judged, Doubtful):
            doubtful.append(judged)
            where = f"{judged.candidate.where}: {judged.candidate.url}"
            rejected.append(Rejected(source=source.NAME, where=where, reason=judged.reason))
        elif source.DECISIVE and wanted.likely and judged.sha256 not in wanted.likely:
            changed.append(judged)
        elif source.DECISIVE:
            return judged
        else:
            counting.append(judged)
    if changed:
        # The author's own address, with other bytes than the author had: replaced by its
        # publisher. Another of the workflow's addresses with the old bytes would have won.
        note = "its sha256 is not the one that the workflow tells: it was replaced since"
        return msgspec.structs.replace(changed[0], note=note)
    held = [*counting, *(b.candidate for b in stuck if b.candidate.source == source.NAME)]
    if counting and len({candidate.sha256 for candidate in held}) > 1:
        places = ", ".join(f"{c.where} ({(c.sha256 or '')[:8]})" for c in held[:TITLES_SHOWN])
        name = shlex.quote(wanted.model.name)
        rejected += [_one_of_several(candidate) for candidate in held]
        raise Uncertain(
            f"Several different files are called {wanted.model.name}",
            cause=f"found {source.TITLE}: {places}",
            next_step=f"compare them with `doit why {name}`, then say which: `doit pin {name} URL`",
        )
    # Mirrors of one content: the open one first, then the one that most people use.
    counting.sort(key=lambda c: (c.gated, -c.popularity, c.where))
    return counting[0] if counting else None


def _one_of_several(candidate: Candidate) -> Rejected:
    content = f"{human_size(candidate.size)}, sha256 {(candidate.sha256 or 'unknown')[:12]}"
    return Rejected(
        source=candidate.source,
        where=f"{candidate.where}: {candidate.url}" if candidate.url else candidate.where,
        reason=f"one of several contents of this name: {content}",
    )


def _judge(finding: Finding, wanted: Wanted, source: Source, services: Services) -> Finding:
    if isinstance(finding, Blocked):
        # What would not count if it could be had is no reason to ask for a token.
        reason = _mismatch(finding.candidate, wanted, source)
        where = finding.candidate.where
        return Rejected(source=source.NAME, where=where, reason=reason) if reason else finding
    if not isinstance(finding, Candidate):
        return finding
    reason = _mismatch(finding, wanted, source)
    if finding.scan in FLAGGED and services.manifest.verify.pickle != "allow":
        reason = f"the provider's own scan says that it is {finding.scan}"
    elif not finding.size:
        reason = "the provider does not say how large it is"
    elif finding.sha256 is None and not source.DECISIVE:
        reason = "the provider publishes no sha256"
    if reason:
        return Rejected(source=finding.source, where=finding.where, reason=reason)
    if finding.scan not in ("", "safe", *UNSCANNED):
        note = f"the provider's own scan says {printable(finding.scan)} of it"
        finding = msgspec.structs.replace(finding, note=note)
    renamed = finding.renamed or finding.name != wanted.model.name
    return msgspec.structs.replace(finding, renamed=renamed)


def _mismatch(found: Candidate, wanted: Wanted, source: Source) -> str:
    """Why a candidate is not the wanted file, by its hash and its name; empty if it may be."""
    if wanted.sha256 and found.sha256 and found.sha256 != wanted.sha256:
        return "its sha256 is not the one that is wanted"
    if wanted.likely and found.sha256 and not source.DECISIVE and found.sha256 not in wanted.likely:
        # A publisher may replace a file at the author's own address; a namesake elsewhere is
        # another file.
        return "its sha256 is not the one that the workflow tells"
    if found.name != wanted.model.name and not source.DECISIVE and not wanted.likely:
        return f"its name is {printable(found.name)}"
    return ""


def _prefer_store(wanted: Wanted, found: Candidate, services: Services) -> Candidate:
    """Link what is on disk already instead of fetching it again."""
    if found.local or not (found.size and found.sha256):
        return found
    if store.NAME not in services.manifest.search.sources:
        return found
    local = store.same_content(wanted, found.size, found.sha256, services)
    return local or found


def _last_resort(wanted: Wanted, rejected: list[Rejected], services: Services) -> Candidate:
    if store.NAME in services.manifest.search.sources and wanted.sha256 is None:
        local = store.same_name(wanted, services)
        if local is not None:
            return local
    raise _not_found(wanted, rejected)


def _doubted(wanted: Wanted, doubtful: list[Doubtful]) -> SearchFailed:
    told = "; ".join(f"{d.candidate.where} ({(d.candidate.sha256 or '')[:8]})" for d in doubtful)
    first = doubtful[0]
    return Uncertain(
        f"It is not sure that the file found is the {wanted.model.name} that is meant",
        cause=printable(f"found {told}: {first.reason}", 400),
        next_step=f"if it is: `doit pin {shlex.quote(wanted.model.name)} {first.candidate.url}`",
    )


def _users_place_fails(planned: Planned, rejected: list[Rejected]) -> SearchFailed:
    told = "; ".join(f"{printable(r.where)}: {r.reason}" for r in rejected)
    return NotFound(
        f"The place that manifest.yaml gives for {planned.model.name} does not have it",
        cause=printable(told, 400),
        next_step=f"mend models: in manifest.yaml, key {planned.model.name}",
    )


def _not_found(wanted: Wanted, rejected: list[Rejected]) -> SearchFailed:
    refusals = [r for r in rejected if "allow_hosts" in r.reason]
    if refusals:
        return HostRefused(
            f"The only place known for {wanted.model.name} is refused",
            cause=printable(refusals[0].where),
            next_step=refusals[0].reason.partition("; ")[2],
        )
    told = "; ".join(
        f"{r.where}: {r.reason}" for r in rejected if r.source not in ("store",) and r.where != "-"
    )
    return NotFound(
        f"No source has {wanted.model.name}",
        cause=printable(told, 400) if told else "no repository that was searched lists it",
        next_step=f"give its address: `doit pin {shlex.quote(wanted.model.name)} URL`",
    )


def _record(
    planned: Planned, found: Candidate, rejected: list[Rejected], services: Services
) -> Record:
    sha256 = found.sha256 or (planned.override.digest if planned.override else None)
    return Record(
        number=planned.number,
        model=planned.model,
        destination=str(planned.path),
        store=str(services.folders.store),
        source=found.source,
        where=found.where,
        name=found.name,
        asked=_asked(planned),
        url=found.url,
        local=found.local,
        size=found.size,
        size_exact=found.size_exact,
        sha256=sha256,
        renamed=found.renamed,
        gated=found.gated,
        publisher=found.publisher,
        licence=found.licence,
        base_model=found.base_model,
        evidence=found.evidence,
        note=found.note,
        rejected=tuple(rejected),
    )
