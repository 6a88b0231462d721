"""What an action makes of a problem, and of what a script says while it runs."""

from __future__ import annotations

import threading
from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from doit.exceptions import TaskFailed

from comfyfix.errors import ModelProblem
from comfyfix.mirrors.handing import Handed, Mirrors
from comfyfix.outcomes import Outcome
from comfyfix.records import Model, Record, because
from comfyfix.script.channel import Message
from comfyfix.settings.mirror import Mirror
from comfyfix.stages.needs.work import Pending, Planned
from comfyfix.stages.search import resolve
from comfyfix.state import ledger
from comfyfix.state.layout import Layout
from comfyfix.tasks.downloads import actions, scripts
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.run.searching import ModelSearch
from comfyfix.why import Why

MODEL = Model(folder="loras", path="harbor.pt")
PLANNED = Planned(
    model=MODEL, number=1, task="harbor", location="/m/loras/harbor.pt", pending=Pending.ABSENT
)

RECORD = Record(
    number=1, model=MODEL, destination="/m/loras/harbor.pt", store="/m", source="url", where="x",
    url="https://x.example/a", size=5, sha256="a" * 64,
)  # fmt: skip


class Heard:
    """Notes each call: its name, and what it was given beside the model."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any, **named: Any) -> None:
            self.calls.append((name, *(each for each in given if each != MODEL), named))

        return call


ended: list[Any] = []


@pytest.fixture
def run(tmp_path: Path) -> Any:
    ended.clear()
    layout = Layout(tmp_path)
    ledger.reserve(layout, [MODEL])
    made: Any = SimpleNamespace(
        project=SimpleNamespace(layout=layout), stopping=False, console=Heard(), events=Heard(),
        tally=SimpleNamespace(add=ended.append),
    )  # fmt: skip
    made.go_on = partial(Run.go_on, made)
    return made


@pytest.mark.parametrize(
    ("said", "told", "phase"),
    [
        ("a line", ("log", "x.sh: a line", {}), None),
        (Message("note", ("it is odd",)), ("noted", "it is odd", {}), None),
        (Message("waiting", ("for another",)), ("waiting", "for another", {}), "waiting"),
        (Message("waited"), None, "downloading"),
        (Message("look", ("/m/x",)), None, None),
    ],
)
def test_what_a_script_says_is_told_on(
    run: Any, said: str | Message, told: tuple[Any, ...] | None, phase: str | None
) -> None:
    scripts._hear(run, PLANNED, "x.sh", 5, Handed(), said)
    path = PLANNED.path if phase == "downloading" else None
    at = ("phase", MODEL.key, MODEL.name, phase, {"size": 5, "path": path})
    heard = [*run.events.calls, *run.console.calls]
    assert heard == [*([told] if told else []), *([at] if phase else [])]


def test_what_a_script_has_brought_is_counted(run: Any) -> None:
    run.brought = Counter()
    for _ in range(2):
        scripts._hear(run, PLANNED, "x.sh", 5, Handed(), Message("brought"))
    assert run.brought == {MODEL.key: 2}
    assert (run.events.calls, run.console.calls) == ([], [])


@pytest.mark.parametrize(
    ("number", "what", "told"),
    [
        ("0", "brought", ("mirrored", "/a", {})),
        ("1", "unreached", ("mirror_unreached", "https://host", {})),
        ("0", "wrong", ("mirror_failed", "/a", {"wrong": True})),
        ("0", "failed", ("mirror_failed", "/a", {"wrong": False})),
        ("0", "anything", None),
        ("2", "brought", None),
    ],
)
def test_what_came_of_a_mirror_is_told(
    run: Any, number: str, what: str, told: tuple[Any, ...] | None
) -> None:
    run.mirrored = {}
    places = (Mirror("/a", "folder"), Mirror("https://host", "address"))
    mirrors = Mirrors(places, lambda *_: None)
    run.mirrors = lambda: mirrors
    for _ in range(2):
        message = Message("mirror", (number, what))
        scripts._hear(run, PLANNED, "x.sh", 5, Handed(("/a", "https://host"), places), message)
    once = what == "unreached"  # until it may be asked again
    assert run.events.calls == ([told] if told else []) * (1 if once else 2)
    assert run.mirrored == ({MODEL.key: "/a"} if told and what == "brought" else {})


def test_nothing_begins_once_all_is_to_end(run: Any) -> None:
    run.go_on()
    run.stopping = True
    with pytest.raises(ModelProblem) as caught:
        run.go_on()
    assert caught.value.reason == because(Why.STOPPED)


def attempts(run: Any) -> list[tuple[str, Any]]:
    known = ledger.load(run.project.layout).models[MODEL.key].attempts
    return [(attempt.outcome, attempt.reason) for attempt in known]


def stage(error: Exception | None) -> Any:
    def action(_: Run, planned: Planned) -> None:
        assert planned is PLANNED
        if error is not None:
            raise error

    return actions._action(action)


def test_a_problem_fails_its_task_and_is_told_and_kept(run: Any) -> None:
    assert stage(None)(run, PLANNED) is None
    problem = ModelProblem(Outcome.GONE, Why.STOPPED)
    failed = stage(problem)(run, PLANNED)
    assert isinstance(failed, TaskFailed)
    assert MODEL.key in failed.get_msg()
    assert attempts(run) == [(Outcome.GONE, problem.reason)]
    assert run.events.calls == [("failed", problem, {})]
    assert run.console.calls == [("settled", MODEL.key, {"good": False})]
    assert [(one.problem, one.searching) for one in ended] == [(problem, False)]


def test_what_the_system_refuses_is_a_problem_too(run: Any) -> None:
    assert isinstance(stage(PermissionError(13, "no", "/m/x"))(run, PLANNED), TaskFailed)
    assert len(ended) == 1
    assert ended[0].problem.outcome is Outcome.UNWRITABLE


def test_what_the_user_has_not_agreed_to_gets_no_room(run: Any, tmp_path: Path) -> None:
    asked: list[Any] = []
    run.room = SimpleNamespace(take=asked.append)  # which is no yes
    run.records = {MODEL.key: RECORD}
    failed = actions.render(run, PLANNED)
    assert isinstance(failed, TaskFailed)
    assert [need.key for need in asked] == [MODEL.key]
    assert ended[0].problem.reason == because(Why.NO_ROOM_KEPT)
    assert list(tmp_path.glob("*.sh")) == []


@pytest.mark.parametrize(("arrived", "told"), [(0, False), (1, True), (4, True), (5, False)])
def test_what_has_arrived_before_is_told(
    run: Any, tmp_path: Path, arrived: int, told: bool
) -> None:
    path = tmp_path / "harbor.pt"
    Path(f"{path}.0123abcd.part").write_bytes(b"x" * arrived)
    record = msgspec.structs.replace(RECORD, destination=str(path))
    scripts._begun(run, PLANNED, "x.sh", record)
    going_on = [call for call in run.events.calls if call[0] == "going_on"]
    assert going_on == ([("going_on", arrived, 5, {})] if told else [])


def test_of_a_stopped_run_nothing_more_is_told(run: Any) -> None:
    run.stopping = True
    failed = stage(ModelProblem(Outcome.GONE, Why.STOPPED))(run, PLANNED)
    assert isinstance(failed, TaskFailed)
    assert (attempts(run), run.events.calls, run.console.calls, ended) == ([], [], [], [])


def test_a_search_that_fails_is_counted_as_one(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ModelProblem(Outcome.NOT_FOUND, Why.STOPPED)

    run.searches = threading.Semaphore(1)
    run.total, run.services = 2, SimpleNamespace
    run.search_of = partial(ModelSearch, run)
    monkeypatch.setattr(resolve, "Search", fails)
    actions.resolve(run, PLANNED)
    assert [one.searching for one in ended] == [True]
    assert run.console.calls[0] == ("processing", MODEL.name, MODEL.key, 2, {})
