"""What all sources share: the question, the answers, and the services they may use."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from comfyfix import secrets
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.disk import json_file, regular
from comfyfix.disk.files import printable
from comfyfix.errors import ModelProblem
from comfyfix.nearby.leads import Nearby, Sought
from comfyfix.nearby.lending import Lender
from comfyfix.net.chat.endpoint import Chat
from comfyfix.once import Once
from comfyfix.process import Children
from comfyfix.providers.catalogue import Catalogue
from comfyfix.providers.civitai.api import Civitai
from comfyfix.providers.huggingface.hub import Hub
from comfyfix.providers.openmodeldb import OpenModelDB
from comfyfix.records import (
    Candidate,
    Hint,
    Model,
    Reason,
    Receipt,
    Record,
    Reference,
    Rejected,
    because,
)
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.overrides import Override
from comfyfix.state.hashes import HashLog
from comfyfix.state.hashing import Hasher
from comfyfix.state.layout import Layout
from comfyfix.state.trust import EVERY_CHECK, Trust
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.net.http import Web
    from comfyfix.net.relay.relay import Relay


@dataclass(frozen=True, slots=True)
class Wanted:
    """The question: one model with all that is known of it before the search.

    `sha256` is binding (the user's word, or a receipt); the hashes that workflows tell are not:
    they describe what their author had, and publishers do replace files; `strict` where the user
    wants no other file all the same. `seen` and `doubted`
    are what the sources before have said; `neighbours` are other models of the same workflows.
    """

    model: Model
    references: tuple[Reference, ...] = ()
    hints: tuple[Hint, ...] = ()
    override: Override | None = None
    sha256: str | None = None
    strict: bool = False
    seen: tuple[Rejected, ...] = ()
    doubted: tuple[Doubtful, ...] = ()
    neighbours: tuple[str, ...] = ()
    destination: str = ""
    is_directory: bool = False

    @property
    def is_whole(self) -> bool:
        """True for what consists of several files: a directory, or a set of shards."""
        return self.is_directory or bool(self.model.shards)

    @property
    def likely(self) -> frozenset[str]:
        """The hashes that the file should have: the binding one, or else those of workflows."""
        if self.is_directory:
            return frozenset()
        if self.sha256:
            return frozenset({self.sha256})
        return frozenset(hint.sha256 for hint in self.hints if hint.sha256)


@dataclass(frozen=True, slots=True)
class Blocked:
    """A candidate that is right but can't be had yet: a token or a licence is needed."""

    candidate: Candidate
    problem: ModelProblem


@dataclass(frozen=True, slots=True)
class Doubtful:
    """The only candidate that was found, but too little says that it is the one meant.

    It never wins. When no other source knows better, the model is uncertain, and this is shown.
    """

    candidate: Candidate
    reason: Reason


Finding = Candidate | Rejected | Blocked | Doubtful


def rejected(source: str, where: str, why: Why, /, **told: object) -> Rejected:
    """What a source has found, and why it does not count."""
    return Rejected(source=source, where=where, reason=because(why, **told))


def logged(finding: Finding) -> dict[str, object]:
    """What the log keeps of a finding."""
    if isinstance(finding, Rejected):
        return {"rejected": finding.reason}
    if isinstance(finding, Doubtful):
        return {"doubtful": finding.reason}
    if isinstance(finding, Blocked):
        return {"blocked": finding.problem.reason}
    return {"found": finding.url, "size": finding.size, "sha256": finding.sha256}


class Source(Protocol):
    """A module that can say where a model can be had.

    `find` yields candidates that the provider has confirmed, and what was rejected on the way;
    it raises SourceDown when the provider could not be asked. A source that is DECISIVE knows
    which file is meant, so its first candidate that counts wins; the findings of the others are
    compared, and different contents make the model uncertain.
    """

    NAME: str
    DECISIVE: bool

    def find(self, wanted: Wanted, services: Services) -> Iterator[Finding]:
        """Yield what this source says of the wanted model."""
        ...


@dataclass(slots=True)
class Services:
    """What sources may use during one run. Safe to share between threads.

    `older_programs` are qwen programs that have refused an option in this run. By `relay` go
    downloads that have a limit. `mirrored`: there are mirrors, which need a hash and no address.
    """

    manifest: Manifest
    folders: Folders
    layout: Layout
    web: Web
    tokens: Mapping[str, str]
    children: Children = field(default_factory=Children)
    receipts: Mapping[str, Receipt] = field(default_factory=dict)
    trust: Trust = EVERY_CHECK
    nearby: Nearby = field(default_factory=Nearby)
    qwen_gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(1))
    older_programs: set[str] = field(default_factory=set)
    relay: Relay | None = None
    mirrored: bool = False
    chat: Chat = field(init=False)
    hub: Hub = field(init=False)
    civitai: Civitai = field(init=False)
    openmodeldb: OpenModelDB = field(init=False)
    catalogue: Catalogue = field(init=False)
    index: StoreIndex = field(init=False)
    _by_path: Once[str, dict[str, list[Receipt]]] = field(init=False, default_factory=Once)
    _hashers: Once[Path, Hasher] = field(init=False, default_factory=Once)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        # None of them asks or reads anything before its first question.
        endpoints, tokens, qwen = self.manifest.endpoints, self.tokens, self.manifest.qwen
        self.chat = Chat(qwen.chat_url, qwen.model, tokens.get("qwen", ""), self.web)
        self.hub = Hub(self.web, endpoints.huggingface, token_known=bool(tokens.get("huggingface")))
        self.civitai = Civitai(self.web, endpoints.civitai, token_known=bool(tokens.get("civitai")))
        self.openmodeldb = OpenModelDB(self.web, endpoints.openmodeldb)
        self.catalogue = Catalogue(self.folders)
        self.index = StoreIndex(self.folders.roots(), self.folders.links)

    def hash_of(self, path: Path) -> str:
        """The sha256 of a file of the store, computed once while the file stays as it is.

        Raises OSError.
        """
        info = path.stat()
        for receipt in self._by_path.get("", self._receipts_by_path).get(str(path), ()):
            if self.trust.holds(receipt, path, info):
                return receipt.sha256
        return self._hasher()(path)

    def _receipts_by_path(self) -> dict[str, list[Receipt]]:
        by_path: defaultdict[str, list[Receipt]] = defaultdict(list)
        for receipt in self.receipts.values():
            by_path[receipt.path].append(receipt)
        return by_path

    def _hasher(self) -> Hasher:
        """It holds the hashes that are known, which are read once a run."""
        path = self.layout.hashes
        return self._hashers.get(path, lambda: Hasher(HashLog(path, self.trust.identity)))

    def lender(self, record: Record) -> Lender | None:
        """Who lends the bytes of a record that lie near by; None where nothing may be them."""
        if record.sha256 is None or record.local:
            return None
        names = (record.name, record.model.name)
        sought = Sought(record.sha256, record.size, record.size_exact, names)
        return self.lender_of(sought, record.destination)

    def lender_of(self, sought: Sought, destination: str) -> Lender | None:
        """The same for a file of which only the hash is known, perhaps."""
        leads = [lead for lead in self.nearby.leads(sought) if lead.path != destination]
        if not leads:
            return None
        links = self.manifest.download.link
        return Lender(sought, leads, self._hasher().log, lambda: self.children.stopping, links)

    def log_search(self, wanted: Wanted, source: str, query: str, answer: object) -> None:
        """Add one query and its answer, a text or a value, to log/search_history.log."""
        text = answer if isinstance(answer, str) else msgspec.json.encode(answer).decode()
        line = {
            "at": json_file.now(),
            "model": wanted.model.key,
            "source": source,
            "query": printable(query, 500),
            "answer": printable(text, 1000),
        }
        self.append(self.layout.search_log, json.dumps(line, ensure_ascii=True) + "\n")

    def scrubbed(self, text: str) -> str:
        """Text with every token taken out: what comes back from a service may hold one."""
        return secrets.without(text, *self.tokens.values())

    def append(self, path: Path, text: str) -> None:
        """Append to a log, whole lines at a time, never a token.

        A log that can't be written stops nothing: what it would tell is in no one's way.
        """
        data = self.scrubbed(text).encode("utf-8", "backslashreplace")
        with self._lock, contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            regular.append(path, data)
