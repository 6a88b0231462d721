"""What is kept of a try that failed, and what the next one is told by it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from comfyfix.errors import ModelProblem, Problem, SetupProblem, Unreachable
from comfyfix.outcomes import Outcome
from comfyfix.records import Attempt, Model, because
from comfyfix.state import ledger
from comfyfix.state.layout import Layout
from comfyfix.tasks.run import tried
from comfyfix.why import Why

MODEL = Model(folder="loras", path="x.safetensors")
PAGE, AGAIN = Why.PAGE_CAME, Why.PAGE_CAME_AGAIN


def planned(*, last: Why | None = None, place: str = "") -> Any:
    reason = because(last, host="h") if last else None
    attempt = Attempt(at="now", outcome=Outcome.WRONG_CONTENT, reason=reason)
    return SimpleNamespace(
        model=MODEL, last=attempt, override=SimpleNamespace(place=place) if place else None
    )


@pytest.fixture
def run(tmp_path: Path) -> Any:
    layout = Layout(tmp_path)
    ledger.reserve(layout, [MODEL])
    services = SimpleNamespace(scrubbed=lambda text: text.replace("secret", "…"))
    return SimpleNamespace(project=SimpleNamespace(layout=layout), services=lambda: services)


@pytest.mark.parametrize(
    ("last", "now", "told"),
    [
        (PAGE, PAGE, AGAIN), (AGAIN, PAGE, AGAIN), (None, PAGE, PAGE),
        (Why.STOPPED, PAGE, PAGE), (PAGE, Why.STOPPED, Why.STOPPED),
    ],
)  # fmt: skip
def test_a_page_that_comes_again_is_told_as_such(last: Why | None, now: Why, told: Why) -> None:
    problem = ModelProblem(Outcome.WRONG_CONTENT, now, host="here")
    seen = tried.seen_before(planned(last=last), problem)
    assert (seen.outcome, seen.reason) == (Outcome.WRONG_CONTENT, because(told, host="here"))


def test_of_a_model_that_was_never_tried_nothing_was_seen() -> None:
    problem = ModelProblem(Outcome.WRONG_CONTENT, PAGE)
    assert tried.seen_before(SimpleNamespace(last=None), problem) is problem  # type: ignore[arg-type]


def asked(problem: ModelProblem) -> ModelProblem:
    problem.asked = ("huggingface",)
    return problem


def test_a_search_is_kept_for_the_place_that_the_user_had_named(run: Any) -> None:
    there = planned(place="https://h/secret")
    there_masked = planned(place="https://h/…")
    tried.note(run, there, asked(ModelProblem(Outcome.NOT_FOUND, Why.STOPPED)))
    assert tried.last_search(run, planned()) is None
    found = tried.last_search(run, there_masked)
    assert found is not None, "it is kept without what is secret"
    assert (found.outcome, found.asked) == (Outcome.NOT_FOUND, ("huggingface",))
    (attempt,) = ledger.load(run.project.layout).models[MODEL.key].attempts
    assert (attempt.outcome, attempt.reason) == (Outcome.NOT_FOUND, because(Why.STOPPED))


@pytest.mark.parametrize(
    "problem",
    [
        ModelProblem(Outcome.NOT_FOUND, Why.STOPPED),
        asked(Unreachable(Why.STOPPED)),
        SetupProblem(Why.STOPPED),
    ],
    ids=["asked nobody", "reached nobody", "none of a model"],
)
def test_what_has_asked_nobody_is_no_search(run: Any, problem: Problem) -> None:
    tried.note(run, planned(), problem)
    assert tried.last_search(run, planned()) is None
    assert len(ledger.load(run.project.layout).models[MODEL.key].attempts) == 1


def test_what_can_t_be_kept_or_read_is_no_failure(run: Any) -> None:
    problem = asked(ModelProblem(Outcome.NOT_FOUND, Why.STOPPED))
    searches = run.project.layout.searches
    searches.parent.mkdir(parents=True, exist_ok=True)
    searches.write_text("in the way")
    tried.note(run, planned(), problem)
    assert tried.last_search(run, planned()) is None
