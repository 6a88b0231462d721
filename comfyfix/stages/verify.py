"""Verify: is a file there, whole, of the right content and form, and safe? Else move it aside."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from comfyfix.comfyui.store.reach import dangling
from comfyfix.disk.files import quarantine, regular_stat, sha256_of
from comfyfix.endings import is_pickle
from comfyfix.records import Model, Reason, Receipt, Record, Status, Verdict, because
from comfyfix.settings.manifest import PicklePolicy
from comfyfix.state.hashing import FileChanged
from comfyfix.state.trust import EVERY_CHECK, Trust
from comfyfix.why import Why

PICKLE_REFUSED = "it is a pickle file, and these are refused: verify.pickle is `refuse`"
"""The reason for a file that only the manifest is against; it is left where it is."""


UNKNOWN = "no source publishes its hash"
"""The reason for a file that is in order as far as can be seen."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a file before it is looked at."""

    record: Record | None
    receipt: Receipt | None
    sha256: str | None

    def expected(self) -> tuple[str | None, str]:
        """The sha256 that it must have, and whose word that is."""
        if self.sha256:
            return self.sha256, "manifest.yaml"
        if self.record is not None and self.record.sha256:
            return self.record.sha256, self.record.where
        if self.receipt is not None and self.receipt.verified:
            return self.receipt.sha256, "its receipt"
        return None, ""

    def size(self) -> int | None:
        """The bytes that it must have; None where nobody tells, or where its hash tells more."""
        return self.record.size if self.record and self.expected()[0] is None else None


def verify(
    model: Model,
    path: Path,
    record: Record | None,
    receipt: Receipt | None,
    *,
    sha256: str | None = None,
    anew: bool = False,
    always: bool = False,
    pickle: PicklePolicy = "scan",
    trust: Trust = EVERY_CHECK,
    hashed: Callable[[Path], str] = sha256_of,
) -> Verdict:
    """Look at one file and say what it is.

    `pickle` is the manifest's word on pickle files: not at all, only those that can't run code,
    or whatever they hold.
    What is of a kind that is not looked into is unverified, whatever its hash: that tells where it
    is from, not what it does.
    The receipt stands for the hash while the file is as it says, unless the file is to be hashed
    `anew`; one of which no hash is known is hashed `always`, or not at all.
    `sha256` is the user's word, and binding. Nothing is moved or written here.
    """
    told = partial(_verdict, model, path)
    info = regular_stat(path)
    if info is None:
        lost = dangling(str(path))
        if lost is not None:
            return told("unreachable", f"{lost.link} leads to {lost.target}, which is not there")
        return told("missing", "there is no such file")
    told = partial(told, size=info.st_size)
    if not os.access(path, os.R_OK):
        return told("damaged", "it can't be read: check its permissions")
    if pickle == "refuse" and is_pickle(path.name):
        return told("unsafe", PICKLE_REFUSED)
    known = _Known(record, receipt, sha256)
    try:
        from comfyfix.formats.look import look  # noqa: PLC0415 - loading does without it

        seen = look(path, look_inside=pickle != "allow")
        if seen.finding is not None:
            return told(seen.finding.kind, seen.finding.reason)
        if known.size() not in (None, info.st_size):
            return told("wrong", f"{record and record.where} says {known.size()} bytes")
        digest = None
        if receipt is not None and trust.holds(receipt, path, info) and not anew:
            digest = receipt.sha256
        elif known.expected()[0] is not None or anew or always or not seen.is_known:
            digest = hashed(path)
    except FileChanged:
        return told("unverified", "it changed while it was read: look again later")
    except FileNotFoundError:
        return told("missing", "it went away while it was looked at")
    except OSError as error:
        return told("damaged", f"it can't be read ({error.strerror})")
    verdict = _compared(told, known, digest)
    if verdict.good and not seen.is_known:
        reason = f"it is of a kind that is not looked into; its sha256 is {digest}"
        return msgspec.structs.replace(
            verdict, status="unverified", reason=reason, looked_into=False
        )
    return verdict


def _compared(told: Callable[..., Verdict], known: _Known, digest: str | None) -> Verdict:
    """Hold a hash against what is known."""
    expected, source = known.expected()
    if expected is None:
        return told("unverified", UNKNOWN, sha256=digest)
    if digest != expected:
        return told("wrong", f"its sha256 is not the one of {source}", sha256=digest)
    return told("ok", sha256=digest, by=source)


def _verdict(
    model: Model,
    path: Path,
    status: Status,
    reason: Reason | str = "",
    *,
    size: int | None = None,
    sha256: str | None = None,
    by: str = "",
) -> Verdict:
    return Verdict(
        model=model.key,
        filename=path.name,
        path=str(path),
        status=status,
        reason=reason,
        size=size,
        sha256=sha256,
        by=by,
    )


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
    if verdict.reason == PICKLE_REFUSED:
        return verdict
    if verdict.status not in ("damaged", "wrong", "unsafe") or not os.access(verdict.path, os.R_OK):
        return verdict  # what can't be read has not been seen to be bad
    ending = "unsafe" if verdict.status == "unsafe" else "damaged"
    try:
        aside = str(quarantine(Path(verdict.path), ending))
    except OSError as error:
        aside = ""
        more = f"it can't be moved aside ({error.strerror})"
    else:
        more = f"moved to {Path(aside).name}"
    parts = (verdict.reason, because(Why.PLAIN, what=more, cause="", next=""))
    reason = because(Why.PLAIN, what=parts, cause="", next="")
    return msgspec.structs.replace(verdict, reason=reason, moved_to=aside)
