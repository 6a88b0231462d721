"""The lines that a run ends with: the summary, what failed and why, and where it was stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from comfyfix.errors import Problem, Unreachable
from comfyfix.outcomes import GATES, Came, Outcome
from comfyfix.records import Model, Reason, Verdict
from comfyfix.screen import words
from comfyfix.screen.grouped import by_cause, first_few, next_step, with_step
from comfyfix.screen.words import fixed, t
from comfyfix.stages.reports.tally import Ending, Tally


def lines(tally: Tally, project: str = "") -> Iterator[str]:
    """Make the final summary; `project` is named where there are several."""
    searches, downloads = tally.failures(searching=True), tally.failures(searching=False)
    cut_off = [e for e in (*searches, *downloads) if isinstance(e.problem, Unreachable)]
    if not (tally.total or tally.endings or tally.bad_verdicts or tally.no_room):
        yield f"{project}: {_nothing(tally)}" if project else _nothing(tally)
        yield from _unreadable(tally)
        return
    yield ""
    yield fixed("INCREMENTAL DOWNLOAD SUMMARY")
    if project:
        yield f"  {t('Project: {name}', name=project)}"
    yield from (f"  {line}" for line in _counts(tally, len(searches), len(downloads)))
    for title, failed in _by_heading([*searches, *downloads]).items():
        yield from ("", title)
        yield from by_cause(failed)
    yield from unreachable([(e.model.key, e.problem.reason) for e in cut_off if e.problem])
    yield from ("", t("Ignored by you:")) if tally.ignored else ()
    for model, task in tally.ignored.items():
        yield f"  {model}: {ignored(task)}"
    if tally.no_room:
        yield from ("", t("Left out, since the disk has no room:"))
        yield f"  {first_few(sorted(tally.no_room))}"
        yield from next_step(t("make room, or set `store:` to another disk, then run `doit` again"))
    yield from _unreadable(tally)
    failed_keys = {ending.model.key for ending in (*searches, *downloads)}
    yield from _not_right([v for v in tally.bad_verdicts if v.model not in failed_keys])


def _by_heading(failed: Sequence[Ending]) -> dict[str, list[tuple[Model, Problem]]]:
    """What failed, below what it has in common; what the user can act on at once is first."""
    headings = {
        access_needed(): GATES,
        t("For you to choose:"): {Outcome.UNCERTAIN},
        t("Not searched everywhere:"): {Outcome.SOURCE_DOWN, Outcome.TOKEN_REFUSED},
    }
    not_found, not_fetched = fixed("Models not found:"), fixed("Download failures:")
    groups: dict[str, list[tuple[Model, Problem]]]
    groups = {title: [] for title in (*headings, not_found, not_fetched)}
    for ending in failed:
        if ending.problem is not None and not isinstance(ending.problem, Unreachable):
            outcome = ending.problem.outcome
            fitting = (title for title, outcomes in headings.items() if outcome in outcomes)
            title = next(fitting, not_found if ending.searching else not_fetched)
            groups[title].append((ending.model, ending.problem))
    return {title: group for title, group in groups.items() if group}


def _unreadable(tally: Tally) -> Iterator[str]:
    """The workflows that can't be read: what they need is not known."""
    yield from ("", t("Workflows that can't be read:")) if tally.unreadable else ()
    for problem in tally.unreadable:
        yield from with_step("  ", problem.reason)


def ignored(task: str) -> str:
    """Say that the user has told doit to ignore a task, and how to take that back."""
    return t("you ignore it; `doit forget {task}` takes that back", task=task)


def _nothing(tally: Tally) -> str:
    if tally.unreadable:
        return t("Nothing to do for the workflows that could be read.")
    if tally.already == 1:
        return t("Nothing to do: the one needed model is present.")
    return t("Nothing to do: the {count} needed models are present.", count=tally.already)


