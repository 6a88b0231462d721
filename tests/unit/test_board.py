"""How a run stands, from what it has told: whatever the lines say, bounded and never a crash."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.dashboard import board as boards
from comfyfix.dashboard.board import Board, Row
from comfyfix.dashboard.chart import BYTES_MAX, STEPS_MAX, Chart
from comfyfix.dashboard.follow import Follow
from comfyfix.screen.pages import states
from comfyfix.state import journal
from comfyfix.state.journal import (
    Arrived,
    Choice,
    Choices,
    Doing,
    Ended,
    Expected,
    Failed,
    Judged,
    Said,
    Settled,
    Verifying,
)
from comfyfix.state.layout import Layout
from tests.told_run import ToldRun, begun
from tests.unit.test_page import flow, model, report

EVENTS = st.one_of([st.from_type(kind) for kind in journal.Line.__args__])


def of(*events: journal.Line, models: int = 12) -> Board:
    board = Board()
    for event in (*begun(models), *events):
        board.take(event)
    return board


def row(board: Board, n: int = 0) -> Row:
    return board.rows[n]


def test_a_model_goes_its_way() -> None:
    board = of(Doing(n=0, phase="searching"))
    assert row(board).state == "searching"
    board.take(Doing(n=0, phase="downloading", size=100, have=10))
    assert (row(board).state, row(board).size, row(board).arrived) == ("downloading", 100, 10)
    board.take(Arrived(bytes={0: 60}))
    assert row(board).arrived == 60
    board.take(Settled(n=0, good=True))
    assert (row(board).state, row(board).arrived) == ("arrived", 100)
    board.take(Verifying(batch=1))
    assert row(board).state == "verifying"
    board.take(Judged(n=0, status="ok"))
    assert row(board).state == "ok"
    assert sum(rate * board.chart.step for rate in board.chart.rates) == 90


def test_a_failure_tells_why_and_what_helps() -> None:
    board = of(Failed(n=1, what="Nobody has it", next="pin it"), Settled(n=1, good=False))
    board.take(Judged(n=1, status="missing", what="no file"))
    assert (row(board, 1).state, row(board, 1).why) == ("failed", "Nobody has it")
    assert row(board, 1).next == "pin it"
    board.take(Judged(n=2, status="damaged", what="cut off"))
    assert (row(board, 2).state, row(board, 2).why) == ("failed", "cut off")


def test_a_failure_has_no_choices_of_the_one_before() -> None:
    found = (Choice(where="maker/x", url="https://x.example/a.safetensors"),)
    board = of(Failed(n=1, what="Several"), Choices(n=1, found=found))
    assert row(board, 1).choices == found
    board.take(Failed(n=1, what="Nobody has it"))
    assert row(board, 1).choices == ()


def test_a_workflow_is_complete_with_its_last_model() -> None:
    board = of(*(Settled(n=n, good=True) for n in range(11)))
    assert board.flows[0].state == "lacks models"
    board.take(Settled(n=11, good=True))
    assert (board.flows[0].state, board.flows[0].there) == ("complete", board.flows[0].needs)
    board.take(Judged(n=3, status="unsafe", what="it runs code"))
    assert board.flows[0].state == "lacks models"


def test_what_was_at_work_when_it_ended_is_not_any_more() -> None:
    board = of(Doing(n=0, phase="downloading"), Ended(at=5.0, code=130, stopped=True))
    assert row(board).state == "open"
    assert (board.head.state, board.head.code) == ("stopped", 130)


def test_only_what_has_changed_is_told() -> None:
    board = of()
    board.changes()
    board.take(Said(n=3, text="x"))
    board.take(Expected(n=4, size=7))
    assert [each.n for each in board.changes()[0]] == [3, 4]
    assert board.changes() == ([], [])


def test_the_report_is_shown_as_it_stands() -> None:
    board = of()
    bad = model(status="failed", model="vae/b.pt", path="b.pt", folder="vae")
    board.reported(report(model(), bad, workflows=(flow("w.json", models=("vae/b.pt",)),)))
    assert {each.name: each.state for each in board.rows.values()} == {
        "a.safetensors": "ok", "b.pt": "failed",
    }  # fmt: skip
    assert [(each.state, each.there) for each in board.flows.values()] == [("lacks models", 0)]


@given(st.lists(EVENTS, max_size=30))
def test_no_events_break_it(events: list[journal.Line]) -> None:
    board = of(*events, models=4)
    assert len(board.rows) <= boards.MODELS_MAX
    for each in board.rows.values():
        assert len(each.name) <= boards.TEXT_MAX + 1
        assert 0 <= each.arrived <= BYTES_MAX
        assert each.state in states()
    again = msgspec.json.decode(msgspec.json.encode(list(board.rows.values())), type=list[Row])
    assert again == list(board.rows.values())


@given(st.lists(EVENTS, max_size=30))
def test_a_workflow_lacks_what_is_not_there_whatever_has_happened(
    events: list[journal.Line],
) -> None:
    board = of(*events, models=4)
    flows = [event for event in (*begun(4), *events) if isinstance(event, journal.Workflow)]
    for number, event in enumerate(flows):
        states = [board.rows[n].state if n in board.rows else "open" for n in {*event.lacks}]
        away = sum(state not in ("arrived", "ok", "unverified") for state in states)
        assert (board.flows[number].state == "complete") == (away == 0)
        assert board.flows[number].there == max(0, board.flows[number].needs - away)


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "MODELS_MAX", 5)
    monkeypatch.setattr(boards, "FLOWS_MAX", 2)
    board = of(models=50)
    assert (len(board.rows), len(board.flows)) == (5, 2)


@given(st.lists(st.tuples(st.floats(), st.integers())))
def test_a_chart_has_room(told: list[tuple[float, int]]) -> None:
    chart = Chart()
    for at, count in told:
        chart.add(at, count)
    assert len(chart.rates) <= STEPS_MAX


def test_a_long_run_has_longer_steps() -> None:
    chart = Chart()
    chart.begin(1000.0)
    for second in range(STEPS_MAX * 4):
        chart.add(1000.0 + second, 8)
    assert chart.step == 4
    assert chart.rates == [8] * STEPS_MAX


def followed(output: Path) -> Follow:
    return Follow(Layout(output))


def test_a_run_is_followed_from_its_begin_to_its_end(tmp_path: Path) -> None:
    with closing(followed(tmp_path)) as follow:
        assert follow.look() is None
        run = ToldRun(tmp_path)
        follow._next_slow = 0.0
        shown = follow.look()
        assert shown is not None
        assert shown.whole
        assert len(shown.models) == 12
        assert follow.head.state == "running"
        run.tell(Said(n=2, text="news"))
        shown = follow.look()
        assert shown is not None
        assert [(each.n, each.said) for each in shown.models] == [(2, "news")]
        run.end(code=1, done=3, failed=9)
        shown = follow.look()
        assert shown is not None
        assert shown.head is not None
        assert (shown.head.state, shown.head.code) == ("ended", 1)


def test_a_run_that_was_killed_is_gone_and_a_newer_one_takes_its_place(tmp_path: Path) -> None:
    with closing(followed(tmp_path)) as follow:
        old = ToldRun(tmp_path, stamp="20260102_030405")
        follow.look()
        os.close(old.journal._handle)
        follow._next_slow = 0.0
        follow.look()
        assert follow.head.state == "gone"
        new = ToldRun(tmp_path, models=3, stamp="20260102_030406")
        follow._next_slow = 0.0
        shown = follow.look()
        assert shown is not None
        assert (len(shown.models), shown.past and shown.past[0].code) == (3, None)
        new.end()


def test_a_line_that_is_not_whole_waits(tmp_path: Path) -> None:
    run = ToldRun(tmp_path)
    path = journal.journals(run.layout)[0]
    with closing(followed(tmp_path)) as follow:
        follow.look()
        line = b'{"event":"said","n":1,"text":"whole"}\n'
        for piece in (line[:10], line[10:]):
            with path.open("ab") as stream:
                stream.write(piece)
            follow.look()
        assert follow.whole().models[1].said == "whole"
    run.end()


@pytest.mark.parametrize("kind", ["fifo", "folder", "link", "binary", "long"])
def test_what_another_has_put_there_is_left(tmp_path: Path, kind: str) -> None:
    run = ToldRun(tmp_path, stamp="20260102_030405")
    path = run.layout.run_events("20270102_030405")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(b"\xff\x00" if kind == "binary" else b"x" * (journal.LINE_MAX * 3))
    with closing(followed(tmp_path)) as follow:
        follow.look()
        assert follow.head.state == ("none" if kind in ("binary", "long") else "running")
    run.end()
