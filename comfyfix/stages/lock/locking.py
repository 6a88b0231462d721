"""Locking: does the lock file say what the workflows need, and what should it say after a run?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from comfyfix.errors import SetupProblem
from comfyfix.net.hosts import endpoint_of
from comfyfix.records import Reason, Receipt, Record, because
from comfyfix.settings.lockfile import Entry, Lock, LockedFile
from comfyfix.settings.overrides import Locked
from comfyfix.stages.lock import locked
from comfyfix.stages.needs.work import Plan, Planned, Present
from comfyfix.why import Why

SHOWN = 10
"""Models that one message names."""


def same_content(one: Entry, other: Entry) -> bool:
    """Tell whether two entries are of the same bytes."""
    if one.files or other.files:
        return locked.same_files(one.files, other.files)
    return one.sha256 == other.sha256


def by_hash(item: Planned | Present, size: int, digest: str) -> Entry:
    """The entry of a file that is here, and that no provider has."""
    return _named(item, Entry(folder="-", path="-", size=size, sha256=digest))


def _named(item: Planned | Present, told: Entry) -> Entry:
    """An entry under the name that every machine has for its model."""
    by_name = all(reference.by_name for reference in item.references)
    model = item.lock_as
    return msgspec.structs.replace(
        told, folder=model.folder or "", path=model.path, by_name=by_name
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
    found: dict[str, Planned | Present] = {}
    for item in filter(_can_be_locked, every):
        key = item.lock_as.key
        # Whose very path it is counts before what a node has found by its name.
        if key not in found or item.model.key == key:
            found[key] = item
    return found


def _can_be_locked(item: Planned | Present) -> bool:
    if isinstance(item, Present) or item.problem is None:
        return True
    return isinstance(item.override, Locked)  # there, with another content


def entry(
    item: Planned | Present, record: Record, receipts: Mapping[str, Receipt]
) -> Entry | Reason:
    """What a record and what was fetched by it say, as an entry; or why there is none."""
    if not record.url:
        return because(Why.LOCK_ONLY_HERE)
    members = [(member, receipts.get(member.model.key)) for member in record.members]
    digests = [member.sha256 or (held.sha256 if held else None) for member, held in members]
    files = tuple(
        LockedFile(path=f.path, url=f.url, size=f.size, sha256=digest, blob=f.blob)
        for f, digest in zip(record.files, digests, strict=False)
        if digest or f.blob
    )
    first = members[0][1]
    size = first.size if first and not record.files else record.size
    if not size or len(files) < len(record.files) or not (record.files or digests[0]):
        return because(Why.LOCK_NO_HASH)
    told = Entry(
        folder="-",
        path="-",
        source=_provider(record),
        url=record.url,
        size=size,
        sha256=None if record.files else digests[0],
        licence=record.licence,
        publisher=record.publisher,
        gated=record.gated,
        verdict=_verdict([held for _, held in members], digests),
        files=files,
    )
    return _named(item, told)


def _provider(record: Record) -> str:
    """Who has the file: the same word whichever source has told of it."""
    return endpoint_of(record.url) or record.url.split("/")[2]


def _verdict(
    held: Sequence[Receipt | None], digests: Sequence[str | None]
) -> Literal["", "ok", "unverified"]:
    """The worst that verification has said of some files; empty where one was not looked into."""
    seen = [
        receipt.verified
        for receipt, digest in zip(held, digests, strict=True)
        if receipt and receipt.sha256 == digest and not receipt.identified
    ]
    if len(seen) < len(held):
        return ""
    return "ok" if all(seen) else "unverified"


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
        record, old = records.get(item.model.key), entries.get(key)
        fetched = record and all(member.model.key in receipts for member in record.members)
        told = entry(item, record, receipts) if record and fetched else None
        if not isinstance(told, Entry):
            continue
        if old is None or not isinstance(item.override, Locked):
            yield told
        elif same_content(old, told):  # from wherever this machine has it
            yield msgspec.structs.replace(old, verdict=told.verdict or old.verdict)
