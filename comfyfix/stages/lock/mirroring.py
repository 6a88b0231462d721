"""Mirroring: what the lock file needs is put into a mirror, from here or from its address."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.keys import is_folder_key
from comfyfix.disk import regular
from comfyfix.errors import Problem
from comfyfix.mirrors.holders import Holder, OtherBytes
from comfyfix.records import Model, Reason, Receipt, Record
from comfyfix.settings import lockfile
from comfyfix.settings.lockfile import Lock
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.overrides import Locked
from comfyfix.stages.lock import locked

Done = Literal["there", "copied", "fetched"]


@dataclass(frozen=True, slots=True)
class Content:
    """One file that is needed: its hash, its bytes, and the model that people know it by.

    `origin` is where it can be fetched, or why it can't be. `near` are paths at which it may lie on
    this machine.
    """

    sha256: str
    size: int
    name: str
    origin: Record | Problem
    near: tuple[str, ...] = ()


@dataclass(slots=True)
class Filled:
    """What has become of one mirror, by hash; sizes in bytes. `absent` is what it lacks."""

    place: str
    contents: tuple[Content, ...] = ()
    done: dict[str, Done] = field(default_factory=dict)
    failed: dict[str, Reason] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)
    unneeded: dict[str, int] = field(default_factory=dict)
    absent: Sequence[Content] = ()
    verified: int = 0
    reason: Reason | None = None

    @property
    def good(self) -> bool:
        """Tell whether it has all that it can have, and nothing in it is wrong."""
        return not (self.failed or self.wrong or self.reason)


class Here:
    """What may lie on this machine."""

    def __init__(self, folders: Folders, receipts: Mapping[str, Receipt]) -> None:
        self._folders = folders
        self._own: dict[str, list[str]] = {}
        for receipt in receipts.values():
            self._own.setdefault(receipt.sha256, []).append(receipt.path)

    def of(self, member: Record) -> tuple[str, ...]:
        """Paths at which a file may lie; none of them has been looked at."""
        key = member.model.folder or ""
        roots = self._folders.directories(key) if is_folder_key(key) else ()
        own = self._own.get(member.sha256 or "", ())
        return (*own, *(f"{root}/{member.model.path}" for root in roots))


def contents(lock: Lock, manifest: Manifest, here: Here) -> tuple[list[Content], int]:
    """The files that a lock file names, each once, and how many of them no mirror can have."""
    by_hash: dict[str, Content] = {}
    without = 0
    for key, entry in lockfile.applied(manifest, lock, alone=True).models.items():
        if isinstance(entry, Locked):
            model = Model(folder=lock.entries[key].folder, path=lock.entries[key].path)
            for content in _of_entry(model, entry, manifest, here):
                without += not content.sha256
                if content.sha256:
                    by_hash.setdefault(content.sha256, content)
    return list(by_hash.values()), without


def _of_entry(model: Model, entry: Locked, manifest: Manifest, here: Here) -> Iterator[Content]:
    try:
        candidate = locked.candidate(entry, model.name, manifest)
    except Problem as refused:
        hashes = [(f.sha256, f.size) for f in entry.files] or [(entry.digest, entry.size)]
        for sha256, size in hashes:
            yield Content(sha256 or "", size, model.key, refused)
        return
    fields = {name: getattr(candidate, name) for name in candidate.__struct_fields__}
    # Where it goes is for the mirror to say.
    record = Record(**fields, number=0, model=model, destination=f"/{model.path}", store="/")
    for member in record.members:
        yield Content(
            sha256=member.sha256 or "",
            size=member.size or 0,
            name=member.model.key,
            origin=member if member.url else locked.no_address(model, entry),
            near=here.of(member),
        )


def put(content: Content, holder: Holder, fetch: Callable[[Content, Record], None]) -> Done:
    """See that a mirror has a file. `fetch` puts it there from its address.

    Raises Problem, OSError and BucketFailed.
    """
    if holder.size(content.sha256) == content.size:
        return "there"
    for path in content.near:
        if _copied(content, path, holder):
            return "copied"
    if isinstance(content.origin, Problem):
        raise content.origin
    fetch(content, content.origin)
    return "fetched"


def _copied(content: Content, path: str, holder: Holder) -> bool:
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(regular.untouched(path))
            if os.fstat(stream.fileno()).st_size != content.size:
                return False
        except OSError:
            return False
        with contextlib.suppress(OtherBytes):  # it is another, or is being changed
            holder.put(content.sha256, stream, content.size)
            return True
    return False


def put_file(content: Content, path: Path, holder: Holder) -> None:
    """Put a file that has just been fetched. Raises OSError, OtherBytes and BucketFailed."""
    with regular.opened(path) as stream:
        holder.put(content.sha256, stream, content.size)


def look(filled: Filled, holder: Holder) -> None:
    """Note what a mirror has that the lock file does not need. Raises OSError and BucketFailed."""
    needed = {content.sha256 for content in filled.contents}
    filled.unneeded = {sha256: size for sha256, size in holder.listed() if sha256 not in needed}
