"""Verify: is a file there, whole, of the right content and form, and safe? Else move it aside."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from comfyfix.comfyui.store.reach import dangling
from comfyfix.disk.files import git_blob_of, quarantine, regular_stat, sha256_of
from comfyfix.endings import is_pickle
from comfyfix.records import Model, Reason, Receipt, Record, Status, Verdict, because
from comfyfix.settings.manifest import PicklePolicy
from comfyfix.settings.overrides import Override
from comfyfix.state.hashing import FileChanged
from comfyfix.state.trust import EVERY_CHECK, Trust
from comfyfix.why import Why

_WORST: tuple[Status, ...] = (
    "unsafe", "damaged", "wrong", "unreachable", "missing", "unverified", "ok",
)  # fmt: skip
_DATA = (".model", ".spm", ".bpe", ".tiktoken", ".jinja", ".md", ".vocab")
"""Endings of files beside weights of which a look shows nothing, and whose readers run nothing."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a file before it is looked at; `told` is the user's word, and binding.

    `copied` is the sha256 of the file that it is a copy of, as it was then.
    """

    record: Record | None = None
    receipt: Receipt | None = None
    told: Override | None = None
    copied: str = ""

    def expected(self) -> tuple[str | None, Reason | None]:
        """The sha256 that it must have, and whose word that is."""
        if self.told and self.told.digest:
            return self.told.digest, because(Why.BY_MANIFEST, file=self.told.file_name)
        if self.record is not None and self.record.sha256:
            return self.record.sha256, because(Why.BY_PLACE, where=self.record.where)
        if self.receipt is not None and self.receipt.verified:
            return self.receipt.sha256, because(Why.BY_RECEIPT)
        if self.copied:
            return self.copied, because(Why.BY_COPIED)
        return None, None

    @property
    def by_blob(self) -> bool:
        """True where git's id alone tells what the file must hold."""
        return bool(self.record and self.record.blob) and self.expected()[0] is None

    @property
    def needs_hash(self) -> bool:
        """True where somebody tells what the file must hold."""
        return self.by_blob or self.expected()[0] is not None

    def size(self) -> int | None:
        """The bytes that it must have; None where nobody tells, or where its hash tells more."""
        exact = self.record is not None and self.record.size_exact  # else it has been rounded
        return self.record.size if self.record and exact and self.expected()[0] is None else None


@dataclass(frozen=True, slots=True)
class Manner:
    """How files are looked at.

    `pickle` is the manifest's word on pickle files: not at all, only those that can't run code, or
    whatever they hold. A receipt stands for the hash while the file is as it says, unless the file
    is to be hashed `anew`; one of which no hash is known is hashed `always`, or not at all.
    """

    pickle: PicklePolicy = "scan"
    trust: Trust = EVERY_CHECK
    anew: bool = False
    always: bool = False
    hashed: Callable[[Path], str] = sha256_of


def verify(model: Model, path: Path, known: Known, manner: Manner) -> Verdict:
    """Look at one file and say what it is. Nothing is moved or written here.

    What is of a kind that is not looked into is unverified, whatever its hash: that tells where it
    is from, not what it does.
    """
    told = Verdict(model=model.key, filename=path.name, path=str(path), status="ok")
    info = regular_stat(path)
    if info is None:
        lost = dangling(str(path))
        if lost is None:
            return _is(told, "missing", Why.FILE_ABSENT)
        return _is(told, "unreachable", Why.LINK_LEADS_NOWHERE, link=lost.link, target=lost.target)
    told = msgspec.structs.replace(told, size=info.st_size)
    if not os.access(path, os.R_OK):
        return _is(told, "damaged", Why.FILE_UNREADABLE, cause=os.strerror(errno.EACCES))
    if manner.pickle == "refuse" and is_pickle(path.name):
        return _is(told, "unsafe", Why.PICKLE_REFUSED)
    try:
        return _looked_at(told, path, info, known, manner)
    except FileChanged:
        return _is(told, "unverified", Why.FILE_CHANGES)
    except FileNotFoundError:
        return _is(told, "missing", Why.FILE_WENT_AWAY)
    except OSError as error:
        return _is(told, "damaged", Why.FILE_UNREADABLE, cause=error.strerror)


