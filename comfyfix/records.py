"""The records that stages hand to each other: frozen, checked on the way in, JSON both ways."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Literal

import msgspec

from comfyfix.file_names import shards

Kind = Literal["file", "directory", "embedding", "hub_repo", "implied"]


class Reads(StrEnum):
    """How a loader reads a directory, as its source has it."""

    ANY = "any"  # no rule is known: what is found is for the user to choose from
    TRANSFORMERS = "transformers"  # from_pretrained of transformers: language, vision, captions
    PIPELINE = "pipeline"  # from_pretrained of a diffusers pipeline: a folder for each component
    COMPONENT = "component"  # one component of diffusers by itself: a ControlNet, a VAE
    CHECKPOINT = "checkpoint"  # ComfyUI's DiffusersLoader: UNet, VAE and text encoders alone
    NUNCHAKU = "nunchaku"  # the two halves of a quantized transformer
    ADAPTER = "adapter"  # a LoRA as peft saves it
    GGUF = "gguf"  # one quantization, whole, and the projector of one that sees
    ONNX = "onnx"  # one network with the data beside it
    NAMED = "named"  # just the files that are asked for, all in one folder
    TOKENIZER = "tokenizer"  # what turns text into numbers, without weights
    SET = "set"  # the shards that one file belongs to, and what lies beside them


Status = Literal["ok", "missing", "unreachable", "damaged", "wrong", "unsafe", "unverified"]


class Reason(msgspec.Struct, frozen=True):
    """Why something is as it is: a `Why` or a `Flaw`, and what its text tells besides.

    `told` holds texts from outside as they came: they are made fit to be shown with the words.
    """

    why: str
    told: dict[str, str | int | Reason | tuple[str | Reason, ...]] = {}


def because(why: StrEnum, **told: object) -> Reason:
    """Return a reason; None is told as an empty text, paths and the like as texts."""
    return Reason(str(why), {name: _plain(value) for name, value in told.items()})


def _plain(value: object) -> Any:
    if isinstance(value, str | int | Reason):
        return value
    if isinstance(value, tuple | list):
        return tuple(item if isinstance(item, Reason) else str(item) for item in value)
    return "" if value is None else str(value)


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """What a workflow itself says of a model: where it is, in which folder, with which hash."""

    name: str
    url: str
    folder: str | None = None
    sha256: str | None = None


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """One place in a workflow that names a model file.

    `value` is as stored; `path` is the value with forward slashes, relative to the folder;
    `name` its last part; `folder` the ComfyUI folder key, None if unknown, `also` further
    ones in which its node looks; `guessed` when
    no loader told the folder. `active` is false for muted or bypassed nodes, `optional` for
    files that their node fetches itself. `files` are what has to be there where the value is no
    file name itself: the halves of `taesd`, or `name.safetensors` of `embedding:name`; `endings`
    those that the node lists, in lower case, none if that is not known.
    `listed`: ComfyUI holds the value against its own list and refuses any other, also that of a
    row which is switched off. A reference of kind `implied` is named by no value, it follows from
    its node, and is always optional. `by_name`: the node finds a file in any subfolder by its
    name. `reads` and `variant` are how its node reads a directory, and the precision that it asks
    diffusers for.
    """

    workflow: str
    node_id: str
    node_type: str
    input: str
    value: str
    name: str
    path: str
    folder: str | None
    also: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    kind: Kind = "file"
    active: bool = True
    optional: bool = False
    guessed: bool = False
    listed: bool = False
    by_name: bool = False
    reads: Reads = Reads.ANY
    variant: str = ""
    hint: Hint | None = None

    @property
    def is_directory(self) -> bool:
        """Tell whether it names a directory, or files that are one together."""
        return self.kind == "directory" or self.reads is Reads.NAMED


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A folder key and a relative path inside it; what references are joined into."""

    folder: str | None
    path: str

    @property
    def key(self) -> str:
        """`loras/SDXL/detail.safetensors`: the model's name in every file of ours."""
        return f"{self.folder or '?'}/{self.path}"

    @property
    def name(self) -> str:
        """The file name alone."""
        return self.path.rpartition("/")[2]

    @property
    def shards(self) -> tuple[str, ...]:
        """The paths of all parts, where it is a set that is named by one of them."""
        return shards(self.path)


