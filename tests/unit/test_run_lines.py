"""What a run tells while it goes: the lines of its events, folds, how far downloads are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as Screen

from comfyfix.errors import ModelProblem, Problem
from comfyfix.outcomes import Came, Outcome
from comfyfix.records import Model, Reason, Receipt, Status, Verdict, because
from comfyfix.screen import words
from comfyfix.screen.run.console import ActionsConsole, GitLabConsole, choose
from comfyfix.screen.run.events import Events, bad_files
from comfyfix.screen.run.lines import Console
from comfyfix.screen.run.live import Board
from comfyfix.screen.run.part import Part
from comfyfix.screen.words import fixed, t
from comfyfix.why import Why
from tests.unit.test_shown import record


def test_how_far_a_download_is_is_read_from_its_part(tmp_path: Path) -> None:
    part = Part(tmp_path / "a.pt")
    assert part.arrived() == 0
    (tmp_path / "b.pt.x.part").write_bytes(b"x" * 99)
    (tmp_path / "a.pt.x.part").write_bytes(b"x" * 30)
    assert part.arrived() == 30
    (tmp_path / "a.pt.x.have").write_text("v1\n0 10\n20 25\n")
    assert part.arrived() == 15
    (tmp_path / "a.pt.x.have").write_text("0\n")
    assert part.arrived() == 30
    (tmp_path / "a.pt.x.part").unlink()
    assert part.arrived() == 0
    (tmp_path / "a.pt.y.part").write_bytes(b"x" * 7)
    assert part.arrived() == 7
    assert Part(tmp_path / "nowhere" / "a.pt").arrived() == 0


def test_of_a_directory_and_a_set_all_files_count(tmp_path: Path) -> None:
    new = tmp_path / ".d.12345678.new"
    (new / ".git").mkdir(parents=True)
    (new / ".git" / "x").write_bytes(b"x" * 50)
    (new / "a").write_bytes(b"x" * 5)
    (new / "b.x.part").write_bytes(b"x" * 20)
    (new / "b.x.have").write_text("0 3\n")
    (tmp_path / ".d.1234567.new").mkdir()
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "c").write_bytes(b"x" * 100)
    (tmp_path / "d" / "gone").symlink_to("nowhere")
    assert Part(tmp_path / "d").arrived() == 108
    first = tmp_path / "m-00001-of-00002.safetensors"
    first.write_bytes(b"x" * 4)
    (tmp_path / "m-00002-of-00002.safetensors.x.part").write_bytes(b"x" * 2)
    assert Part(first).arrived() == 6


@pytest.mark.parametrize(
    ("variable", "kind"),
    [("", Console), ("GITHUB_ACTIONS", ActionsConsole), ("GITLAB_CI", GitLabConsole)],
)
def test_a_service_that_folds_gets_a_fold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, kind: type[Console]
) -> None:
    for name in ("GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.setenv(name, "true" if name == variable else "1")
    out = io.StringIO()
    console = choose(tmp_path / "log", out, live=True)
    assert type(console) is kind
    console.begin(0)
    console.end()
    assert out.getvalue() == ""
    console.begin(2)
    console.line("x")
    console.end()
    console.end()
    lines = out.getvalue().split("\n")
    if variable:
        assert lines[0].endswith(f"comfyfix: {t('{count:models}', count=2)}")
        assert lines[1:2] + lines[3:] == ["x", ""]
    else:
        assert lines == ["x", ""]


def said(tmp_path: Path, *happen: tuple[str, tuple[Any, ...]]) -> list[str]:
    out = io.StringIO()
    events = Events(Console(tmp_path / "run.log", out), Path("/m"))
    for name, arguments in happen:
        getattr(events, name)(*arguments)
    return out.getvalue().splitlines()


def test_a_find_is_told_with_what_is_odd_about_it(tmp_path: Path) -> None:
    note: Reason = because(Why.STOPPED)
    odd = record(1, "a", name="b", renamed=True, note=note)
    asked = record(2, "c", source="workflow", asked="https://h/x", where="h")
    local = record(3, "d", source="store", local="/m/x/d", name="e", renamed=True)
    same = record(4, "f", name="f", renamed=True)
    lines = said(tmp_path, *(("found", (each,)) for each in (odd, asked, local, same)))
    assert [line.partition("  [")[0] for line in lines] == [
        f"  {fixed('✓ Found on HuggingFace: {where}', where='a/b')}",
        f"  {t('! Its name there is {name}', name='b')}",
        f"  {t('! {note}', note=note)}",
        f"  {t('✓ Found where you have said: {where}', where='h')}",
        f"  {fixed('✓ Found in the store: {where}', where='x/d')}",
        f"  {fixed('✓ Found on HuggingFace: {where}', where='a/b')}",
    ]


def test_one_cause_is_told_whole_once(tmp_path: Path) -> None:
    model, other = Model(folder="vae", path="a"), Model(folder="vae", path="b")
    problem: Problem = ModelProblem(Outcome.NETWORK, Why.NO_ROOM_KEPT)
    lines = said(tmp_path, ("failed", (model, problem)), ("failed", (other, problem)))
    assert lines[0].startswith(f"  ✗ {words.problem(problem)[:40]}")
    what = words.worded(problem.reason).what
    assert lines[-1] == f"  {t('✗ {what}: see above', what=what)}  [b]"


def test_a_batch_is_told_by_what_its_files_are(tmp_path: Path) -> None:
    plain: dict[str, Any] = {"filename": "f", "path": "/f", "reason": None}
    statuses: tuple[Status, ...] = ("ok", "ok", "unverified", "damaged")
    verdicts = [
        Verdict(model=f"vae/{number}", status=status, **plain)
        for number, status in enumerate(statuses)
    ]
    verdicts.append(
        Verdict(model="vae/r", status="wrong", **plain | {"reason": because(Why.STOPPED)})
    )
    wrong = f"wrong ({words.sentence(because(Why.STOPPED))})"
    assert said(tmp_path, ("verified", (verdicts, 1))) == [
        fixed("  ✓ Verified: {count:models}", count=2),
        t("  ! Unverified (see `doit explain unverified`): {count:models}", count=1),
        "  ✗ f: damaged",
        f"  ✗ f: {wrong}",
        t("  ! Not there, as told above: {count:models}", count=1),
    ]
    assert said(tmp_path, ("verified", ([],))) == []
    assert bad_files(verdicts) == f"vae/3: damaged; vae/r: {wrong}"


@pytest.mark.parametrize(
    ("came", "line"),
    [
        (Came.OTHERS, t("✓ Fetched by another process meanwhile")),
        (Came.THERE, t("✓ It was there already")),
        (Came.LINKED, t("✓ Linked: {place}", place="x/a")),
        (Came.COPIED, t("✓ Copied from {place} ({size:size})", place="/home/a", size=5)),
        (Came.FETCHED, fixed("✓ Download completed successfully")),
    ],
)
def test_how_a_file_came_is_told(tmp_path: Path, came: Came, line: str) -> None:
    receipt = Receipt(
        model="loras/a", path="/m/x/a", size=5, sha256="a" * 64, mtime_ns=1, at="now",
        origin="/home/a",
    )  # fmt: skip
    (told,) = said(tmp_path, ("fetched", (record(1, "a", local="/m/x/a"), receipt, came)))
    assert told == f"  {line}  [a]"


def test_a_mirror_that_gives_nothing_is_told_once(tmp_path: Path) -> None:
    model = Model(folder="vae", path="a")
    out = io.StringIO()
    events = Events(Console(tmp_path / "run.log", out), Path("/m"))
    for place in ("/m1", "/m1", "/m2"):
        events.mirror_failed(model, place, wrong=False)
    events.mirror_failed(model, "/m1", wrong=True)
    lines = out.getvalue().splitlines()
    silent = "! The mirror {place} does not give what it is asked for"
    assert lines[:2] == [t(silent, place=place) for place in ("/m1", "/m2")]
    wrong = "! The mirror {place} has other bytes under this hash: not taken"
    assert lines[2:] == [f"  {t(wrong, place='/m1')}  [a]"]


def test_the_totals_of_a_run_tell_what_is_known() -> None:
    board = Board(Screen(file=io.StringIO()))
    board.total, board.done = 4, 1
    left = t("{count} left", count=3)
    assert list(board._totals([], 0)) == [t("{count} done", count=1), left]
    board.sizes.expect("a", 2_000)
    known = [
        t("{count} done", count=1),
        left,
        f"{t('{arrived} of {size}', arrived='0 B', size='2.0 kB')}",
    ]
    unknown = t("{count} of unknown size", count=2)
    assert list(board._totals([], 0)) == [*known, unknown]
    board.sizes.expect("b", 0)
    board.sizes.expect("c", 0)
    waiting = t("{count} wait for a slot", count=2)
    assert list(board._totals([], 2)) == [*known, waiting]
    board.failed = 1
    assert list(board._totals([], 0))[1:3] == [
        t("{count} failed", count=1), t("{count} left", count=2),
    ]  # fmt: skip
