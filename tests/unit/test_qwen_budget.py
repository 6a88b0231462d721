"""What one model may cost: no sequence of questions goes beyond it."""

from __future__ import annotations

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
