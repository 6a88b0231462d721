"""How a search ends without a file: the problem in words, with what the user can do."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from comfyfix.disk.files import human_size, printable
from comfyfix.errors import HostRefused, NotFound, SearchFailed, Uncertain
from comfyfix.records import Candidate, Rejected
from comfyfix.sources.base import Doubtful, Wanted
from comfyfix.stages.work import Planned

SHOWN = 6


def several(wanted: Wanted, held: Sequence[Candidate], where: str) -> Uncertain:
    """Different contents bear the name; choosing would be guessing."""
    places = ", ".join(f"{c.where} ({(c.sha256 or '')[:8]})" for c in held[:SHOWN])
    name = shlex.quote(wanted.model.name)
    return Uncertain(
        f"Several different files are called {wanted.model.name}",
        cause=f"found {where}: {places}",
        next_step=f"compare them with `doit why {name}`, then say which: `doit pin {name} URL`",
    )


def one_of_several(candidate: Candidate) -> Rejected:
    """One of these contents, for `doit why`."""
    content = f"{human_size(candidate.size)}, sha256 {(candidate.sha256 or 'unknown')[:12]}"
    return Rejected(
        source=candidate.source,
        where=f"{candidate.where}: {candidate.url}" if candidate.url else candidate.where,
        reason=f"one of several contents of this name: {content}",
    )


def doubted(wanted: Wanted, doubtful: Sequence[Doubtful]) -> SearchFailed:
    """Only candidates were found for which too little speaks."""
    told = "; ".join(f"{d.candidate.where} ({(d.candidate.sha256 or '')[:8]})" for d in doubtful)
    first = doubtful[0]
    pin = f"doit pin {shlex.quote(wanted.model.name)} {shlex.quote(first.candidate.url)}"
    return Uncertain(
        f"It is not sure that the file found is the {wanted.model.name} that is meant",
        cause=printable(f"found {told}: {first.reason}", 400),
        next_step=f"if it is: `{pin}`",
    )


def users_place_fails(planned: Planned, rejected: Sequence[Rejected]) -> SearchFailed:
    """The place that the user names does not have the file."""
    told = "; ".join(f"{printable(r.where)}: {r.reason}" for r in rejected)
    return NotFound(
        f"The place that manifest.yaml gives for {planned.model.name} does not have it",
        cause=printable(told, 400),
        next_step=f"mend models: in manifest.yaml, key {planned.model.name}",
    )


def not_found(wanted: Wanted, rejected: Sequence[Rejected]) -> SearchFailed:
    """Every source was asked, and none has the file, or only one whose host is refused."""
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
