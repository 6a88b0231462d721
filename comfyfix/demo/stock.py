"""What the loopback hub has to serve, what goes wrong on purpose, and what it has seen."""

from __future__ import annotations

import fnmatch
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from comfyfix.demo.chats import Chats
from comfyfix.demo.civitai_versions import CivitaiVersion
from comfyfix.demo.content import file_for
from comfyfix.demo.shelf import Repository, sha256


@dataclass(slots=True)
class Fault:
    """Something that goes wrong on purpose.

    `where` is a glob over `search QUERY` (`search author:NAME` for a list of one publisher),
    `quick-search QUERY`, `whoami`, `full-text QUERY`, `repository REPO`, `card REPO`,
    `resolve REPO/PATH`, `file REPO/PATH`, `qwen NAME`, `civitai PATH`, `file civitai/NAME` or
    `openmodeldb models.json`. `kind`: reset (connection cut), cut (half of the body), flip (a
    wrong byte), html (a web page with 200), expire (403 of the CDN), stall (the body stops until
    the hub closes), drip (a byte now and then), or a status code.
    `times` counts down; None is for ever.
    """

    where: str
    kind: str
    times: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the hub saw it."""

    method: str
    path: str
    status: int
    token: str


class Stock:
    """All that requests are answered from; whoever serves it says where, in `url` and `storage`."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.civitai: dict[int, CivitaiVersion] = {}  # by version id
        self.upscalers: dict[str, dict[str, Any]] = {}  # OpenModelDB's list, by id
        self.answers: dict[str, str] = {}  # Qwen's, by file name
        self.chats = Chats()  # more of what Qwen says, and what it was asked
        self.tokens: set[str] = set()  # those that may see gated repositories
        self.refused_tokens: set[str] = set()  # those that are no longer valid
        self.gates: dict[str, str] = {}  # pending, rejected or scope, by token; else: not asked for
        self.renamed: dict[str, str] = {}  # repositories: old name → new name
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.delays: dict[str, float] = {}  # seconds by kind: search, file, qwen, civitai
        self.rate = 0.0  # bytes per second of one download; 0: no limit
        self.ranges = True
        self.quick_search = True
        self.full_text = False  # undocumented at the real Hub, so it may be absent
        self.empty_pages = 0  # so many pages of a list of repositories are empty, with a cursor
        self.cdn = ""  # where file requests are sent instead of to the storage
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.on_request: Callable[[str], None] = lambda _: None
        self.url = ""  # the base address, as an endpoint
        self.storage_url = ""  # where its files lie: another origin, as with the real services

    @property
    def storage(self) -> str:
        """Where file requests are sent."""
        return self.cdn or self.storage_url

    def add(
        self, repo: str, paths: Iterable[str], *, downloads: int = 100, gated: bool = False
    ) -> Repository:
        """Add files to a repository; equal names hold equal bytes everywhere."""
        entry = self.repositories.setdefault(repo, Repository(repo))
        entry.downloads, entry.gated = downloads, gated
        for path in paths:
            entry.files.grow(path)
        return entry

    def add_url(self, url: str) -> None:
        """Add the file that a Hub URL names."""
        match = re.search(r"//[^/]+/([^/]+/[^/]+)/(?:resolve|blob)/[^/]+/([^?]+)", url)
        if match:
            self.add(match.group(1), [unquote(match.group(2))])

    def add_civitai(self, model: str, file: str, *, type: str = "LORA") -> CivitaiVersion:
        """Add a Civitai model with one version and one file; its ids follow from their number."""
        number = len(self.civitai) + 1
        version = CivitaiVersion(
            model_id=100 + number,
            model=model,
            type=type,
            id=7000 + number,
            name="v1.0",
            file_id=90_000 + number,
            file=file,
            data=file_for(file),
        )
        self.civitai[version.id] = version
        return version

    def add_upscaler(self, key: str, urls: list[str], data: bytes) -> dict[str, Any]:
        """Add a model with one file to OpenModelDB's list; the entry may be changed afterwards."""
        entry = {"size": len(data), "sha256": sha256(data), "urls": urls}
        ending = urls[0].rpartition(".")[2]
        kind = ending if ending in ("onnx", "safetensors") else "pth"
        resource = {"platform": "pytorch", "type": kind, **entry}
        model = {
            "name": key,
            "author": ["demo-author"],
            "license": "CC-BY-4.0",
            "tags": ["general-upscaler"],
            "description": "",
            "date": "2024-06-01",
            "architecture": "esrgan",
            "size": ["64nf", "23nb"],
            "scale": 4,
            "inputChannels": 3,
            "outputChannels": 3,
            "resources": [resource],
            "images": [],
        }
        self.upscalers[key] = model
        return model

    def count(self, method: str, pattern: str) -> int:
        """How many requests of a method had a path that fits a glob."""
        with self.lock:
            return sum(s.method == method and fnmatch.fnmatch(s.path, pattern) for s in self.seen)

    def fault_for(self, what: str) -> Fault | None:
        """Take the fault that is due for a request."""
        self.on_request(what)
        with self.lock:
            for fault in self.faults:
                if fault.times != 0 and fnmatch.fnmatchcase(what, fault.where):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None

    def note(self, method: str, path: str, status: int, token: str) -> None:
        """Remember one request."""
        with self.lock:
            self.seen.append(Seen(method, path, status, token))
