"""What one run has itself done, for who asks for its object; `report.json` tells how all stands."""

from __future__ import annotations

import msgspec

from comfyfix.outcomes import Came
from comfyfix.stages.reports.tally import Tally


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """The models that one run was about, by what became of them: their names, sorted."""

    fetched: tuple[str, ...]
    fetched_by_others: tuple[str, ...]
    copied: tuple[str, ...]
    linked: tuple[str, ...]
    there_before: tuple[str, ...]
    failed: tuple[str, ...]


def ended(tally: Tally) -> Ended:
    """Sort the ends of one run; what came and was found to be wrong has failed."""
    bad = {verdict.model for verdict in tally.bad_verdicts}
    named: dict[Came | None, set[str]] = {None: bad}
    for ending in tally.endings:
        key = ending.model.key
        came = ending.came if ending.problem is None and key not in bad else None
        named.setdefault(came, set()).add(key)

    def of(came: Came | None) -> tuple[str, ...]:
        return tuple(sorted(named.get(came, ())))

    return Ended(
        fetched=of(Came.FETCHED),
        fetched_by_others=of(Came.OTHERS),
        copied=of(Came.COPIED),
        linked=of(Came.LINKED),
        there_before=of(Came.THERE),
        failed=of(None),
    )
