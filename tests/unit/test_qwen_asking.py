"""One question to Qwen's endpoint: what becomes of an answer that is cut off, or of none."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from comfyfix.comfyui.store import folders
from comfyfix.errors import SourceDown
from comfyfix.net.chat.answers import Said
from comfyfix.net.chat.calls import Call
from comfyfix.net.http import Web
from comfyfix.records import because
from comfyfix.settings.manifest import Manifest, Qwen
from comfyfix.sources.base import Services
from comfyfix.sources.qwen.asking import Asking, opening
from comfyfix.sources.qwen.budget import ANSWER_TOKENS, Budget, BudgetUsedUp, estimate
from comfyfix.sources.qwen.transcript import Transcript
from comfyfix.state.layout import Layout
from comfyfix.why import Why

MESSAGES = opening("be brief", "where is it?")
CUT = Said(text="{", cut=True)
DOWN = SourceDown(Why.CHAT_EMPTY, host="x")


@dataclass
class Endpoint:
    """Answers what it was told to, question by question; time passes while it does."""

    answers: list[Said | Exception]
    host: str = "qwen.example"
    now: float = 0.0
    takes: float = 1.0
    asked: list[tuple[int, float]] = field(default_factory=list)

    def ask(self, messages: Any, tools: Any, *, max_tokens: int, seconds: float) -> Said:
        assert messages == MESSAGES
        assert tools == []
        self.asked.append((max_tokens, seconds))
        self.now += self.takes
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Exchange:
    """One conversation with an endpoint, and what was written down of it."""

    root: Path
    endpoint: Endpoint
    tokens: int = 20_000

    def __post_init__(self) -> None:
        (self.root / "models").mkdir(exist_ok=True)
        services = Services(
            manifest=Manifest(comfyui=str(self.root)), folders=folders.read(self.root, [], None),
            layout=Layout(self.root / "output"), web=Web({}, direct=True), tokens={},
        )  # fmt: skip
        self.log = services.layout.qwen_log
        self.transcript = Transcript("x", services)
        qwen = Qwen(base_url="http://x/v1", calls=3, tokens=self.tokens, seconds=10)
        self.budget = Budget(qwen, lambda: self.endpoint.now)
        chat = cast("Any", self.endpoint)
        self.asking = Asking(chat, self.budget, self.transcript, lambda text: text == "whole")

    def ask(self) -> Said:
        return self.asking.ask(MESSAGES, [])

    def written(self) -> str:
        self.transcript.write()
        return self.log.read_text()


def test_an_answer_that_is_cut_off_is_asked_for_again_with_all_the_room(tmp_path: Path) -> None:
    own = Exchange(tmp_path, Endpoint([CUT, Said(text="whole", tokens=70)]))
    assert own.ask().text == "whole"
    (first, _), (second, left) = own.endpoint.asked
    used = estimate(MESSAGES) + estimate("{")
    assert (first, second) == (ANSWER_TOKENS, 20_000 - used - estimate(MESSAGES))
    assert left == 9.0
    assert own.budget.tokens == used + 70
    log = own.written()
    assert f"used so far\n  1 calls, {used} tokens (estimated)" in log
    assert f"used so far\n  2 calls, {used + 70} tokens (as told)" in log
    assert "the answer is cut off" in log


@pytest.mark.parametrize(
    "said",
    [
        Said(text="whole", cut=True), Said(text="no"),
        Said(text="", cut=True, calls=(Call(id="1", name="x", arguments="{}"),)),
    ],
)  # fmt: skip
def test_an_answer_that_lacks_nothing_is_taken_as_it_is(tmp_path: Path, said: Said) -> None:
    own = Exchange(tmp_path, Endpoint([said]))
    assert own.ask() is said
    assert len(own.endpoint.asked) == 1


def test_the_arguments_of_calls_count_as_tokens(tmp_path: Path) -> None:
    calls = (Call(id="1", name="x", arguments="y" * 300),)
    own = Exchange(tmp_path, Endpoint([Said(text="z", calls=calls)]))
    own.ask()
    assert own.budget.tokens == estimate(MESSAGES) + estimate("z" + "y" * 300)


def test_one_that_is_cut_off_to_the_end_is_none(tmp_path: Path) -> None:
    own = Exchange(tmp_path, Endpoint([CUT, CUT]))
    with pytest.raises(SourceDown) as caught:
        own.ask()
    told = because(Why.CHAT_CUT, host="qwen.example", tokens=own.budget.room)
    assert caught.value.reason == told
    small = Exchange(tmp_path, Endpoint([CUT]), tokens=ANSWER_TOKENS)
    with pytest.raises(SourceDown):
        small.ask()
    assert len(small.endpoint.asked) == 1, "there is no more room to give"


def test_who_was_there_a_moment_ago_and_has_no_time_left_is_not_down(tmp_path: Path) -> None:
    for before, takes, expected in ((0, 99.0, SourceDown), (1, 5.0, BudgetUsedUp),
                                    (1, 4.0, SourceDown)):  # fmt: skip
        answers: list[Said | Exception] = [*([Said(text="no")] * before), DOWN]
        own = Exchange(tmp_path, Endpoint(answers, takes=takes))
        for _ in range(before):
            own.ask()
        with pytest.raises(expected):
            own.ask()
        assert "no answer\n  chat_empty (host: x)" in own.written()
