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
class Claims:
    """What is said of a file before it is looked at; `override` is the user's word, and binding.

    `noted_sha256` is that of the file that it is a copy of, as it was then.
    """

    record: Record | None = None
    receipt: Receipt | None = None
    override: Override | None = None
    noted_sha256: str = ""

    def sha256(self) -> tuple[str | None, Reason | None]:
        """The sha256 that it must have, and whose word that is."""
        if self.override and self.override.digest:
            return self.override.digest, because(Why.BY_MANIFEST, file=self.override.file_name)
        if self.record is not None and self.record.sha256:
            return self.record.sha256, because(Why.BY_PLACE, where=self.record.where)
        if self.receipt is not None and self.receipt.verified:
            return self.receipt.sha256, because(Why.BY_RECEIPT)
        if self.noted_sha256:
            return self.noted_sha256, because(Why.BY_COPIED)
        return None, None

    @property
    def without_sha256(self) -> Record | None:
        """The record where nobody tells the sha256: then its size counts, and git's id."""
        return self.record if self.sha256()[0] is None else None


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
    hash_of: Callable[[Path], str] = sha256_of


def verify(model: Model, path: Path, claims: Claims, manner: Manner) -> Verdict:
    """Look at one file and say what it is. Nothing is moved or written here.

    What is of a kind that is not looked into is unverified, whatever its hash: that tells where it
    is from, not what it does.
    """
    verdict = Verdict(model=model.key, filename=path.name, path=str(path), status="ok")
    info = regular_stat(path)
    if info is None:
        lost = dangling(str(path))
        if lost is None:
            return _with(verdict, "missing", Why.FILE_ABSENT)
        leading = {"link": lost.link, "target": lost.target}
        return _with(verdict, "unreachable", Why.LINK_LEADS_NOWHERE, **leading)
    verdict = msgspec.structs.replace(verdict, size=info.st_size)
    if not os.access(path, os.R_OK):
        return _with(verdict, "damaged", Why.FILE_UNREADABLE, cause=os.strerror(errno.EACCES))
    if manner.pickle == "refuse" and is_pickle(path.name):
        return _with(verdict, "unsafe", Why.PICKLE_REFUSED)
    try:
        return _looked_at(verdict, path, info, claims, manner)
    except FileChanged:
        return _with(verdict, "unverified", Why.FILE_CHANGES)
    except FileNotFoundError:
        return _with(verdict, "missing", Why.FILE_WENT_AWAY)
    except OSError as error:
        return _with(verdict, "damaged", Why.FILE_UNREADABLE, cause=error.strerror)


def _looked_at(
    verdict: Verdict, path: Path, info: os.stat_result, claims: Claims, manner: Manner
) -> Verdict:
    """Look inside, then hold size and hash against what is claimed. Raises OSError."""
    from comfyfix.formats.look import look  # loading does without it

    seen = look(path, look_inside=manner.pickle != "allow")
    if seen.finding is not None:
        return msgspec.structs.replace(
            verdict, status=seen.finding.kind, reason=seen.finding.reason
        )
    record, receipt = claims.without_sha256, claims.receipt
    # A size that is not exact has been rounded.
    if record and record.size_exact and record.size not in (None, info.st_size):
        return _with(verdict, "wrong", Why.SIZE_DIFFERS, where=record.where, size=record.size)
    digest = None
    must_match = claims.sha256()[0] or (record and record.blob)
    if receipt is not None and manner.trust.holds(receipt, path, info) and not manner.anew:
        digest = receipt.sha256
    elif must_match or manner.anew or manner.always or not seen.is_known:
        digest = manner.hash_of(path)
    verdict = _compared(msgspec.structs.replace(verdict, sha256=digest), path, claims)
    if verdict.good and not seen.is_known:
        closed = _with(verdict, "unverified", Why.KIND_NOT_LOOKED_INTO, sha256=digest)
        return msgspec.structs.replace(closed, looked_into=False)
    return verdict


def _compared(verdict: Verdict, path: Path, claims: Claims) -> Verdict:
    """Hold a file against what is told of its content. Raises OSError."""
    wanted, source = claims.sha256()
    found, why = verdict.sha256, Why.HASH_DIFFERS
    if (record := claims.without_sha256) and record.blob:
        wanted, source = record.blob, because(Why.BY_PLACE, where=record.where)
        found, why = git_blob_of(path), Why.BLOB_DIFFERS
    if wanted is None:
        return _with(verdict, "unverified", Why.NO_PUBLISHED_HASH)
    if found != wanted:
        return _with(verdict, "wrong", why, source=source, found=found, wanted=wanted)
    return msgspec.structs.replace(verdict, by=source)


def _with(verdict: Verdict, status: Status, why: Why, **fields: object) -> Verdict:
    return msgspec.structs.replace(verdict, status=status, reason=because(why, **fields))


def joined(model: Model, path: Path, files: Sequence[Verdict]) -> Verdict:
    """Return the verdict of a directory or a set: that of its worst file, and all of them."""
    worst = min(files, key=lambda verdict: _WORST.index(_weight(verdict)))
    whole = Verdict(
        model=model.key,
        filename=model.name,
        path=str(path),
        status=_weight(worst),
        size=sum(verdict.size or 0 for verdict in files),
        by=worst.by,
        looked_into=worst.looked_into,
        files=tuple(files),
    )
    if whole.status == "ok":
        return whole
    bad = sum(_weight(verdict) == whole.status for verdict in files)
    reason = because(Why.OF_ITS_FILE, name=worst.filename, reason=worst.reason)
    if bad > 1:
        reason = because(Why.OF_ITS_FILES, first=reason, count=bad - 1)
    return msgspec.structs.replace(whole, reason=reason)


def _weight(verdict: Verdict) -> Status:
    """What a file counts for: a tokenizer with its publisher's bytes holds nothing that runs."""
    proven = not verdict.looked_into and verdict.by is not None
    return "ok" if proven and verdict.filename.lower().endswith(_DATA) else verdict.status


def move_aside(verdict: Verdict, receipt: Receipt | None) -> Verdict:
    """Give a damaged, wrong or unsafe file another name beside it; never deletes or overwrites.

    A file of another content or kind that came without us (no receipt, or one of a file that was
    only known by its hash) is left: it may be meant.
    """
    if verdict.status == "wrong":
        if receipt is None or receipt.identified:
            return verdict
        # Its publisher's own bytes, as far as a hash can tell: fetching them anew changes nothing.
        if verdict.sha256 is None and receipt.verified and receipt.size == verdict.size:
            return verdict
    if verdict.reason and verdict.reason.why == Why.PICKLE_REFUSED:
        return verdict  # the manifest alone is against it
    if verdict.status not in ("damaged", "wrong", "unsafe") or not os.access(verdict.path, os.R_OK):
        return verdict  # what can't be read has not been seen to be bad
    ending = "unsafe" if verdict.status == "unsafe" else "damaged"
    try:
        aside = quarantine(Path(verdict.path), ending)
    except OSError as error:
        reason = because(Why.AND_STAYS, reason=verdict.reason, cause=error.strerror)
        return msgspec.structs.replace(verdict, reason=reason)
    reason = because(Why.AND_MOVED, reason=verdict.reason, name=aside.name)
    return msgspec.structs.replace(verdict, reason=reason, moved_to=str(aside))
