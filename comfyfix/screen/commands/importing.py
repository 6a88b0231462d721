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
        told = {"count": listing.packs}
        yield f"! {t('Node packs are not taken, comfyfix brings models only ({count})', **told)}"
    for one in taken:
        yield f"  ✓ {one.key}: {one.url or t('any file of its hash')}"
        if one.sha256:
            yield f"      sha256 {one.sha256}"
        if one.note:
            yield f"      ! {words.sentence(one.note)}"
        if not one.needed:
            yield f"      {t('no workflow needs it now')}"
    for other in left:
        mark = "✗" if other.failed else "-"
        yield f"  {mark} {other.model or other.where}: {words.sentence(other.reason)}"
    pins = sum(bool(one.url) for one in taken)
    counts = {"pins": pins, "hints": len(taken) - pins, "left": len(left)}
    yield t("Pinned: {pins}; by hash alone: {hints}; left: {left}", **counts)
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
                "model": one.key,
                "where": one.where,
                "url": one.url or None,
                "sha256": one.sha256 or None,
                "needed": one.needed,
                "note": words.sentence(one.note) if one.note else None,
            }
            for one in taken
        ],
        "left": [
            {
                "model": one.model,
                "where": one.where,
                "reason": words.sentence(one.reason),
                "failed": one.failed,
            }
            for one in left
        ],
    }
