"""One model as another tool's file tells it."""

from __future__ import annotations

import msgspec

from comfyfix.records import Reason


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """`where` it stands in the file; `place` is its path as told, or its name alone.

    `folder` is a folder key where the file tells a kind and no place. Empty texts: not told.
    `odd` is why it can't be taken, whatever else it says.
    """

    where: str
    place: str = ""
    folder: str = ""
    url: str = ""
    sha256: str = ""
    odd: Reason | None = None


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A whole file: which tool's it is, its models, and how many node packs it pins besides."""

    tool: str
    models: tuple[Listed, ...]
    packs: int = 0


class NotAList(Exception):
    """The file is none that can be imported, or it is broken."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(reason.why)
