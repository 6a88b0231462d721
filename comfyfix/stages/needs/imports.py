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
from comfyfix.net.urls.civitai_address import CivitaiFile
from comfyfix.net.urls.hosts import CIVITAI, HUGGINGFACE, read_url
from comfyfix.net.urls.hub_address import HubFile
from comfyfix.net.urls.rules import broken_rule
from comfyfix.records import Model, Reason, because
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.overrides import Override, Pin
from comfyfix.sources.workflow import address
from comfyfix.stages.needs.work import Plan
from comfyfix.why import Why

_MODELS, _PACKS = "models", "custom_nodes"
_HARMLESS = {"raw", "download"}  # of a query: it tells nobody who asks


@dataclass(frozen=True, slots=True)
class Imported:
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
    def pin(self) -> dict[str, str]:
        """The entry of pins.yaml."""
        fields = {"folder": self.folder, "url": self.url, "sha256": self.sha256}
        return {name: value for name, value in fields.items() if value}


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that is left. `failed` where the file says something that can't be followed."""

    where: str
    model: str
    reason: Reason
    failed: bool = True


Confirm = Callable[[Imported], Imported | Reason]
"""Looks whether an address has the file: what is to be written then, or why nothing is."""


def decide(
    listing: Listing,
    plan: Plan,
    folders: Folders,
    manifest: Manifest,
    own: Manifest,
    confirm: Confirm,
) -> tuple[list[Imported], list[Skipped]]:
    """Say of each entry what becomes of it. `own` is the manifest without pins.yaml."""
    present = {item.model.key for item in plan.present}
    keys = _Keys((item.model for item in (*plan.models, *plan.present)), folders)
    read = [_read(listed, keys, manifest) for listed in listing.models]
    skipped = [entry for entry in read if isinstance(entry, Skipped)]
    imported: list[Imported] = []
    for key, entries in _by_key([e for e in read if isinstance(e, Imported)]).items():
        entry = _decided(key, entries, manifest, own, confirm)
        if isinstance(entry, Skipped):
            skipped.append(entry)
        elif entry.sha256 and key in present and entry.note is None:
            imported.append(replace(entry, note=because(Why.IMPORT_PRESENT)))
        else:
            imported.append(entry)
    return imported, skipped


def _by_key(entries: Sequence[Imported]) -> dict[str, list[Imported]]:
    """The entries by their models: one that only has its name goes where none has its place."""
    exact = {entry.key for entry in entries if not entry.own_key}
    by_key: dict[str, list[Imported]] = {}
    for entry in entries:
        if entry.own_key and entry.key in exact:
            entry = replace(entry, key=entry.own_key, needed=False, note=None)  # noqa: PLW2901
        by_key.setdefault(entry.key, []).append(entry)
    return by_key


def _decided(
    key: str, entries: Sequence[Imported], manifest: Manifest, own: Manifest, confirm: Confirm
) -> Imported | Skipped:
    entry = _agreed(key, entries)
    if isinstance(entry, Imported):
        entry = _beside(entry, manifest, own)
    if isinstance(entry, Skipped) or not (entry.url and entry.needed):
        return entry
    confirmed = confirm(entry)
    return _skipped(entry, confirmed) if isinstance(confirmed, Reason) else confirmed


def _skipped(entry: Imported, reason: Reason, *, failed: bool = True) -> Skipped:
    return Skipped(entry.where, entry.key, reason, failed)


def _read(listed: Listed, keys: _Keys, manifest: Manifest) -> Imported | Skipped:
    """One entry by itself: which model it means, and what it says of it."""
    if listed.odd is not None:
        off = listed.odd.why == Why.IMPORT_SWITCHED_OFF
        return Skipped(listed.where, listed.place, listed.odd, failed=not off)
    try:
        meant = keys.of(listed)
    except NameRefused as problem:
        meant = problem.reason
    if isinstance(meant, Reason):
        return Skipped(listed.where, listed.place, meant)
    entry = replace(meant, sha256=listed.sha256)
    if not entry.needed and not entry.key.lower().endswith(tuple(LISTED)):
        return _skipped(entry, because(Why.IMPORT_NO_MODEL), failed=False)
    url = _clean(listed.url, manifest) if listed.url else ""
    if isinstance(url, Reason):
        return replace(entry, note=url) if entry.sha256 else _skipped(entry, url)
    if not url and not entry.sha256:
        return _skipped(entry, because(Why.IMPORT_SAYS_NOTHING))
    return replace(entry, url=url)


def _clean(url: str, manifest: Manifest) -> str | Reason:
    """An address as it may be kept: what is no part of the file's name may be a secret."""
    try:
        target = read_url(url, manifest.endpoints, manifest.download.allow_hosts)
    except HostRefused as refusal:
        return broken_rule(refusal)
    if isinstance(target, HubFile):
        return HUGGINGFACE + target.resolve_path()
    if isinstance(target, CivitaiFile):
        if "://" not in url:
            return url
        query = f"?{target.query}" if target.query and not target.version else ""
        return CIVITAI + target.where + query
    if {*parse_qs(urlsplit(target.url).query, keep_blank_values=True)} - _HARMLESS:
        return because(Why.IMPORT_SECRET)
    return target.url


