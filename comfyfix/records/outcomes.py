"""What came of it: receipts of what was fetched, verdicts, opinions, and tries."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from comfyfix.outcomes import Came
from comfyfix.records.reasons import Reason

Status = Literal["ok", "missing", "unreachable", "damaged", "wrong", "unsafe", "unverified"]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What was fetched and seen to be right: `size` in bytes, times and inode of the file then.

    `place` below the store, `key_id` and `mac` are those of a signed one (see `trust.py`).

    `origin` is the file of this machine that its bytes were copied from (or that it is a link to),
    empty where they came from the address of its record; `mirror` is the mirror that they came from
    instead.
    `identified` is set for a file that came without us and is known by its hash: it may be
    replaced by another, and nothing is fetched in its place then.

    `files` are the receipts of all files of a directory or a set. They are kept one by one, each
    under a key of its own; `size` is that of all, `sha256` that of their list.
    """

    version: Literal[1] = 1
    model: str
    path: str
    size: int
    sha256: str
    mtime_ns: int
    at: str
    script: str = ""
    verified: bool = True
    identified: bool = False
    origin: str = ""
    mirror: str = ""
    ctime_ns: int = 0
    device: int = 0
    inode: int = 0
    place: str = ""
    key_id: str = ""
    mac: str = ""
    files: tuple[Receipt, ...] = ()

    @property
    def each(self) -> tuple[Receipt, ...]:
        """The receipts of all files: of a single file that is the receipt itself."""
        return self.files or (self,)


class Hashed(msgspec.Struct, frozen=True, kw_only=True):
    """One line: a file as it was when it was hashed, `size` in bytes.

    It is told as receipts tell it, and what shows that the file is as it was is the same.
    """

    version: Literal[1] = 1
    path: str
    size: int
    mtime_ns: int
    ctime_ns: int = 0
    device: int = 0
    inode: int = 0
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What verification says of one file. `size` in bytes, None when it is missing.

    `by` is whose hash it has, for one that is ok; `looked_into` is false for a file of a kind that
    is not known, of which only the hash can be told. `files` are the verdicts of each file of a
    directory or a set. `is_copy`: it is the copy in a fast tier that ComfyUI opens.
    """

    model: str
    filename: str
    path: str
    status: Status
    reason: Reason | None = None
    size: int | None = None
    sha256: str | None = None
    moved_to: str = ""
    by: Reason | None = None
    looked_into: bool = True
    is_copy: bool = False
    files: tuple[Verdict, ...] = ()

    @property
    def good(self) -> bool:
        """True for a file that can be used; `unverified`: not all of it could be checked."""
        return self.status in ("ok", "unverified")


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What Qwen thinks of one file: words for the user, which overrule no verdict."""

    fits: bool
    reason: str


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try at one model: when, how it ended, and why; `came`: how its file came, if it did."""

    at: str
    outcome: str
    reason: Reason | None = None
    came: Came | None = None
