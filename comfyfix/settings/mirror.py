"""`mirror:` who has files by their sha256 alone, and is asked before anybody else.

A mirror is a folder, an address below which a server has files, or a bucket. What it is asked for
is the content and never the name. Signed addresses are secrets: they stand in the environment and
in no file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from comfyfix.errors import SetupProblem
from comfyfix.records import Reason, because
from comfyfix.settings.manifest import Manifest
from comfyfix.why import Why

VARIABLE = "COMFYFIX_MIRROR"
"""By it scripts are told of mirrors, and a run of others than its manifest names."""
Kind = Literal["folder", "address", "bucket"]
_BUCKET = re.compile(r"(s3|gs)://[a-z0-9][a-z0-9._-]{1,220}(/[A-Za-z0-9._/=+-]*)?")
_ONE_FILE = re.compile(r"/sha256/[0-9a-f]{2}/[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class Mirror:
    """One of them: its place, which may be a secret, and what kind of place that is."""

    place: str = field(repr=False)
    kind: Kind

    @property
    def label(self) -> str:
        """Its place as it may be shown: of an address without what signs it."""
        if self.kind != "address":
            return self.place
        return _ONE_FILE.sub("", self.place.partition("?")[0]).rstrip("/")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What of it must not be shown."""
        query = self.place.partition("?")[2] if self.kind == "address" else ""
        return (query,) if query else ()

    @property
    def handed(self) -> str:
        """Its place as a script reads it, in a list that white space parts."""
        if self.kind == "folder" and re.search(r"\s", self.place):
            return f"file://{quote(self.place)}"
        return self.place


def name_of(sha256: str) -> str:
    """Where a mirror has the file of a hash."""
    return f"sha256/{sha256[:2]}/{sha256}"


def flaw(entry: str) -> Reason | None:
    """What is wrong with an entry as it stands in the manifest; None if nothing is."""
    if is_folder(entry):
        return None if entry.strip() else because(Why.MIRROR_UNFIT, place=entry)
    return _unfit(entry, signed=False)


def named(manifest: Manifest, environ: Mapping[str, str]) -> tuple[Mirror, ...]:
    """The mirrors of a run: those of the environment, else of the manifest; the demo has none.

    Raises SetupProblem.
    """
    if manifest.is_demo:
        return ()
    entries = environ.get(VARIABLE, "").split()
    for entry in entries:
        if unfit := _unfit(entry, signed=True):
            raise SetupProblem(Why.MIRROR_VARIABLE_UNFIT, variable=VARIABLE, cause=unfit)
    return tuple(map(mirror, entries or manifest.mirror))


def mirror(entry: str) -> Mirror:
    """The mirror that an entry names, of which nothing is wrong."""
    if entry.startswith("file:///"):
        return Mirror(unquote(entry.removeprefix("file://")), "folder")
    if is_folder(entry):
        return Mirror(entry, "folder")
    return Mirror(entry, "bucket" if _BUCKET.fullmatch(entry) else "address")


def absolute(entry: str) -> str:
    """An entry of a command line: a folder is that of the working folder."""
    return os.path.abspath(os.path.expanduser(entry)) if is_folder(entry) else entry


def is_folder(entry: str) -> bool:
    """Tell whether an entry is the path of a folder."""
    return not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", entry)


def _unfit(entry: str, *, signed: bool) -> Reason | None:
    """What is wrong with an address or bucket, or in the environment with a folder."""
    if _BUCKET.fullmatch(entry) and "/../" not in f"{entry}/" and "//" not in entry[5:]:
        return None
    if entry.startswith(("/", "file:///")) and "\0" not in unquote(entry):
        return None
    shown = entry.partition("?")[0]
    try:
        parts = urlsplit(entry)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        usable = usable and parts.port != 0 and not parts.fragment
    except ValueError:
        usable = False
    if usable and ("@" in parts.netloc or (parts.query and not signed)):
        return because(Why.MIRROR_SECRET, variable=VARIABLE)
    if not usable or not re.fullmatch(r"[!#-;=?-\[\]_a-z~]+", entry):
        return because(Why.MIRROR_UNFIT, place=shown.rpartition("@")[2])
    return None
