"""The lines that a run ends with, line by line."""

from __future__ import annotations

from typing import Any

from comfyfix.errors import ModelProblem, Problem, SourceDown, Unreachable
from comfyfix.outcomes import Came, Outcome
from comfyfix.records import Model, Verdict, because
from comfyfix.screen import words
from comfyfix.screen.run import summary
from comfyfix.screen.words import fixed, t
from comfyfix.stages.reports.tally import Ending, Tally
from comfyfix.why import Why


def model(name: str) -> Model:
    return Model(folder="loras", path=name)


def failed(name: str, *, searching: bool) -> Ending:
    problem = ModelProblem(Outcome.NOT_FOUND, Why.NOT_FOUND_LISTED, name=name)
    return Ending(model(name), problem, searching=searching, requests=7)


def came(name: str, how: Came, **more: Any) -> Ending:
    return Ending(model(name), came=how, **more)


def verdict(name: str, status: Any, **more: Any) -> Verdict:
    return Verdict(model=f"loras/{name}", filename=name, path=f"/m/{name}", status=status, **more)


def lines(tally: Tally) -> list[str]:
    return list(summary.lines(tally))


def told(*endings: Ending, **fields: Any) -> list[str]:
    """The lines of a run with these endings, without those about failures."""
    tally = Tally(total=len(endings), **fields)
    for each in endings:
        tally.add(each)
    found = lines(tally)
    assert found[:2] == ["", fixed("INCREMENTAL DOWNLOAD SUMMARY")]
    counts = found[2:]
    return counts[: counts.index("")] if "" in counts else counts


def test_what_failed_is_told_by_name_each_with_its_next_step() -> None:
    tally = Tally(total=5)
    for name, searching in (("z", True), ("b", False), ("a", True), ("m", True), ("a2", False)):
        tally.add(failed(name, searching=searching))
    found = lines(tally)
    reasons = {n: because(Why.NOT_FOUND_LISTED, name=n) for n in ("a", "m", "z", "a2", "b")}

    def of(name: str) -> list[str]:
        step = words.worded(reasons[name]).next_step
        assert step
        return [f"  loras/{name}: {words.sentence(reasons[name])}", f"    {t('Next:')} {step}"]

    expected = ["", fixed("Models not found:"), *of("a"), *of("m"), *of("z")]
    expected += ["", fixed("Download failures:"), *of("a2"), *of("b")]
    assert found[-len(expected) :] == expected


def test_what_may_yet_be_had_is_not_called_not_found() -> None:
    tally = Tally(total=5)
    problems = {
        "several": ModelProblem(Outcome.UNCERTAIN, Why.NOT_FOUND_LISTED, name="several"),
        "unasked": SourceDown(Why.NOT_FOUND_LISTED, name="unasked"),
        "cut off": Unreachable(Why.NO_WAY),
        "none": ModelProblem(Outcome.NOT_FOUND, Why.NOT_FOUND_LISTED, name="none"),
    }
    for name, problem in problems.items():
        tally.add(Ending(model(name), problem, searching=True))
    found = lines(tally)
    headings = [
        t("For you to choose:"),
        t("Not searched everywhere:"),
        fixed("Models not found:"),
        t("Without a connection:"),
    ]
    places = [found.index(heading) for heading in headings]
    assert places == sorted(places)
    bounds = [*places[1:], len(found)]
    for name, begin, end in zip(
        ("several", "unasked", "none", "cut off"), places, bounds, strict=True
    ):
        below = "\n".join(found[begin:end])
        assert [each for each in problems if f"loras/{each}" in below] == [name]


