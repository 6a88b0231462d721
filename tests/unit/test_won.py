"""What a run tells at its end: ready workflows, bytes, failures of one cause, a sign."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from comfyfix.errors import ModelProblem, SourceDown
from comfyfix.outcomes import Came, Outcome
from comfyfix.records import Model, Verdict, because
from comfyfix.screen import grouped, words
from comfyfix.screen.run import won as words_of_won
from comfyfix.screen.run.events import Events
from comfyfix.screen.run.lines import Console
from comfyfix.screen.run.live import Sizes
from comfyfix.screen.words import t
from comfyfix.settings.overrides import LOCK_FILE
from comfyfix.stages.needs.work import Pending, Plan, Planned
from comfyfix.stages.reports.tally import Ending, Tally
from comfyfix.stages.reports.won import Won, won
from comfyfix.why import Why


def model(name: str) -> Model:
    return Model(folder="vae", path=name)


def plan(settled: str, pending: str, **workflows: str) -> Plan:
    """Models of one letter each; workflows by the letters of theirs."""
    models = [
        Planned(model=model(name), number=number, task=name, location=f"/m/{name}", pending=why)
        for number, (name, why) in enumerate(
            [*((n, None) for n in settled), *((n, Pending.ABSENT) for n in pending)], 1
        )
    ]
    keys = {w: tuple(f"vae/{name}" for name in names) for w, names in workflows.items()}
    return Plan(tuple(models), (), keys, ())


def ended(brought: str, failed: str = "", **more: Any) -> Tally:
    tally = Tally(**more)
    for name in brought:
        tally.add(Ending(model(name), came=Came.FETCHED, size=10))
    for name in failed:
        tally.add(Ending(model(name), ModelProblem(Outcome.NOT_FOUND, Why.STOPPED)))
    return tally


PLAN = plan("ab", "cde", old="ab", new="ac", half="cd", other="e")


def test_what_became_ready_is_told_apart_from_what_was() -> None:
    end = won(PLAN, PLAN.workflows, ended("c", "d"), ())
    assert (end.ready, end.new, end.total, end.size) == (("new", "old"), ("new",), 4, 10)
    end = won(PLAN, ["half", "new"], ended("cd"), ())
    assert (end.ready, end.new, end.total, end.size) == (("half", "new"), ("half", "new"), 2, 20)


def test_what_comfyui_refuses_or_a_bad_file_has_is_not_ready() -> None:
    assert won(PLAN, PLAN.workflows, ended("c"), ["new"]).ready == ("old",)
    tally = ended("c")
    bad = Verdict(model="vae/b", filename="b", path="/m/b", status="damaged", reason=None)
    tally.add_verdicts([bad])
    assert won(PLAN, PLAN.workflows, tally, ()).ready == ("new",)
    unreadable: Any = [ModelProblem(Outcome.WORKFLOW, Why.WORKFLOW_UNREADABLE)]
    assert won(PLAN, PLAN.workflows, ended("cde", unreadable=unreadable), ()).total == 5


def test_what_was_linked_brought_no_bytes() -> None:
    tally = ended("c")
    tally.add(Ending(model("d"), came=Came.LINKED, size=500))
    tally.add(Ending(model("e"), came=Came.COPIED, size=7))
    assert won(PLAN, PLAN.workflows, tally, ()).size == 17


def test_its_lines_name_a_few_of_many() -> None:
    new = tuple(f"w{number}.json" for number in range(7))
    told = list(words_of_won.lines(Won(new, new, 9, 2_000), 65, Path("/m")))
    assert told == [
        "",
        f"! {t('{count} of {total} workflows are ready', count=7, total=9)}",
        "  " + t("New: {names} and {more} more", names=tuple(f"w{n}" for n in range(5)), more=2),
        "  " + t("{size:size} in {time}, in {store}", size=2_000, time="1:05", store="/m"),
    ]
    assert list(words_of_won.lines(Won((), (), 0, 5), 1, Path("/m"))) == []


def test_a_lock_file_is_no_workflow() -> None:
    """Where it is all that a run goes by."""
    locked = plan("a", "c", **{LOCK_FILE: "ac"})
    for tally, told in (
        (ended("c"), f"✓ {t('All that the lock file names is there')}"),
        (ended("", "c"), f"! {t('Not all that the lock file names is there')}"),
    ):
        end = won(locked, [LOCK_FILE], tally, ())
        lines = list(words_of_won.lines(end, 1, Path("/m")))
        assert lines[1] == told
        assert not any(LOCK_FILE in line for line in lines)


@pytest.mark.parametrize(
    ("seconds", "told", "rings"),
    [
        (31, "", True),
        (30, "", False),
        (31, "NO_COLOR=1", False),
        (31, "CI=1", False),
        (31, "CI=woodpecker", False),
        (31, "CI=false", True),
        (31, "CI=0", True),
    ],
)
def test_only_the_end_of_a_long_run_rings(
    seconds: float, told: str, rings: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    if told:
        monkeypatch.setenv(*told.split("="))
    monkeypatch.setattr(words_of_won, "on_terminal", lambda: True)
    assert words_of_won.sign(Won((), (), 1, 0), seconds).endswith("\a") is rings
    monkeypatch.setattr(words_of_won, "on_terminal", lambda: False)
    assert words_of_won.sign(Won((), (), 1, 0), seconds) == ""


def test_many_failures_of_one_cause_are_one_line_and_few_are_told_by_name() -> None:
    def down(name: str) -> tuple[Model, ModelProblem]:
        return model(name), SourceDown(Why.SERVICE_UNASKED, host="h", cause=because(Why.STOPPED))

    def nowhere(name: str) -> tuple[Model, ModelProblem]:
        return model(name), ModelProblem(Outcome.NOT_FOUND, Why.NOT_FOUND_LISTED, name=name)

    many = [down(f"d{number:02d}.pt") for number in range(46)]
    told = list(grouped.by_cause([*many, nowhere("x.pt")]))
    names = ("vae/d00.pt", "vae/d01.pt", "vae/d02.pt")
    assert told[0].startswith(f"  {t('{count:models}', count=46)}: ")
    assert told[1] == f"    {t('{names} and {more} more', names=names, more=43)}"
    assert len(told) == 5
    assert told[3].startswith("  vae/x.pt: ")
    assert len(list(grouped.by_cause([down("a.pt"), down("b.pt")]))) == len(told) - 2
    assert len(list(grouped.by_cause([nowhere("a.pt"), nowhere("b.pt")]))) == 4
    four = list(grouped.by_cause([nowhere(f"it's {number}.pt") for number in range(4)]))
    assert len(four) == 3, "only their names tell these apart"
    assert "it's" not in four[0] + four[2]


def test_bytes_that_failed_are_not_to_come_any_more() -> None:
    sizes = Sizes()
    for key, size in {"a": 10, "b": 20, "c": 30}.items():
        sizes.expect(key, size)
    assert (sizes.total, sizes.done, sizes.open) == (60, 0, 3)
    sizes.settled("a", good=True)
    sizes.settled("b", good=False)
    sizes.settled("nobody", good=True)
    assert (sizes.total, sizes.done, sizes.open) == (40, 10, 1)


def test_what_stops_many_models_is_said_once_while_they_run(tmp_path: Path) -> None:
    out = io.StringIO()
    events = Events(Console(tmp_path / "run.log", out), tmp_path)
    for name in ("a.pt", "b.pt", "c.pt"):
        events.failed(model(name), ModelProblem(Outcome.DISK_FULL, Why.NO_ROOM_KEPT))
    told = words.worded(because(Why.NO_ROOM_KEPT))
    assert out.getvalue().count(told.cause) == 1
    assert out.getvalue().count(t("✗ {what}: see above", what=told.what)) == 2
