"""Directories as a source's answer: a repository of the Hub, or a folder of it, at a commit.

Which of its files are needed is said in `contents`; here each is made fit to be written: its name,
where it comes from, and what must be told of what is left out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from comfyfix.disk.files import FETCHED_NAME_BYTES_MAX, relative_name
from comfyfix.endings import is_pickle
from comfyfix.errors import NameRefused
from comfyfix.net.hosts import HUGGINGFACE, HubFile, HubFolder, is_hub_path
from comfyfix.providers.huggingface.answers import About
from comfyfix.records import Candidate, FileFact, Reason, Rejected, because
from comfyfix.sources.base import Doubtful, Finding, Services, Wanted
from comfyfix.sources.hub_files import opened
from comfyfix.sources.stand_in import chosen
from comfyfix.why import Why

FILES_MAX = 2000
LENGTH_MAX = 500  # characters of one path
_BAD_FIRST = ("unsafe", "suspicious", "caution")


def confirm(
    folder: HubFolder, source: str, wanted: Wanted, services: Services, evidence: Sequence[Reason]
) -> Finding:
    """Ask the Hub what a folder holds, and choose what the model's loader reads.

    Raises SourceDown.
    """
    told = services.hub.about(folder.repo, folder.revision)
    if isinstance(told, Reason):
        return Rejected(source=source, where=folder.where, reason=told)
    found = _candidate(folder, source, told, evidence)
    listed = list(facts(folder, told))
    if not listed:
        return Rejected(source=source, where=folder.where, reason=because(Why.FOLDER_EMPTY))
    picked = chosen(listed, wanted, code=services.manifest.verify.remote_code == "allow")
    if isinstance(picked, Reason):
        return Doubtful(found, picked)
    files, left_out = picked
    broken = unfit(files) or _refused_pickle(files, services)
    if broken:
        return Rejected(source=source, where=folder.where, reason=broken)
    note = because(Why.CODE_LEFT_OUT, files=left_out) if left_out else None
    whole = found.with_files(files, note=note, scan=scan(folder, files, told))
    return opened(whole, services.hub)


def _candidate(
    folder: HubFolder, source: str, told: About, evidence: Sequence[Reason]
) -> Candidate:
    return Candidate(
        source=source,
        where=folder.where,
        name=folder.name,
        url=HUGGINGFACE + folder.tree_path(told.commit),
        repo=folder.repo,
        commit=told.commit,
        path=folder.path,
        gated=told.gated,
        private=told.private,
        popularity=told.downloads,
        publisher=folder.publisher,
        licence=told.licence,
        base_model=told.base_model,
        evidence=tuple(evidence),
    )


def facts(folder: HubFolder, told: About) -> Iterator[FileFact]:
    """What lies in a folder, with paths from there on; what is hidden is for git alone."""
    begin = f"{folder.path}/" if folder.path else ""
    for path, item in told.files.items():
        below = path.removeprefix(begin)
        hidden = any(part.startswith(".") for part in below.split("/"))
        if path.startswith(begin) and not hidden and is_hub_path(path) and item.size is not None:
            url = HUGGINGFACE + HubFile(folder.repo, told.commit, path).resolve_path()
            yield FileFact(path=below, url=url, size=item.size, sha256=item.sha256, blob=item.blob)


def unfit(files: Sequence[FileFact]) -> Reason | None:
    """Why some files can't be written as they are called; None where they can."""
    if len(files) > FILES_MAX:
        return because(Why.FOLDER_OF_MANY, count=len(files), limit=FILES_MAX)
    taken: dict[str, str] = {}
    for file in files:
        path = file.path
        try:
            plain = relative_name(path) == path
        except NameRefused as refused:
            return refused.reason
        longest = max(len(part.encode()) for part in path.split("/"))
        if not plain or len(path) > LENGTH_MAX or longest > FETCHED_NAME_BYTES_MAX:
            return because(Why.NAME_LONG, name=path, limit=FETCHED_NAME_BYTES_MAX)
        parts = path.split("/")
        # On some disks these would be one file, and a name is a file or a folder.
        for end in range(1, len(parts) + 1):
            place = "/".join(parts[:end])
            key, kind = _same(place), "/" if end < len(parts) else ""
            if taken.setdefault(key, place + kind) != place + kind:
                return because(Why.NAMES_COLLIDE, one=taken[key], other=path)
    return None


def _same(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _refused_pickle(files: Sequence[FileFact], services: Services) -> Reason | None:
    if services.manifest.verify.pickle != "refuse":
        return None
    bad = next((file.path for file in files if is_pickle(file.path)), "")
    return because(Why.PICKLE_NAME_REFUSED, name=bad) if bad else None


def scan(folder: HubFolder, files: Sequence[FileFact], told: About) -> str:
    """The worst word of the Hub's scanners on the files that are wanted."""
    begin = f"{folder.path}/" if folder.path else ""
    scans = {told.files[f"{begin}{file.path}"].scan for file in files}
    return next((scan for scan in _BAD_FIRST if scan in scans), "safe" if scans == {"safe"} else "")
