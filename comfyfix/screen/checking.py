"""What is told of files that are verified one after the other, and at the end of all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from comfyfix.disk.files import human_size
from comfyfix.errors import Problem
from comfyfix.records import Reason, Verdict
from comfyfix.screen import words
from comfyfix.screen.text import fitted
from comfyfix.screen.words import t

_MARKS = {"ok": "✓", "unverified": "!"}


def begun(count: int, size: int) -> str:
    """Say how much is looked at."""
    told = "Verifying {files} ({size:size}) in the model folders"
    return t(told, files=_files(count), size=size)


def line(verdict: Verdict) -> str:
    """Say what one file is, and whose word that is, or why not."""
    told = words.sentence(verdict.reason) if verdict.reason else ""
    by = t("as {by} tells", by=verdict.by) if verdict.by else told
    return _line(verdict.status, verdict.model, by)


def as_data(verdict: Verdict) -> dict[str, Any]:
    """The same for programs."""
    return {
        "model": verdict.model,
        "path": verdict.path,
        "status": verdict.status,
        "size": verdict.size,
        "sha256": verdict.sha256,
        "reason": words.sentence(verdict.reason) if verdict.reason else "",
        "moved_to": verdict.moved_to,
    }


def lacking(model: str, problem: Problem) -> str:
    """Say of a needed model that there can be no file of it."""
    return _line("missing", model, words.problem(problem))


def against_policy(model: str, rule: Reason) -> str:
    """Say of a file that is there that the manifest does not allow it."""
    return f"  ✗ {model} ({words.sentence(rule)})"


def _line(status: str, model: str, told: str) -> str:
    begin = f"  {_MARKS.get(status, '✗')} {status:10} "
    (name,) = fitted([model], taken=len(begin))
    return begin + name + (f" ({told})" if told else "")


def needed(good: int, bad: int, *, fetchable: bool) -> str:
    """Count the needed models; some that are not good can be fetched."""
    counts = t("{good} good, {bad} not", good=good, bad=bad)
    return counts + (t(". Next: run `doit` to fetch what is not") if fetchable else "")


def store(good: int, bad: int, size: int, seconds: float) -> str:
    """Count the files of the store."""
    took = t("{size:size} in {seconds} s", size=size, seconds=f"{seconds:.1f}")
    return f"{t('{good} good, {bad} not', good=good, bad=bad)}, {took}"


def advice(stayed: int, unknown: int) -> Iterator[str]:
    """Say what could be done with bad files that were not moved, and with unknown ones."""
    if stayed:
        yield t(
            "Nothing was moved. Next: `doit verify --store --move` moves what is damaged or "
            "unsafe aside"
        )
    if unknown:
        yield t(
            "Of {files} nothing here knows the hash. Next: `--ask` looks it up: Civitai is told "
            "hashes, Hugging Face is told names",
            files=_files(unknown),
        )


def stopped(done: int, count: int, bytes_done: int, size: int) -> Iterator[str]:
    """Say how far it was when it was stopped."""
    yield t(
        "Stopped: {done} of {files} done, {some} of {all}.",
        done=done,
        files=_files(count),
        some=human_size(bytes_done),
        all=human_size(size),
    )
    told = t("What is hashed is remembered. Next: run the same command again to go on")
    yield f"  {told}"


def _files(count: int) -> str:
    return t("1 file") if count == 1 else t("{count} files", count=count)
