"""What one model may cost: no sequence of questions goes beyond it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.records import because
from comfyfix.settings.manifest import Qwen
from comfyfix.sources.qwen.budget import Budget, BudgetUsedUp, estimate
from comfyfix.why import Why


@given(
    calls=st.integers(1, 20),
    tokens=st.integers(1, 30_000),
    said=st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 9000)), max_size=40),
)
def test_no_question_is_begun_beyond_the_budget(
    calls: int, tokens: int, said: list[tuple[int, int]]
) -> None:
    budget = Budget(Qwen(calls=calls, tokens=tokens))
    for length, spent in said:
        messages = [{"role": "user", "content": "x" * length}]
        left = tokens - budget.tokens
        try:
            most = budget.ask(messages)
        except BudgetUsedUp as end:
            by_calls = because(Why.QWEN_BUDGET_OF_CALLS, calls=calls)
            by_tokens = because(Why.QWEN_BUDGET_OF_TOKENS, tokens=tokens)
            assert end.reason == (by_calls if budget.calls == calls else by_tokens)
        else:
            assert estimate(messages) + most <= left
            budget.spent(spent)
        assert budget.calls <= calls


def test_the_clock_ends_it() -> None:
    now = [100.0]
    budget = Budget(Qwen(seconds=30), lambda: now[0])
    now[0] = 120
    assert budget.seconds() == 10
    now[0] = 130
    with pytest.raises(BudgetUsedUp) as caught:
        budget.seconds()
    assert caught.value.reason == because(Why.QWEN_BUDGET_OF_SECONDS, seconds="30")


def asked(letters: int) -> list[dict[str, str]]:
    """A question that is told to have so many letters."""
    bare = len(json.dumps([{"role": "user", "content": ""}]))
    return [{"role": "user", "content": "x" * (letters - bare)}]


QUESTION = asked(299)
COST = 100  # of the question, in tokens


def test_a_question_costs_a_token_for_each_three_letters_and_one() -> None:
    assert (estimate(""), estimate("ab"), estimate("abc"), estimate("a" * 299)) == (1, 1, 2, 100)
    assert estimate(QUESTION) == COST


@pytest.mark.parametrize(("left", "room"), [(63, None), (64, 64), (1499, 1499), (5000, 1500)])
def test_an_answer_has_the_room_that_is_left_up_to_what_it_needs(
    left: int, room: int | None
) -> None:
    budget = Budget(Qwen(tokens=COST + left + 7))
    budget.spent(7)
    if room is None:
        with pytest.raises(BudgetUsedUp) as caught:
            budget.ask(QUESTION)
        assert caught.value.reason.why == Why.QWEN_BUDGET_OF_TOKENS
    else:
        assert budget.ask(QUESTION) == room
    assert budget.calls == (room is not None)


def test_so_many_questions_and_no_more() -> None:
    budget = Budget(Qwen(calls=2, tokens=30_000))
    budget.ask(QUESTION)
    assert budget.end().reason.why == Why.QWEN_BUDGET_OF_TOKENS
    budget.ask(QUESTION)
    with pytest.raises(BudgetUsedUp) as caught:
        budget.ask(QUESTION)
    assert caught.value.reason == because(Why.QWEN_BUDGET_OF_CALLS, calls=2)
    assert not budget.widen(QUESTION)


@pytest.mark.parametrize(("left", "wider"), [(1499, False), (1500, False), (1501, True)])
def test_the_next_answers_get_all_the_room_if_that_is_more(left: int, wider: bool) -> None:
    budget = Budget(Qwen(tokens=COST + left + 7))
    budget.spent(7)
    assert budget.widen(QUESTION) is wider
    assert budget.room == (left if wider else 1500)
    assert budget.ask(QUESTION) == min(left, budget.room)


@pytest.mark.parametrize(
    ("calls", "tokens", "last"),
    [(1, 30_000, True), (2, 30_000, False), (2, 3700, False), (2, 3699, True)],
)
def test_the_last_question_is_the_one_after_which_there_is_no_room_for_another(
    calls: int, tokens: int, last: bool
) -> None:
    budget = Budget(Qwen(calls=calls, tokens=tokens))
    assert budget.is_last(QUESTION) is last
    budget.spent(27_000)
    assert budget.is_last(QUESTION)


@pytest.mark.parametrize(("now", "left"), [(129.5, 0.5), (130, None), (131, None)])
def test_at_the_end_of_its_seconds_it_is_over(now: float, left: float | None) -> None:
    clock = [100.0]
    budget = Budget(Qwen(seconds=30), lambda: clock[0])
    clock[0] = now
    if left is not None:
        assert budget.seconds() == left
    else:
        with pytest.raises(BudgetUsedUp):
            budget.seconds()
