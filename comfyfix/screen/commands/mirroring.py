"""What the `mirror` command tells: what a mirror has got, what is wrong there, what is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from comfyfix.screen.grouped import next_step, with_step
from comfyfix.screen.objects import maybe_reason_data, reason_data
from comfyfix.screen.words import t
from comfyfix.stages.lock.mirroring import Content, Done, Filled

_SHOWN = 50
_DONE: dict[Done, str] = {
    "copied": "  ✓ {name} ({size:size}), copied from here",
    "fetched": "  ✓ {name} ({size:size}), fetched",
}


_COUNTED: dict[Done, str] = {
    "there": "  There before: {count:files}, {size:size}",
    "copied": "  Copied: {count:files}, {size:size}",
    "fetched": "  Fetched: {count:files}, {size:size}",
}


def filled_one(content: Content, done: Done) -> Iterator[str]:
    """A file has been put into a mirror."""
    if done in _DONE:
        yield t(_DONE[done], name=content.name, size=content.size)


def heading(filled: Filled) -> str:
    """A mirror is begun."""
    size = sum(content.size for content in filled.contents)
    line = "{place}: the lock file needs {count:files}, {size:size}"
    return t(line, place=filled.place, count=len(filled.contents), size=size)


def lines(filled: Filled, *, verified: bool) -> Iterator[str]:
    """What has become of a mirror."""
    if filled.reason is not None:
        yield from with_step("  ✗ ", filled.reason)
        return
    if verified:
        yield t("  Hashed: {count:files}", count=filled.verified)
        yield from _absent(filled)
    else:
        yield from _done(filled)
    names = {content.sha256: content.name for content in filled.contents}
    for sha256, reason in filled.failed.items():
        yield from with_step(f"  ✗ {names.get(sha256, sha256)}: ", reason)
    for sha256, size in filled.wrong.items():
        line = "  ✗ sha256/{begin}/{sha256} has other bytes ({size:size})"
        yield t(line, begin=sha256[:2], sha256=sha256, size=size)
    if filled.wrong:
        yield from next_step(t("remove them there, then run `doit mirror` to put them anew"))
    yield from _unneeded(filled)


def _done(filled: Filled) -> Iterator[str]:
    counts = Counter(filled.done.values())
    sizes: Counter[Done] = Counter()
    for content in filled.contents:
        if content.sha256 in filled.done:
            sizes[filled.done[content.sha256]] += content.size
    for done, line in _COUNTED.items():
        yield t(line, count=counts[done], size=sizes[done])


def _absent(filled: Filled) -> Iterator[str]:
    if filled.absent:
        size = sum(content.size for content in filled.absent)
        yield t("  Not there yet: {count:files}, {size:size}", count=len(filled.absent), size=size)
        yield from next_step(t("`doit mirror` puts them there"))


def _unneeded(filled: Filled) -> Iterator[str]:
    if not filled.unneeded:
        return
    total, count = sum(filled.unneeded.values()), len(filled.unneeded)
    yield t("  Not needed by the lock file: {count:files}, {size:size}", count=count, size=total)
    for sha256, size in sorted(filled.unneeded.items(), key=lambda pair: -pair[1])[:_SHOWN]:
        line = "    sha256/{begin}/{sha256} ({size:size})"
        yield t(line, begin=sha256[:2], sha256=sha256, size=size)
    if count > _SHOWN:
        yield t("    and {count} more; `--json` tells all", count=count - _SHOWN)


def left_out(count: int) -> Iterator[str]:
    """Files that no mirror can have."""
    if count:
        yield t("  Without a published sha256, so in no mirror: {count:files}", count=count)


def as_data(filled: Filled) -> dict[str, Any]:
    """The same for programs."""
    names = {content.sha256: content.name for content in filled.contents}
    sizes = {content.sha256: content.size for content in filled.contents}

    def rows(by_hash: dict[str, int]) -> list[dict[str, Any]]:
        return [{"sha256": sha256, "bytes": size} for sha256, size in sorted(by_hash.items())]

    return {
        "place": filled.place,
        "good": filled.good,
        "problem": maybe_reason_data(filled.reason),
        "files": [
            {"sha256": sha256, "model": names[sha256], "bytes": sizes[sha256], "came": done}
            for sha256, done in sorted(filled.done.items())
        ],
        "failed": [
            {"sha256": sha256, "model": names.get(sha256, ""), **reason_data(reason)}
            for sha256, reason in sorted(filled.failed.items())
        ],
        "absent": [
            {"sha256": content.sha256, "model": content.name, "bytes": content.size}
            for content in filled.absent
        ],
        "hashed": filled.verified,
        "wrong": rows(filled.wrong),
        "not_needed": rows(filled.unneeded),
    }
