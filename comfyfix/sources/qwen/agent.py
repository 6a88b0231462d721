"""The loop: Qwen asks for what it wants looked up, until it answers or the budget ends.

Nothing that comes in is carried out: a tool's answer is text for Qwen, and of all that Qwen says
only the last text counts, once it is checked.
"""

from __future__ import annotations

from typing import Any

from comfyfix.net.chat.answers import Said
from comfyfix.net.chat.calls import Call
from comfyfix.net.chat.endpoint import ToolsRefused
from comfyfix.sources.base import Services, Wanted
from comfyfix.sources.qwen import question as qwen_question
from comfyfix.sources.qwen import reply as qwen_reply
from comfyfix.sources.qwen.asking import Asking, Messages, opening
from comfyfix.sources.qwen.budget import Budget
from comfyfix.sources.qwen.tools import OFFERED, Tools
from comfyfix.sources.qwen.transcript import Transcript

CALLS_AT_ONCE = 4  # of tools, in one answer; more are not run
_LAST = "Nothing more can be looked up. Give your final answer now."


def converse(wanted: Wanted, tools: Tools, services: Services, transcript: Transcript) -> str:
    """Return Qwen's final text. Raises BudgetUsedUp, SourceDown."""
    return _Talk(wanted, tools, services, transcript).run()


class _Talk:
    """One conversation."""

    def __init__(
        self, wanted: Wanted, tools: Tools, services: Services, transcript: Transcript
    ) -> None:
        self.tools = tools
        self.services = services
        self.transcript = transcript
        self.wanted = wanted
        self.budget = Budget(services.manifest.qwen)
        holds_reply = qwen_reply.holds(qwen_reply.Reply)
        self.asking = Asking(services.chat, self.budget, transcript, holds_reply)
        self.messages = self._opening(tools=services.chat.takes_tools)
        if self.budget.is_last(self.messages):
            self.messages = self._opening(tools=False)

    def _opening(self, *, tools: bool) -> Messages:
        return opening(qwen_question.system(tools=tools), qwen_question.question(self.wanted))

    def run(self) -> str:
        for message in self.messages:
            self.transcript.note(f"{message['role']} says", message["content"])
        while True:
            last = self.budget.is_last(self.messages)
            said = self._ask(last=last)
            if not said.calls:
                self.transcript.note("Qwen answers", said.text)
                return said.text
            if last:
                raise self.budget.end()
            self._look_up(said)

    def _ask(self, *, last: bool) -> Said:
        first = self.budget.calls == 0
        if last and not first:
            self.messages.append({"role": "user", "content": _LAST})
        try:
            offered = OFFERED if self.services.chat.takes_tools and not last else []
            return self.asking.ask(self.messages, offered)
        except ToolsRefused:
            self.transcript.note("the endpoint takes no tools", "asked again without them")
            self.messages = self._opening(tools=False)
            said = self.asking.ask(self.messages, [])
            if first:
                self.services.chat.takes_tools = False
            return said

    def _look_up(self, said: Said) -> None:
        run, dropped = said.calls[:CALLS_AT_ONCE], said.calls[CALLS_AT_ONCE:]
        self.messages.append(
            {
                "role": "assistant",
                "content": said.text,
                "tool_calls": [_as_sent(call) for call in run],
            }
        )
        for call in run:
            answer = self.tools.run(call.name, call.arguments, self.budget.seconds())
            answer = self.services.scrubbed(answer)
            self.transcript.note(f"Qwen calls {call.name[:40]}", call.arguments)
            self.transcript.note("it is told", answer)
            query = f"{call.name} {call.arguments}"
            self.services.log_search(self.wanted, "qwen", query, answer)
            self.messages.append({"role": "tool", "tool_call_id": call.id, "content": answer})
        if dropped:
            self.transcript.note("not run", f"{len(dropped)} more calls at once")


def _as_sent(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}
