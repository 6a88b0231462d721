"""Import: what another tool's file says of models, joined with what the user needs and has said.

Each entry becomes a pin (an address, with its hash where it has one), a hint (a hash alone, which
whatever is found has to have), or it is left, with the reason. What the user has said stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from urllib.parse import parse_qs, urlsplit

from comfyfix.comfyui.manifests.listing import Listed, Listing
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.keys import BESIDE, core_directories, folder_key, is_folder_key
from comfyfix.disk.files import relative_name
from comfyfix.endings import LISTED
from comfyfix.errors import HostRefused, NameRefused
from comfyfix.net.civitai_address import CivitaiFile
from comfyfix.net.hosts import CIVITAI, HUGGINGFACE, read_url
from comfyfix.net.hub_address import HubFile
from comfyfix.net.rules import broken_rule
from comfyfix.records import Model, Reason, because
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.overrides import Override, Pin
from comfyfix.sources.workflow import address
from comfyfix.stages.needs.work import Plan
from comfyfix.why import Why

_MODELS, _PACKS = "models", "custom_nodes"
_HARMLESS = {"raw", "download"}  # of a query: it tells nobody who asks


@dataclass(frozen=True, slots=True)
class Taken:
    """What is to be written of one model; `note` is what the user should hear of it besides.

    `needed` is false for a model that no workflow names now; `folder` is told where the workflows
    do not say it. `own_key` is the key of the very place that the file tells, where the model that
    is needed lies at another.
    """

    key: str
    where: str
    url: str = ""
    sha256: str = ""
    folder: str = ""
    own_key: str = ""
    needed: bool = True
    note: Reason | None = None

    @property
    def entry(self) -> dict[str, str]:
        """The entry of pins.yaml."""
        told = {"folder": self.folder, "url": self.url, "sha256": self.sha256}
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True, slots=True)
class NotTaken:
    """An entry that is left. `failed` where the file says something that can't be followed."""

    where: str
    model: str
    reason: Reason
    failed: bool = True


Seen = Callable[[Taken], Taken | Reason]
"""Looks whether an address has the file: what is to be written then, or why nothing is."""


def joined(
    listing: Listing,
    plan: Plan,
    folders: Folders,
    manifest: Manifest,
    own: Manifest,
    seen: Seen,
) -> tuple[list[Taken], list[NotTaken]]:
    """Say of each entry what becomes of it. `own` is the manifest without pins.yaml."""
    present = {one.model.key for one in plan.present}
    needed = [*(one.model for one in plan.models), *(one.model for one in plan.present)]
    keys = _Keys(needed, folders)
    read = [_read(told, keys, manifest) for told in listing.models]
    left = [one for one in read if isinstance(one, NotTaken)]
    taken: list[Taken] = []
    for key, entries in _by_key([one for one in read if isinstance(one, Taken)]).items():
        one = _agreed(key, entries)
        if isinstance(one, Taken):
            one = _beside(one, manifest, own)
        if isinstance(one, Taken) and one.url and one.needed:
            looked = seen(one)
            one = _not(one, looked) if isinstance(looked, Reason) else looked
        if isinstance(one, NotTaken):
            left.append(one)
        elif one.sha256 and key in present and one.note is None:
            taken.append(replace(one, note=because(Why.IMPORT_PRESENT)))
        else:
            taken.append(one)
    return taken, left


def _by_key(entries: Iterable[Taken]) -> dict[str, list[Taken]]:
    """The entries by their models: one that only has its name goes where none has its place."""
    found = list(entries)
    exact = {one.key for one in found if not one.own_key}
    result: dict[str, list[Taken]] = {}
    for one in found:
        by_name = one.own_key and one.key in exact
        own = replace(one, key=one.own_key, needed=False, note=None) if by_name else one
        result.setdefault(own.key, []).append(own)
    return result


def _not(one: Taken, reason: Reason, *, failed: bool = True) -> NotTaken:
    return NotTaken(one.where, one.key, reason, failed)


def _read(told: Listed, keys: _Keys, manifest: Manifest) -> Taken | NotTaken:
    """One entry by itself: which model it means, and what it says of it."""
    if told.odd is not None:
        off = told.odd.why == Why.IMPORT_SWITCHED_OFF
        return NotTaken(told.where, told.place, told.odd, failed=not off)
    try:
        found = keys.of(told)
    except NameRefused as problem:
        return NotTaken(told.where, told.place, problem.reason)
    if isinstance(found, Reason):
        return NotTaken(told.where, told.place, found)
    one = replace(found, where=told.where, sha256=told.sha256)
    if not one.needed and not one.key.lower().endswith(tuple(LISTED)):
        return _not(one, because(Why.IMPORT_NO_MODEL), failed=False)
    url = _clean(told.url, manifest) if told.url else ""
    if isinstance(url, Reason) and told.sha256:
        return replace(one, note=url)
    if isinstance(url, Reason):
        return _not(one, url)
    if not url and not told.sha256:
        return _not(one, because(Why.IMPORT_SAYS_NOTHING))
    return replace(one, url=url)


def _clean(url: str, manifest: Manifest) -> str | Reason:
    """An address as it may be kept: what is no part of the file's name may be a secret."""
    try:
        target = read_url(url, manifest.endpoints, manifest.download.allow_hosts)
    except HostRefused as refusal:
        return broken_rule(refusal)
    if isinstance(target, HubFile):
        return HUGGINGFACE + target.resolve_path()
    if isinstance(target, CivitaiFile):
        return url if "://" not in url else CIVITAI + _civitai_place(target)
    if {*parse_qs(urlsplit(target.url).query, keep_blank_values=True)} - _HARMLESS:
        return because(Why.IMPORT_SECRET)
    return target.url


