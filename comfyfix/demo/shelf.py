"""What the loopback hub has of the Hub: repositories."""

from __future__ import annotations

import copy
import functools
import hashlib
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

from comfyfix.demo.content import file_for


def sha256(data: bytes) -> str:
    """Hexadecimal sha256."""
    return hashlib.sha256(data).hexdigest()


def git_id(data: bytes) -> str:
    """Git's id of a content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


_SMALL = (".json", ".txt", ".md", ".py", ".jinja")  # what git itself keeps, and LFS does not


@functools.lru_cache(maxsize=1 << 16)
def _made(name: str, seed: str) -> tuple[str, int]:
    data = file_for(name, seed=seed)
    return sha256(data), len(data)


class Files(MutableMapping[str, bytes]):
    """The files of a repository by path: bytes, or a seed from which they are made when asked for.

    So thousands of repositories cost no memory, and their hashes are reckoned once.
    """

    def __init__(self) -> None:
        self._held: dict[str, bytes | str] = {}

    def __getitem__(self, path: str) -> bytes:
        held = self._held[path]
        return file_for(path.rpartition("/")[2], seed=held) if isinstance(held, str) else held

    def __setitem__(self, path: str, data: bytes) -> None:
        self._held[path] = data

    def __delitem__(self, path: str) -> None:
        del self._held[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, path: object) -> bool:
        return path in self._held

    def grow(self, path: str, seed: str = "") -> None:
        """Add a file that is made from a seed; without one, from its name."""
        self._held[path] = seed

    def summary(self, path: str) -> tuple[str, int]:
        """Hash and size in bytes of one file."""
        held = self._held[path]
        if isinstance(held, str):
            return _made(path.rpartition("/")[2], held)
        return sha256(held), len(held)

    def state(self, path: str) -> str:
        """Something that differs when the file does, without making it."""
        held = self._held[path]
        return held if isinstance(held, str) else sha256(held)


@dataclass(slots=True)
class Repository:
    """One repository: files by path, and what the API tells about it."""

    id: str
    files: Files = field(default_factory=Files)
    downloads: int = 100
    gated: bool | str = False  # auto or manual; True is auto
    private: bool = False
    licence: str = "apache-2.0"
    base_model: str = ""
    created: str = "2024-06-01T00:00:00.000Z"
    readme: str = ""
    flagged: dict[str, str] = field(default_factory=dict)  # path → the scanner's level, if not safe
    plain: set[str] = field(default_factory=set)  # paths that are not in LFS
    past: list[Repository] = field(default_factory=list)  # what it was at earlier commits

    def push(self, changed: Mapping[str, bytes | None]) -> None:
        """Make a commit: new contents by path, None for a file that goes. The old one stays."""
        self.past.append(replace(self, files=copy.deepcopy(self.files), past=[]))
        for path, data in changed.items():
            if data is None:
                del self.files[path]
            else:
                self.files[path] = data

    def at(self, revision: str | None) -> Repository | None:
        """What it is at a revision: `main`, or a commit or the beginning of one."""
        if revision in (None, "main"):
            return self
        every = (self, *self.past)
        return next((one for one in every if one.commit.startswith(str(revision))), None)

    @property
    def commit(self) -> str:
        """The commit hash; it changes with the files."""
        text = "".join(f"{path}\0{self.files.state(path)}\0" for path in sorted(self.files))
        return hashlib.sha1(f"{self.id}{text}".encode(), usedforsecurity=False).hexdigest()

    def describe(
        self, *, full: bool = True, blobs: bool = False, scans: bool = False
    ) -> dict[str, Any]:
        """Describe it as `/api/models` does.

        `blobs` adds size and hash of each file, `scans` which files the scanners flag.
        """
        tags = [f"license:{self.licence}"]
        if self.base_model:
            tags.append(f"base_model:{self.base_model}")
        brief = {
            "id": self.id,
            "private": self.private,
            "downloads": self.downloads,
            "createdAt": self.created,
            "tags": tags,
        }
        if not full:
            return brief
        issues = [{"path": path, "level": level} for path, level in self.flagged.items()]
        status = {"securityRepoStatus": {"scansDone": True, "filesWithIssues": issues}}
        return {
            **brief,
            **(status if scans else {}),
            "author": self.id.partition("/")[0],
            "sha": self.commit,
            "gated": "auto" if self.gated is True else self.gated,
            "siblings": [self._sibling(path, blobs) for path in sorted(self.files)],
        }

    def _sibling(self, path: str, blobs: bool) -> dict[str, Any]:
        if not blobs:
            return {"rfilename": path}
        digest, size = self.files.summary(path)
        lfs = {"lfs": {"sha256": digest, "size": size, "pointerSize": 130}}
        entry = {"rfilename": path, "size": size, "blobId": self.oid(path)}
        return entry if self.is_plain(path) else {**entry, **lfs}

    def is_plain(self, path: str) -> bool:
        """Whether git itself keeps a file, and not LFS: nobody tells its sha256 then."""
        return path in self.plain or path.endswith(_SMALL)

    def oid(self, path: str) -> str:
        """The git hash of one file, or of the pointer that stands for it; 40 hexadecimal digits."""
        if self.is_plain(path):
            return git_id(self.files[path])
        return hashlib.sha1(self.files.state(path).encode(), usedforsecurity=False).hexdigest()

    def item(self, path: str, *, scans: bool = False) -> dict[str, Any]:
        """Describe one file as `tree` and `paths-info` do; `scans` as they do when expanded."""
        digest, size = self.files.summary(path)
        item: dict[str, Any] = {"type": "file", "path": path, "size": size, "oid": self.oid(path)}
        if not self.is_plain(path):
            item["lfs"] = {"oid": digest, "size": size, "pointerSize": 130}
        if scans:
            level = self.flagged.get(path, "safe")
            item["securityFileStatus"] = {
                "status": level,
                "avScan": {"status": level},
                "pickleImportScan": {"status": level, "pickleImports": []},
                "jFrogScan": {"status": level},
                "protectAiScan": {"status": level, "message": "", "reportLink": ""},
            }
        return item
