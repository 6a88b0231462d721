"""What a run does for a model does not grow with how many there are: lines are counted, no time."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import comfyfix
from comfyfix.demo.content import file_for
from comfyfix.once import Once
from comfyfix.outcomes import Came
from comfyfix.script import engine
from comfyfix.settings import lockfile
from comfyfix.settings.lockfile import Entry, Lock
from comfyfix.settings.overrides import LOCK_FILE
from tests.inprocess import InProcess

FEW, TIMES = 6, 4
"""Models of a small project, and how many times as many a large one has."""
MORE_THAN = 5.5
"""How many times as often a line may be passed: what each model costs the others is 16 times."""
PROGRAM = str(Path(comfyfix.__file__).parent)
DATA = file_for("tide_0.safetensors")
PUT_ENGINE = engine.put
OFFLINE = {"HF_HUB_OFFLINE": "1"}
Lines = Counter[tuple[str, int]]
Make = Callable[[str], InProcess]


@pytest.fixture
def make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Make:
    """Make a project folder of this name."""
    return lambda name: InProcess(tmp_path / name, None, monkeypatch, capsys)


@contextmanager
def counted() -> Iterator[Lines]:
    """How often each line of the program is passed meanwhile, in all threads."""
    lines: Lines = Counter()

    def passes(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            lines[frame.f_code.co_filename, frame.f_lineno] += 1
        return passes

    def enters(frame: FrameType, _event: str, _: Any) -> Any:
        return passes if frame.f_code.co_filename.startswith(PROGRAM) else None

    before = sys.gettrace(), threading.gettrace()
    threading.settrace(enters)
    sys.settrace(enters)
    try:
        yield lines
    finally:
        sys.settrace(before[0])
        threading.settrace(before[1])


def names(count: int) -> list[str]:
    return [f"tide_{number}.safetensors" for number in range(count)]


def locked(site: InProcess, count: int) -> None:
    """Lock so many models, all of the same bytes."""
    digest = hashlib.sha256(DATA).hexdigest()
    entries = [
        Entry(folder="loras", path=name, size=len(DATA), sha256=digest,
              url=f"https://huggingface.co/harbour/tide/resolve/{'0' * 40}/{name}")
        for name in names(count)
    ]  # fmt: skip
    text = lockfile.text(Lock(site.root / LOCK_FILE).with_entries(entries))
    (site.root / LOCK_FILE).write_text(text)


def brought(site: InProcess, count: int, monkeypatch: pytest.MonkeyPatch) -> Lines:
    """Another process brings each model after the run has been planned."""
    site.manifest(policy={"max_total": "1TB"})
    locked(site, count)
    done: Once[str, object] = Once()

    def put(folder: Path) -> Path | None:
        done.get("", lambda: [site.put("loras", name, DATA) for name in names(count)])
        return PUT_ENGINE(folder)

    monkeypatch.setattr(engine, "put", put)
    with counted() as lines:
        ran = site.run("--frozen")
    assert ran.code == 0, ran
    ledger = site.state("ledger.json")["models"]
    assert [entry["attempts"][0]["came"] for entry in ledger.values()] == [Came.OTHERS] * count
    assert len(list((site.output / "verified").iterdir())) == -(-count // 6)
    return lines


def failed(site: InProcess, count: int, _: pytest.MonkeyPatch) -> Lines:
    """Nobody can be asked for any, so each fails; that is all that its batch has to tell."""
    site.workflow("all.json", *[("loras", name) for name in names(count)])
    for number in range(0, count, 2):
        site.workflow(f"w{number}.json", *[("loras", n) for n in names(count)[number : number + 2]])
    with counted() as lines:
        ran = site.run(**OFFLINE)
    assert ran.code == 1, ran
    report = site.state("report/report.json")["models"]
    assert [model["status"] for model in report] == ["failed"] * count
    return lines


def forgotten(site: InProcess, count: int, monkeypatch: pytest.MonkeyPatch) -> Lines:
    """All are there, and are to be searched again."""
    brought(site, count, monkeypatch)
    with counted() as lines:
        ran = site.run("forget", "download", COMFYFIX_FROZEN="1")
    assert ran.code == 0, ran
    ledger = site.state("ledger.json")["models"]
    assert all(entry["again"] for entry in ledger.values())
    return lines


@pytest.mark.parametrize("work", [brought, failed, forgotten])
def test_no_line_is_passed_more_often_for_each_model_where_there_are_more(
    work: Callable[[InProcess, int, pytest.MonkeyPatch], Lines],
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = work(make("few"), FEW, monkeypatch)
    many = work(make("many"), FEW * TIMES, monkeypatch)
    odd = {
        f"{file.removeprefix(PROGRAM)}:{line}": (few[file, line], count)
        for (file, line), count in many.items()
        if count > MORE_THAN * max(FEW, few[file, line])
    }
    assert odd == {}
