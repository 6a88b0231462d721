"""Where a model can be had: candidates of sources, and the record of the one that won."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import msgspec

from comfyfix.records.directories import FileFact
from comfyfix.records.reasons import Reason
from comfyfix.records.references import Model


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of one source, as the provider confirmed it.

    `size` is in bytes; some providers round it. `sha256` is None where none is published.
    `local` is set for a file of the store (then `url` is empty); `lent` where it is no file of the
    store, but one of another program, which is copied and not linked. `repo`, `commit` and `path`
    pin a file of the Hub.
    `scan` is what the provider's own malware scan says, empty where it says nothing.
    `publisher`, `licence` and `base_model` are the provider's words, empty where it has none.
    `date` is when it was published or changed last (YYYY-MM-DD), `page` what people read of it, and
    `picture` the address of one that it made; each is empty where its provider tells none.
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
    date: str = ""
    page: str = ""
    picture: str = ""
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
        digest = hashlib.sha256(msgspec.json.encode(self.files)).hexdigest()[:8]
        return f".{self.folder.rpartition('/')[2]}.{digest}.new"

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
