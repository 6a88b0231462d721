"""Each name of doit's that ours stand in for is one that doit looks up."""

from __future__ import annotations

import getopt
from types import SimpleNamespace

import pytest
from doit import cmd_clean, cmd_run, doit_cmd
from doit.cmdparse import CmdOption, CmdParse, CmdParseError
from doit.dependency import Dependency, JsonDB
from doit.exceptions import InvalidCommand
from doit.reporter import ConsoleReporter
from doit.runner import MThreadRunner, Runner
from doit.task import Task

from comfyfix.tasks.face import inside_doit
from comfyfix.tasks.run import reporter
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
    assert "print_usage" in doit_cmd.DoitMain.run.__code__.co_names
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


class Made:
    """What makes tasks, as doit knows it; with a manifest it is one of ours."""

    def create_doit_tasks(self) -> None:
        pass


class Ours(Made):
    manifest = "manifest.yaml"


@pytest.mark.parametrize(
    ("names", "others"),
    [
        ({}, False), ({"task_models": Ours()}, False), ({"x": Made()}, True),
        ({"task_x": lambda: None}, True), ({"task_x": 5, "of_task": lambda: None}, False),
    ],
)  # fmt: skip
def test_a_dodo_has_others_where_something_makes_tasks_that_is_not_ours(
    names: dict[str, object], others: bool
) -> None:
    assert inside_doit.has_others(SimpleNamespace(namespace=names)) is others
    assert not inside_doit.has_others(SimpleNamespace(namespace=None))


@pytest.mark.parametrize(
    ("actions", "capture", "captures"),
    [
        ([Made.create_doit_tasks], True, True), ([Made.create_doit_tasks], False, False),
        (["ls"], True, False), ([], True, False),
        (["ls", (Made.create_doit_tasks, ["x"])], True, True),
    ],
)  # fmt: skip
def test_a_python_action_is_captured_unless_its_task_says_no(
    actions: list[object], capture: bool, captures: bool
) -> None:
    assert inside_doit.captures(Task("x", actions, io={"capture": capture})) is captures


def test_a_reporter_is_ours_if_it_says_so() -> None:
    assert reporter.is_ours(reporter.Reporter)
    assert not reporter.is_ours(ConsoleReporter)
    assert not reporter.is_ours("console")
