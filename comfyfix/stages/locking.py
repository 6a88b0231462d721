"""Locking: what the lock file says of models, taken as it is; and what is known, as its entries.

What is locked is not searched for. Its address obeys the rules of one that a workflow tells, and
its bytes are held against its hash by the script, as those of every record are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from comfyfix.comfyui.store.folders import folder_key, is_folder_key
from comfyfix.errors import ModelProblem, SetupProblem
from comfyfix.net.civitai_address import CivitaiFile
from comfyfix.net.hosts import CIVITAI, HUGGINGFACE, HubFile, endpoint_of, read_url
from comfyfix.outcomes import Outcome
from comfyfix.records import Candidate, Model, Reason, Receipt, Record, Reference, because
from comfyfix.settings.lockfile import Entry, Lock
from comfyfix.settings.manifest import Locked, Manifest
from comfyfix.stages.scan import ScannedFile
from comfyfix.stages.work import Plan, Planned, Present
from comfyfix.why import Why

SOURCE = "lock"
"""What a record that comes from the lock file calls its source."""
SHOWN = 10
"""Models that one message names."""


def candidate(locked: Locked, name: str, manifest: Manifest) -> Candidate:
    """What is locked, as a source would tell it, and without asking one. Raises HostRefused."""
    told = Candidate(
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
    if not told.url:
        return told
    target = read_url(told.url, manifest.endpoints, manifest.download.allow_hosts)
    if isinstance(target, HubFile):
        url = HUGGINGFACE + target.resolve_path()
        place = {"repo": target.repo, "commit": target.revision, "path": target.path}
        return msgspec.structs.replace(told, url=url, where=target.repo, **place)
    if isinstance(target, CivitaiFile):
        return msgspec.structs.replace(told, url=CIVITAI + target.download_path)
    return msgspec.structs.replace(told, url=target.url)


def no_address(model: Model, locked: Locked) -> ModelProblem:
    """The problem that a model is locked by its hash alone, and nothing here has it."""
    return ModelProblem(
        Outcome.NOT_FOUND, Why.LOCK_NO_ADDRESS, model=model.key, sha256=locked.digest
    )


def by_hash(item: Planned | Present, size: int, digest: str) -> Entry:
    """The entry of a file that is here, and that no provider has."""
    folder, path = item.model.folder or "", item.model.path
    return Entry(folder=folder, path=path, size=size, sha256=digest)


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
    )


def require_agreement(plan: Plan, lock: Lock) -> None:
    """Raise SetupProblem where lock file and workflows do not say the same."""
    told = disagreements(plan, lock)
    if told:
        more = (because(Why.AND_MORE, count=len(told) - SHOWN),) if len(told) > SHOWN else ()
        raise SetupProblem(Why.LOCK_DISAGREES, path=lock.path, lines=(*told[:SHOWN], *more))


def disagreements(plan: Plan, lock: Lock) -> list[Reason]:
    """What the workflows need and the lock file has not, or the other way round."""
    items = needed(plan)
    absent = [
        because(Why.LOCK_DIFFERS if key in lock.entries else Why.LOCK_LACKS, model=key)
        for key, item in items.items()
        if not isinstance(item.override, Locked)
    ]
    return [*absent, *(because(Why.LOCK_UNNEEDED, model=k) for k in lock.entries if k not in items)]


def needed(plan: Plan) -> dict[str, Planned | Present]:
    """What the workflows need and can have a file, by model."""
    every: list[Planned | Present] = [*plan.models, *plan.present]
    return {item.model.key: item for item in every if _can_be_locked(item)}


def _can_be_locked(item: Planned | Present) -> bool:
    if isinstance(item, Present) or item.problem is None:
        return True
    return isinstance(item.override, Locked)  # there, with another content


def entry(record: Record, receipt: Receipt | None) -> Entry | Reason:
    """What a record and what was fetched by it say, as an entry; or why there is none."""
    digest = record.sha256 or (receipt.sha256 if receipt else None)
    size = receipt.size if receipt else record.size
    if not record.url:
        return because(Why.LOCK_ONLY_HERE)
    if digest is None or not size:
        return because(Why.LOCK_NO_HASH)
    seen = receipt if receipt and receipt.sha256 == digest else None
    return Entry(
        folder=record.model.folder or "",
        path=record.model.path,
        source=_provider(record),
        url=record.url,
        size=size,
        sha256=digest,
        licence=record.licence,
        publisher=record.publisher,
        gated=record.gated,
        verdict=_verdict(seen),
    )


def _provider(record: Record) -> str:
    """Who has the file: the same word whichever source has told of it."""
    return endpoint_of(record.url) or record.url.split("/")[2]


def _verdict(receipt: Receipt | None) -> Literal["", "ok", "unverified"]:
    if receipt is None or receipt.identified:
        return ""
    return "ok" if receipt.verified else "unverified"


def kept_true(
    plan: Plan,
    lock: Lock,
    records: Mapping[str, Record | None],
    receipts: Mapping[str, Receipt],
) -> Lock:
    """The lock file after a run: what was fetched is in it, what no workflow needs is not.

    Where a workflow can't be read, what it needs is not known, and nothing is taken out.
    """
    items = needed(plan)
    entries = {key: told for key, told in lock.entries.items() if key in items or plan.unreadable}
    entries |= {told.key: told for told in _fetched(items, entries, records, receipts)}
    return lock.with_entries(entries.values())


def _fetched(
    items: Mapping[str, Planned | Present],
    entries: Mapping[str, Entry],
    records: Mapping[str, Record | None],
    receipts: Mapping[str, Receipt],
) -> Iterator[Entry]:
    for key, item in items.items():
        record, receipt, old = records.get(key), receipts.get(key), entries.get(key)
        told = entry(record, receipt) if record and receipt else None
        if not isinstance(told, Entry):
            continue
        if old is None or not isinstance(item.override, Locked):
            yield told
        elif old.sha256 == told.sha256:  # from wherever this machine has it
            yield msgspec.structs.replace(old, verdict=told.verdict or old.verdict)
