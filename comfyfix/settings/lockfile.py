"""manifest.lock.yaml: where each model is from and what its bytes are, the same on every machine.

It lies beside manifest.yaml, is written by the program and meant for version control: sorted, one
short block per model, no path of a machine. Whoever edits it by hand changes what is fetched, and
never more than that: an address has to pass the rules of one that a workflow tells, the bytes have
to have the sha256, and the place is one below a model folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from comfyfix.disk import json_file, regular
from comfyfix.disk.files import write_atomic
from comfyfix.errors import SetupProblem, system_says
from comfyfix.records import FileFact, because
from comfyfix.settings.amounts import SIZE_MAX
from comfyfix.settings.fitting import Unfit, fitted
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.overrides import Locked
from comfyfix.why import Why

VERSION = 1
BYTES_MAX = 100 << 20
_HEAD = (
    "# Where each model is from and what its bytes are. Written by `doit lock`: keep it in\n"
    "# version control, and change it with `doit lock --upgrade`.\n"
)
Text = Annotated[str, msgspec.Meta(max_length=4096)]
Size = Annotated[int, msgspec.Meta(ge=1, le=SIZE_MAX)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class LockedFile(FileFact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of a directory or a set; git's id of a small one stands for its sha256."""

    path: Text
    url: Text
    size: Annotated[int, msgspec.Meta(ge=0, le=SIZE_MAX)]
    sha256: Sha256 | None = None
    blob: Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{40})?\Z")] = ""

    def __post_init__(self) -> None:
        """Raises ValueError, which is told with the place in the file."""
        if not (self.sha256 or self.blob):
            raise ValueError("Object misses `sha256`")


class Entry(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One model. `folder` is ComfyUI's folder key, `path` the place below it, `size` in bytes.

    A directory or a set has `files` instead of a hash, and `size` is that of all of them.
    `source` is the provider of `url`, both empty for what no provider has; `verdict` is what
    verification has said of the file, empty while it has not been looked into. `by_name`: its
    nodes find it in any subfolder.
    """

    folder: Text
    path: Text
    source: Text = ""
    url: Text = ""
    size: Size
    sha256: Sha256 | None = None
    licence: Text = ""
    publisher: Text = ""
    gated: bool = False
    verdict: Literal["", "ok", "unverified"] = ""
    by_name: bool = False
    files: tuple[LockedFile, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError, which is told with the place in the file."""
        if bool(self.sha256) == bool(self.files):
            raise ValueError("Object needs one of `sha256` and `files`")

    @property
    def key(self) -> str:
        """The model's name in every file of ours."""
        return f"{self.folder}/{self.path}"


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: int
    models: list[Entry] = []


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file as it is on disk; `path` is where it lies, or would."""

    path: Path
    entries: Mapping[str, Entry] = field(default_factory=dict)
    exists: bool = False

    def with_entries(self, entries: Iterable[Entry]) -> Lock:
        """The same file with other entries."""
        ordered = sorted(entries, key=lambda entry: (entry.folder, entry.path))
        return Lock(self.path, {entry.key: entry for entry in ordered}, exists=True)


class _Cache(msgspec.Struct, frozen=True, kw_only=True):
    """What was read, by the hash of the text that it was read from."""

    version: Literal[1] = 1
    digest: str
    entries: list[Entry]


def read(path: Path, cache: Path) -> Lock:
    """Read a lock file; one that is not there has no entries. Raises SetupProblem."""
    try:
        data = regular.read(path, BYTES_MAX)
    except FileNotFoundError:
        return Lock(path)
    except regular.NotRegular as error:
        raise SetupProblem(Why.MANIFEST_UNREADABLE, path=path, cause=error.reason) from None
    except OSError as error:
        cause = system_says(error)
        raise SetupProblem(Why.MANIFEST_UNREADABLE, path=path, cause=cause) from None
    digest = hashlib.sha256(data).hexdigest()
    parsed = json_file.cached(cache, _Cache)
    if parsed is None or parsed.digest != digest:
        parsed = _Cache(digest=digest, entries=_parsed(data, path))
        json_file.keep(cache, parsed)
    return Lock(path, {entry.key: entry for entry in parsed.entries}, exists=True)


def _parsed(data: bytes, path: Path) -> list[Entry]:
    from comfyfix.settings import yamlfile  # a file that has not changed is not parsed again

    value, document = yamlfile.read_long(data, path)
    version = value.get("version") if isinstance(value, dict) else None
    if type(version) is int and version > VERSION:
        raise SetupProblem(Why.STATE_NEWER, path=path, found=version, known=VERSION)
    try:
        entries = fitted(value, _File, Entry).models
    except Unfit as error:
        cause = because(Why.VALUE_UNFIT, told=error.said)
        raise document.refused(error.place, cause) from None
    if version != VERSION:
        raise document.refused("$.version", because(Why.VALUE_UNFIT, told=f"Expected {VERSION}"))
    seen: set[str] = set()
    for number, entry in enumerate(entries):
        if entry.key in seen:
            line = document.lines.get(f"$.models[{number}]", 1)
            raise yamlfile.refused(path, line, because(Why.KEY_TWICE, name=entry.key))
        seen.add(entry.key)
    return entries


def change(path: Path, cache: Path, held: Path, update: Callable[[Lock], Lock]) -> None:
    """Read, update and write a lock file while no other process does: `held` is locked meanwhile.

    Raises OSError, SetupProblem.
    """
    with json_file.locked(held):
        lock = read(path, cache)
        updated = update(lock)
        if updated.entries != lock.entries or not lock.exists:
            write_atomic(path, text(updated).encode())


def text(lock: Lock) -> str:
    """A lock file as it is written; fields that are empty are left out."""
    import yaml  # only who writes one needs it

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    value = {"version": VERSION, "models": msgspec.to_builtins([*lock.entries.values()])}
    body: str = yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return _HEAD + body


def applied(manifest: Manifest, lock: Lock, *, alone: bool) -> Manifest:
    """The manifest with what is locked; what it says itself of a place counts first.

    `alone`: what the lock file says is all that counts.
    """
    models = {} if alone else dict(manifest.models)
    for entry in lock.entries.values():
        own = None if alone else manifest.override_for(entry.folder, entry.path)
        if own and (own.names_a_place or own.digest not in (None, entry.sha256)):
            continue
        models[entry.key] = Locked(
            url=entry.url or None,
            sha256=entry.sha256,
            size=entry.size,
            files=entry.files,
            folder=own.folder if own else None,
            licence=entry.licence,
            publisher=entry.publisher,
            gated=entry.gated,
        )
    return msgspec.structs.replace(manifest, models=models)
