"""Lines on the screen: what is escaped and for whom, colours, links, columns, and how all ends."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

import pytest

from comfyfix.errors import SetupProblem
from comfyfix.records import because
from comfyfix.screen import ends, notes, text, words
from comfyfix.screen.clock import clock
from comfyfix.screen.objects import failed, reason_data
from comfyfix.screen.table import Column, lines_of, table
from comfyfix.screen.words import t
from comfyfix.stopping import Stopped
from comfyfix.why import Why

COLOURS = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "TERM", "FORCE_HYPERLINK")
CIS = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION")


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*COLOURS, *CIS):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("variable", ["", *CIS])
def test_what_a_ci_obeys_is_escaped_for_a_ci(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    if variable:
        monkeypatch.setenv(variable, "1")
    lines = {
        "::error::x": r"\x3a:error::x",
        "  ::x": r"  \x3a:x",
        "##[error]x": r"\x23#[error]x",
        "a ##vso[x]": r"a \x23#vso[x]",
        "a ::b": "a ::b",
        "## heading": "## heading",
        "#[x]": "#[x]",
    }
    for line, escaped in lines.items():
        assert text.clean(line) == (escaped if variable else line)
    assert text.clean_json('["###"]') == (r'["\u0023\u0023#"]' if variable else '["###"]')
    assert text.clean("a\x1b[2Jb") == r"a\x1b[2Jb"


@pytest.mark.parametrize(
    ("variables", "on_a_terminal", "elsewhere"),
    [
        ("", True, False),
        ("NO_COLOR=1 FORCE_COLOR=1", False, False),
        ("FORCE_COLOR=1", True, True),
        ("FORCE_COLOR=0", False, False),
        ("FORCE_COLOR=False CLICOLOR_FORCE=1", False, False),
        ("CLICOLOR_FORCE=1", True, True),
        ("CLICOLOR_FORCE=0", True, False),
    ],
)
def test_colours_are_as_the_user_has_them(
    monkeypatch: pytest.MonkeyPatch, variables: str, on_a_terminal: bool, elsewhere: bool
) -> None:
    for variable in variables.split():
        monkeypatch.setenv(*variable.split("="))
    for terminal, coloured in ((True, on_a_terminal), (False, elsewhere)):
        for line in ("  ✓ there", "✗ gone", "! odd"):
            shown = text.paint(line, terminal=terminal)
            assert ("\x1b[" in shown) is coloured
            assert shown.endswith(line.lstrip()[1:])
        assert (text.paint("HEADING", terminal=terminal) != "HEADING") is coloured
        assert text.paint("a line", terminal=terminal) == "a line"
        assert text.paint("✓there", terminal=terminal) == "✓there"


@pytest.mark.parametrize(
    ("environ", "knows"),
    [
        ({}, False), ({"VTE_VERSION": "5000"}, True), ({"VTE_VERSION": "4999"}, False),
        ({"VTE_VERSION": "new"}, False), ({"TERM_PROGRAM": "WezTerm"}, True),
        ({"TERM": "foot-extra"}, True), ({"TERM": "xterm-256color"}, False),
        ({"WT_SESSION": "x"}, True), ({"KONSOLE_VERSION": "1"}, True),
        ({"FORCE_HYPERLINK": "1"}, True), ({"WT_SESSION": "x", "FORCE_HYPERLINK": "0"}, False),
    ],
)  # fmt: skip
def test_links_are_for_terminals_that_are_known_to_have_them(
    environ: dict[str, str], knows: bool
) -> None:
    assert text._knows_links(environ) is knows


WIDE = (Column("NO"), Column("A", share=3, least=6), Column("B", spare=1), Column("C", spare=2))


def test_columns_are_left_out_where_there_is_no_room_the_least_needed_first() -> None:
    rows = [("1", "a" * 6, "b" * 10, "c" * 10)]
    for room, shown in ((33, 4), (32, 3), (21, 3), (20, 2), (10, 2), (3, 2)):
        (line,) = lines_of(WIDE, rows, room)
        assert len(line.split()) == shown, room
    heading, line = table(WIDE, rows, None)
    assert [line.index(letter) for letter in "1abc"] == [
        heading.index(t(column.heading)) for column in WIDE
    ]


def test_what_is_left_of_a_row_is_shared() -> None:
    columns = (Column("", share=2), Column("", share=1), Column("", share=1))
    rows = [("a" * 50, "b" * 50, "cc")]
    assert [len(cell) for cell in next(lines_of(columns, rows, 36)).split()] == [20, 10, 2]
    assert next(lines_of(columns, [("a" * 9, "b" * 9, "c" * 9)], 31)).split()[2] == "c" * 9


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0:00"), (59.9, "0:59"), (60, "1:00"), (3_599, "59:59"), (3_600, "1:00:00"),
        (3_661, "1:01:01"), (-5, "0:00"), (1e9, "99:59:59"),
    ],
)  # fmt: skip
def test_a_time_is_told_as_on_a_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_a_reason_for_programs_has_its_name_and_its_words() -> None:
    problem = SetupProblem(Why.NO_ROOM_KEPT)
    error = failed(problem)["error"]
    assert reason_data(problem.reason) == {
        "why": error["why"], "message": words.sentence(problem.reason),
    }  # fmt: skip
    assert error["message"] == words.problem(problem)
    assert error["next"] == words.worded(problem.reason).next_step


def test_remarks_stand_beside_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    problem = SetupProblem(Why.NO_ROOM_KEPT)
    notes.remark(problem)
    notes.remark(because(Why.STOPPED))
    notes.error("x\x1b")
    notes.searching("a.pt")
    notes.searching(2)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        *f"! {words.problem(problem)}".split("\n"),
        f"! {words.sentence(because(Why.STOPPED))}",
        r"ERROR: x\x1b",
        t("Searching for {name} …", name="a.pt"),
        t("Searching for {count:models} …", count=2),
    ]


class Screen(io.StringIO):
    """A stream that takes nothing, for a reason."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def flush(self) -> None:
        raise OSError(self._number, os.strerror(self._number))


