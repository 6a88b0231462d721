"""Files made of rows: whatever was written before, the result is what making all of it gives."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comfyfix.records import to_json
from comfyfix.screen.results import junit, page, sbom, shape, sheet
from comfyfix.stages.reports.results import ModelResult, Report
from comfyfix.state import pieces
from comfyfix.state.pieces import UNTOLD, Form, Past, Rows, Section, mark_of, whole, written
from tests.unit.test_any_report import RESULT, ROOT, reports

ROW = st.sampled_from("abcdefgh") | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
ROWS = st.lists(ROW, max_size=9)
PAST = st.builds(
    Past,
    start=st.integers(-2, 60),
    marks=st.binary(max_size=40) | st.lists(st.just(mark_of("a")), max_size=4).map(b"".join),
    lengths=st.lists(st.integers(-2, 20), max_size=4),
)


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that short lists pass all ways."""
    monkeypatch.setattr(pieces, "AT_ONCE", 3)


def form(*lists: list[str], made: list[str] | None = None) -> Form:
    """A file of lists, which notes the rows that it makes; an empty text can't be told apart."""

    def make(row: str) -> bytes:
        if made is not None:
            made.append(row)
        return f"<{row}>".encode()

    return Form(
        tuple(
            Section(
                str(number),
                f"{number}[".encode(),
                Rows(rows, [mark_of(row) if row else UNTOLD for row in rows]),
                b", ",
                make,
            )
            for number, rows in enumerate(lists)
        ),
        lambda before: b"]%d" % sum(map(len, before)),
    )


ANY = settings(max_examples=300, suppress_health_check=[*HealthCheck])


@given(ROWS, ROWS, ROWS, ROWS)
@ANY
def test_what_was_written_before_makes_no_difference(
    first: list[str], second: list[str], then: list[str], last: list[str]
) -> None:
    old, past = written(form(first, second), b"", {})
    new, again = written(form(then, last), old, past)
    assert new == whole(form(then, last))
    third, _ = written(form(first, second), new, again)
    assert third == old


@given(ROWS, ROWS)
@ANY
def test_only_rows_that_are_new_are_made(first: list[str], then: list[str]) -> None:
    old, past = written(form(first), b"", {})
    made: list[str] = []
    written(form(then, made=made), old, past)
    assert set(made) == {row for row in then if row not in first or not row}


@given(ROWS, st.dictionaries(st.sampled_from(["0", "1"]), PAST), st.binary(max_size=80))
@ANY
def test_what_is_kept_may_say_anything(rows: list[str], past: dict[str, Past], old: bytes) -> None:
    new, again = written(form(rows, rows), old, past)
    known = b"".join(each.marks for each in past.values())
    if not any(row and mark_of(row) in known for row in rows):
        assert new == whole(form(rows, rows))
    assert written(form(rows, rows), new, again)[0] == new


@given(reports(), reports(), RESULT)
@settings(max_examples=15, deadline=None, suppress_health_check=[*HealthCheck])
def test_every_format_is_what_it_would_be_without_an_old_one(
    first: Report, second: Report, more: ModelResult
) -> None:
    mixed = Report(
        models=tuple({m.model.key: m for m in (*first.models, more, *second.models)}.values()),
        workflows=tuple({w.workflow: w for w in (*second.workflows, *first.workflows)}.values()),
    )
    for kind in (shape.form, page.form, junit.form, sbom.form):
        text, past = written(kind(sheet.of(first, ROOT)), b"", {})
        for other in (mixed, second, first):
            text, past = written(kind(sheet.of(other, ROOT)), text, past)
            assert text == whole(kind(sheet.of(other, ROOT))), kind.__module__


@given(reports())
@settings(max_examples=10, deadline=None, suppress_health_check=[*HealthCheck])
def test_report_json_is_what_its_structs_are(report: Report) -> None:
    told = whole(shape.form(sheet.of(report, ROOT)))
    assert told == to_json(shape.shaped(report, ROOT))


@given(reports())
@settings(max_examples=10, deadline=None, suppress_health_check=[*HealthCheck])
def test_the_page_is_made_of_report_json_alone(report: Report) -> None:
    assert whole(page.form(sheet.of(report, ROOT))) == page.page(shape.shaped(report, ROOT))
