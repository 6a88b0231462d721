"""What a download address of Civitai names: one file, by its id or by what it is.

`/api/download/models/VERSION?type=&format=&size=&fp=&quantType=&fileId=`: `type` filters the files
of the version, the others are wishes, of which none may differ from what the file turns out to be.
Addresses like these are what Civitai tells as `downloadUrl`, and what people paste. A page
(`/models/MODEL/name?modelVersionId=VERSION`) and an AIR (`urn:air:sdxl:lora:civitai:MODEL@VERSION`)
name a version, or no more than a model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

from comfyfix.records import Reason, because
from comfyfix.why import Why

WISHES = ("format", "size", "fp", "quantType")
"""What an address may ask of a file beside its type, as its metadata calls it."""
_NUMBER = re.compile(r"[0-9]{1,12}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}")
_DOWNLOAD = re.compile(r"/api/download/models/([0-9]{1,12})/?")
_AIR = re.compile(
    r"(?:(?:urn:)?air:[\w.-]{1,40}:[\w.-]{1,40}:)?civitai:([0-9]{1,12})(?:@([0-9]{1,12}))?"
    r"(?:[:.][\w.-]{0,40})?",
    re.IGNORECASE,
)
_PAGE = re.compile(r"/models/([0-9]{1,12})(/[^/]*)?/?")


@dataclass(frozen=True, slots=True)
class CivitaiFile:
    """A model version and which file of it: by its id, or by its type and wishes.

    `version` is 0 where an address names a model alone.
    """

    version: int
    file: int | None = None
    model: int | None = None
    type: str = ""
    wishes: tuple[tuple[str, str], ...] = ()

    @property
    def query(self) -> str:
        """What it asks for beside the version, as Civitai's own addresses tell it."""
        asked = {"type": self.type, **dict(self.wishes), "fileId": str(self.file or "")}
        return urlencode({key: value for key, value in asked.items() if value})

    @property
    def where(self) -> str:
        """Path and query of what it names: a model's page, or a download."""
        return self.download_path if self.version else f"/models/{self.model}"

    @property
    def download_path(self) -> str:
        """The path and query that it is downloaded by, at any endpoint."""
        return f"/api/download/models/{self.version}" + (f"?{self.query}" if self.query else "")


def read_air(text: str) -> CivitaiFile | None:
    """Read an AIR of Civitai, whole or in short (`civitai:4384@128713`); None if it is none."""
    air = _AIR.fullmatch(text)
    if air is None:
        return None
    return CivitaiFile(int(air.group(2) or 0), model=int(air.group(1)))


def read(path: str, query: str) -> CivitaiFile | Reason:
    """Read path and query of an address; or the rule that it breaks."""
    try:
        fields = parse_qs(query, max_num_fields=50)
    except ValueError:
        return because(Why.ADDRESS_QUERY_LONG)
    page, download = _PAGE.fullmatch(path), _DOWNLOAD.fullmatch(path)
    asked = (
        ("fileId", "type", *WISHES) if download else ("modelVersionId", "fileId", "type", *WISHES)
    )
    for name in asked:
        if len(fields.get(name, [])) > 1:
            return because(Why.ADDRESS_FIELD_TWICE, field=name)
    given = {name: values[0] for name, values in fields.items()}
    version = download.group(1) if download else given.get("modelVersionId", "")
    if page and "modelVersionId" not in given:
        version = "0"
    if not _NUMBER.fullmatch(version) or not (page or int(version)):
        return because(Why.ADDRESS_NAMES_NO_VERSION)
    file_id = given.get("fileId", "")
    if file_id and not _NUMBER.fullmatch(file_id):
        return because(Why.ADDRESS_FILE_ID)
    words = {name: given.get(name, "") for name in ("type", *WISHES)}
    for name, word in words.items():
        if word and not _WORD.fullmatch(word):
            return because(Why.ADDRESS_FIELD_UNKNOWN, field=name)
    return CivitaiFile(
        version=int(version),
        file=int(file_id) if file_id else None,
        model=int(page.group(1)) if page else None,
        type=words.pop("type"),
        wishes=tuple((name, word) for name, word in words.items() if word),
    )
