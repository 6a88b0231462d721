"""The qwen program: what it is given, what it may cost, and what comes of its answer.

Most tests run a small program of their own in its place; the last ones run the real one, where
it is on PATH or named by COMFYFIX_QWEN.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from comfyfix.demo.hub import Fault, Hub
from comfyfix.demo.openai import call
from comfyfix.errors import SourceDown
from comfyfix.records import Candidate, Reason, Rejected, because
from comfyfix.sources.base import Finding, Services, Wanted
from comfyfix.sources.qwen import program
from comfyfix.sources.qwen import source as qwen
from comfyfix.why import Why
from tests import qwen_rig
from tests.qwen_rig import HOME, HONEST, NAME, PATH, answer, wanted
from tests.rig import Site, children_of, is_alive

FAKE = """\
#!{python}
import json, os, pathlib, sys, time
args = sys.argv[1:]
seen = dict(args=args, env=dict(os.environ), cwd=os.getcwd(), inside=os.listdir("."))
settings = pathlib.Path(os.environ["HOME"], ".qwen/settings.json")
seen["settings"] = json.loads(settings.read_text())
pathlib.Path({seen!r}).write_text(json.dumps(seen))
print("a warning for people", file=sys.stderr)
result = json.loads({result!r})
if {hang}:
    time.sleep(600)
print(json.dumps([dict(type="system"), *result]))
sys.exit({status})
"""
RESULT = {"type": "result", "is_error": False, "usage": {"total_tokens": 77}}
GOOD = [{**RESULT, "structured_result": json.loads(answer(HONEST))}]


class Fake:
    """A program that prints what the test wants, and notes how it was run."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "fake-qwen"
        self.notes = folder / "seen.json"
        self.says(GOOD)

    def says(self, result: list[Any], status: int = 0, *, hang: bool = False) -> None:
        text = FAKE.format(
            python=sys.executable,
            seen=str(self.notes),
            result=json.dumps(result),
            hang=hang,
            status=status,
        )
        self.path.write_text(text)
        self.path.chmod(0o755)

    @property
    def seen(self) -> Any:
        return json.loads(self.notes.read_text())


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def find(services: Services) -> list[Finding]:
    model = wanted()
    return list(qwen.find(Wanted(model=model.model, references=model.references), services))


def with_program(root: Path, hub: Hub, command: Path | str, **more: Any) -> Services:
    hub.add(HOME, [PATH])
    return qwen_rig.services(root, hub, command=str(command), **more)


