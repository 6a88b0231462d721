"""How much one model may cost: questions to Qwen, tokens, seconds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from comfyfix.records import Reason, because
from comfyfix.settings.manifest import Qwen
from comfyfix.why import Why

ANSWER_TOKENS = 1500  # a final answer has some 200; some models think first
LEAST_TOKENS = 64  # less than this holds no answer
LOOKED_UP_TOKENS = 2000  # what one more round with a tool adds at most, usually
_LETTERS = 3  # per token, told high: names and JSON have short tokens


class BudgetUsedUp(Exception):
    """No further question may be asked; `reason` is the limit that was met."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason


class Budget:
    """What is left for one model. The clock starts when Qwen's turn comes."""

    def __init__(self, qwen: Qwen, clock: Callable[[], float] = time.monotonic) -> None:
        self._qwen = qwen
        self._clock = clock
        self._until = clock() + qwen.seconds
        self.calls = 0
        self.tokens = 0
        self.room = ANSWER_TOKENS

    def seconds(self) -> float:
        """Seconds left. Raises BudgetUsedUp."""
        left = self._until - self._clock()
        if left <= 0:
            raise BudgetUsedUp(
                because(Why.QWEN_BUDGET_OF_SECONDS, seconds=f"{self._qwen.seconds:g}")
            )
        return left

    def ask(self, messages: list[dict[str, Any]]) -> int:
        """Begin one question; the tokens that its answer may have. Raises BudgetUsedUp."""
        left = self._tokens_left(messages)
        if self.calls >= self._qwen.calls or left < LEAST_TOKENS:
            raise self.end()
        self.calls += 1
        return min(self.room, left)

    def widen(self, messages: list[dict[str, Any]]) -> bool:
        """Give the next answers all the room that is left; False if that is not more."""
        left = self._tokens_left(messages)
        if self.calls >= self._qwen.calls or left <= self.room:
            return False
        self.room = left
        return True

    def end(self) -> BudgetUsedUp:
        """What to raise when no answer came although no further question may be asked."""
        if self.calls >= self._qwen.calls:
            return BudgetUsedUp(because(Why.QWEN_BUDGET_OF_CALLS, calls=self._qwen.calls))
        return BudgetUsedUp(because(Why.QWEN_BUDGET_OF_TOKENS, tokens=self._qwen.tokens))

    def spent(self, tokens: int) -> None:
        """Note what a question and its answer took."""
        self.tokens += tokens

    def is_last(self, messages: list[dict[str, Any]]) -> bool:
        """Tell whether the next question must be the last, so that it brings an answer."""
        another = estimate(messages) + ANSWER_TOKENS + LOOKED_UP_TOKENS
        return self.calls + 1 >= self._qwen.calls or self._tokens_left(messages) < another

    def _tokens_left(self, messages: list[dict[str, Any]]) -> int:
        return self._qwen.tokens - self.tokens - estimate(messages)


def estimate(value: Any) -> int:
    """Tokens of a text or of messages, for endpoints that do not tell."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return len(text) // _LETTERS + 1
