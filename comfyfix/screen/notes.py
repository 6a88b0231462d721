"""Lines that many commands print beside their answers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from comfyfix.errors import Problem
from comfyfix.records import Reason
from comfyfix.screen import words
from comfyfix.screen.text import clean, warn
from comfyfix.screen.words import t

if TYPE_CHECKING:
    from comfyfix.stages.needs.scan import ScannedFile


def refusal(problem: Problem) -> None:
    """Tell why a command does nothing, as doit tells its own errors."""
    error(words.problem(problem))


def error(message: str) -> None:
    """Tell an error, as doit does, within the screen."""
    with contextlib.suppress(OSError):  # there may be no one to tell it to
        warn(f"ERROR: {message}")


def remark(about: Problem | Reason | str) -> None:
    """Tell what the user should know besides."""
    warn(f"! {words.problem(about) if isinstance(about, Problem) else words.sentence(about)}")


def unreadable(files: Iterable[ScannedFile]) -> None:
    """Tell which workflows can't be read."""
    for file in files:
        remark(t("{path} can't be read: {cause}", path=file.path, cause=file.problem))


def no_workflow(file: ScannedFile) -> None:
    """Tell that a file is none, or why it can't be read."""
    cause = words.sentence(file.problem) if file.problem else t("it holds no workflow")
    remark(f"{clean(file.path)}: {cause}")


def demo() -> str:
    """The first line of a run of the demo."""
    return t(
        "This is the demo: made-up models, a hub of its own, no network. Your own: `comfyfix init`"
    )


def searching(what: str | int) -> None:
    """Tell that an answer takes a while: for how many models, or for which one."""
    if isinstance(what, str):
        warn(t("Searching for {name} …", name=what))
    else:
        warn(t("Searching for {count:models} …", count=what))


def hashing(name: str) -> None:
    """Tell that a file is read to its end first."""
    warn(t("Hashing {name} …", name=name))


def stopped_searching() -> None:
    """Tell that a search was stopped."""
    warn(f"\n{t('Stopped. What was found is kept.')}")
