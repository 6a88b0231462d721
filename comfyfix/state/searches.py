"""The last search of each model that found nothing that counts: for `why` and `choose` to tell.

It is no answer for a run, which searches anew. Losing it costs a search.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from comfyfix.disk import json_file
from comfyfix.disk.files import write_atomic
from comfyfix.errors import ModelProblem
from comfyfix.records import Candidate, Model, Reason, Rejected
from comfyfix.state.layout import Layout

CANDIDATES_MAX = 24
REJECTED_MAX = 120
FILES_MAX = 100
"""Of one candidate that is a directory or a set."""
BYTES_MAX = 1_000_000


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """How one search ended: `asked` are the sources, `rejected` what they said that did not count.

    `candidates` are the files that providers confirmed, of which none could be taken for the one
    meant. `place` is the address that the user had named then, empty for none.
    """

    version: Literal[1] = 1
    model: str
    at: str
    outcome: str
    reason: Reason
    place: str = ""
    asked: tuple[str, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    candidates: tuple[Candidate, ...] = ()


def ended(model: Model, problem: ModelProblem, place: str = "") -> Search:
    """Return a search as it ended just now."""
    return Search(
        model=model.key,
        at=json_file.now(),
        outcome=problem.outcome,
        reason=problem.reason,
        place=place,
        asked=problem.asked,
        rejected=problem.rejected[:REJECTED_MAX],
        candidates=each_once(problem.candidates),
    )


def each_once(found: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """One candidate of each address, those that most people use first."""
    first: dict[str, Candidate] = {}
    for candidate in sorted(found, key=lambda c: (-c.popularity, c.where, c.url)):
        if candidate.url:
            few = msgspec.structs.replace(candidate, files=candidate.files[:FILES_MAX])
            first.setdefault(candidate.url, few)
    return tuple(first.values())[:CANDIDATES_MAX]


def keep(layout: Layout, model: Model, search: Search, scrubbed: Callable[[str], str]) -> None:
    """Keep a search, without secrets; one that tells too much is kept without what was rejected.

    Raises OSError.
    """
    for shorter in (search, msgspec.structs.replace(search, rejected=()), _bare(search)):
        data = scrubbed(msgspec.json.encode(shorter).decode()).encode()
        if len(data) <= BYTES_MAX:
            write_atomic(layout.search(model), data)
            return


def _bare(search: Search) -> Search:
    return msgspec.structs.replace(search, rejected=(), candidates=())


def last(layout: Layout, model: Model, place: str = "") -> Search | None:
    """The last search of a model; None where none is known, or the user has said otherwise since.

    Raises OSError.
    """
    found = json_file.cached(layout.search(model), Search)
    return found if found and (found.model, found.place) == (model.key, place) else None
