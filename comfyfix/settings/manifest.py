"""The manifest: what the user wants, as frozen records."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit, urlunsplit

import msgspec

from comfyfix.settings.amounts import rate_in_bytes, size_in_bytes
from comfyfix.settings.overrides import Override

SOURCES = ("store", "workflow", "catalog", "huggingface", "civitai", "openmodeldb", "qwen")
DEMO = "demo"
TOKEN_VARIABLES = {
    "huggingface": ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_API_TOKEN"),
    "civitai": ("CIVITAI_TOKEN", "CIVITAI_API_TOKEN", "CIVITAI_API_KEY"),
    "qwen": ("QWEN_API_KEY",),
}
"""The variables that may hold the token of a source: the first that is set counts."""
TOTAL = "total"  # in the place of a host: all of them together
ReceiptPolicy = Literal["own", "signed", "trust"]
"""Whose receipts count: ours alone, also those signed with the key of the store, or everybody's."""
IdentityPolicy = Literal["full", "mtime"]
"""What shows that a file is as it was: all that the system tells of it, or size and mtime alone."""
HashPolicy = Literal["warn", "fail"]
CodePolicy = Literal["leave", "allow"]
"""Whether the code files of a repository come with the model that is fetched from it."""
PicklePolicy = Literal["refuse", "scan", "allow"]
"""Which pickle files may be there: none, those that can't run code, or all."""
OpinionPolicy = bool | Literal["auto"]
"""Whether Qwen gives its opinion on files that are in order; `auto`: where it can be asked."""
ConsentPolicy = Literal["free", "all"]
"""Who is asked before the user agrees: those whose questions cost nothing, or Qwen, too."""
Parallel = Annotated[int, msgspec.Meta(ge=1, le=64)]
"""How many at a time."""