def raising(error: BaseException | None, code: int | None = None) -> Any:
    def work() -> int | None:
        if error is not None:
            raise error
        return code

    return work


@pytest.mark.parametrize(("code", "exit_code"), [(None, 0), (0, 0), (3, 3)])
def test_a_command_ends_with_the_code_of_its_work(code: int | None, exit_code: int) -> None:
    assert ends.guarded(raising(None, code)) == exit_code


def test_a_stop_is_said_and_a_reader_that_has_seen_enough_is_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ends.guarded(raising(Stopped(130))) == 130
    assert capsys.readouterr().err == t("\nStopped. Next: run the same command again") + "\n"
    assert ends.guarded(raising(BrokenPipeError())) == 0
    assert capsys.readouterr().err == ""


def test_an_error_that_is_not_the_screens_is_not_swallowed() -> None:
    with pytest.raises(FileNotFoundError):
        ends.guarded(raising(FileNotFoundError(errno.ENOENT, "gone", "/file")))


@pytest.mark.parametrize(("code", "exit_code"), [(0, ends.UNTOLD), (1, ends.UNTOLD), (3, 3)])
def test_an_answer_that_can_not_be_written_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int, exit_code: int
) -> None:
    muted: list[int] = []
    monkeypatch.setattr(ends, "mute", muted.append)
    monkeypatch.setattr(sys, "stdout", Screen(errno.ENOSPC))
    assert ends.guarded(raising(None, code)) == exit_code
    assert ends.guarded(raising(OSError(errno.ENOSPC, "full"))) == ends.UNTOLD
    assert muted == [1, 1]
    assert capsys.readouterr().err.count(os.strerror(errno.ENOSPC)) == 2
    monkeypatch.setattr(sys, "stdout", Screen(errno.EPIPE))
    assert ends.guarded(raising(None, 1)) == 1
    assert capsys.readouterr().err == ""
    assert muted == [1, 1, 1]


def test_a_last_word_is_said_by_who_leaves_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[int] = []

    def gone(code: int) -> None:
        said.append(-code)
        raise SystemExit

    monkeypatch.setattr(os, "_exit", gone)
    with ends.last_word(said.append), pytest.raises(SystemExit):
        ends.leave(7)
    with pytest.raises(SystemExit):
        ends.leave(8)
    assert said == [7, -7, -8]
