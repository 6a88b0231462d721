"""The qwen program instead of an endpoint: run with nothing of the user's, for one answer.

It gets an empty home and an empty working folder, no tools, and an environment made from nothing:
of our tokens only Qwen's own. It is told its options as qwen-code 0.24 has them, and if it does not
know those that 0.15 lacks (npm installs that one beside Node 20), without these: then the number of
questions and our own clock bound it.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from comfyfix.errors import ModelProblem, SourceDown
from comfyfix.loose_json import dicts, items, mapping
from comfyfix.net.exchange import authority, goes_direct
from comfyfix.outcomes import Outcome
from comfyfix.records import Reason, because
from comfyfix.settings.manifest import Qwen
from comfyfix.sources.base import Services
from comfyfix.sources.qwen.budget import ANSWER_TOKENS, BudgetUsedUp
from comfyfix.sources.qwen.transcript import Transcript
from comfyfix.why import Why

USED_UP = frozenset({53, 55})  # its exit codes when its questions, or another budget, are used up
GRACE = 15.0  # seconds beside its own limit: it takes some to start and to end
SAID_MAX = 200  # characters of what it says of a failure
LINE_MAX = 4 << 20  # characters; the whole run is told on one line
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
# Every tool that it has of its own in its barest mode; a tool that it calls all the same ends it.
_OWN_TOOLS = ("read_file", "run_shell_command", "edit", "notebook_edit", "get_goal", "update_goal")
_SETTINGS = {"privacy": {"usageStatisticsEnabled": False}, "telemetry": {"enabled": False}}
_FAILED = "[API Error"
_NO_KEY = "none"  # it does not start without a key, and many endpoints want none


@dataclass(frozen=True, slots=True)
class Question:
    """What it is asked and told to do, and the JSON that it must answer with.

    `answers` tells whether a text holds such an answer.
    """

    prompt: str
    system: str
    schema: dict[str, Any]
    answers: Callable[[str], bool]


def ask(question: Question, services: Services, transcript: Transcript) -> str:
    """Return its final answer as text. Raises BudgetUsedUp, SourceDown."""
    qwen = services.manifest.qwen
    services.web.reach.require(qwen.base_url)  # offline no program asks for us either
    # It takes `@name` for a file to read. Every value is a JSON string, where this means the same.
    prompt = question.prompt.replace("@", "\\u0040")
    transcript.note("the program is asked", prompt)
    status, output = _run(question, prompt, services, older=qwen.command in services.older_programs)
    if _is_older(status, output) and qwen.command not in services.older_programs:
        services.older_programs.add(qwen.command)
        transcript.note("it does not know the newest options", "asked again without them")
        status, output = _run(question, prompt, services, older=True)
    transcript.note(f"it ends with status {status}", output.text or output.last)
    transcript.note("used", f"{output.tokens} tokens")
    if status in USED_UP or (status < 0 and not output.text):
        limits = {"calls": qwen.calls, "seconds": f"{qwen.seconds:g}"}
        raise BudgetUsedUp(because(Why.QWEN_BUDGET_OF_PROGRAM, **limits))
    if status != 0 and not question.answers(output.text) and not output.talked:
        raise _refusal(output, status, services)
    return output.text


def _run(
    question: Question, prompt: str, services: Services, *, older: bool
) -> tuple[int, _Output]:
    """Run it once; its exit code and what it said. Raises SourceDown."""
    qwen = services.manifest.qwen
    output = _Output()
    with tempfile.TemporaryDirectory(prefix="comfyfix-qwen-", ignore_cleanup_errors=True) as made:
        home, work = Path(made, "home"), Path(made, "work")
        settings = home / ".qwen" / "settings.json"
        settings.parent.mkdir(parents=True)
        work.mkdir()
        settings.write_text(json.dumps(_SETTINGS), encoding="utf-8")
        env = _environment(os.environ, qwen, services, home)
        try:
            status = services.children.run(
                _arguments(qwen, prompt, question, older=older),
                env,
                output.take,
                cwd=work,
                seconds=qwen.seconds + GRACE,
            )
        except ModelProblem as problem:
            if problem.outcome is Outcome.TOOL_MISSING:
                raise SourceDown(Why.QWEN_PROGRAM_MISSING, command=qwen.command) from None
            raise _broken(qwen, problem.reason) from None
        except OSError as error:
            raise _broken(qwen, error.strerror or str(error)) from None
    return status, output


class _Output:
    """What the program has printed, as far as it matters."""

    def __init__(self) -> None:
        self.text = ""
        self.talked = False  # it answered, but in words instead of the object asked for
        self.error = ""
        self.failed = ""
        self.last = ""
        self.tokens = 0

    @property
    def complaint(self) -> str:
        """What it says of a failure."""
        return self.error or self.last

    def take(self, line: str) -> None:
        """Take in one line; all but the JSON is for people."""
        if line.strip():
            self.last = line.strip()[:500]
        if len(line) > LINE_MAX or line[:1] not in ("[", "{"):
            return
        try:
            value = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return
        for event in dicts(value if isinstance(value, list) else [value]):
            if event.get("type") == "assistant":
                self._heard(mapping(event.get("message")))
            elif event.get("type") == "result":
                self._ended(event)

    def _heard(self, message: Mapping[str, Any]) -> None:
        parts = [mapping(part).get("text") for part in items(message.get("content"))]
        text = "".join(part for part in parts if isinstance(part, str))
        if text.startswith(_FAILED):  # 0.15 has Qwen say what became of the question
            self.failed = text
        elif text.strip():
            self.text, self.talked = text, True

    def _ended(self, event: Mapping[str, Any]) -> None:
        final = event.get("structured_result")
        if isinstance(final, dict):
            self.text = json.dumps(final, ensure_ascii=False)
        self.error = self.failed or str(mapping(event.get("error")).get("message") or "")
        self.talked = self.talked and "API Error" not in self.error
        tokens = mapping(event.get("usage")).get("total_tokens")
        self.tokens = tokens if isinstance(tokens, int) else 0


def _arguments(qwen: Qwen, prompt: str, question: Question, *, older: bool) -> list[str]:
    bounds = ("--max-wall-time", f"{max(1, math.ceil(qwen.seconds))}s", "--max-tool-calls", "0")
    return [
        qwen.command,
        prompt,
        *("--auth-type", "openai"),
        "--bare",
        *("--approval-mode", "plan"),
        *("--system-prompt", question.system),
        *("--output-format", "json"),
        *("--json-schema", json.dumps(question.schema)),
        *("--max-session-turns", str(qwen.calls)),
        *(() if older else bounds),
        *("--exclude-tools", *_OWN_TOOLS),
    ]


def _environment(
    base: Mapping[str, str], qwen: Qwen, services: Services, home: Path
) -> dict[str, str]:
    env = {
        "PATH": base.get("PATH", os.defpath),
        "HOME": str(home),
        "TMPDIR": str(home.parent),
        "LANG": "C.UTF-8",
        "OPENAI_BASE_URL": qwen.chat_url.removesuffix("/chat/completions"),
        "OPENAI_MODEL": qwen.model,
        "OPENAI_API_KEY": services.tokens.get("qwen") or _NO_KEY,
        "QWEN_CODE_MAX_OUTPUT_TOKENS": str(min(ANSWER_TOKENS, qwen.tokens)),
    }
    if not goes_direct(qwen.chat_url):  # 0.15 goes through a proxy whatever NO_PROXY says
        names = [*_PROXIES, *(name.lower() for name in _PROXIES)]
        env |= {name: base[name] for name in names if base.get(name)}
    if authority(base):
        env["NODE_EXTRA_CA_CERTS"] = authority(base)
    return env


def _broken(qwen: Qwen, cause: Reason | str) -> SourceDown:
    return SourceDown(Why.QWEN_PROGRAM_BROKEN, command=qwen.command, cause=cause)


def _is_older(status: int, output: _Output) -> bool:
    """Tell whether it has printed its help instead of running: it does not know an option."""
    return status != 0 and any(sign in output.complaint for sign in ("Unknown argument", "--help"))


def _refusal(output: _Output, status: int, services: Services) -> SourceDown:
    why = Why.QWEN_PROGRAM_FAILS
    if not output.complaint:
        why = Why.QWEN_PROGRAM_SILENT
    elif _is_older(status, output):
        why = Why.QWEN_PROGRAM_OLD
    elif any(sign in output.complaint for sign in ("401", "403", "API key")):
        why = Why.QWEN_PROGRAM_KEY
    said = services.scrubbed(output.complaint)[:SAID_MAX]
    return SourceDown(why, command=services.manifest.qwen.command, status=status, said=said)
