"""Locked: what the lock file says of models, taken as it is and without a search.

Its addresses obey the rules of those that a workflow tells, and the bytes are held against its
hashes by the script, as those of every record are.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from comfyfix.comfyui.store.keys import folder_key, is_folder_key
from comfyfix.errors import ModelProblem, NameRefused
from comfyfix.file_names import shards
from comfyfix.net.urls.civitai_address import CivitaiFile
from comfyfix.net.urls.hosts import CIVITAI, HUGGINGFACE, DirectFile, read_folder, read_url
from comfyfix.net.urls.hub_address import HubFile
from comfyfix.outcomes import Outcome
from comfyfix.records import Candidate, FileFact, Model, Reason, Record, Reference, because
from comfyfix.settings.lockfile import Entry, Lock
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.overrides import Locked
from comfyfix.stages.needs.scan import ScannedFile
from comfyfix.why import Why

SOURCE = "lock"
"""What a record that comes from the lock file calls its source."""


def candidate(locked: Locked, name: str, manifest: Manifest) -> Candidate:
    """What is locked, as a source would tell it, and without asking one. Raises HostRefused."""
    found = Candidate(
        source=SOURCE,
        where=locked.url or "",
        name=name,
        url=locked.url or "",
        size=locked.size,
        sha256=locked.digest,
        publisher=locked.publisher,
        licence=locked.licence,
        gated=locked.gated,
        evidence=(because(Why.LOCKED_HERE),),
    )
    if not found.url:
        return found
    if locked.files:
        return _of_files(found, locked, manifest)
    target = read_url(found.url, manifest.endpoints, manifest.download.allow_hosts)
    found = msgspec.structs.replace(found, url=_public(target))
    if isinstance(target, HubFile):
        place = {"repo": target.repo, "commit": target.revision, "path": target.path}
        return msgspec.structs.replace(found, where=target.repo, **place)
    return found


def _public(target: HubFile | CivitaiFile | DirectFile) -> str:
    """The address of a file as records have it, whatever endpoint is asked."""
    if isinstance(target, HubFile):
        return HUGGINGFACE + target.resolve_path()
    return CIVITAI + target.download_path if isinstance(target, CivitaiFile) else target.url


def as_record(locked: Locked, model: Model, location: str) -> Record | None:
    """What has to be there, to hold the files against; None for paths that can't be."""
    if locked.files and _odd([file.path for file in locked.files], twins=False):
        return None
    return Record(
        source=SOURCE,
        where="",
        size=locked.size,
        files=locked.files,
        number=0,
        model=model,
        destination=location,
        store="",
    )


def _odd(paths: Sequence[str], *, twins: bool) -> Reason | None:
    # With it come the clients of the services: a third of a second for those who ask nobody.
    from comfyfix.sources.contents import tree

    return tree.refused(paths) or (tree.twins(paths, paths) if twins else None)


def _of_files(found: Candidate, locked: Locked, manifest: Manifest) -> Candidate:
    """A directory or a set. Raises HostRefused, and NameRefused for a place outside of it."""
    paths = [file.path for file in locked.files]
    odd = _odd(paths, twins=True)
    if odd is None and len(set(paths)) < len(paths):
        odd = because(Why.KEY_TWICE, name=paths[-1])
    if odd:
        raise NameRefused(Why.LOCK_FILES_REFUSED, model=found.name, cause=odd)
    folder = read_folder(found.url, manifest.endpoints)
    if folder:
        place = {"repo": folder.repo, "commit": folder.revision, "path": folder.path}
        url = HUGGINGFACE + folder.tree_path()
        found = msgspec.structs.replace(found, url=url, where=folder.where, **place)
    return found.with_files([_file(file, manifest) for file in locked.files])


def _file(file: FileFact, manifest: Manifest) -> FileFact:
    url = _public(read_url(file.url, manifest.endpoints, manifest.download.allow_hosts))
    return FileFact(path=file.path, url=url, size=file.size, sha256=file.sha256, blob=file.blob)


def same_files(some: Sequence[FileFact], others: Sequence[FileFact]) -> bool:
    """Tell whether two lists are of the same files with the same contents."""
    by_path = {file.path: file for file in others}
    return by_path.keys() == {file.path for file in some} and all(
        _same(file, by_path[file.path]) for file in some
    )


def _same(one: FileFact, other: FileFact) -> bool:
    if one.sha256 and other.sha256:
        return one.sha256 == other.sha256
    return bool(one.blob) and one.blob == other.blob


def no_address(model: Model, locked: Locked) -> ModelProblem:
    """The problem that a model is locked by its hash alone, and nothing here has it."""
    return ModelProblem(
        Outcome.NOT_FOUND, Why.LOCK_NO_ADDRESS, model=model.key, sha256=locked.digest
    )


def as_workflow(lock: Lock) -> ScannedFile:
    """The lock file in the place of the workflows: each of its models is needed."""
    return ScannedFile(
        path=str(lock.path),
        workflow=lock.path.name,
        references=tuple(_reference(entry, lock.path.name) for entry in lock.entries.values()),
    )


def _reference(entry: Entry, workflow: str) -> Reference:
    return Reference(
        workflow=workflow,
        node_id="",
        node_type="",
        input="",
        value=entry.path,
        name=entry.path.rpartition("/")[2],
        path=entry.path,
        folder=folder_key(entry.folder) if is_folder_key(entry.folder) else None,
        by_name=entry.by_name,
        kind="directory" if entry.files and not shards(entry.path) else "file",
    )
