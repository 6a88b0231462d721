"""Is the one file that was found the one that is meant? Written rules, each worth some points.

A search that knows repository names only can't prove that no other file bears the name. So a
lone content counts when its name says much, or when its place speaks for it. Points add up;
`ENOUGH` is the bar. The bench `resolve` measures what a change of a rule gains and loses.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from comfyfix.comfyui.store.keys import folder_key
from comfyfix.file_names import SHORT, Words, loose
from comfyfix.providers.huggingface.answers import HubItem, Listing
from comfyfix.records import Candidate, Reason, Rejected, because
from comfyfix.sources.base import Doubtful, Finding, rejected
from comfyfix.sources.trust import publishers
from comfyfix.sources.trust.lookalike import imitated
from comfyfix.why import Why

ENOUGH = 2.0
STRANGE = 0.5  # taken off where the repository's name has nothing to do with the file's
LONG = 8  # letters; a word of this length is hardly used for two things
USED = 1000  # downloads a month
_PRECISION = re.compile(r"(fp|bf|int|nf|nvfp|q)\d")
# What directories of repositories hold, in ComfyUI's words; diffusers' layout included.
_KINDS = {
    "checkpoint": "checkpoints",
    "lora": "loras",
    "text_encoder": "text_encoders",
    "text_encoder_2": "text_encoders",
    "text_encoder_3": "text_encoders",
    "transformer": "diffusion_models",
    "image_encoder": "clip_vision",
    "controlnets": "controlnet",
    "vaes": "vae",
    "upscalers": "upscale_models",
}
_OWN = frozenset(
    {
        *("audio_encoders", "checkpoints", "clip_vision", "controlnet", "diffusion_models"),
        *("embeddings", "frame_interpolation", "geometry_estimation", "hypernetworks", "loras"),
        *("latent_upscale_models", "model_patches", "optical_flow", "style_models"),
        *("text_encoders", "upscale_models", "vae"),
    }
)


@dataclass(frozen=True, slots=True)
class Holder:
    """One place of one content: a path in a repository, as the Hub describes it."""

    listing: Listing
    path: str
    item: HubItem


def weigh(
    words: Words, holders: Sequence[Holder], folder: str | None, *, alone: bool
) -> tuple[float, list[Reason]]:
    """Points for one content, and the rules that gave them.

    `alone`: the full-text search answered, and nothing else with the name was found by it.
    """
    listings = [holder.listing for holder in holders]
    owners = _owners(holders)
    fits = max(fit(holder.path, folder) for holder in holders)
    rules = [
        (says(words), Why.RULE_NAME),
        (_related(words, listings, folder), Why.RULE_REPOSITORY),
        (2.0 * bool(owners & publishers.known().keys()), Why.RULE_KNOWN_PUBLISHER),
        (min(2.0, max(0.0, len(owners) - 1.0)), Why.RULE_SEVERAL_PUBLISHERS),
        (-4.0 * (not owners), Why.RULE_IMITATOR),
        (1.0 * fits, Why.RULE_FOLDER),
        (0.5 * any(item.downloads >= USED for item in listings), Why.RULE_MUCH_USED),
        (1.0 * alone, Why.RULE_ALONE),
        (
            -5.0 * (_named_after(words, listings) and not alone and not vouched(holders)),
            Why.RULE_BAIT,
        ),
    ]
    reasons = [because(why, points=f"{points:+g}") for points, why in rules if points]
    return sum(points for points, _ in rules), reasons


def doubt(found: Candidate, holders: Sequence[Holder], rules: list[Reason]) -> Finding:
    """What a lone content comes to where the rules give too few points."""
    if all(stands_for(holder.listing.owner) for holder in holders):
        return imitation(found)
    if rules:
        return Doubtful(found, because(Why.NAME_SAYS_LITTLE, rules=rules))
    return Doubtful(found, because(Why.NAME_SAYS_NOTHING))


def imitation(found: Candidate) -> Rejected:
    """Refuse a file whose publisher could be taken for a well-known one."""
    publisher = stands_for(found.publisher)
    return rejected(found.source, found.where, Why.IMITATES, publisher=publisher)


def _named_after(words: Words, listings: Sequence[Listing]) -> bool:
    """Tell whether little used repositories bear the file's whole name, precision and all.

    Makers name a repository after the model; bait is named after the file.
    """
    titles = {loose(listing.repo.partition("/")[2]) for listing in listings}
    little = all(listing.downloads < USED for listing in listings)
    return little and words.stem in titles and any(map(_PRECISION.match, words.marks))


def vouched(holders: Sequence[Holder]) -> bool:
    """Tell whether somebody but one unknown publisher has the content."""
    owners = _owners(holders)
    return len(owners) > 1 or bool(owners & publishers.known().keys())


def _owners(holders: Sequence[Holder]) -> set[str]:
    """Who has the content, but for those whose names are made to be taken for another's."""
    return {holder.listing.owner for holder in holders if not stands_for(holder.listing.owner)}


@functools.cache
def stands_for(owner: str) -> str:
    """The well-known publisher that an owner's name could be taken for; empty if none."""
    return imitated(owner, publishers.known())


def fit(path: str, folder: str | None) -> int:
    """1 if the directory of a path is the wanted folder, -1 if it is another one, 0 unknown."""
    if folder not in _OWN:
        return 0
    for part in reversed(path.casefold().split("/")[:-1]):
        key = folder_key(_KINDS.get(part, part))
        if key in _OWN:
            return 1 if key == folder else -1
    return 0


def by_origin(holders: Sequence[Holder]) -> list[Holder]:
    """Places of one content: open ones first, then the one that looks like the original.

    Downloads (by powers of ten), age and a known publisher count alike: a mirror may have one
    of them, seldom two.
    """
    first = min((h.listing.created for h in holders if h.listing.created), default=None)

    def points(holder: Holder) -> float:
        listing = holder.listing
        known = listing.owner in publishers.known()
        return math.log10(max(listing.downloads, 0) + 1) + known + (listing.created == first)

    return sorted(
        holders,
        key=lambda h: (h.listing.gated, -points(h), -h.listing.downloads, h.listing.repo, h.path),
    )


def says(words: Words) -> float:
    """Points for what a file name tells by itself."""
    points = 0.0
    for word in words.telling:
        points += 0.5 if len(word) < SHORT else 1.5 if len(word) >= LONG else 1.0
    return min(points, 3.0) + min(0.5 * len(words.marks), 1.0)


def _related(words: Words, listings: Sequence[Listing], folder: str | None) -> float:
    shared = max(words.in_repository(listing.repo) for listing in listings)
    if shared:
        return 2.0 if 1 < shared == len(words.telling) else min(1.5, 0.5 + 0.5 * shared)
    kind = (folder or "?").rstrip("s")
    return 0.0 if any(kind in listing.repo.casefold() for listing in listings) else -STRANGE
