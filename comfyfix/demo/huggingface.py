"""The loopback hub speaks the Hub's API."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote

from comfyfix.demo.shelf import sha256
from comfyfix.demo.wire import Query, Wire


class HubApi(Wire):
    """Search, repositories, `resolve`, and the CDN that it leads to."""

    def answers_hub(self, path: str, query: Query) -> bool:
        """Answer if the path is one of the Hub's."""
        if path == "/api/models":
            self._search(query)
        elif path.startswith("/api/models/"):
            self._api(path.removeprefix("/api/models/"))
        elif path.startswith("/cdn/"):
            self._cdn(path.removeprefix("/cdn/"))
        elif match := re.match(r"^/([^/]+/[^/]+)/(?:resolve|raw)/([^/]+)/(.+)$", path):
            self._resolve(*match.groups())
        else:
            return False
        return True

    def _search(self, query: Query) -> None:
        words = query.get("search", [""])[0].lower()
        if self.fails(f"search {words}", "search"):
            return
        hits = [
            repo
            for repo in self.hub.repositories.values()
            if all(word in repo.id.lower() for word in words.split())
        ]
        hits.sort(key=lambda repo: -repo.downloads)
        limit = int(query.get("limit", ["20"])[0])
        self.json(200, [repo.describe() for repo in hits[:limit]])

    def _api(self, rest: str) -> None:
        match = re.match(r"^([^/]+/[^/]+)(?:/(tree|paths-info|revision)/([^/]+))?(?:/(.*))?$", rest)
        repo = self.hub.repositories.get(match.group(1)) if match else None
        if match is None or repo is None:
            self._no_repository()
            return
        verb = match.group(2)
        if verb == "paths-info":
            paths = parse_qs(self.body.decode()).get("paths", [])
            self.json(200, [repo.item(path) for path in paths if path in repo.files])
        elif verb == "tree":
            folder = match.group(4) or ""
            self.json(200, [repo.item(p) for p in sorted(repo.files) if p.startswith(folder)])
        else:
            self.json(200, repo.describe())

    def _no_repository(self) -> None:
        # As the real one: without a token a missing repository can't be told from a private one.
        status = 404 if self.headers.get("Authorization") else 401
        self.json(status, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})

    def _resolve(self, repo_id: str, revision: str, path: str) -> None:
        if self.fails(f"resolve {repo_id}/{path}", "resolve"):
            return
        repo = self.hub.repositories.get(repo_id)
        if repo is None:
            self._no_repository()
            return
        commit = {"X-Repo-Commit": repo.commit}
        if revision not in ("main", repo.commit):
            self.json(404, {"error": "no revision"}, {"X-Error-Code": "RevisionNotFound"})
            return
        if repo.gated and self.token not in self.hub.tokens:
            status = 403 if self.token else 401
            self.json(status, {"error": "gated"}, {"X-Error-Code": "GatedRepo"})
            return
        data = repo.files.get(path)
        if data is None:
            self.json(404, {"error": "no file"}, {"X-Error-Code": "EntryNotFound", **commit})
            return
        target = f"/cdn/{quote(repo_id)}/{quote(path)}?sig={repo.commit[:8]}"
        headers = {
            "Location": (self.hub.cdn or self.hub.url) + target,
            "X-Linked-Size": str(len(data)),
            "X-Linked-Etag": f'"{sha256(data)}"',
            **commit,
        }
        self.send(302, b"", headers)

    def _cdn(self, rest: str) -> None:
        owner, name, path = rest.split("/", 2)
        if self.fails(f"file {owner}/{name}/{path}", "file"):
            return
        self.file(self.hub.repositories[f"{owner}/{name}"].files[path])
