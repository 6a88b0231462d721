"""A question whose lines are drawn anew: what that may cost."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from comfyfix.screen.run import prompt


def test_lines_that_take_long_to_make_are_made_less_often(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    waited: list[float] = []

    def select(*asked: object) -> tuple[list[int], list[int], list[int]]:
        seconds = asked[-1]
        assert isinstance(seconds, float)
        waited.append(seconds)
        return ([0] if len(waited) > 3 else []), [], []

    def lines() -> Sequence[str]:
        clock[0] += 0.05 if len(waited) == 2 else 0.0
        return ["a"]

    monkeypatch.setattr("select.select", select)
    monkeypatch.setattr(time, "thread_time", lambda: clock[0])
    monkeypatch.setattr(prompt, "on_terminal", lambda: True)
    monkeypatch.setattr(prompt, "read_line", lambda: "y")
    assert prompt.Prompt(lines).ask("? ") == "y"
    assert waited[:2] == [prompt.TICK_SECONDS] * 2
    assert 0.05 / waited[2] <= 0.02, "two hundredths of a core"
    assert waited[3] == prompt.TICK_SECONDS
    assert capsys.readouterr().out.startswith("a\n? ")
