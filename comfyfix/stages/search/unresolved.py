"""How a search ends without a file: the problem, with what the user needs to act on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from comfyfix.errors import HostRefused, ModelProblem
from comfyfix.outcomes import Outcome
from comfyfix.records import Candidate, Reason, Rejected, because
from comfyfix.settings.overrides import Pin
from comfyfix.sources import store
from comfyfix.sources.base import Doubtful, Wanted
from comfyfix.stages.needs.work import Planned
from comfyfix.why import Why

SHOWN = 6
_BY_HAND = (Why.PAGE_IN_BETWEEN, Why.ARCHIVE_IN_BETWEEN)


def several(wanted: Wanted, candidates: Sequence[Candidate], source: str = "") -> ModelProblem:
    """Different contents bear the name, in one source or in several; choosing would be guessing."""
    why = Why.SEVERAL_IN_SOURCE if source else Why.SEVERAL_CONTENTS
    name, places = wanted.model.name, _places(candidates[:SHOWN])
    return ModelProblem(Outcome.UNCERTAIN, why, name=name, source=source, places=places)


def one_of_several(candidate: Candidate) -> Rejected:
    """One of these contents, for `doit why`."""
    if candidate.files:
        count = len(candidate.files)
        reason = because(Why.ONE_OF_SEVERAL_FOLDERS, count=count, size=candidate.size)
    else:
        why = Why.ONE_OF_SEVERAL if candidate.sha256 else Why.ONE_OF_SEVERAL_UNHASHED
        reason = because(why, size=candidate.size, sha256=(candidate.sha256 or "")[:12])
    where = f"{candidate.where}: {candidate.url}" if candidate.url else candidate.where
    return Rejected(source=candidate.source, where=where, reason=reason)


def doubted(wanted: Wanted, doubtful: Sequence[Doubtful]) -> ModelProblem:
    """Only candidates were found for which too little speaks."""
    return ModelProblem(
        Outcome.UNCERTAIN,
        Why.UNSURE,
        name=wanted.model.name,
        places=_places(doubt.candidate for doubt in doubtful),
        reason=doubtful[0].reason,
        url=doubtful[0].candidate.url,
    )


def users_place_fails(planned: Planned, rejected: Sequence[Rejected]) -> ModelProblem:
    """The place that the user names does not have the file."""
    name, reasons = planned.model.name, _reasons(rejected)
    if by_hand := _by_hand(name, planned.location, rejected):
        return by_hand
    pin = planned.override
    if isinstance(pin, Pin):
        pinned = {"file": pin.file, "line": pin.line, "model": planned.model.key}
        return ModelProblem(Outcome.NOT_FOUND, Why.PIN_FAILS, name=name, reasons=reasons, **pinned)
    return ModelProblem(Outcome.NOT_FOUND, Why.USERS_PLACE_FAILS, name=name, reasons=reasons)


def not_found(wanted: Wanted, rejected: Sequence[Rejected]) -> ModelProblem:
    """Every source was asked, and none has the file, or only one whose host is refused."""
    name = wanted.model.name
    for miss in rejected:
        if miss.reason.why == Why.HOST_NOT_LISTED:
            host = miss.reason.told["host"]
            return HostRefused(Why.ONLY_PLACE_REFUSED, name=name, place=miss.where, host=host)
    if by_hand := _by_hand(name, wanted.destination, rejected):
        return by_hand
    if reasons := _reasons(miss for miss in rejected if miss.where and miss.source != store.NAME):
        return ModelProblem(Outcome.NOT_FOUND, Why.NOT_FOUND, name=name, reasons=reasons)
    return ModelProblem(Outcome.NOT_FOUND, Why.NOT_FOUND_LISTED, name=name)


def _by_hand(name: str, path: str, rejected: Iterable[Rejected]) -> ModelProblem | None:
    """What is known lies behind pages for people: a browser gets it, and no rule of ours helps."""
    pages = [miss.where for miss in rejected if miss.reason.why in _BY_HAND]
    if not pages:
        return None
    shown = pages[:SHOWN]
    return ModelProblem(Outcome.NOT_FOUND, Why.ONLY_BY_HAND, name=name, path=path, places=shown)


def _places(candidates: Iterable[Candidate]) -> list[str | Reason]:
    # Each once: the workflow may tell what is found by its name, too. Reasons have no hash.
    places: list[str | Reason] = []
    for candidate in candidates:
        place = _place(candidate)
        if place not in places:
            places.append(place)
    return places


def _place(candidate: Candidate) -> str | Reason:
    if candidate.files:
        count, size = len(candidate.files), candidate.size
        return because(Why.PLACE_OF_FILES, where=candidate.where, count=count, size=size)
    if candidate.sha256:
        return f"{candidate.where} ({candidate.sha256[:8]})"
    return candidate.where


def _reasons(rejected: Iterable[Rejected]) -> list[Reason]:
    reasons: list[Reason] = []
    for miss in rejected:
        reason = because(Why.AT_PLACE, place=miss.where, reason=miss.reason)
        if reason not in reasons:
            reasons.append(reason)
    return reasons[:SHOWN]
