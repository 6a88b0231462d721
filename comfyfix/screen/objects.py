"""Answers for programs: one object on stdout, with a `version`, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from comfyfix.errors import Problem
from comfyfix.records import Reason
from comfyfix.screen import words
from comfyfix.screen.text import clean_json, data

VERSION = 1


def say_json(answer: Mapping[str, Any], code: int | None = None) -> None:
    """Print one object; `code` is the exit code, where the object is about the command itself."""
    head = {"version": VERSION} if code is None else {"version": VERSION, "exit_code": code}
    text = msgspec.json.format(msgspec.json.encode({**head, **answer}), indent=1).decode()
    data(clean_json(text) + "\n")


def say_json_of(answers: Mapping[str, Any]) -> None:
    """Print the answers for projects, by their prefixes; of one that has none, that alone."""
    say_json(msgspec.to_builtins(answers[""] if [*answers] == [""] else {"projects": answers}))


def reason_data(reason: Reason) -> dict[str, str]:
    """A reason for programs: its stable name, and a sentence for people."""
    return {"why": reason.why, "message": words.sentence(reason)}


def maybe_reason_data(reason: Reason | None) -> dict[str, str] | None:
    """The same, or null."""
    return reason_data(reason) if reason else None


def failed(problem: Problem) -> dict[str, Any]:
    """What keeps a command from its answer."""
    return {
        "error": {
            "why": problem.reason.why,
            "message": words.problem(problem),
            "next": words.worded(problem.reason).next_step,
        }
    }
