"""Each name of doit's that ours stand in for is one that doit looks up."""

from __future__ import annotations

import getopt

import pytest
from doit import cmd_clean, cmd_run, doit_cmd
from doit.cmdparse import CmdOption, CmdParse, CmdParseError
from doit.dependency import Dependency, JsonDB
from doit.exceptions import InvalidCommand
from doit.runner import MThreadRunner, Runner

from comfyfix.tasks import inside_doit
from comfyfix.why import Why


def test_doit_looks_its_classes_up_by_these_names() -> None:
    assert set(inside_doit.RUN_NAMES) <= set(cmd_run.Run._execute.__code__.co_names)
    assert "TaskControl" in cmd_clean.Clean._execute.__code__.co_names
    assert "_CMDLINE_VARS" in doit_cmd.get_var.__code__.co_names


def test_doit_calls_the_methods_that_we_change() -> None:
    assert "_load" in JsonDB.__init__.__code__.co_names
    assert "dump" in Dependency.close.__code__.co_names
    assert "select_task" in Runner.run_tasks.__code__.co_names
    assert "select_task" in MThreadRunner.get_next_job.__code__.co_names
    assert "_handle_task_error" in Runner.select_task.__code__.co_names
    assert inside_doit._IGNORED in Dependency.ignore.__code__.co_consts
    assert cmd_run.opt_outfile["name"] == "outfile"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["--nmae"], ("--nmae", Why.OPTION_UNKNOWN)),
        (["-x"], ("-x", Why.OPTION_UNKNOWN)),
        (["--number"], ("--number", Why.OPTION_NEEDS_VALUE)),
        (["--number", "many"], ("number", Why.OPTION_UNFIT)),
    ],
)
def test_what_doit_says_of_an_option_is_understood(typed: list[str], told: tuple[str, Why]) -> None:
    option = {"name": "number", "long": "number", "type": int, "default": 0}
    with pytest.raises(CmdParseError) as refused:
        CmdParse([CmdOption(option)]).parse(typed)
    assert isinstance(refused.value.__context__, getopt.GetoptError | ValueError)
    assert inside_doit.option_refused(refused.value) == told


def test_what_doit_says_of_a_name_is_understood() -> None:
    with pytest.raises(InvalidCommand) as refused:
        cmd_clean.check_tasks_exist({}, ["it's"])
    assert inside_doit.no_task(refused.value) == "it's"
    assert inside_doit.no_task(InvalidCommand("something else")) is None
