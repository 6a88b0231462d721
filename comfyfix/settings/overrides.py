"""What the user knows better of single models: in the manifest, in pins.yaml, in the lock file."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from comfyfix.records import FileFact

LOCK_FILE = "manifest.lock.yaml"


class Override(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `models:`: what the user knows better."""

    file_name: ClassVar[str] = "manifest.yaml"  # of the file that says it
    folder: str | None = None
    url: str | None = None
    repo: str | None = None
    path: str | None = None
    model_version_id: int | None = None
    file_id: int | None = None
    sha256: str | None = None

    @property
    def digest(self) -> str | None:
        """`sha256` as hashes are written everywhere else, in lower case."""
        return self.sha256.lower() if self.sha256 else None

    @property
    def names_a_place(self) -> bool:
        """True when the user says where the file is; no other source is asked then."""
        return bool(self.url or self.repo or self.model_version_id)

    @property
    def place(self) -> str:
        """The place in one line, which changes when it does; empty where none is named."""
        version = f"{self.model_version_id}/{self.file_id or ''}" if self.model_version_id else ""
        return self.url or version or (f"{self.repo}/{self.path or ''}" if self.repo else "")


class Pin(Override, frozen=True, kw_only=True):
    """One entry of pins.yaml, with the place where it stands there."""

    file_name = "pins.yaml"
    file: str = ""
    line: int = 0


class Locked(Override, frozen=True, kw_only=True):
    """One entry of the lock file: an address, and what the bytes there are. Nothing is searched.

    `size` in bytes; `licence` and `publisher` are the provider's words, `gated` where it asks for
    an agreement. `files` are those of a directory or a set, which has no hash of its own.
    """

    file_name = LOCK_FILE
    size: int
    files: tuple[FileFact, ...] = ()
    licence: str = ""
    publisher: str = ""
    gated: bool = False