class FileFact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file of a directory or a set, as its provider tells it.

    `path` is relative to the folder of the model, with forward slashes; `size` in bytes. `blob` is
    git's id of the content, for small files of which no sha256 is published; with neither of the
    two nothing shows that the file is the one meant.
    """

    path: str
    url: str
    size: int
    sha256: str | None = None
    blob: str = ""

    @property
    def content(self) -> str:
        """What tells the content from others, as far as the provider does."""
        return self.sha256 or self.blob or f"{self.size} bytes"


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of one source, as the provider confirmed it.

    `size` is in bytes; some providers round it. `sha256` is None where none is published.
    `local` is set for a file of the store (then `url` is empty); `lent` where it is no file of the
    store, but one of another program, which is copied and not linked. `repo`, `commit` and `path`
    pin a file of the Hub.
    `scan` is what the provider's own malware scan says, empty where it says nothing.
    `publisher`, `licence` and `base_model` are the provider's words, empty where it has none.
    `evidence` is why it counts; `note` is what the user should hear of it all the same.
    `files` are those of a directory or a set; `size` is that of all of them then, and there is no
    hash of the whole.
    """

    source: str
    where: str
    name: str = ""
    url: str = ""
    local: str = ""
    lent: bool = False
    repo: str = ""
    commit: str = ""
    path: str = ""
    size: int | None = None
    size_exact: bool = True
    sha256: str | None = None
    scan: str = ""
    renamed: bool = False
    gated: bool = False
    private: bool = False
    popularity: int = 0
    publisher: str = ""
    licence: str = ""
    base_model: str = ""
    evidence: tuple[Reason, ...] = ()
    note: Reason | None = None
    files: tuple[FileFact, ...] = ()

    @property
    def content(self) -> str | tuple[tuple[str, str], ...] | None:
        """What tells the content from others: the sha256, or the files of a directory or a set.

        None where nobody tells it.
        """
        if self.files:
            return tuple(sorted((file.path, file.content) for file in self.files))
        return self.sha256

    def with_files(
        self, files: Sequence[FileFact], *, note: Reason | None = None, scan: str = ""
    ) -> Candidate:
        """Return it as a directory or a set of these files, of which none stands for the whole."""
        return msgspec.structs.replace(
            self,
            files=tuple(files),
            size=sum(file.size for file in files),
            size_exact=True,
            sha256=None,
            scan=scan,
            note=note or self.note,
        )


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate or a whole source that did not count, and why."""

    source: str
    where: str
    reason: Reason


class Record(Candidate, frozen=True, kw_only=True):
    """The resolved source of one model: the candidate that won, and where it is to go.

    Enough to fetch it again, months later: `url` is pinned to a commit or file id; one of Hugging
    Face is written with its public host, whatever endpoint was asked. `asked` is the place that
    the user had named for it in the manifest, if any. `blob` is git's id of its content, for a
    member of a directory that has no sha256. A script is rendered from this record and nothing
    else.
    """

    version: Literal[1] = 1
    number: int
    model: Model
    destination: str
    store: str
    asked: str = ""
    blob: str = ""
    rejected: tuple[Rejected, ...] = ()

    def same_content(self, other: Record) -> bool:
        """Tell whether both records lead to the same bytes from the same place."""
        return (self.url, self.local, self.sha256, self.size, self.destination, self.files) == (
            other.url,
            other.local,
            other.sha256,
            other.size,
            other.destination,
            other.files,
        )

    @property
    def folder(self) -> str:
        """Where the paths of its files begin: the directory, or where the files of a set lie."""
        return self.destination.rpartition("/")[0] if self.model.shards else self.destination

    @property
    def new(self) -> str:
        """The name that its directory has until it is whole, beside its place.

        Made from what it will hold, so that whoever fetches the same goes on with it. Empty where
        files are put into a folder one by one: that of a folder key holds other models too.
        """
        if not self.files or self.folder == self.destination.removesuffix(f"/{self.model.path}"):
            return ""
        told = hashlib.sha256(msgspec.json.encode(self.files)).hexdigest()[:8]
        return f".{self.folder.rpartition('/')[2]}.{told}.new"

    @property
    def places(self) -> tuple[str, ...]:
        """The folders in which its files may lie before they have their names."""
        if not self.new:
            return (self.folder,)
        return (self.folder, f"{self.folder.rpartition('/')[0]}/{self.new}")

    @property
    def members(self) -> tuple[Record, ...]:
        """A record for each file of it: of a single file that is the record itself."""
        if not self.files:
            return (self,)
        # A directory's own path ends where those of its files begin; a set lies beside its name.
        own = self.model.path
        base = own if self.folder == self.destination else own.rpartition("/")[0]
        return tuple(
            msgspec.structs.replace(
                self,
                model=Model(
                    folder=self.model.folder, path=f"{base}/{file.path}" if base else file.path
                ),
                name=file.path.rpartition("/")[2],
                url=file.url,
                size=file.size,
                sha256=file.sha256,
                blob=file.blob,
                destination=f"{self.folder}/{file.path}",
                rejected=(),
                note=None,
                files=(),
            )
            for file in self.files
        )


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What was fetched and seen to be right: `size` in bytes, times and inode of the file then.

    `place` below the store, `key_id` and `mac` are those of a signed one (see `trust.py`).

    `origin` is the file of this machine that its bytes were copied from (or that it is a link to),
    empty where they came from the address of its record.
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


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What verification says of one file. `size` in bytes, None when it is missing.

    `by` is whose hash it has, for one that is ok; `looked_into` is false for a file of a kind that
    is not known, of which only the hash can be told. `files` are the verdicts of each file of a
    directory or a set.
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
    files: tuple[Verdict, ...] = ()

    @property
    def good(self) -> bool:
        """True for a file that can be used; `unverified`: not all of it could be checked."""
        return self.status in ("ok", "unverified")


class Left(msgspec.Struct, frozen=True):
    """One value of a workflow that is left as it is, and why."""

    reference: Reference
    reason: Reason


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What Qwen thinks of one file: words for the user, which overrule no verdict."""

    fits: bool
    reason: str


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try at one model: when, how it ended, and why."""

    at: str
    outcome: str
    reason: Reason | None = None


def to_json(value: Any) -> bytes:
    """Encode records as indented, sorted JSON, so that state files diff well."""
    text = msgspec.json.encode(value, order="sorted")
    return msgspec.json.format(text, indent=2) + b"\n"
