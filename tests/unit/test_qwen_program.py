"""What the qwen program prints and how it ends, read line by line: nothing is started here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comfyfix.comfyui.store import folders
from comfyfix.errors import ModelProblem, SourceDown
from comfyfix.net.http import Web
from comfyfix.outcomes import Outcome
from comfyfix.process import Children
from comfyfix.records import Reason, because
from comfyfix.settings.manifest import Manifest, Qwen
from comfyfix.sources.base import Services
from comfyfix.sources.qwen import program
from comfyfix.sources.qwen.budget import BudgetUsedUp
from comfyfix.sources.qwen.transcript import Transcript
from comfyfix.state.layout import Layout
from comfyfix.why import Why

OBJECT: dict[str, Any] = {"candidates": []}


class Played(Children):
    """Plays the program: one list of lines and a status for each time that it is started."""

    def __init__(self, *times: tuple[list[str], int]) -> None:
        super().__init__()
        self.times = list(times)
        self.started: list[list[str]] = []

    def run(self, argv: Any, env: Any, on_line: Callable[[str], None], **_: Any) -> int:
        assert "canary-of-qwen-itself" in env.values()
        self.started.append(list(argv))
        lines, status = self.times.pop(0)
        for line in lines:
            on_line(line)
        return status


def result(text: object = None, **more: Any) -> str:
    return json.dumps([{"type": "result", "structured_result": text, **more}])


def says(text: str) -> str:
    return json.dumps({"type": "assistant", "message": {"content": [{"text": text}, {"x": 1}]}})


def asked(root: Path, *times: tuple[list[str], int]) -> tuple[str | Exception, Played, str]:
    """What comes of it, the program, and what was written down."""
    (root / "models").mkdir(exist_ok=True)
    played = Played(*times)
    services = Services(
        manifest=Manifest(
            comfyui=str(root),
            qwen=Qwen(command="qwen", base_url="http://127.0.0.1:9/v1", model="q"),
        ),
        folders=folders.read(root, [], None), layout=Layout(root / "output"),
        web=Web({}, direct=True), tokens={"qwen": "canary-of-qwen-itself"}, children=played,
    )  # fmt: skip
    question = program.Question("a @b", "s", {}, lambda text: text.startswith("{"))
    transcript = Transcript("x", services)
    try:
        said: str | Exception = program.ask(question, services, transcript)
    except (SourceDown, BudgetUsedUp) as problem:
        said = problem
    transcript.write()
    return said, played, services.layout.qwen_log.read_text()


def test_the_object_that_it_ends_with_is_the_answer(tmp_path: Path) -> None:
    said, played, log = asked(
        tmp_path, ([says("I think"), result(OBJECT, usage={"total_tokens": 7})], 0)
    )
    assert said == json.dumps(OBJECT)
    assert "--- used\n  7 tokens" in log
    assert f"--- it ends with status 0\n  {json.dumps(OBJECT)}" in log
    (argv,) = played.started
    assert argv[:2] == ["qwen", "a \\u0040b"]
    assert "--max-tool-calls" in argv


@pytest.mark.parametrize(
    ("lines", "status", "text"),
    [
        ([says('{"x": 1}')], 1, '{"x": 1}'),
        ([says("in words")], 1, "in words"),
        ([says("in words"), result(error={"message": "odd"})], 1, "in words"),
        (["help for people", "[not JSON", "{}"], 0, ""),
        ([says("  "), "x" * 9], 0, ""),
        ([f"[{' ' * (program.LINE_MAX - 2)}]", says("in words")], 0, "in words"),
        ([says("said") + " " * (program.LINE_MAX - len(says("said")))], 0, "said"),
        ([says("said") + " " * (program.LINE_MAX - len(says("said")) + 1)], 0, ""),
        ([says("in words")], -9, "in words"),
    ],
)
def test_words_are_an_answer_too(tmp_path: Path, lines: list[str], status: int, text: str) -> None:
    assert asked(tmp_path, (lines, status))[0] == text


@pytest.mark.parametrize("status", [53, 55, -9])
def test_its_own_budget_ends_it(tmp_path: Path, status: int) -> None:
    said, _, log = asked(tmp_path, (["it was stopped"], status))
    assert isinstance(said, BudgetUsedUp)
    limits = {"calls": Qwen().calls, "seconds": f"{Qwen().seconds:g}"}
    assert said.reason == because(Why.QWEN_BUDGET_OF_PROGRAM, **limits)
    assert f"--- it ends with status {status}\n  it was stopped" in log


@pytest.mark.parametrize(
    ("lines", "why", "told"),
    [
        ([], Why.QWEN_PROGRAM_SILENT, ""),
        (["no model", "  ", "it fails"], Why.QWEN_PROGRAM_FAILS, "it fails"),
        ([result(error={"message": "401 sent"})], Why.QWEN_PROGRAM_KEY, "401 sent"),
        (["403 canary-of-qwen-itself"], Why.QWEN_PROGRAM_KEY, None),
        (["Missing API key"], Why.QWEN_PROGRAM_KEY, "Missing API key"),
        ([says("[API Error: down]"), result()], Why.QWEN_PROGRAM_FAILS, "[API Error: down]"),
        ([says("so"), result(error={"message": "API Error"})], Why.QWEN_PROGRAM_FAILS, "API Error"),
        (["y" * 900], Why.QWEN_PROGRAM_FAILS, "y" * program.SAID_MAX),
    ],
)
def test_a_failure_is_told_by_what_it_says(
    tmp_path: Path, lines: list[str], why: Why, told: str | None
) -> None:
    said, played, log = asked(tmp_path, (lines, 1))
    assert isinstance(said, SourceDown)
    assert (said.reason.why, said.reason.told["command"], said.reason.told["status"]) == (
        why, "qwen", 1,
    )  # fmt: skip
    assert "canary" not in str(said.reason.told) + log
    if told is not None:
        assert said.reason.told["said"] == told
    assert len(played.started) == 1


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (ModelProblem(Outcome.TOOL_MISSING, Why.NO_SIZE),
         because(Why.QWEN_PROGRAM_MISSING, command="qwen")),
        (ModelProblem(Outcome.WRONG_CONTENT, Why.NO_SIZE),
         because(Why.QWEN_PROGRAM_BROKEN, command="qwen", cause=because(Why.NO_SIZE))),
        (OSError(8, "Exec format error"),
         because(Why.QWEN_PROGRAM_BROKEN, command="qwen", cause="Exec format error")),
        (OSError("odd"), because(Why.QWEN_PROGRAM_BROKEN, command="qwen", cause="odd")),
    ],
)  # fmt: skip
def test_one_that_can_not_be_started_is_told_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception, reason: Reason
) -> None:
    def run(*_: object, **__: object) -> int:
        raise failure

    monkeypatch.setattr(Played, "run", run)
    said, _, _ = asked(tmp_path)
    assert isinstance(said, SourceDown)
    assert said.reason == reason


def test_a_line_that_is_too_long_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = result(OBJECT)
    for most, said in ((len(line), json.dumps(OBJECT)), (len(line) - 1, "")):
        monkeypatch.setattr(program, "LINE_MAX", most)
        assert asked(tmp_path, ([line], 0))[0] == said


@pytest.mark.parametrize("sign", ["Unknown argument: max-tool-calls", "see qwen --help"])
def test_one_that_does_not_know_the_newest_options_is_asked_without_them(
    tmp_path: Path, sign: str
) -> None:
    said, played, log = asked(tmp_path, ([sign], 1), ([result(OBJECT)], 0))
    assert said == json.dumps(OBJECT)
    assert ["--max-tool-calls" in argv for argv in played.started] == [True, False]
    assert "asked again without them" in log
    said, played, _ = asked(tmp_path, ([sign], 1), ([sign], 1))
    assert isinstance(said, SourceDown)
    assert said.reason.why == Why.QWEN_PROGRAM_OLD
    assert asked(tmp_path, ([sign], 0))[0] == "", "it has ended well"
