"""Which file of a version an address names: chosen as Civitai's own server chooses.

The server takes the files of the asked type, gives points for what they are, and takes the first of
the best; then it refuses one that is not what was asked. A file is asked for by its id afterwards,
so that what is fetched is what was chosen here.
"""

from __future__ import annotations

from collections.abc import Sequence

from comfyfix.net.civitai_address import CivitaiFile
from comfyfix.providers.civitai.entries import CivitaiEntry
from comfyfix.records import Reason, because
from comfyfix.why import Why

COMPONENTS = frozenset(
    {"VAE", "Text Encoder", "UNet", "Diffusion Model", "CLIPVision", "ControlNet", "Config"}
)
"""Types of files that another version may lend; its file then has an id of that version."""
_WHOLE = frozenset({"Model", "Pruned Model", "UNet", "Diffusion Model"})
_USUAL = {"format": "SafeTensor", "size": "pruned", "fp": "fp16", "quantType": "Q4_K_M"}
_WEIGHTS = {"format": 100.0, "size": 10.0, "fp": 1.0, "quantType": 0.5}


def choose(
    entries: Sequence[CivitaiEntry], target: CivitaiFile, name: str
) -> CivitaiEntry | Reason:
    """Return the file that an address means, or why there is none.

    `name` is what the workflow calls it: it decides where the address names a version alone.
    """
    if not entries:
        return because(Why.CIVITAI_NO_FILES)
    if target.model not in (None, entries[0].model_id):
        other = entries[0].model_id
        return because(Why.CIVITAI_OTHER_MODEL, model=other, asked=target.model)
    if any(not entry.file_id for entry in entries):
        return entries[0]  # nothing is listed any more: archived, whatever file was meant
    if target.file is not None:
        found = [entry for entry in entries if entry.file_id == target.file]
        return _as_asked(found[0], target) if found else because(Why.CIVITAI_NO_FILE)
    if target.type:
        entries = [entry for entry in entries if _is(entry.file_type, target.type)]
        if not entries:
            return because(Why.CIVITAI_NO_TYPE, file_type=target.type)
    elif not target.wishes:
        named = [entry for entry in entries if name in (entry.name, entry.saved_as)]
        entries = named or entries
    best = {_best(entries, target, unknown).file_id for unknown in (0, -1)}
    if len(best) > 1:
        return because(Why.CIVITAI_SEVERAL, count=len(entries))
    return _as_asked(_best(entries, target, 0), target)


def _best(entries: Sequence[CivitaiEntry], target: CivitaiFile, unknown: int) -> CivitaiEntry:
    """The first with the most points; `unknown` is what counts for what a file does not tell."""
    wanted = _USUAL | dict(target.wishes)

    def points(entry: CivitaiEntry) -> float:
        told = dict(entry.traits)
        found = 1000.0 if entry.file_type in _WHOLE else 0.0
        for trait, weight in _WEIGHTS.items():
            if trait not in told:
                found += unknown * weight
            else:
                found += weight if _is(told[trait], wanted[trait]) else -weight
        return found

    return max(entries, key=points)


def _as_asked(entry: CivitaiEntry, target: CivitaiFile) -> CivitaiEntry | Reason:
    """Hold a file against all that the address says of it."""
    told = {"type": entry.file_type, **dict(entry.traits)}
    for trait, asked in (("type", target.type), *target.wishes):
        is_told = told.get(trait, "")
        if asked and is_told and not _is(is_told, asked):
            return because(Why.CIVITAI_OTHER_TRAIT, trait=trait, asked=asked, told=is_told)
    return entry


def _is(told: str, asked: str) -> bool:
    return told.casefold() == asked.casefold()
