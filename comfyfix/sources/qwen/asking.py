"""One question to the endpoint within the budget, asked again where its answer was cut off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from comfyfix.errors import SourceDown
from comfyfix.net.chat.answers import Said
from comfyfix.net.chat.endpoint import Chat
from comfyfix.sources.qwen.budget import Budget, estimate
from comfyfix.sources.qwen.transcript import Transcript
from comfyfix.why import Why

Messages = list[dict[str, Any]]


def opening(system: str, question: str) -> Messages:
    """What a conversation begins with."""
    return [{"role": "system", "content": system}, {"role": "user", "content": question}]


class Asking:
    """Questions of one conversation. `answers` tells whether a text holds the answer wanted."""

    def __init__(
        self, chat: Chat, budget: Budget, transcript: Transcript, answers: Callable[[str], bool]
    ) -> None:
        self.chat = chat
        self.budget = budget
        self._transcript = transcript
        self._answers = answers

    def ask(self, messages: Messages, tools: list[dict[str, Any]]) -> Said:
        """Ask. Models that think first may need all that is left, which they get when an answer
        was cut off. Raises BudgetUsedUp, SourceDown, ToolsRefused.
        """
        said = self._once(messages, tools)
        if self._lacks_its_end(said) and self.budget.widen(messages):
            self._transcript.note("the answer is cut off", "asked again, with more room")
            said = self._once(messages, tools)
        if self._lacks_its_end(said):
            raise SourceDown(Why.CHAT_CUT, host=self.chat.host, tokens=self.budget.room)
        return said

    def _lacks_its_end(self, said: Said) -> bool:
        return said.cut and not said.calls and not self._answers(said.text)

    def _once(self, messages: Messages, tools: list[dict[str, Any]]) -> Said:
        seconds = self.budget.seconds()
        most = self.budget.ask(messages)
        try:
            said = self.chat.ask(messages, tools, max_tokens=most, seconds=seconds)
        except SourceDown as problem:
            self._transcript.note("no answer", problem.reason)
            if self.budget.calls > 1:
                self.budget.seconds()  # it was there a moment ago: time is what ran out
            raise
        asked = "".join(call.arguments for call in said.calls)
        self.budget.spent(said.tokens or estimate(messages) + estimate(said.text + asked))
        by = "as told" if said.tokens else "estimated"
        used = f"{self.budget.calls} calls, {self.budget.tokens} tokens ({by})"
        self._transcript.note("used so far", used)
        return said
