"""What the loopback hub has of Civitai: versions of models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from comfyfix.demo.civitai_names import download_name
from comfyfix.demo.shelf import sha256

PLACE = "https://api.civitai.com/api/download/models"
"""Where Civitai says that its downloads are, whatever host was asked."""


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
            traits = {"format": "SafeTensor", **self.traits.get(file_id, {})}
            if query.get("type", [kind])[0] == kind and wishes.items() <= traits.items():
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
