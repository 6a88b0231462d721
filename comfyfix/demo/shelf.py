"""What the loopback hub has: repositories of the Hub, models of Civitai."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any


def sha256(data: bytes) -> str:
    """Hexadecimal sha256."""
    return hashlib.sha256(data).hexdigest()


@dataclass(slots=True)
class Repository:
    """One repository: files by path, and what the API tells about it."""

    id: str
    files: dict[str, bytes] = field(default_factory=dict)
    downloads: int = 100
    gated: bool = False
    licence: str = "apache-2.0"

    @property
    def commit(self) -> str:
        """The commit hash; it changes with the files."""
        text = "".join(f"{path}{sha256(data)}" for path, data in sorted(self.files.items()))
        return hashlib.sha1(f"{self.id}{text}".encode(), usedforsecurity=False).hexdigest()

    def describe(self) -> dict[str, Any]:
        """Describe it as `/api/models` does."""
        return {
            "id": self.id,
            "author": self.id.partition("/")[0],
            "sha": self.commit,
            "private": False,
            "gated": "auto" if self.gated else False,
            "downloads": self.downloads,
            "tags": [f"license:{self.licence}"],
            "siblings": [{"rfilename": path} for path in sorted(self.files)],
        }

    def item(self, path: str) -> dict[str, Any]:
        """Describe one file as `tree` and `paths-info` do."""
        data = self.files[path]
        lfs = {"oid": sha256(data), "size": len(data), "pointerSize": 130}
        return {"type": "file", "path": path, "size": len(data), "oid": "0" * 40, "lfs": lfs}


@dataclass(slots=True)
class CivitaiVersion:
    """One model version with one file.

    `access`: open, login, early, archived, region or gone; `scan` is the verdict of both scans;
    `rounded` makes Civitai tell a whole number of KiB.
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

    def describe(self) -> dict[str, Any]:
        """Describe the version as `/api/v1/model-versions` does."""
        size: float = len(self.data) / 1024
        file = {
            "id": self.file_id,
            "name": self.file,
            "type": "Model",
            "sizeKB": round(size) or 1 if self.rounded else size,
            "pickleScanResult": self.scan,
            "virusScanResult": self.scan,
            "metadata": {"format": "SafeTensor"},
            "hashes": {
                "SHA256": sha256(self.data).upper(),
                "AutoV2": sha256(self.data)[:10].upper(),
            },
            "downloadUrl": f"/api/download/models/{self.id}",
            "primary": True,
        }
        return {
            "id": self.id,
            "modelId": self.model_id,
            "name": self.name,
            "baseModel": "SDXL 1.0",
            "model": {"name": self.model, "type": self.type, "mode": self.mode},
            "files": [] if self.mode == "Archived" else [file],
        }
