"""`help`: short, within the screen, in our words."""

from __future__ import annotations

import pytest

from comfyfix.screen import words
from comfyfix.screen.commands import usage
from comfyfix.tasks.face.command_names import COMMANDS
from tests.inprocess import InProcess

JARGON = ("CmdOption", "config:", "%(", "{'", "loader", "uptodate [", "None")


@pytest.mark.parametrize("command", sorted(COMMANDS))
@pytest.mark.parametrize("width", [80, 120])
def test_the_help_of_a_command(inprocess: InProcess, command: str, width: int) -> None:
    done = inprocess.run("help", command, COLUMNS=str(width))
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith(f"comfyfix {command}")
    assert all(len(line) <= min(width, 100) for line in lines), lines
    assert not [word for word in JARGON if word in done.out]
    assert "--offline" in done.out
    assert inprocess.run(command, "--help", COLUMNS=str(width)).out == done.out


def test_all_commands_are_told_within_the_screen(inprocess: InProcess) -> None:
    done = inprocess.run("help", COLUMNS="80")
    assert all(len(line) <= 80 for line in done.out.splitlines())
    told = {line.split()[0] for line in done.out.splitlines() if line.startswith("  ")}
    assert told >= set(COMMANDS)
    ours, doits = done.out.split(words.t("doit's own commands"))
    for name in ("choose", "run", "list"):
        assert f"  {name} " in ours
        assert f"  {name} " not in doits
    for asked in ("--help", "-h"):
        assert inprocess.run(asked, COLUMNS="80").out == done.out


def test_doit_is_named_to_who_has_typed_it(inprocess: InProcess) -> None:
    done = inprocess.in_doit("help", "plan")
    assert done.returncode == 0
    assert "doit plan workflow:portrait" in done.stdout
    assert "comfyfix plan" not in done.stdout


def test_doit_tells_ours_however_it_is_asked(inprocess: InProcess) -> None:
    asked, help_ = inprocess.in_doit("--help"), inprocess.in_doit("help")
    assert asked.returncode == 0
    assert "  choose " in asked.stdout
    assert asked.stdout == help_.stdout


def test_an_option_has_its_line_in_our_words() -> None:
    option = usage.Option("dep_file", "d", "db-file", "", value=True, about="theirs %(default)s")
    lines = list(usage.lines("x", "y", "z", "[A]", "", [option]))
    (line,) = [line for line in lines if "-d, --db-file=X" in line]
    assert words.t("the file of doit's memory") in line