def _civitai_place(target: CivitaiFile) -> str:
    query = f"?{target.query}" if target.query and not target.version else ""
    return target.where + query


def _agreed(key: str, entries: Sequence[Taken]) -> Taken | NotTaken:
    """The one thing that all entries of a model say. Of one hash the first address counts."""
    hashes = {one.sha256 for one in entries if one.sha256}
    urls = list(dict.fromkeys(one.url for one in entries if one.url))
    if len(hashes) > 1 or (len(urls) > 1 and not all(one.sha256 for one in entries)):
        places = [one.where for one in entries]
        reason = because(Why.IMPORT_DISAGREE, places=places)
        return NotTaken(", ".join(places), key, reason)
    first = next((one for one in entries if one.url), entries[0])
    return replace(first, sha256=next(iter(hashes), ""))


def _beside(one: Taken, manifest: Manifest, own: Manifest) -> Taken | NotTaken:
    """Hold an entry against what manifest.yaml and pins.yaml say already."""
    named, _, path = one.key.partition("/")
    folder, path = (None, one.key) if one.folder else (named, path)
    by_user = own.override_for(folder, path)
    if by_user and (by_user.names_a_place or by_user.digest):
        same = _same(by_user, one, manifest)
        why = Why.IMPORT_THERE_ALREADY if same else Why.IMPORT_YOURS_STAYS
        return _not(one, because(why, file="manifest.yaml"), failed=False)
    pin = manifest.override_for(folder, path)
    if not isinstance(pin, Pin) or not (pin.names_a_place or pin.digest):
        return one
    if not _same(pin, one, manifest):
        return _not(one, because(Why.IMPORT_YOURS_STAYS, file="pins.yaml"), failed=False)
    more = (one.url and not pin.names_a_place) or (one.sha256 and not pin.digest)
    if not more:
        return _not(one, because(Why.IMPORT_THERE_ALREADY, file="pins.yaml"), failed=False)
    return replace(one, url=one.url or address(pin), sha256=one.sha256 or pin.digest or "")


def _same(known: Override, one: Taken, manifest: Manifest) -> bool:
    """Tell whether nothing that an entry says differs from what is said already."""
    place = address(known)
    places = _clean(place, manifest) if place else ""
    return (not (places and one.url) or places == one.url) and (
        not (known.digest and one.sha256) or known.digest == one.sha256
    )


class _Keys:
    """Which model a path of another tool means: by its place below a models folder."""

    def __init__(self, needed: Iterable[Model], folders: Folders) -> None:
        self._folders = folders
        self._names: dict[str, list[Model]] = {}
        self._places: dict[str, Model] = {}
        for model in needed:
            self._names.setdefault(model.name, []).append(model)
            for directory in folders.below_models(model.folder) if model.folder else ():
                self._places.setdefault(f"{directory}/{model.path}", model)

    def of(self, told: Listed) -> Taken | Reason:
        """The model that an entry means. Raises NameRefused."""
        below = self._below(told.place.replace("\\", "/"))
        if below is None and told.folder:
            below = f"{told.folder}/{PurePosixPath(told.place.replace(chr(92), '/')).name}"
        name = relative_name((below or told.place.replace("\\", "/")).rpartition("/")[2])
        if below is None:
            alike = self._names.get(name, [])
            if len(alike) == 1 and alike[0].folder:
                return Taken(alike[0].key, "")
            why = Why.IMPORT_SEVERAL_NEEDED if len(alike) > 1 else Why.IMPORT_NO_FOLDER
            return because(why, models=[model.key for model in alike])
        relative_name(below)
        return self._at(below, name)

    def _at(self, below: str, name: str) -> Taken | Reason:
        if below in self._places:
            return Taken(self._places[below].key, "")
        alike = [model for model in self._names.get(name, []) if self._in_folder(model, below)]
        if len(alike) > 1:
            return because(Why.IMPORT_SEVERAL_NEEDED, models=[model.key for model in alike])
        folder, _, path = below.partition("/")
        if not is_folder_key(folder):
            return because(Why.IMPORT_NO_FOLDER)
        folder = folder_key(folder)
        if not alike:
            return Taken(f"{folder}/{path}", "", needed=False)
        if alike[0].folder is None:
            return Taken(alike[0].path, "", folder=folder)
        note = because(Why.IMPORT_OTHER_PLACE, place=below)
        return Taken(alike[0].key, "", own_key=f"{folder}/{path}", note=note)

    def _in_folder(self, model: Model, below: str) -> bool:
        if model.folder is None:
            return True
        return below.startswith(tuple(f"{d}/" for d in self._folders.below_models(model.folder)))

    def _below(self, place: str) -> str | None:
        """The place below a models folder; None where the path does not show one."""
        own = self._own(place)
        if own:
            return own
        parts = [part for part in place.split("/") if part not in ("", ".")]
        if _PACKS in parts:  # a file of a pack's own
            return None
        known = {d for directories in core_directories().values() for d in directories}
        known |= {key for key in self._folders.paths if key not in BESIDE}
        after = [n + 1 for n, part in enumerate(parts[:-2]) if part == _MODELS]
        start = next((n for n in after if parts[n] in known), next(iter(after), None))
        if start is None:
            start = next((n for n, part in enumerate(parts[:-1]) if part in known), None)
        return None if start is None else "/".join(parts[start:])

    def _own(self, place: str) -> str | None:
        """The same of a path on this machine, which may lie in a folder of any name."""
        path = PurePosixPath(place)
        for key, directories in self._folders.paths.items() if path.is_absolute() else ():
            for directory in directories:
                if path.is_relative_to(directory) and ".." not in path.parts:
                    return f"{key}/{path.relative_to(directory)}"
        return None
