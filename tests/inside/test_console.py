"""What a run prints: nothing from outside reaches the screen or the log as it came."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.screen.console import ActionsConsole, GitLabConsole
from comfyfix.screen.lines import Console
from comfyfix.screen.results.faults import Fault, annotation
from tests.inprocess import InProcess
from tests.rig import ui_workflow

EVIL = "w\x1b]0;owned\x07\x1b[2K\u202etxt\x9b2J\n::stop-commands::x"


def odd(text: str) -> set[str]:
    """The characters that move a cursor, ring, turn the text, or are not to be seen."""
    return {c for c in text if not c.isprintable() and c != "\n"}


LINES: dict[str, Callable[[Console], None]] = {
    "processing": lambda console: console.processing(EVIL, "k", 3),
    "of its model": lambda console: console.of_model(EVIL, "", EVIL),
    "of another model": lambda console: console.of_model("k", EVIL, "text"),
    "line": lambda console: console.line(EVIL),
    "log": lambda console: console.log(EVIL),
}


@pytest.mark.parametrize("kind", [Console, ActionsConsole, GitLabConsole])
@pytest.mark.parametrize("line", LINES)
def test_every_line_is_escaped_on_screen_and_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: type[Console], line: str
) -> None:
    log = tmp_path / "log" / "run.log"
    LINES[line](kind(log))
    written, shown = log.read_text(encoding="utf-8"), capsys.readouterr().out
    for text in (written, *([shown] if line != "log" else [])):
        assert odd(text) == set()
        assert text.count("\n") == 1, "one line is one line"
        assert r"w\x1b]0;owned\x07" in text
    assert (shown == "") is (line == "log")


@pytest.mark.parametrize("actions", ["", "true"], ids=["plain", "in Actions"])
def test_a_run_over_names_of_strangers_says_them_escaped(
    inprocess: InProcess, hub: Hub, actions: str
) -> None:
    needs = [("loras", "harbor_light.safetensors"), ("loras", "gone.safetensors")]
    with zipfile.ZipFile(inprocess.workflows / "many.zip", "w") as archive:
        archive.writestr(f"{EVIL}.json", json.dumps(ui_workflow(needs)))
        archive.writestr("b\x1b[31m\u2066x.json", '{"nodes": [')
    hub.add("maker/harbor_light", ["harbor_light.safetensors"])
    done = inprocess.run(GITHUB_ACTIONS=actions)
    assert done.code == 1, done
    [log] = (inprocess.output / "log").glob("run_*.log")
    for text in (done.out, done.err, log.read_text(encoding="utf-8")):
        assert odd(text) == set(), text
        assert not any(line.startswith("::stop-commands") for line in text.splitlines())
    assert r"b\x1b[31m\u2066x.json" in done.out


def test_an_annotation_is_escaped() -> None:
    fault = Fault("model", "m", f"50% off\r\n{EVIL}", f"a,b:{EVIL}.json", 3)
    shown = f"{annotation(fault)}\n"
    assert odd(shown) == set()
    assert shown.count("\n") == 1
    assert shown.startswith("::error file=a%2Cb%3A")
    assert r",line=3,title=comfyfix::50%25 off\r%0Aw\x1b]0;owned\x07" in shown
    assert shown.endswith("%0A::stop-commands::x\n"), "its lines are still lines"
