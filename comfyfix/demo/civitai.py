"""The loopback hub speaks Civitai's API."""

from __future__ import annotations

import re

from comfyfix.demo.shelf import CivitaiVersion, sha256
from comfyfix.demo.wire import Query, Wire


class CivitaiApi(Wire):
    """Search, versions, versions by hash, downloads."""

    def answers_civitai(self, path: str, query: Query) -> bool:
        """Answer if the path is one of Civitai's."""
        if path.startswith("/api/v1/"):
            self._civitai(path.removeprefix("/api/v1/"), query)
        elif path.startswith("/api/download/models/"):
            self._civitai_download(path.rpartition("/")[2], query)
        elif path.startswith("/cdn-civitai/"):
            self._civitai_file(int(path.rpartition("/")[2]))
        else:
            return False
        return True

    def _civitai(self, rest: str, query: Query) -> None:
        if self.fails(f"civitai {rest} {query.get('query', [''])[0]}".strip(), "civitai"):
            return
        versions = list(self.hub.civitai.values())
        if any(version.access == "region" for version in versions):
            self.json(451, {"error": "not available", "code": "REGION_BLOCKED"})
        elif rest == "models":
            self._civitai_search(versions, query)
        elif match := re.match(r"model-versions/by-hash/(\w+)$", rest):
            digest = match.group(1).lower()
            self._one_version([v for v in versions if sha256(v.data) == digest])
        elif match := re.match(r"model-versions/(\d+)$", rest):
            self._one_version([v for v in versions if v.id == int(match.group(1))])
        else:
            self.json(404, {"error": "not found"})

    def _one_version(self, versions: list[CivitaiVersion]) -> None:
        if versions:
            self.json(200, versions[0].describe())
        else:
            self.json(404, {"error": "Model not found"})

    def _civitai_search(self, versions: list[CivitaiVersion], query: Query) -> None:
        words = query.get("query", [""])[0].lower().split()
        types = query.get("types", [])
        cursor = query.get("cursor")
        hits = [
            version
            for version in versions
            if all(word in version.model.lower() for word in words)
            and (not types or version.type in types)
        ]
        items = [
            {
                "id": hit.model_id,
                "name": hit.model,
                "type": hit.type,
                "mode": hit.mode,
                "modelVersions": [hit.describe()],
            }
            for hit in hits
        ]
        # As seen in the real one: the first page may be empty and still have a cursor.
        if cursor is None and items:
            self.json(200, {"items": [], "metadata": {"nextCursor": "1"}})
        else:
            self.json(200, {"items": items, "metadata": {}})

    def _civitai_download(self, version_id: str, query: Query) -> None:
        version = self.hub.civitai.get(int(version_id)) if version_id.isdigit() else None
        file_id = query.get("fileId", [""])[0]
        if version is None or version.access == "gone" or file_id != str(version.file_id):
            self.json(404, {"error": "File not found"})
        elif version.access == "login" and not self.headers.get("Authorization"):
            message = "The creator of this asset requires you to be logged in to download it"
            self.json(401, {"error": "Unauthorized", "message": message})
        elif version.access == "early":
            self.json(403, {"error": "Early Access", "deadline": "2030-01-01T00:00:00.000Z"})
        elif version.access == "archived":
            self.json(410, {"error": "Model archived, not available for download"})
        else:
            base = self.hub.cdn or self.hub.url
            self.send(307, b"", {"Location": f"{base}/cdn-civitai/{version.id}"})

    def _civitai_file(self, version_id: int) -> None:
        version = self.hub.civitai[version_id]
        if not self.fails(f"file civitai/{version.file}", "file"):
            self.file(version.data)