def _counts(tally: Tally, searches: int, downloads: int) -> Iterator[str]:
    done = [ending for ending in tally.endings if ending.problem is None]
    yield fixed("Total models: {count}", count=tally.total)
    came = Counter(ending.came for ending in done)
    yield fixed("Successfully downloaded: {count}", count=came[Came.FETCHED])
    yield from _mirrored(done)
    if came[Came.OTHERS]:
        yield t("Fetched by others meanwhile: {count}", count=came[Came.OTHERS])
    if came[Came.COPIED]:
        size = sum(ending.size for ending in done if ending.came is Came.COPIED)
        line = "Copied from files of yours: {count} ({size:size})"
        yield t(line, count=came[Came.COPIED], size=size)
    if came[Came.THERE]:
        yield t("There already, now verified: {count}", count=came[Came.THERE])
    if came[Came.LINKED]:
        yield t("Linked inside the store: {count}", count=came[Came.LINKED])
    yield fixed("Failed searches: {count}", count=searches)
    if requests := [ending.requests for ending in tally.endings if ending.searching]:
        line = "Requests for what was not found: {count}, at most {most} for one model"
        yield t(line, count=sum(requests), most=max(requests))
    yield fixed("Failed downloads: {count}", count=downloads)
    yield fixed("Download scripts created: {count}", count=tally.scripts)
    closed = sum(not verdict.looked_into for verdict in tally.unverified)
    for line, count in (
        ("Ignored: {count}", len(tally.ignored)),
        ("Not picked: {count}", len(tally.unpicked)),
        ("Left out, the disk has no room: {count}", len(tally.no_room)),
        ("Already present: {count}", tally.already),
        ("Without a published hash (unverified): {count}", len(tally.unverified) - closed),
        ("Of a kind that is not looked into (unverified): {count}", closed),
    ):
        if count:
            yield t(line, count=count)
    counts = Counter(e.licence or t("not told") for e in done if e.licence is not None)
    if counts:
        licences = tuple(f"{licence} ({count})" for licence, count in counts.most_common())
        yield t("Licences of what was downloaded: {licences}", licences=licences)


def _mirrored(done: Sequence[Ending]) -> Iterator[str]:
    if sizes := [ending.size for ending in done if ending.mirror]:
        line = "Of them from a mirror: {count} ({size:size})"
        yield t(line, count=len(sizes), size=sum(sizes))


def unreachable(failed: Sequence[tuple[str, Reason]]) -> Iterator[str]:
    """Tell once why nothing could be asked, and of which models that is so."""
    yield from ("", t("Without a connection:")) if failed else ()
    causes: dict[str, list[str]] = {}
    steps = {words.sentence(reason): words.worded(reason).next_step for _, reason in failed}
    for key, reason in failed:
        causes.setdefault(words.sentence(reason), []).append(key)
    for sentence, keys in causes.items():
        yield f"  {sentence}"
        yield from next_step(steps[sentence])
        yield f"    {first_few(keys)}"


def access_needed() -> str:
    """The heading of what its provider does not give to this user yet."""
    return t("Access needed first:")


def _not_right(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield from ("", t("Files that are not right:")) if verdicts else ()
    for verdict in verdicts:
        yield f"  {verdict.model}: {words.sentence(verdict.reason or verdict.status)}"
        yield from next_step(_after(verdict))


def _after(verdict: Verdict) -> str:
    """What to do about a file that is not right."""
    if verdict.status == "unsafe":
        return t(
            "use a .safetensors file in its place, or set `verify.pickle: allow` if you trust it"
        )
    if verdict.status == "wrong" and not verdict.moved_to:
        return t("move it away, then run `doit` again to fetch the right one")
    return t("run `doit` again to fetch it")


def not_run(failed: str) -> str:
    """Say of a task that what it depends on has failed."""
    return t("not run, since {failed} failed", failed=failed)


def stopped(done: int, left: int, stopped_now: int) -> Iterator[str]:
    """Say how far a run was when it was stopped."""
    yield ""
    yield t(
        "Stopped: {done} done, {left} not finished, {now:downloads} under way stopped.",
        done=done,
        left=left,
        now=stopped_now,
    )
    yield f"  {t('What has arrived is kept. Next: run `doit` again to go on.')}"
