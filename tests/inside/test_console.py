"""What a run prints: nothing from outside reaches the screen or the log as it came."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.screen.results.faults import Fault, annotation
from comfyfix.screen.run.console import ActionsConsole, GitLabConsole
from comfyfix.screen.run.lines import Console
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


COMMANDS = (
    "set-output",
    "add-mask",
    "stop-commands",
    "error",
    "warning",
    "group",
    "endgroup",
    "debug",
)


def obeyed(text: str) -> list[str]:
    """The commands that GitHub's runner takes from an output: the old form anywhere in a line."""
    found = []
    for line in text.split("\n"):
        new = re.match(r"::([\w-]+)[^:]*(?::[^:]+)*::", line.lstrip())
        old = re.search(r"##\[([\w-]+)[^\]]*\]", line)
        told = next((m for m in (new, old) if m and m.group(1) in COMMANDS), None)
        found += [told.group(1)] if told else []
    return found


HOSTILE = [
    "::set-output name=report::x", "::stop-commands::token", "  ::add-mask::ok", "##[error]no",
    "a ##[stop-commands]token", "%0A::error::x", "x\n::error::x", "x\r\n##[add-mask]e",
    "###[group]x", "##vso[task.setvariable variable=a]b", "a,b=c:d%2C",
]  # fmt: skip


@pytest.fixture
def hostile(inprocess: InProcess) -> InProcess:
    """Names of models, workflows and nodes that would command, such as are refused among them."""
    for number, name in enumerate(HOSTILE):
        needs = [("loras", f"{name}.safetensors"), ("loras", name), ("vae", f"sub/{name}.pt")]
        graph = ui_workflow(needs)
        graph["nodes"].append({"id": 9, "type": name, "widgets_values": [f"{name}.ckpt"]})
        (inprocess.workflows / f"{name.replace('/', '')}.json").write_text(json.dumps(graph))
        (inprocess.workflows / f"{number}{name}.json").write_text("{")
    with zipfile.ZipFile(inprocess.workflows / "many.zip", "w") as archive:
        for name in HOSTILE:
            archive.writestr(f"{name}/{name}.json", "[")
    return inprocess


def test_no_name_commands_a_ci(hostile: InProcess) -> None:
    done = hostile.run(CI="true", GITHUB_ACTIONS="true")
    assert done.code == 1, done
    ours = obeyed(done.out)
    assert (ours.count("group"), ours.count("endgroup")) == (1, 1)
    assert set(ours) == {"group", "endgroup", "error"}
    files = [line for line in done.out.splitlines() if line.startswith("::error ")]
    assert ours.count("error") == len(files)
    assert all(
        re.fullmatch(r"::error (file=[^:,]+,(line=\d+,)?)?title=comfyfix::.*", f) for f in files
    )
    assert obeyed(done.err) == []
    assert "##vso[" not in done.out.replace("\n".join(files), "") + done.err


@pytest.mark.soak  # a dozen commands
def test_no_command_passes_one_on(hostile: InProcess) -> None:
    for line in ("list", "list --all", "scan", "plan", "report", "verify", "lock", "dumpdb",
                 "why nothing", "--json", "scan --json", "list --json"):  # fmt: skip
        done = hostile.run(*line.split(), CI="true", GITHUB_ACTIONS="true")
        told = done.out if "--json" in line else done.out + done.err
        bad = [each for each in told.splitlines() if obeyed(each)]
        assert bad == [], line
        assert odd(done.out + done.err) == set(), line
        if "--json" in line:
            assert "##vso[" not in told
            assert set(obeyed(done.err)) <= {"group", "endgroup"}
            assert HOSTILE[4] in str(json.loads(told)), "the names are as they were"