class Search(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`search:` which sources, in trust order, and how many models at a time.

    `before_consent`: which of them are asked while the user has not agreed to the downloads yet.
    """

    sources: tuple[str, ...] = SOURCES
    parallel: Parallel = 6
    before_consent: ConsentPolicy = "free"


class Download(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`download:` how many files at a time, tries per file, free bytes never touched, hosts.

    `link`: a file that `also_look_in` has is linked, where it can be, in place of being copied.
    `limit`: bytes a second of all that comes at the same time, or of each host and in `total`.
    """

    parallel: Parallel = 3
    retries: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5
    reserve: int | str = "2GB"
    allow_hosts: tuple[str, ...] = ()
    link: bool = False
    limit: int | str | dict[str, int | str] | None = None

    @property
    def limits(self) -> dict[str, int]:
        """`limit` in bytes a second, by host in small letters; that of all together is `total`."""
        if self.limit is None:
            return {}
        rates = self.limit if isinstance(self.limit, dict) else {TOTAL: self.limit}
        return {host.lower(): rate_in_bytes(rate) for host, rate in rates.items()}

    @property
    def reserve_bytes(self) -> int:
        """`reserve` in bytes."""
        return size_in_bytes(self.reserve)


class Verify(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`verify:` what to do with pickle files, whose receipts count, what shows that a file is as
    it was, and whether Qwen gives its opinion. `workflow_hash`: what a file of another sha256 than
    its workflow tells is worth; publishers do replace files. `remote_code`: whether Python files
    come with a model that is a directory."""

    pickle: PicklePolicy = "scan"
    qwen: OpinionPolicy = "auto"
    receipts: ReceiptPolicy = "signed"
    identity: IdentityPolicy = "full"
    workflow_hash: HashPolicy = "warn"
    remote_code: CodePolicy = "leave"


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`policy:` what may be had at all; an empty rule allows everything.

    `licences` are names of SPDX or words of providers, `unknown` where none is told; `formats` are
    endings of names. `max_file` and `max_total` are sizes, of one file and of all needed models.
    """

    licences: tuple[str, ...] = ()
    publishers: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    max_file: int | str | None = None
    max_total: int | str | None = None
    require_hash: bool = False

    @property
    def max_file_bytes(self) -> int | None:
        """`max_file` in bytes; None for no limit."""
        return None if self.max_file is None else size_in_bytes(self.max_file)

    @property
    def max_total_bytes(self) -> int | None:
        """`max_total` in bytes; None for no limit."""
        return None if self.max_total is None else size_in_bytes(self.max_total)


class Qwen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`qwen:` an OpenAI-compatible endpoint (or the qwen CLI) and its budgets per model.

    `calls` counts questions to Qwen (not what its tools look up), `tokens` all of a model's
    questions and answers together, `seconds` the time from its first question to its last answer.
    """

    base_url: str = ""
    model: str = "qwen-plus"
    command: str = ""
    parallel: Parallel = 1
    calls: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 12
    tokens: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 20000
    seconds: Annotated[float, msgspec.Meta(gt=0, le=86400)] = 180

    @property
    def chat_url(self) -> str:
        """Where questions go, as OpenAI's own clients have it; a bare host gets `/v1`."""
        parts = urlsplit(self.base_url)
        path = parts.path.rstrip("/") or "/v1"
        if not path.endswith("/chat/completions"):
            path += "/chat/completions"
        return urlunsplit(parts._replace(path=path))


class Endpoints(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`endpoints:` base addresses of the services."""

    huggingface: str = "https://huggingface.co"
    civitai: str = "https://civitai.com"
    openmodeldb: str = "https://openmodeldb.info"


class Include(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`include:` which references count besides the active, needed ones."""

    inactive: bool = False
    optional: bool = False


class Gc(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`gc:` folders of other checkouts that use the store: what they need stays, too."""

    keep: tuple[str, ...] = ()


class Cluster(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`cluster:` the scheduler of a Dask cluster whose workers fetch, and how it is trusted.

    `ca`, `cert` and `key` are files of TLS; without them Dask's own configuration names them.
    `store`: all workers see the same one, or each has its own and gets all models that are needed,
    or those of the workflows that `workers` names for it, as patterns.
    """

    address: str
    ca: str = ""
    cert: str = ""
    key: str = ""
    store: Literal["shared", "each"] = "shared"
    workers: dict[str, tuple[str, ...]] = {}


class Tiers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`tiers:` a folder on a fast disk for copies of what is needed, and how large they may be."""

    fast: str | None = None
    size: int | str | None = None

    @property
    def size_bytes(self) -> int | None:
        """`size` in bytes; None for no limit."""
        return None if self.size is None else size_in_bytes(self.size)


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole manifest. Once loaded, every path is absolute and `${NAME}` is expanded.

    `also_look_in` are folders of other programs, whose files are read only; `mirror` folders,
    addresses and buckets that have files by their sha256. `notify` alone keeps
    its `${NAME}`: what these hold is secret.
    `models` holds what pins.yaml says, too. `base_directory`, `models_directory` and
    `output_directory` are what ComfyUI is started with, its options of these names.
    """

    comfyui: str
    base_directory: str | None = None
    models_directory: str | None = None
    output_directory: str | None = None
    extra_model_paths: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    store: str | None = None
    also_look_in: tuple[str, ...] = ()
    mirror: tuple[str, ...] = ()
    create_store: bool = False
    output: str = "output"
    confirm: bool = True
    batch: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 6
    search: Search = Search()
    download: Download = Download()
    verify: Verify = Verify()
    policy: Policy = Policy()
    qwen: Qwen = Qwen()
    endpoints: Endpoints = Endpoints()
    models: dict[str, Override] = {}
    ignore: tuple[str, ...] = ()
    include: Include = Include()
    comfyui_url: str | None = None
    notify: tuple[str, ...] = ()
    cluster: str | Cluster | None = None
    gc: Gc = Gc()
    tiers: Tiers = Tiers()

    @property
    def is_demo(self) -> bool:
        """True when the embedded example is asked for instead of a ComfyUI folder."""
        return self.comfyui == DEMO

    @property
    def dask(self) -> Cluster | None:
        """The cluster, if one is named; the demo runs here."""
        if self.is_demo:
            return None
        return Cluster(address=self.cluster) if isinstance(self.cluster, str) else self.cluster

    @property
    def workers_fetch(self) -> bool:
        """True where the workers of a cluster fetch for the store that is here."""
        return self.dask is not None and self.dask.store == "shared"

    @property
    def workers_have_stores(self) -> bool:
        """True where each worker of a cluster has a store of its own."""
        return self.dask is not None and self.dask.store == "each"

    @property
    def asks_opinions(self) -> bool:
        """True when Qwen is asked for its opinion on what was downloaded."""
        if self.verify.qwen == "auto":
            return bool(self.qwen.base_url) or self.is_demo
        return self.verify.qwen

    def beside(self, manifest_path: Path, name: str) -> Path:
        """Where a file of ours lies that goes with the manifest; the demo's with all it makes."""
        below = os.path.expanduser(self.output) if self.is_demo else ""
        return manifest_path.parent / below / name

    def override_for(self, folder: str | None, path: str) -> Override | None:
        """The user's entry for a model: `folder/path` first, then the file name alone."""
        name = path.rpartition("/")[2]
        return self.models.get(f"{folder}/{path}") or self.models.get(path) or self.models.get(name)
