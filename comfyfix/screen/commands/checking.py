"""What is told of files that are verified one after the other, and at the end of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from comfyfix.errors import Problem
from comfyfix.records import Reason, Verdict
from comfyfix.screen import words
from comfyfix.screen.text import fitted
from comfyfix.screen.words import t

_MARKS = {"ok": "✓", "unverified": "!"}


def verifying(count: int, size: int) -> str:
    """Say how much is looked at."""
    return t("Verifying {count:files} ({size:size}) in the model folders", count=count, size=size)


def hashing(count: int, size: int) -> str:
    """Say how much has to be read first."""
    return t("Hashing {count:files} ({size:size})", count=count, size=size)


def line(verdict: Verdict) -> str:
    """Say what one file is, and whose word that is, or why not."""
    why = words.sentence(verdict.reason or "")
    remarks = (
        t("the copy that ComfyUI opens") if verdict.is_copy else "",
        t("its hash is that of {by}", by=verdict.by) if verdict.by else why,
    )
    return _line(verdict.status, verdict.model, "; ".join(filter(None, remarks)))


def copy_moved(place: str, target: str) -> str:
    """Say that a copy which is not right is out of ComfyUI's way."""
    moved = t("moved to {target}: ComfyUI opens the file of the store now", target=target)
    return f"  ! {place} ({moved})"


def tier_busy() -> str:
    """Say why nothing was moved in a fast tier."""
    return t("another run is at work on the fast tier")


def copy_stays(place: str, cause: str) -> str:
    """Say that it is not."""
    return f"  ! {place} ({t('it can not be moved aside ({cause})', cause=cause)})"


def as_data(verdict: Verdict) -> dict[str, Any]:
    """The same for programs."""
    return {
        "model": verdict.model,
        "path": verdict.path,
        "copy": verdict.is_copy,
        "status": verdict.status,
        "size": verdict.size,
        "sha256": verdict.sha256,
        "reason": words.sentence(verdict.reason or ""),
        "moved_to": verdict.moved_to,
    }


def lacking(model: str, problem: Problem) -> str:
    """Say of a needed model that there can be no file of it."""
    return _line("missing", model, words.problem(problem))


def against_policy(model: str, rule: Reason) -> str:
    """Say of a file that is there, or of all of them, that the manifest does not allow it."""
    sentence = words.sentence(rule)
    return f"  ✗ {model} ({sentence})" if model else f"  ✗ {sentence}"


def rule_as_data(model: str, rule: Reason) -> dict[str, Any]:
    """The same for programs."""
    name, line = rule.told.get("rule"), rule.told.get("line")
    return {"model": model or None, "rule": name, "line": line, "message": words.sentence(rule)}


def _line(status: str, model: str, remark: str) -> str:
    begin = f"  {_MARKS.get(status, '✗')} {status:10} "
    (name,) = fitted([model], taken=len(begin))
    return begin + name + (f" ({remark})" if remark else "")


def needed(count: Mapping[str, int], *, fetchable: bool, copies: bool) -> str:
    """Count the needed models by their verdicts.

    Some that are not right can be fetched, or they are copies and can be brought up again.
    """
    line = counts(count) + (t(". Next: run `doit` to fetch what is not") if fetchable else "")
    return line + (t(". Next: run `doit tiers` to bring up copies again") if copies else "")


def store(count: Mapping[str, int], size: int, seconds: float) -> str:
    """Count the files of the store."""
    took = t("{size:size} in {seconds} s", size=size, seconds=f"{seconds:.1f}")
    return f"{counts(count)}, {took}"


def counts(count: Mapping[str, int]) -> str:
    """`20 right, 2 unverified, 1 not right`: what no hash is known of is not called right."""
    good, unverified = count["ok"], count["unverified"]
    line = "{good} right, {bad} not right"
    if unverified:
        line = "{good} right, {unverified} unverified (no hash to compare with), {bad} not right"
    bad = sum(count.values()) - good - unverified
    return t(line, good=good, unverified=unverified, bad=bad)


def advice(stayed: int, unknown: int) -> Iterator[str]:
    """Say what could be done with bad files that were not moved, and with unknown ones."""
    if stayed:
        yield t(
            "Nothing was moved. Next: `doit verify --store --move` moves what is damaged or "
            "unsafe aside"
        )
    if unknown:
        yield t(
            "Of {count:files} nothing here knows the hash. Next: `--ask` looks it up: Civitai is "
            "told hashes, Hugging Face is told names",
            count=unknown,
        )


def stopped(done: int, count: int, bytes_done: int, size: int) -> Iterator[str]:
    """Say how far it was when it was stopped."""
    yield t(
        "Stopped: {done} of {count:files} done, {some:size} of {all:size}.",
        done=done,
        count=count,
        some=bytes_done,
        all=size,
    )
    yield t("  What is hashed is remembered. Next: run the same command again to go on")
