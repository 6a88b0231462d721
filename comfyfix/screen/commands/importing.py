"""What `import` has done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from comfyfix.comfyui.manifests.listing import Listing
from comfyfix.screen import words
from comfyfix.screen.words import t
from comfyfix.stages.needs.imports import Imported, Skipped


def lines(
    file: str,
    listing: Listing,
    taken: Sequence[Imported],
    left: Sequence[Skipped],
    *,
    written: bool,
) -> Iterator[str]:
    """Tell of each entry what became of it, and why."""
    count, tool = len(listing.models), listing.tool
    yield t("{file}: {count:models}, as {tool} keeps them", file=file, count=count, tool=tool)
    if listing.packs:
        line = "! Node packs are not taken, comfyfix brings models only ({count})"
        yield t(line, count=listing.packs)
    for entry in taken:
        yield f"  ✓ {entry.key}: {entry.url or t('any file of its hash')}"
        if entry.sha256:
            yield f"      sha256 {entry.sha256}"
        if entry.note:
            yield f"      ! {words.sentence(entry.note)}"
        if not entry.needed:
            yield f"      {t('no workflow needs it now')}"
    for other in left:
        mark = "✗" if other.failed else "-"
        yield f"  {mark} {other.model or other.where}: {words.sentence(other.reason)}"
    pins = sum(bool(entry.url) for entry in taken)
    line = "Pinned: {pins}; by hash alone: {hints}; left: {left}"
    yield t(line, pins=pins, hints=len(taken) - pins, left=len(left))
    if written:
        yield t("Written to pins.yaml; `doit unpin MODEL` takes one back. Next: `doit plan`")
    elif taken:
        yield t("Nothing is written (`--dry-run`).")


def as_json(
    listing: Listing, taken: Sequence[Imported], left: Sequence[Skipped], *, written: bool
) -> dict[str, object]:
    """The same for programs."""
    return {
        "tool": listing.tool,
        "node_packs": listing.packs,
        "written": written,
        "taken": [
            {
                "model": entry.key,
                "where": entry.where,
                "url": entry.url or None,
                "sha256": entry.sha256 or None,
                "needed": entry.needed,
                "note": words.sentence(entry.note) if entry.note else None,
            }
            for entry in taken
        ],
        "left": [
            {
                "model": entry.model,
                "where": entry.where,
                "reason": words.sentence(entry.reason),
                "failed": entry.failed,
            }
            for entry in left
        ],
    }