def test_it_is_run_with_nothing_of_the_users(
    tmp_path: Path, hub: Hub, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_TOKEN", "CIVITAI_TOKEN", "OPENAI_API_KEY", "NODE_OPTIONS", "SECRET"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    services = with_program(tmp_path, hub, fake.path, calls=7, seconds=20, key="qwen_key")
    (found,) = find(services)
    assert isinstance(found, Candidate)
    assert found.where == HOME
    seen = fake.seen
    env = seen["env"]
    assert "canary" not in json.dumps(seen)
    assert (env["OPENAI_API_KEY"], env["OPENAI_MODEL"]) == ("qwen_key", "q")
    assert env["OPENAI_BASE_URL"] == f"{hub.url}/v1"
    assert env["HTTPS_PROXY"] == "http://127.0.0.1:9"
    assert not env["HOME"].startswith(os.environ["HOME"])
    assert seen["inside"] == []
    assert seen["settings"]["privacy"] == {"usageStatisticsEnabled": False}
    assert not Path(env["HOME"]).exists()
    assert not Path(seen["cwd"]).exists()
    options = seen["args"][1:]
    for option, value in (("session-turns", "7"), ("wall-time", "20s"), ("tool-calls", "0")):
        assert options[options.index(f"--max-{option}") + 1] == value
    assert options[options.index("--approval-mode") + 1] == "plan"
    assert "--bare" in options
    assert "qwen_key" not in json.dumps(seen["args"])
    log = services.layout.qwen_log.read_text()
    assert '"repo": "night-owl/odds-and-ends"' in log
    assert "77 tokens" in log
    assert "qwen_key" not in log


def test_a_name_is_never_an_option_a_file_or_a_command(
    tmp_path: Path, hub: Hub, fake: Fake
) -> None:
    services = with_program(tmp_path, hub, fake.path)
    bad = "--yolo @/etc/passwd $(touch PWNED) `id`.safetensors"
    list(qwen.find(Wanted(model=wanted(bad).model), services))
    prompt = fake.seen["args"][0]
    assert prompt.startswith("Where is this model file published?")
    assert "@" not in prompt
    value = prompt.partition("{\n")[2].partition("\n}")[0]
    assert json.loads("{" + value + "}")["path"] == bad
    assert "--yolo" not in fake.seen["args"]


def test_without_a_key_none_of_ours_is_given(tmp_path: Path, hub: Hub, fake: Fake) -> None:
    find(with_program(tmp_path, hub, fake.path))
    assert fake.seen["env"]["OPENAI_API_KEY"] == "none"


@pytest.mark.parametrize("command", ["no-such-qwen", "/no/such/qwen"])
def test_a_program_that_is_not_there_is_told(tmp_path: Path, hub: Hub, command: str) -> None:
    with pytest.raises(SourceDown) as caught:
        find(with_program(tmp_path, hub, command))
    assert caught.value.reason == because(Why.QWEN_PROGRAM_MISSING, command=command)


def test_a_file_that_is_no_program_is_told(tmp_path: Path, hub: Hub) -> None:
    (tmp_path / "text").write_text("x")
    with pytest.raises(SourceDown) as caught:
        find(with_program(tmp_path, hub, tmp_path / "text"))
    assert caught.value.reason.why == Why.QWEN_PROGRAM_BROKEN


def _failed(message: str) -> list[Any]:
    return [{**RESULT, "is_error": True, "error": {"message": message}}]


def _words(text: str) -> dict[str, Any]:
    return {"type": "assistant", "message": {"content": [{"type": "text", "text": text}]}}


def test_its_own_budget_ends_the_search(tmp_path: Path, hub: Hub, fake: Fake) -> None:
    fake.says([], 55)
    (found,) = find(with_program(tmp_path, hub, fake.path, calls=3))
    assert isinstance(found, Rejected)
    assert found.reason == because(Why.QWEN_BUDGET_OF_PROGRAM, calls=3, seconds="30")


def test_one_that_hangs_is_killed_when_its_time_is_over(
    tmp_path: Path, hub: Hub, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "GRACE", 0.5)
    fake.says([], hang=True)
    (found,) = find(with_program(tmp_path, hub, fake.path, seconds=0.5))
    assert isinstance(found, Rejected)
    assert isinstance(found.reason, Reason)
    assert found.reason.why == Why.QWEN_BUDGET_OF_PROGRAM


@pytest.mark.parametrize(
    ("message", "why"),
    [('[API Error: 401 "no"]', Why.QWEN_PROGRAM_KEY), ("[API Error: 503]", Why.QWEN_PROGRAM_FAILS),
     ("Missing API key", Why.QWEN_PROGRAM_KEY), ("Connection error.", Why.QWEN_PROGRAM_FAILS),
     ("Unknown argument: bare", Why.QWEN_PROGRAM_OLD)],
)  # fmt: skip
def test_an_endpoint_that_it_can_not_ask_is_down(
    tmp_path: Path, hub: Hub, fake: Fake, message: str, why: Why
) -> None:
    fake.says(_failed(message), 1)
    with pytest.raises(SourceDown) as caught:
        find(with_program(tmp_path, hub, fake.path))
    told = because(why, command=fake.path, status=1, said=message)
    assert caught.value.reason == told


def test_what_it_says_of_a_failure_is_told_without_the_key(
    tmp_path: Path, hub: Hub, fake: Fake
) -> None:
    fake.says(_failed("401: bad key qwen_key"), 1)
    with pytest.raises(SourceDown) as caught:
        find(with_program(tmp_path, hub, fake.path, key="qwen_key"))
    assert caught.value.reason.told["said"] == "401: bad key ***"


def test_an_answer_in_words_is_read_as_an_endpoints(tmp_path: Path, hub: Hub, fake: Fake) -> None:
    services = with_program(tmp_path, hub, fake.path)
    fake.says([_words("No idea."), *_failed("plain text instead of the tool")], 1)
    (found,) = find(services)
    assert isinstance(found, Rejected)
    assert found.reason == because(Why.QWEN_NOT_JSON)
    fake.says([_words(answer(HONEST)), *_failed("plain text instead of the tool")], 1)
    assert [type(finding) for finding in find(services)] == [Candidate]


def test_its_answer_is_checked_like_any_other(tmp_path: Path, hub: Hub, fake: Fake) -> None:
    hub.add("Kijal/weights", [PATH])
    hostile = {**HONEST, "repo": "Kijal/weights"}
    fake.says([{**RESULT, "structured_result": json.loads(answer(hostile))}])
    (found,) = find(with_program(tmp_path, hub, fake.path))
    assert isinstance(found, Rejected)
    assert found.reason == because(Why.IMITATES, publisher="Kijai")


OLDER = """\
#!{python}
import sys
with open({notes!r}, "a") as notes:
    print("--max-wall-time" in sys.argv, file=notes)
if "--max-wall-time" in sys.argv:
    print("Unknown arguments: max-wall-time, maxWallTime\\nOptions:\\n  -h, --help  Show help")
    sys.exit(1)
print({result!r})
sys.exit({status})
"""


def older(path: Path, notes: Path, result: list[Any], status: int) -> None:
    """A program of before these options were known."""
    told = {"result": json.dumps(result), "status": status, "notes": str(notes)}
    path.write_text(OLDER.format(python=sys.executable, **told))
    path.chmod(0o755)


def test_an_older_program_is_asked_without_what_it_does_not_know(tmp_path: Path, hub: Hub) -> None:
    path, notes = tmp_path / "old-qwen", tmp_path / "notes"
    older(path, notes, GOOD, 1)
    services = with_program(tmp_path, hub, path)
    for _ in range(2):
        assert [type(found) for found in find(services)] == [Candidate]
    assert notes.read_text().split() == ["True", "False", "False"]


@pytest.mark.parametrize(
    ("said", "why"),
    [("[API Error: 401 no]", Why.QWEN_PROGRAM_KEY), ("[API Error: x]", Why.QWEN_PROGRAM_FAILS)],
)
def test_an_error_that_it_puts_into_qwens_mouth_is_no_answer(
    tmp_path: Path, hub: Hub, said: str, why: Why
) -> None:
    path = tmp_path / "old-qwen"
    message = {"type": "assistant", "message": {"content": [{"type": "text", "text": said}]}}
    error = {**RESULT, "error": {"message": "Model produced plain text"}}
    older(path, tmp_path / "notes", [message, error], 1)
    with pytest.raises(SourceDown) as caught:
        find(with_program(tmp_path, hub, path))
    assert caught.value.reason.why == why


def test_it_is_stopped_with_the_run(site: Site, hub: Hub, fake: Fake) -> None:
    fake.says([], hang=True)
    site.workflow("w.json", ("loras", NAME))
    site.manifest(qwen={"base_url": f"{hub.url}/v1", "command": str(fake.path)})
    running = site.start()
    until = threading.Event()
    while not fake.notes.exists() and running.poll() is None:
        until.wait(0.05)
    below = children_of(running.pid)
    assert below
    os.kill(running.pid, signal.SIGINT)
    printed = running.communicate(timeout=30)[0]
    assert running.returncode == 130, printed
    assert not any(is_alive(pid) for pid in below)


@pytest.fixture
def real() -> str:
    program = os.environ.get("COMFYFIX_QWEN") or shutil.which("qwen")
    if not program:
        pytest.skip("the qwen program is not installed (COMFYFIX_QWEN may name it)")
    return str(program)


def test_the_real_program_finds_what_it_knows(site: Site, hub: Hub, real: str) -> None:
    hub.add(HOME, [PATH])
    hub.answers[NAME] = answer(HONEST)
    site.workflow("w.json", ("loras", NAME))
    settings = {"base_url": f"{hub.url}/v1", "command": real, "tokens": 1200}
    site.manifest(qwen=settings, verify={"qwen": False})
    done = site.doit(QWEN_API_KEY="qwen_canary", HF_TOKEN="hf_canary")
    assert done.returncode == 0, done.stdout
    assert HOME in done.stdout
    assert list(site.files()) == [PATH]
    (asked,) = hub.chats.asked
    assert asked["stream"] is True
    assert asked["max_tokens"] <= 1200
    # 0.24 has Qwen answer by this tool; 0.15 knows it, but does not offer it with so few others.
    assert {tool["function"]["name"] for tool in asked["tools"]} <= {"structured_output"}
    assert {s.token for s in hub.seen if s.path.startswith("/v1/")} == {"qwen_canary"}


@pytest.mark.parametrize("fault", ["401", "tool"])
def test_the_real_program_fails_as_it_should(
    tmp_path: Path, hub: Hub, real: str, fault: str
) -> None:
    services = with_program(tmp_path, hub, real, seconds=60)
    if fault == "tool":
        hub.chats.scripts[NAME] = [call("run_shell_command", {"command": f"touch {tmp_path}/PWN"})]
        (found,) = find(services)
        assert isinstance(found, Rejected)
        assert isinstance(found.reason, Reason)
        assert found.reason.why == Why.QWEN_BUDGET_OF_PROGRAM
        assert not (tmp_path / "PWN").exists()
    else:
        hub.faults.append(Fault("qwen *", "401"))
        with pytest.raises(SourceDown) as caught:
            find(services)
        assert caught.value.reason.why == Why.QWEN_PROGRAM_KEY
