"""What a terminal shows in the middle of a run: what is done with each model, and the totals."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TextIO

import pytest
from rich.console import Console as Screen

from comfyfix.demo.hub import Hub
from comfyfix.screen.run import console
from comfyfix.screen.run.live import LiveConsole
from comfyfix.screen.words import t
from tests.inprocess import InProcess

NAME = "rife49.pth"


class Boards:
    """The board of each run, and how it looks at a moment."""

    def __init__(self) -> None:
        self.made: list[LiveConsole] = []

    def choose(self, log: Path, out: TextIO, *, live: bool) -> LiveConsole:  # noqa: ARG002 - always
        screen = Screen(file=io.StringIO(), force_terminal=True, width=100, height=24)
        self.made.append(LiveConsole(log, screen))
        return self.made[-1]

    def drawn(self) -> str:
        out = io.StringIO()
        Screen(file=out, width=100).print(self.made[-1]._board.get_renderable())
        return out.getvalue()


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> Boards:
    made = Boards()
    monkeypatch.setattr(console, "choose", made.choose)
    return made


def test_a_model_is_searched_then_downloaded_then_done(
    inprocess: InProcess, hub: Hub, boards: Boards
) -> None:
    inprocess.workflow("w.json", ("upscale_models", NAME))
    hub.add("AlexWortega/RIFE", [NAME])
    seen: dict[str, str] = {}

    def look(what: str) -> None:
        seen[what.partition(" ")[0]] = boards.drawn()

    hub.on_request = look
    assert inprocess.run().code == 0
    assert NAME in seen["search"]
    assert t("searching") in seen["search"]
    assert t("{count} left", count=1) in seen["search"]
    assert NAME in seen["file"]
    assert "2.6 kB" in seen["file"]
    assert t("searching") not in seen["file"]
    at_the_end = boards.drawn()
    assert NAME not in at_the_end
    assert t("{count} done", count=1) in at_the_end
    assert t("{count} left", count=0) in at_the_end


def test_a_file_that_is_there_is_verified_and_counts(
    inprocess: InProcess, hub: Hub, boards: Boards
) -> None:
    inprocess.workflow("w.json", ("upscale_models", NAME), ("loras", "nobodys.safetensors"))
    hub.add("AlexWortega/RIFE", [NAME])
    assert inprocess.run("plan").code == 1
    inprocess.put("upscale_models", NAME)
    assert inprocess.run().code == 1
    at_the_end = boards.drawn()
    assert t("{count} done", count=1) in at_the_end
    assert t("{count} failed", count=1) in at_the_end