def _agreed(key: str, entries: Sequence[Imported]) -> Imported | Skipped:
    """The one thing that all entries of a model say. Of one hash the first address counts."""
    hashes = {entry.sha256 for entry in entries if entry.sha256}
    urls = {entry.url for entry in entries if entry.url}
    if len(hashes) > 1 or (len(urls) > 1 and not all(entry.sha256 for entry in entries)):
        places = [entry.where for entry in entries]
        return Skipped(", ".join(places), key, because(Why.IMPORT_DISAGREE, places=places))
    first = next((entry for entry in entries if entry.url), entries[0])
    return replace(first, sha256=next(iter(hashes), ""))


def _beside(entry: Imported, manifest: Manifest, own: Manifest) -> Imported | Skipped:
    """Hold an entry against what manifest.yaml and pins.yaml say already."""
    named, _, path = entry.key.partition("/")
    folder, path = (None, entry.key) if entry.folder else (named, path)
    by_user = own.override_for(folder, path)
    if by_user and (by_user.names_a_place or by_user.digest):
        same = _same(by_user, entry, manifest)
        why = Why.IMPORT_THERE_ALREADY if same else Why.IMPORT_YOURS_STAYS
        return _skipped(entry, because(why, file=by_user.file_name), failed=False)
    pin = manifest.override_for(folder, path)
    if not isinstance(pin, Pin) or not (pin.names_a_place or pin.digest):
        return entry
    if not _same(pin, entry, manifest):
        return _skipped(entry, because(Why.IMPORT_YOURS_STAYS, file=pin.file_name), failed=False)
    more = (entry.url and not pin.names_a_place) or (entry.sha256 and not pin.digest)
    if not more:
        return _skipped(entry, because(Why.IMPORT_THERE_ALREADY, file=pin.file_name), failed=False)
    return replace(entry, url=entry.url or address(pin), sha256=entry.sha256 or pin.digest or "")


def _same(override: Override, entry: Imported, manifest: Manifest) -> bool:
    """Tell whether nothing that an entry says differs from what is said already."""
    place = address(override)
    url = _clean(place, manifest) if place else ""
    return (not (url and entry.url) or url == entry.url) and (
        not (override.digest and entry.sha256) or override.digest == entry.sha256
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

    def of(self, listed: Listed) -> Imported | Reason:
        """The model that an entry means. Raises NameRefused."""
        place = listed.place.replace("\\", "/")
        below = self._below(place)
        if below is None and listed.folder:
            below = f"{listed.folder}/{PurePosixPath(place).name}"
        name = relative_name((below or place).rpartition("/")[2])
        if below is not None:
            relative_name(below)
            return self._at(below, name, listed.where)
        alike = self._names.get(name, [])
        if len(alike) == 1 and alike[0].folder:
            return Imported(alike[0].key, listed.where)
        why = Why.IMPORT_SEVERAL_NEEDED if len(alike) > 1 else Why.IMPORT_NO_FOLDER
        return because(why, models=[model.key for model in alike])

    def _at(self, below: str, name: str, where: str) -> Imported | Reason:
        if below in self._places:
            return Imported(self._places[below].key, where)
        alike = [model for model in self._names.get(name, []) if self._in_folder(model, below)]
        if len(alike) > 1:
            return because(Why.IMPORT_SEVERAL_NEEDED, models=[model.key for model in alike])
        folder, _, path = below.partition("/")
        if not is_folder_key(folder):
            return because(Why.IMPORT_NO_FOLDER)
        folder = folder_key(folder)
        if not alike:
            return Imported(f"{folder}/{path}", where, needed=False)
        if alike[0].folder is None:
            return Imported(alike[0].path, where, folder=folder)
        note = because(Why.IMPORT_OTHER_PLACE, place=below)
        return Imported(alike[0].key, where, own_key=f"{folder}/{path}", note=note)

    def _in_folder(self, model: Model, below: str) -> bool:
        if model.folder is None:
            return True
        return below.startswith(tuple(f"{d}/" for d in self._folders.below_models(model.folder)))

    def _below(self, place: str) -> str | None:
        """The place below a models folder; None where the path does not show one."""
        if own := self._own(place):
            return own
        parts = [part for part in place.split("/") if part not in ("", ".")]
        if _PACKS in parts:  # a file of a pack's own
            return None
        folders = {d for directories in core_directories().values() for d in directories}
        folders |= {key for key in self._folders.paths if key not in BESIDE}
        after = [n + 1 for n, part in enumerate(parts[:-2]) if part == _MODELS]
        start = next((n for n in after if parts[n] in folders), next(iter(after), None))
        if start is None:
            start = next((n for n, part in enumerate(parts[:-1]) if part in folders), None)
        return None if start is None else "/".join(parts[start:])

    def _own(self, place: str) -> str | None:
        """The same of a path on this machine, which may lie in a folder of any name."""
        path = PurePosixPath(place)
        for key, directories in self._folders.paths.items() if path.is_absolute() else ():
            for directory in directories:
                if path.is_relative_to(directory) and ".." not in path.parts:
                    return f"{key}/{path.relative_to(directory)}"
        return None