def test_each_model_is_counted_once() -> None:
    done = [came(str(number), Came.FETCHED, licence="mit") for number in range(3)]
    linked, there = came("l", Came.LINKED), came("f", Came.THERE)
    others = [came(name, Came.OTHERS) for name in ("o", "p")]
    copied = came("c", Came.COPIED, size=7 << 20)
    lost = [failed("x", searching=True), failed("y", searching=False), failed("z", searching=False)]
    assert told(*done, linked, there, *others, copied, *lost, scripts=4, already=9) == [
        f"  {line}"
        for line in (
            fixed("Total models: {count}", count=11),
            fixed("Successfully downloaded: {count}", count=3),
            t("Fetched by others meanwhile: {count}", count=2),
            t("Copied from files of yours: {count} ({size:size})", count=1, size=7 << 20),
            t("There already, now verified: {count}", count=1),
            t("Linked inside the store: {count}", count=1),
            fixed("Failed searches: {count}", count=1),
            t(
                "Requests for what was not found: {count}, at most {most} for one model",
                count=7,
                most=7,
            ),
            fixed("Failed downloads: {count}", count=2),
            fixed("Download scripts created: {count}", count=4),
            t("Already present: {count}", count=9),
            t("Licences of what was downloaded: {licences}", licences=("mit (3)",)),
        )
    ]


def test_what_is_none_is_left_out_but_for_the_lines_that_programs_read() -> None:
    assert told(came("x", Came.LINKED)) == [
        f"  {line}"
        for line in (
            fixed("Total models: {count}", count=1),
            fixed("Successfully downloaded: {count}", count=0),
            t("Linked inside the store: {count}", count=1),
            fixed("Failed searches: {count}", count=0),
            fixed("Failed downloads: {count}", count=0),
            fixed("Download scripts created: {count}", count=0),
        )
    ]


def test_licences_are_told_with_the_most_frequent_first() -> None:
    endings = [
        came(str(i), Came.FETCHED, licence=told) for i, told in enumerate(["a", "", "b", "", ""])
    ]
    licences = (f"{t('not told')} (3)", "a (1)", "b (1)")
    line = t("Licences of what was downloaded: {licences}", licences=licences)
    assert told(*endings)[-1] == f"  {line}"


def test_files_without_a_hash_and_of_a_closed_kind_are_counted_apart() -> None:
    tally = Tally(total=1)
    tally.add(came("x", Came.FETCHED))
    tally.add_verdicts([verdict("a", "unverified"), verdict("b", "ok"), verdict("c", "unverified")])
    hashless = t("Without a published hash (unverified): {count}", count=2)
    closed = t("Of a kind that is not looked into (unverified): {count}", count=1)
    assert f"  {hashless}" in lines(tally)
    assert f"  {closed}" not in lines(tally)
    tally.add_verdicts([verdict("d", "unverified", looked_into=False)])
    assert f"  {hashless}" in lines(tally)
    assert f"  {closed}" in lines(tally)


def test_a_file_that_is_not_right_is_told_once() -> None:
    tally = Tally()
    tally.add(failed("a", searching=False))
    reason = because(Why.PICKLE_REFUSED)
    tally.add_verdicts(
        [verdict("a", "missing"), verdict("u", "unsafe", reason=reason), verdict("d", "damaged")]
    )
    found = lines(tally)
    begin = found.index(t("Files that are not right:"))
    mine = found[begin + 1 :]
    assert [line for line in mine if not line.startswith("   ")] == [
        f"  loras/u: {words.sentence(reason)}",
        "  loras/d: damaged",
    ]
    assert t("run `doit` again to fetch it") in mine[3]
    assert t("run `doit` again to fetch it") not in mine[1]


def test_a_run_with_nothing_to_do_says_so_and_nothing_else() -> None:
    assert lines(Tally(already=1)) == [t("Nothing to do: the one needed model is present.")]
    told = t("Nothing to do: the {count} needed models are present.", count=2)
    assert lines(Tally(already=2)) == [told]
    told = t("Nothing to do for the workflows that could be read.")
    broken = Problem(Outcome.WORKFLOW, Why.WORKFLOW_UNREADABLE, path="w.json", cause="")
    assert lines(Tally(already=1, unreadable=[broken]))[:3] == [
        told, "", t("Workflows that can't be read:"),
    ]  # fmt: skip
    bad = Tally(already=1)
    bad.add_verdicts([verdict("d", "damaged")])
    assert t("Files that are not right:") in lines(bad)
