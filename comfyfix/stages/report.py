"""Report: what became of each model, and the summary that a run ends with."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from comfyfix.errors import Problem
from comfyfix.records import Model, Verdict

NEXT = "run doit again to fetch it"
NEXT_IF_UNSAFE = "use a .safetensors file in its place, or set verify.pickle: allow if you trust it"


@dataclass(frozen=True, slots=True)
class Ending:
    """How one model ended in this run; `problem` is None for a success.

    `linked`: from elsewhere in the store; `found`: it lay in its place already. `licence` of what
    was downloaded, empty where its provider tells none.
    """

    model: Model
    problem: Problem | None = None
    searching: bool = False
    linked: bool = False
    found: bool = False
    licence: str | None = None


@dataclass(slots=True)
class Tally:
    """What happened in one run; safe to fill from several threads."""

    total: int = 0
    already: int = 0
    scripts: int = 0
    unreadable: int = 0
    outcomes: list[Ending] = field(default_factory=list)
    bad_verdicts: list[Verdict] = field(default_factory=list)
    unverified: list[Verdict] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, outcome: Ending) -> None:
        """Note how one model ended."""
        with self._lock:
            self.outcomes.append(outcome)

    def add_script(self) -> None:
        """Note that a script was written or found right."""
        with self._lock:
            self.scripts += 1

    def add_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Note what verification said, and which files have no published hash."""
        with self._lock:
            self.bad_verdicts += [v for v in verdicts if not v.good]
            self.unverified += [v for v in verdicts if v.status == "unverified"]

    def failures(self, *, searching: bool) -> list[Ending]:
        """The failed searches, or the failed downloads."""
        return sorted(
            (o for o in self.outcomes if o.problem is not None and o.searching is searching),
            key=lambda o: o.model.key,
        )


def summary(tally: Tally) -> list[str]:
    """Return the lines of the final summary."""
    searches, downloads = tally.failures(searching=True), tally.failures(searching=False)
    done = [o for o in tally.outcomes if o.problem is None]
    linked, found = sum(o.linked for o in done), sum(o.found for o in done)
    if not tally.total and not tally.outcomes and not tally.bad_verdicts:
        if tally.unreadable:
            return ["Nothing to do for the workflows that could be read."]
        return [f"Nothing to do: {_models(tally.already, 'needed model')} present."]
    lines = [
        "",
        "INCREMENTAL DOWNLOAD SUMMARY",
        f"  Total models: {tally.total}",
        f"  Successfully downloaded: {len(done) - linked - found}",
    ]
    if found:
        lines.append(f"  There already, now verified: {found}")
    if linked:
        lines.append(f"  Linked inside the store: {linked}")
    lines += [
        f"  Failed searches: {len(searches)}",
        f"  Failed downloads: {len(downloads)}",
        f"  Download scripts created: {tally.scripts}",
    ]
    if tally.already:
        lines.append(f"  Already present: {tally.already}")
    if tally.unverified:
        lines += _unverified(tally.unverified)
    licences = Counter(o.licence or "not told" for o in done if o.licence is not None)
    if licences:
        told = (f"{licence} ({count})" for licence, count in licences.most_common())
        lines.append(f"  Licences of what was downloaded: {', '.join(told)}")
    lines += _section("Models not found:", searches)
    lines += _section("Download failures:", downloads)
    failed = {o.model.key for o in (*searches, *downloads)}
    bad = [v for v in tally.bad_verdicts if v.model not in failed]
    if bad:
        lines += ["", "Files that are not right:"]
        for verdict in bad:
            lines.append(f"  {verdict.model}: {verdict.reason}")
            lines.append(f"    Next: {NEXT_IF_UNSAFE if verdict.status == 'unsafe' else NEXT}")
    return lines


def _unverified(verdicts: Sequence[Verdict]) -> list[str]:
    """Count the files of which not all is known, by what is missing."""
    closed = sum(not v.looked_into for v in verdicts)
    lines = []
    if len(verdicts) > closed:
        lines.append(f"  Without a published hash (unverified): {len(verdicts) - closed}")
    if closed:
        lines.append(f"  Of a kind that is not looked into (unverified): {closed}")
    return lines


def _models(count: int, word: str) -> str:
    return f"the {count} {word}s are" if count != 1 else f"the one {word} is"


def _section(title: str, outcomes: Sequence[Ending]) -> list[str]:
    if not outcomes:
        return []
    lines = ["", title]
    for outcome in outcomes:
        lines += problem_lines(outcome.model.key, outcome.problem)
    return lines


def problem_lines(key: str, problem: Problem | None) -> list[str]:
    """Return one failed model: what, why, and the next step, on lines of their own."""
    if problem is None:
        return []
    what = problem.what if not problem.cause else f"{problem.what}: {problem.cause}"
    lines = [f"  {key}: {what}"]
    if problem.next_step:
        lines.append(f"    Next: {problem.next_step}")
    return lines
