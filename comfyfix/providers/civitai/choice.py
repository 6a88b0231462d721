"""Which file of a version an address or a name means: chosen as Civitai's own server chooses.

A query that Civitai itself gives for one file means that file; an address without a query, and a
name that several files share, mean the primary one. Else the server takes the files of the asked
type, gives points for what they are, and takes the first of the best; then it refuses one that is
not what was asked. A file is asked for by its id afterwards, so that what is fetched is what was
chosen here.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl

from comfyfix.net.urls.civitai_address import CivitaiFile
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
    entries: Sequence[CivitaiEntry], target: CivitaiFile, name: str, sha256: str | None = None
) -> CivitaiEntry | Reason:
    """Return the file that an address means, or why there is none.

    `name` is what the workflow calls it: it decides where the address names a version alone, and
    before it the hash that came with the address.
    """
    if not entries:
        return because(Why.CIVITAI_NO_FILES)
    if target.model not in (None, entries[0].model_id):
        other = entries[0].model_id
        return because(Why.CIVITAI_OTHER_MODEL, model=other, asked=target.model)
    if any(not entry.file_id for entry in entries):
        return entries[0]  # nothing is listed any more: archived, whatever file was meant
    if target.file is not None:
        asked = next((entry for entry in entries if entry.file_id == target.file), None)
        return _as_asked(asked, target) if asked else because(Why.CIVITAI_NO_FILE)
    hashed = [entry for entry in entries if sha256 and entry.sha256 == sha256]
    if hashed and not target.query:
        return hashed[0]
    own = [entry for entry in entries if _is_own(entry, target)]
    if any(entry.others_unread for entry in entries) and not own:
        return several(entries)
    if not target.query:
        return _meant(entries, name)
    entries = own or entries
    if target.type:
        entries = [entry for entry in entries if _is(entry.file_type, target.type)]
        if not entries:
            return because(Why.CIVITAI_NO_TYPE, file_type=target.type)
    best = _best(entries, target, 0)
    return _as_asked(best, target) if _sure(entries, target) else several(entries)


def bearing(entries: Sequence[CivitaiEntry], name: str) -> list[CivitaiEntry]:
    """The files of this name: of those of one version the primary, if it is one of them."""
    named = [entry for entry in entries if entry.name == name]
    decided = {entry.version_id for entry in named if entry.primary}
    return [entry for entry in named if entry.primary or entry.version_id not in decided]


def others(entry: CivitaiEntry, entries: Sequence[CivitaiEntry]) -> list[CivitaiEntry]:
    """The files of the same name and version with other content."""
    alike = [e for e in entries if (e.version_id, e.name) == (entry.version_id, entry.name)]
    return [e for e in alike if e.file_id != entry.file_id and e.sha256 != entry.sha256]


def address_of(entry: CivitaiEntry, entries: Sequence[CivitaiEntry]) -> CivitaiFile:
    """The address that a file is fetched by.

    A part may be lent by another version; then its id belongs to that one, and only its type
    leads to it.
    """
    if entry.file_type in COMPONENTS and not entry.primary:
        alike = [
            e for e in entries if (e.version_id, e.file_type) == (entry.version_id, entry.file_type)
        ]
        if len(alike) == 1:
            return CivitaiFile(entry.version_id, type=entry.file_type)
    return CivitaiFile(entry.version_id, entry.file_id)


def several(entries: Sequence[CivitaiEntry]) -> Reason:
    """Why none of some files of a version is taken; one that could not be read counts as one."""
    return because(Why.CIVITAI_SEVERAL, count=len(entries) + any(e.others_unread for e in entries))


def _meant(entries: Sequence[CivitaiEntry], name: str) -> CivitaiEntry | Reason:
    """The file of an address that names a version alone."""
    named = [entry for entry in entries if entry.name == name]
    primaries = [entry for entry in entries if entry.primary]
    usual = [entry for entry in named if entry.primary] or (primaries if not named else [])
    choices = usual or named or list(entries)
    plain = CivitaiFile(entries[0].version_id)
    if len({entry.sha256 or entry.file_id for entry in choices}) == 1:
        return choices[0]
    if not usual and primaries:
        return several(choices)  # the server means another name: which of these, nobody says
    return _best(choices, plain, 0) if _sure(choices, plain) else several(choices)


def _is_own(entry: CivitaiEntry, target: CivitaiFile) -> bool:
    """Tell whether an address asks as Civitai's own address of a file does."""
    own = {key: value.casefold() for key, value in parse_qsl(entry.own_query, max_num_fields=50)}
    asked = {"type": target.type, **dict(target.wishes)}
    return bool(own) and own == {k: v.casefold() for k, v in asked.items() if v}


def _sure(entries: Sequence[CivitaiEntry], target: CivitaiFile) -> bool:
    """Tell whether the choice stays the same, whatever files that tell less may be."""
    return len({_best(entries, target, unknown).file_id for unknown in (0, -1)}) == 1


def _best(entries: Sequence[CivitaiEntry], target: CivitaiFile, unknown: int) -> CivitaiEntry:
    """The first with the most points; `unknown` is what counts for what a file does not tell."""
    wishes = _USUAL | dict(target.wishes)

    def points(entry: CivitaiEntry) -> float:
        traits = dict(entry.traits)
        sum_ = 1000.0 if entry.file_type in _WHOLE else 0.0
        for trait, weight in _WEIGHTS.items():
            if trait not in traits:
                sum_ += unknown * weight
            else:
                sum_ += weight if _is(traits[trait], wishes[trait]) else -weight
        return sum_

    # Of equals the server takes its first, which is the primary.
    return max(entries, key=lambda entry: (points(entry), entry.primary))


def _as_asked(entry: CivitaiEntry, target: CivitaiFile) -> CivitaiEntry | Reason:
    """Hold a file against all that the address says of it."""
    traits = {"type": entry.file_type, **dict(entry.traits)}
    for trait, asked in (("type", target.type), *target.wishes):
        own = traits.get(trait, "")
        if asked and own and not _is(own, asked):
            return because(Why.CIVITAI_OTHER_TRAIT, trait=trait, asked=asked, told=own)
    return entry


def _is(own: str, asked: str) -> bool:
    return own.casefold() == asked.casefold()
