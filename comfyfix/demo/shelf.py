"""What the loopback hub has: repositories of the Hub, models of Civitai."""

from __future__ import annotations

import copy
import functools
import hashlib
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

from comfyfix.demo.civitai_names import download_name
from comfyfix.demo.content import file_for

PLACE = "https://api.civitai.com/api/download/models"
"""Where Civitai says that its downloads are, whatever host was asked."""


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
        told = {"rfilename": path, "size": size, "blobId": self.oid(path)}
        return told if self.is_plain(path) else {**told, **lfs}

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


@dataclass(slots=True)
class CivitaiVersion:
    """One model version with one file, and perhaps others.

    `access`: open, login, disabled, early, forbidden, archived, region, gone, page (HTML), or
    away-once (404 the first time); `scan` is the verdict of both scans; `rounded` makes Civitai
    tell a whole number of KiB; `mode` is Archived (no file is listed) or TakenDown (no picture
    is). `file` is what was uploaded: the name that is told follows from it, or is
    `named`, if its creator has set one; `others` tell the names
    that downloads get. `traits` are the metadata of a file, by its id; `lent` are the ids of files
    that are another version's; `first` is the primary, if it is not `file_id`. `minor`: it is left
    out of searches with `nsfw`.
    """

    model_id: int
    model: str
    type: str
    id: int
    name: str
    file_id: int
    file: str
    data: bytes
    access: str = "open"
    scan: str = "Success"
    mode: str | None = None
    rounded: bool = False
    file_type: str = "Model"
    creator: str = "demo-creator"
    words: tuple[str, ...] = ()
    base_model: str = "SDXL 1.0"
    others: dict[int, tuple[str, str, bytes]] = field(default_factory=dict)  # id: name, type, data
    traits: dict[int, dict[str, str]] = field(default_factory=dict)
    lent: set[int] = field(default_factory=set)
    first: int = 0
    minor: bool = False
    named: str = ""
    downloads: int = 100
    pictures: tuple[str, ...] = ()

    def content(self, file_id: int) -> bytes | None:
        """The bytes of one of its files."""
        if file_id == self.file_id:
            return self.data
        return self.others[file_id][2] if file_id in self.others else None

    def asked_for(self, query: dict[str, list[str]]) -> int:
        """The id of the file that a download address names; 0 if there is none."""
        if "fileId" in query:
            asked = query["fileId"][0]
            return int(asked) if asked.isdigit() and int(asked) not in self.lent else 0
        kinds = {self.file_id: self.file_type, **{key: of[1] for key, of in self.others.items()}}
        wishes = {key: of[0] for key, of in query.items() if key in ("format", "size", "fp")}
        if not wishes and "type" not in query:
            return self.first or self.file_id
        for file_id, kind in kinds.items():
            told = {"format": "SafeTensor", **self.traits.get(file_id, {})}
            if query.get("type", [kind])[0] == kind and wishes.items() <= told.items():
                return file_id
        return 0

    def describe(self) -> dict[str, Any]:
        """Describe the version as `/api/v1/model-versions` does."""
        name = self.named or download_name(
            kind=self.type,
            model=self.model,
            version=self.name,
            file=self.file,
            file_type=self.file_type,
            words=list(self.words),
        )
        listed = [self._file(self.file_id, name, self.file_type, self.data)]
        listed += [
            self._file(file_id, name, kind, data)
            for file_id, (name, kind, data) in self.others.items()
        ]
        return {
            "id": self.id,
            "modelId": self.model_id,
            "name": self.name,
            "baseModel": self.base_model,
            "publishedAt": "2024-06-01T00:00:00.000",
            "status": "Published",
            "availability": "EarlyAccess" if self.access == "early" else "Public",
            "usageControl": "Generation" if self.access == "disabled" else "Download",
            "trainedWords": list(self.words),
            "stats": {"downloadCount": self.downloads},
            "images": [{"url": url} for url in self.pictures],
            "model": {
                "name": self.model,
                "type": self.type,
                "nsfw": False,
                "poi": False,
                "mode": self.mode,
            },
            "files": [] if self.mode == "Archived" else listed,
            "downloadUrl": f"{PLACE}/{self.id}",
        }

    def _file(self, file_id: int, name: str, kind: str, data: bytes) -> dict[str, Any]:
        primary = file_id == (self.first or self.file_id)
        traits = {"format": "SafeTensor", **self.traits.get(file_id, {})}
        query = "" if primary else f"?{urlencode({'type': kind, **traits}, quote_via=quote)}"
        size: float = len(data) / 1024
        digest = sha256(data).upper()
        file = {
            "id": file_id,
            "name": name,
            "type": kind,
            "sizeKB": round(size) or 1 if self.rounded else size,
            "pickleScanResult": self.scan,
            "virusScanResult": self.scan,
            "metadata": traits,
            "hashes": {"SHA256": digest, "AutoV2": digest[:10]},
            "downloadUrl": f"{PLACE}/{self.id}{query}",
        }
        return {**file, "primary": True} if primary else file