def _looked_at(
    told: Verdict, path: Path, info: os.stat_result, known: Known, manner: Manner
) -> Verdict:
    """Look inside, then hold size and hash against what is known. Raises OSError."""
    from comfyfix.formats.look import look  # loading does without it

    seen = look(path, look_inside=manner.pickle != "allow")
    if seen.finding is not None:
        return msgspec.structs.replace(told, status=seen.finding.kind, reason=seen.finding.reason)
    if known.record and known.size() not in (None, info.st_size):
        return _is(told, "wrong", Why.SIZE_DIFFERS, where=known.record.where, size=known.size())
    digest = None
    receipt = known.receipt
    if receipt is not None and manner.trust.holds(receipt, path, info) and not manner.anew:
        digest = receipt.sha256
    elif known.needs_hash or manner.anew or manner.always or not seen.is_known:
        digest = manner.hashed(path)
    told = msgspec.structs.replace(told, sha256=digest)
    if digest and known.by_blob:
        verdict = _is_blob(told, path, known)
    else:
        verdict = _compared(told, known)
    if verdict.good and not seen.is_known:
        closed = _is(verdict, "unverified", Why.KIND_NOT_LOOKED_INTO, sha256=digest)
        return msgspec.structs.replace(closed, looked_into=False)
    return verdict


def _is_blob(told: Verdict, path: Path, known: Known) -> Verdict:
    """Hold a file against git's id of its content. Raises OSError."""
    record = known.record
    source = because(Why.BY_PLACE, where=record.where if record else "")
    wanted, found = record.blob if record else "", git_blob_of(path)
    if found != wanted:
        return _is(told, "wrong", Why.BLOB_DIFFERS, source=source, found=found, wanted=wanted)
    return msgspec.structs.replace(told, by=source)


def _compared(told: Verdict, known: Known) -> Verdict:
    """Hold a hash against what is known."""
    expected, source = known.expected()
    if expected is None:
        return _is(told, "unverified", Why.NO_PUBLISHED_HASH)
    if told.sha256 != expected:
        return _is(
            told, "wrong", Why.HASH_DIFFERS, source=source, found=told.sha256, wanted=expected
        )
    return msgspec.structs.replace(told, by=source)


def _is(told: Verdict, status: Status, why: Why, **fields: object) -> Verdict:
    return msgspec.structs.replace(told, status=status, reason=because(why, **fields))


def joined(model: Model, path: Path, files: Sequence[Verdict]) -> Verdict:
    """Return the verdict of a directory or a set: that of its worst file, and all of them."""
    worst = min(files, key=lambda verdict: _WORST.index(_weight(verdict)))
    told = Verdict(
        model=model.key,
        filename=model.name,
        path=str(path),
        status=_weight(worst),
        size=sum(verdict.size or 0 for verdict in files),
        by=worst.by,
        looked_into=worst.looked_into,
        files=tuple(files),
    )
    if told.status == "ok":
        return told
    bad = sum(_weight(verdict) == told.status for verdict in files)
    reason = because(Why.OF_ITS_FILE, name=worst.filename, reason=worst.reason)
    if bad > 1:
        reason = because(Why.OF_ITS_FILES, first=reason, count=bad - 1)
    return msgspec.structs.replace(told, reason=reason)


def _weight(verdict: Verdict) -> Status:
    """What a file counts for: a tokenizer with its publisher's bytes holds nothing that runs."""
    proven = not verdict.looked_into and verdict.by is not None
    return "ok" if proven and verdict.filename.lower().endswith(_DATA) else verdict.status


def move_aside(verdict: Verdict, receipt: Receipt | None) -> Verdict:
    """Give a damaged, wrong or unsafe file another name beside it; never deletes or overwrites.

    A file of another content or kind that came without us (no receipt, or one of a file that was
    only known by its hash) is left: it may be meant.
    """
    if receipt is not None and receipt.identified:
        receipt = None
    if verdict.status == "wrong" and receipt is None:
        return verdict
    # Its publisher's own bytes, as far as a hash can tell: fetching them again changes nothing.
    published = receipt is not None and receipt.verified and receipt.size == verdict.size
    if verdict.status == "wrong" and verdict.sha256 is None and published:
        return verdict
    if verdict.reason and verdict.reason.why == Why.PICKLE_REFUSED:
        return verdict  # the manifest alone is against it
    if verdict.status not in ("damaged", "wrong", "unsafe") or not os.access(verdict.path, os.R_OK):
        return verdict  # what can't be read has not been seen to be bad
    ending = "unsafe" if verdict.status == "unsafe" else "damaged"
    try:
        aside = str(quarantine(Path(verdict.path), ending))
    except OSError as error:
        told = because(Why.AND_STAYS, reason=verdict.reason, cause=error.strerror)
        return msgspec.structs.replace(verdict, reason=told)
    told = because(Why.AND_MOVED, reason=verdict.reason, name=Path(aside).name)
    return msgspec.structs.replace(verdict, reason=told, moved_to=aside)
