"""Locking: does the lock file say what the workflows need, and what should it say after a run?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from comfyfix.errors import SetupProblem
from comfyfix.net.urls.hosts import endpoint_of
from comfyfix.records import Reason, Receipt, Record, because
from comfyfix.settings.lockfile import Entry, Lock, LockedFile
from comfyfix.settings.overrides import Locked
from comfyfix.stages.lock import locked
from comfyfix.stages.needs.work import Needed, Plan, Planned, Present
from comfyfix.why import Why

SHOWN = 10
"""Models that one message names."""


def same_content(one: Entry, other: Entry) -> bool:
    """Tell whether two entries are of the same bytes."""
    if one.files or other.files:
        return locked.same_files(one.files, other.files)
    return one.sha256 == other.sha256


def by_hash(item: Needed, size: int, digest: str) -> Entry:
    """The entry of a file that is here, and that no provider has."""
    return Entry(**_name_of(item), size=size, sha256=digest)


def _name_of(item: Needed) -> dict[str, Any]:
    """The name that every machine has for a model, as fields of its entry."""
    by_name = all(reference.by_name for reference in item.references)
    return {"folder": item.lock_as.folder or "", "path": item.lock_as.path, "by_name": by_name}


def require_agreement(plan: Plan, lock: Lock) -> None:
    """Raise SetupProblem where lock file and workflows do not say the same."""
    reasons = disagreements(plan, lock)
    if reasons:
        hidden = len(reasons) - SHOWN
        more = (because(Why.AND_MORE, count=hidden),) if hidden > 0 else ()
        raise SetupProblem(Why.LOCK_DISAGREES, path=lock.path, lines=(*reasons[:SHOWN], *more))


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
    items: list[Planned | Present] = [*filter(_can_be_locked, plan.models), *plan.present]
    by_key: dict[str, Planned | Present] = {}
    for item in items:
        key = item.lock_as.key
        # Whose very path it is counts before what a node has found by its name.
        if key not in by_key or item.model.key == key:
            by_key[key] = item
    return by_key


def _can_be_locked(planned: Planned) -> bool:
    if planned.problem is None:
        return True
    return isinstance(planned.override, Locked)  # there, with another content


def entry(item: Needed, record: Record, receipts: Mapping[str, Receipt]) -> Entry | Reason:
    """What a record and what was fetched by it say, as an entry; or why there is none."""
    if not record.url:
        return because(Why.LOCK_ONLY_HERE)
    held = [receipts.get(member.model.key) for member in record.members]
    digests = [
        member.sha256 or (receipt.sha256 if receipt else None)
        for member, receipt in zip(record.members, held, strict=True)
    ]
    files = tuple(
        LockedFile(path=f.path, url=f.url, size=f.size, sha256=digest, blob=f.blob)
        for f, digest in zip(record.files, digests, strict=False)
        if digest or f.blob
    )
    size = held[0].size if held[0] and not record.files else record.size
    if not size or len(files) < len(record.files) or not (record.files or digests[0]):
        return because(Why.LOCK_NO_HASH)
    return Entry(
        **_name_of(item),
        source=_provider(record),
        url=record.url,
        size=size,
        sha256=None if record.files else digests[0],
        licence=record.licence,
        publisher=record.publisher,
        gated=record.gated,
        verdict=_verdict(held, digests),
        files=files,
    )


def _provider(record: Record) -> str:
    """Who has the file: the same word whichever source has told of it."""
    return endpoint_of(record.url) or record.url.split("/")[2]


def _verdict(
    held: Sequence[Receipt | None], digests: Sequence[str | None]
) -> Literal["", "ok", "unverified"]:
    """The worst that verification has said of some files; empty where one was not looked into."""
    looked_into = [
        receipt.verified
        for receipt, digest in zip(held, digests, strict=True)
        if receipt and receipt.sha256 == digest and not receipt.identified
    ]
    if len(looked_into) < len(held):
        return ""
    return "ok" if all(looked_into) else "unverified"


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
    entries = {key: old for key, old in lock.entries.items() if key in items or plan.unreadable}
    entries |= {new.key: new for new in _fetched(items, entries, records, receipts)}
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
        new = entry(item, record, receipts) if record and fetched else None
        if not isinstance(new, Entry):
            continue
        if old is None or not isinstance(item.override, Locked):
            yield new
        elif same_content(old, new):  # from wherever this machine has it
            yield msgspec.structs.replace(old, verdict=new.verdict or old.verdict)
