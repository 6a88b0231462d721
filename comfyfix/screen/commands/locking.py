"""What `lock` has written, and what of it is not as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from comfyfix.records import Reason
from comfyfix.screen import words
from comfyfix.screen.grouped import next_step
from comfyfix.screen.words import sentence, t
from comfyfix.settings.lockfile import Entry
from comfyfix.why import Why

_HASH_SHOWN = 12


@dataclass(frozen=True)
class Changes:
    """A lock file before and after; `left` are the models that can't be locked, and why."""

    path: str
    before: Mapping[str, Entry]
    after: Mapping[str, Entry]
    left: Mapping[str, Reason]
    exists: bool = True

    @property
    def differ(self) -> bool:
        """Tell whether there is anything to write."""
        return not self.exists or dict(self.before) != dict(self.after)


def lines(changes: Changes, *, dry: bool) -> Iterator[str]:
    """Tell what has changed, model by model."""
    before, after = changes.before, changes.after
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old is None and new is not None:
            yield f"+ {key}  {new.url or t('by its hash alone: no source has it')}"
        elif new is None:
            yield f"- {key}"
        elif old is not None and new != old:
            yield f"~ {key}  {', '.join(_differences(old, new))}"
    for key, reason in changes.left.items():
        line = (
            "✗ {key}: left as it was: {reason}" if key in after else "✗ {key}: not locked: {reason}"
        )
        yield t(line, key=key, reason=reason)
        yield from next_step(words.worded(reason).next_step)
    end = "{path}: {count:models}"
    if not changes.differ:
        end = "{path}: {count:models}, nothing to change"
    elif dry:
        end = "{path}: it would have {count:models}; nothing is written"
    yield t(end, path=changes.path, count=len(after))


def _differences(old: Entry, new: Entry) -> Iterator[str]:
    for name in Entry.__struct_fields__:
        was, now = getattr(old, name), getattr(new, name)
        if was != now:
            yield f"{name}: {_short(name, was)} → {_short(name, now)}"


def _short(name: str, value: object) -> str:
    text = str(value) or "–"
    return text[:_HASH_SHOWN] if name == "sha256" else text


def drifted(path: str, count: int, drift: Mapping[str, Reason]) -> Iterator[str]:
    """Tell what of the lock file is not as it was."""
    for key, reason in drift.items():
        yield t("✗ {key}: {reason}", key=key, reason=reason)
    unasked = sum(reason.why == Why.DRIFT_UNASKED for reason in drift.values())
    if not drift:
        yield t("{path}: {count:models}, all as locked", path=path, count=count)
    if unasked < len(drift):
        yield t(
            "{path}: {bad} of {count:models} not as locked. Next: `doit lock --upgrade NAME`",
            path=path, bad=len(drift) - unasked, count=count,
        )  # fmt: skip
    if unasked:
        yield t(
            "{path}: {bad} of {count:models} could not be asked about. Next: run it again later",
            path=path, bad=unasked, count=count,
        )  # fmt: skip


def as_data(changes: Changes, *, written: bool) -> dict[str, Any]:
    """The same for programs."""
    # A lock file leaves out what has its default, an answer does not.
    before = {key: msgspec.structs.asdict(entry) for key, entry in changes.before.items()}
    after = {key: msgspec.structs.asdict(entry) for key, entry in changes.after.items()}
    return {
        "path": changes.path,
        "written": written,
        "added": [entry for key, entry in after.items() if key not in before],
        "changed": [
            {"before": before[key], "after": entry}
            for key, entry in after.items()
            if key in before and before[key] != entry
        ],
        "removed": [entry for key, entry in before.items() if key not in after],
        "left": [
            {"model": key, "why": reason.why, "reason": sentence(reason)}
            for key, reason in changes.left.items()
        ],
    }


def drift_data(path: str, entries: Sequence[Entry], drift: Mapping[str, Reason]) -> dict[str, Any]:
    """The same for programs."""

    def row(entry: Entry) -> dict[str, Any]:
        reason = drift.get(entry.key)
        drifted = {"drift": sentence(reason), "why": reason.why} if reason else {"drift": None}
        return {"model": entry.key, "url": entry.url, **drifted}

    return {"path": path, "models": list(map(row, entries))}
