"""Qwen's opinion on files that are there: does each plausibly fit the node that asked for it?

One question for a batch, within the budgets of a search. An opinion is words for the user: it
overrules no verdict. An answer that is not exactly of the form asked for counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from comfyfix.disk.files import printable
from comfyfix.errors import SourceDown
from comfyfix.records import Opinion, Reason, because
from comfyfix.sources.base import Services
from comfyfix.sources.qwen import program as qwen_cli
from comfyfix.sources.qwen import question as qwen_question
from comfyfix.sources.qwen import reply as qwen_reply
from comfyfix.sources.qwen.asking import Asking, opening
from comfyfix.sources.qwen.budget import Budget, BudgetUsedUp
from comfyfix.sources.qwen.schema import schema_of
from comfyfix.sources.qwen.transcript import Transcript, exchange
from comfyfix.why import Why

REASON_MAX = 200  # characters that are shown
FILES_MAX = 1000
_Long = Annotated[str, msgspec.Meta(max_length=1000)]


class NoOpinion(Exception):
    """Qwen could not be asked, or its answer is of no use; `reason` says which."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason


class _OfFile(msgspec.Struct, frozen=True, kw_only=True):
    file: _Long
    fits: bool
    reason: _Long = ""


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    files: Annotated[list[_OfFile], msgspec.Meta(max_length=FILES_MAX)]


SCHEMA = schema_of(_Answer)
"""The answer as JSON schema, for programs that take one."""


def ask(batch: str, files: Sequence[dict[str, Any]], services: Services) -> dict[str, Opinion]:
    """Ask once about some files; return opinions by what `file` names. Raises NoOpinion."""
    try:
        with exchange(f"opinion on batch {batch}", services) as transcript:
            text = _answer(batch, files, services, transcript)
    except (BudgetUsedUp, SourceDown) as problem:
        raise NoOpinion(problem.reason) from None
    return read(services.scrubbed(text), {str(file["file"]) for file in files})


def _answer(
    batch: str, files: Sequence[dict[str, Any]], services: Services, transcript: Transcript
) -> str:
    qwen = services.manifest.qwen
    system = qwen_question.opinion_system()
    question = qwen_question.opinion_question(batch, files)
    holds_answer = qwen_reply.holds(_Answer)
    if qwen.command:
        asked = qwen_cli.Question(question, system, SCHEMA, holds_answer)
        return qwen_cli.ask(asked, services, transcript)
    messages = opening(system, question)
    for message in messages:
        transcript.note(f"{message['role']} says", message["content"])
    budget = Budget(qwen)  # its clock starts when the question can be sent
    said = Asking(services.chat, budget, transcript, holds_answer).ask(messages, [])
    transcript.note("Qwen answers", said.text)
    return said.text


def read(text: str, asked: set[str]) -> dict[str, Opinion]:
    """Take the opinions out of an answer about these files; some give no reason.

    Raises NoOpinion.
    """
    answer = qwen_reply.read_as(text, _Answer)
    if answer is None:
        raise NoOpinion(because(Why.QWEN_NOT_JSON))
    opinions: dict[str, Opinion] = {}
    for said in answer.files:
        if said.file not in asked:
            raise NoOpinion(because(Why.OPINION_UNASKED, file=said.file))
        if said.file in opinions:
            raise NoOpinion(because(Why.OPINION_TWICE, file=said.file))
        reason = printable(" ".join(said.reason.split()), REASON_MAX)
        opinions[said.file] = Opinion(fits=said.fits, reason=reason)
    return opinions
