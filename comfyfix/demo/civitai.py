"""The loopback hub speaks Civitai's API."""

from __future__ import annotations

import json
import re
from typing import Any

from comfyfix.demo.civitai_versions import PLACE, CivitaiVersion
from comfyfix.demo.wire import Query, Wire

HASHES_MAX = 100
_LOGIN = "The creator of this asset requires you to be logged in to download it"
_NOBODY = {"error": "Unauthorized"}
_DISABLED = "The creator of this asset has disabled downloads on this file"


class CivitaiApi(Wire):
    """Search, versions, versions by hash, downloads."""

    def answers_civitai(self, path: str, query: Query) -> bool:
        """Answer if the path is one of Civitai's."""
        if path.startswith("/api/v1/"):
            self._civitai(path.removeprefix("/api/v1/"), query)
        elif path.startswith("/api/download/models/"):
            self._civitai_download(path.rpartition("/")[2], query)
        elif path.startswith("/cdn-civitai/"):
            self._civitai_file(*map(int, path.split("/")[2:4]))
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
        elif rest == "me":
            good = self.token and self.token not in self.hub.refused_tokens
            self.json(*((200, {"id": 1, "username": "demo"}) if good else (401, _NOBODY)))
        elif match := re.match(r"models/(\d+)$", rest):
            self._one_model([v for v in versions if v.model_id == int(match.group(1))])
        elif rest == "model-versions/by-hash" and self.command == "POST":
            self._by_hashes(versions)
        elif match := re.match(r"model-versions/by-hash/(\w+)$", rest):
            self._one_version([v for v in versions if _has_hash(v, match.group(1))])
        elif match := re.match(r"model-versions/(\d+)$", rest):
            self._one_version([v for v in versions if v.id == int(match.group(1))])
        else:
            self.json(404, {"error": "not found"})

    def _one_version(self, versions: list[CivitaiVersion]) -> None:
        if versions:
            self.json(200, versions[0].describe())
        else:
            self.json(404, {"error": "Model not found"})

    def _one_model(self, versions: list[CivitaiVersion]) -> None:
        if versions:
            self.json(200, as_model(versions))
        else:
            self.json(404, {"error": "No model with this id"})

    def _by_hashes(self, versions: list[CivitaiVersion]) -> None:
        """As the real one: the versions that hold any of the hashes, in an order of its own."""
        asked = json.loads(self.body)
        if not isinstance(asked, list) or len(asked) > HASHES_MAX:
            self.json(400, {"error": "Too many hashes"})
            return
        hits = [v for v in versions if any(_has_hash(v, str(digest)) for digest in asked)]
        # As seen in the real one: null for a version without a primary, and no host.
        answers: list[Any] = [_without_host(version.describe()) for version in reversed(hits)]
        self.json(200, [None, *answers] if answers else [])

    def _civitai_search(self, versions: list[CivitaiVersion], query: Query) -> None:
        words = query.get("query", [""])[0].lower().split()
        if words and "page" in query:
            self.json(400, {"error": "page can't be used with query; use cursor"})
            return
        types, cursor = query.get("types", []), query.get("cursor")
        models: dict[int, dict[str, Any]] = {}
        for hit in versions:
            fits = all(word in hit.model.lower() for word in words)
            fits = fits and not (hit.minor and "nsfw" in query)
            if fits and (not types or hit.type in types):
                item = models.setdefault(hit.model_id, _model(hit))
                item["modelVersions"].append(_inside(hit))
        items = list(models.values())
        # As seen in the real one: the first page may be empty and still have a cursor.
        if cursor is None and items:
            following = "https://elsewhere.example/api/v1/models?cursor=1"
            self.json(200, {"items": [], "metadata": {"nextCursor": "1", "nextPage": following}})
            return
        limit = int(query.get("limit", ["100"])[0])
        page = {"currentPage": 1, "pageSize": limit}
        self.json(200, {"items": items[:limit], "metadata": page})

    def _civitai_download(self, version_id: str, query: Query) -> None:
        version = self.hub.civitai.get(int(version_id)) if version_id.isdigit() else None
        file_id = version.asked_for(query) if version else 0
        if version is None or version.content(file_id) is None or self._is_away(version):
            self.json(404, {"error": "File not found"})
        elif version.access in ("login", "disabled"):
            self._civitai_login(version, file_id)
        elif version.access == "early":
            self.json(403, {"error": "Early Access", "deadline": "2030-01-01T00:00:00.000Z"})
        elif version.access == "forbidden":
            self.json(403, {"error": "You do not have access to download this file"})
        elif version.access == "archived":
            self.json(410, {"error": "Model archived, not available for download"})
        elif version.access == "page":
            self.send(200, b"<!DOCTYPE html><html>Sign in</html>", {"Content-Type": "text/html"})
        else:
            self._civitai_redirect(version, file_id)

    def _is_away(self, version: CivitaiVersion) -> bool:
        if version.access == "away-once":
            version.access = "open"
            return True
        return version.access == "gone"

    def _civitai_login(self, version: CivitaiVersion, file_id: int) -> None:
        disabled = version.access == "disabled"
        if disabled or not self.token or self.token in self.hub.refused_tokens:
            message = _DISABLED if disabled else _LOGIN
            self.json(401, {"error": "Unauthorized", "message": message})
        else:
            self._civitai_redirect(version, file_id)

    def _civitai_redirect(self, version: CivitaiVersion, file_id: int) -> None:
        base = self.hub.storage
        self.send(307, b"", {"Location": f"{base}/cdn-civitai/{version.id}/{file_id}"})

    def _civitai_file(self, version_id: int, file_id: int) -> None:
        version = self.hub.civitai[version_id]
        data = version.content(file_id)
        if not self.fails(f"file civitai/{version.file}", "file"):
            self.file(data or b"")


def _without_host(described: dict[str, Any]) -> dict[str, Any]:
    """A version as an answer to many hashes tells it: its server does not know its own name."""
    text = json.dumps(described).replace(PLACE, PLACE.replace("api.civitai.com", "undefined"))
    value: dict[str, Any] = json.loads(text)
    return value


def _has_hash(version: CivitaiVersion, digest: str) -> bool:
    files = version.describe()["files"]
    return any(digest.upper() in file["hashes"].values() for file in files)


def as_model(versions: list[CivitaiVersion]) -> dict[str, Any]:
    """A model with its versions, as `/api/v1/models/ID` tells it."""
    return {**_model(versions[0]), "modelVersions": [_inside(version) for version in versions]}


def _model(version: CivitaiVersion) -> dict[str, Any]:
    return {
        "id": version.model_id,
        "name": version.model,
        "type": version.type,
        "mode": version.mode,
        "creator": {"username": version.creator},
        "allowCommercialUse": ["Image", "Rent"],
        "modelVersions": [],
    }


def _inside(version: CivitaiVersion) -> dict[str, Any]:
    """A version inside its model, which tells no model of its own."""
    described = version.describe()
    del described["model"], described["modelId"], described["status"], described["usageControl"]
    return described
