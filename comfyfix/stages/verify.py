"""Verify: is a file there, whole, of the right content and form, and safe? Else move it aside."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from comfyfix import formats, receipts
from comfyfix.files import is_pickle, quarantine, regular_stat, sha256_of
from comfyfix.manifest import PicklePolicy
from comfyfix.records import Model, Receipt, Record, Status, Verdict, to_json

MEGABYTE = 1_000_000
PICKLE_REFUSED = "it is a pickle file, and these are refused: verify.pickle is `refuse`"
"""The reason for a file that only the manifest is against; it is left where it is."""


def verify(
    model: Model,
    path: Path,
    record: Record | None,
    receipt: Receipt | None,
    *,
    sha256: str | None = None,
    anew: bool = False,
    pickle: PicklePolicy = "scan",
) -> Verdict:
    """Look at one file and say what it is.

    `pickle` is the manifest's word on pickle files: not at all, only those that can't run code,
    or whatever they hold.
    The receipt stands for the hash while size and time of the file are as it says, unless the
    file is to be hashed `anew`. `sha256` is the user's word, and binding. Nothing is moved or
    written here.
    """

    def verdict(
        status: Status, reason: str = "", size: int | None = None, digest: str | None = None
    ) -> Verdict:
        return Verdict(
            model=model.key,
            filename=path.name,
            path=str(path),
            status=status,
            reason=reason,
            size=size,
            sha256=digest,
        )

    info = regular_stat(path)
    if info is None:
        return verdict("missing", "there is no such file")
    size = info.st_size
    if not os.access(path, os.R_OK):
        return verdict("damaged", "it can't be read: check its permissions", size)
    if pickle == "refuse" and is_pickle(path.name):
        return verdict("unsafe", PICKLE_REFUSED, size)
    known = receipt is not None and receipts.still_true(receipt, path, info)
    try:
        from comfyfix.formats.look import inspect  # noqa: PLC0415 - loading does without it

        found = inspect(path, look_inside=pickle != "allow")
        if found is not None:
            return verdict(found.kind, found.reason, size)
        expected, source = (sha256, "manifest.yaml") if sha256 else _expected(record, receipt)
        if expected is None and record is not None and record.size not in (None, size):
            return verdict("wrong", f"{record.where} says {record.size} bytes", size)
        if receipt is not None and known and not anew:
            digest = receipt.sha256
        elif expected is None and not anew:
            return verdict("unverified", "no source publishes its hash", size)
        else:
            digest = sha256_of(path)
    except OSError as error:
        return verdict("damaged", f"it can't be read ({error.strerror})", size)
    if expected is not None and digest != expected:
        return verdict("wrong", f"its sha256 is not the one of {source}", size, digest)
    if expected is None:
        return verdict("unverified", "no source publishes its hash", size, digest)
    return verdict("ok", "", size, digest)


def _expected(record: Record | None, receipt: Receipt | None) -> tuple[str | None, str]:
    if record is not None and record.sha256:
        return record.sha256, record.where
    if receipt is not None and receipt.verified:
        return receipt.sha256, "its receipt"
    return None, ""


def move_aside(verdict: Verdict, receipt: Receipt | None) -> Verdict:
    """Give a damaged, wrong or unsafe file another name beside it; never deletes or overwrites.

    A file of another content or kind that came without us (no receipt) is left: it may be meant.
    """
    if verdict.status == "wrong" and receipt is None:
        return verdict
    # Its publisher's own bytes, as far as a hash can tell: fetching them again changes nothing.
    published = receipt is not None and receipt.verified and receipt.size == verdict.size
    if verdict.status == "wrong" and verdict.sha256 is None and published:
        return verdict
    if verdict.reason == PICKLE_REFUSED:
        return verdict
    if verdict.status not in ("damaged", "wrong", "unsafe") or not os.access(verdict.path, os.R_OK):
        return verdict  # what can't be read has not been seen to be bad
    ending = "unsafe" if verdict.status == "unsafe" else "damaged"
    try:
        aside = str(quarantine(Path(verdict.path), ending))
    except OSError as error:
        aside = ""
        reason = f"{verdict.reason}; it can't be moved aside ({error.strerror})"
    else:
        reason = f"{verdict.reason}; moved to {Path(aside).name}"
    return Verdict(
        model=verdict.model,
        filename=verdict.filename,
        path=verdict.path,
        status=verdict.status,
        reason=reason,
        size=verdict.size,
        sha256=verdict.sha256,
        moved_to=aside,
    )


class _Good(msgspec.Struct, frozen=True, kw_only=True):
    filename: str
    path: str
    exists: bool
    size_mb: float
    sha256: str | None
    status: str


class _Bad(msgspec.Struct, frozen=True, kw_only=True):
    filename: str
    path: str
    exists: bool
    status: str
    reason: str


class BatchFile(msgspec.Struct, frozen=True, kw_only=True):
    """`verified/batch_NNN.json`; `rules` are those that its files were looked at by."""

    version: int = 1
    rules: str = ""
    verified: tuple[_Good, ...] = ()
    failed: tuple[_Bad, ...] = ()

    @property
    def all_good(self) -> frozenset[str]:
        """The paths of its members if every one is good; empty otherwise."""
        return frozenset() if self.failed else frozenset(good.path for good in self.verified)


def rules(pickle: PicklePolicy) -> str:
    """Name the rules that files are looked at by: when they change, all are looked at anew."""
    return f"{formats.RULES}-{pickle}"


def batch_file(verdicts: Iterable[Verdict], pickle: PicklePolicy) -> bytes:
    """Return the verdicts of one batch as the content of its file."""
    every = list(verdicts)
    return to_json(
        BatchFile(
            rules=rules(pickle),
            verified=tuple(
                _Good(
                    filename=v.filename,
                    path=v.path,
                    exists=True,
                    size_mb=round((v.size or 0) / MEGABYTE, 3),
                    sha256=v.sha256,
                    status=v.status,
                )
                for v in every
                if v.good
            ),
            failed=tuple(
                _Bad(
                    filename=v.filename,
                    path=v.path,
                    exists=v.status != "missing" and not v.moved_to,
                    status=v.status,
                    reason=v.reason,
                )
                for v in every
                if not v.good
            ),
        )
    )
