"""The loopback hub speaks the Hub's API."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlsplit

from comfyfix.demo.shelf import Repository
from comfyfix.demo.wire import Query, Wire

NO_REPOSITORY = "Invalid username or password."
GATES = {
    "anonymous": "Access to model {id} is restricted. You must have access to it and be "
    "authenticated to access it. Please log in.",
    "unasked": "Access to model {id} is restricted and you are not in the authorized list. Visit "
    "https://huggingface.co/{id} to ask for access.",
    "pending": "Your request to access model {id} is awaiting a review from the repo authors.",
    "rejected": "Your request to access model {id} has been rejected by the repo's authors.",
    "scope": "Please enable access to public gated repositories in your fine-grained token "
    "settings to view this repository.",
}
"""What the Hub says of a gated repository, by who asks."""


class HubApi(Wire):
    """Search, repositories, `resolve`, and the CDN that it leads to."""

    def answers_hub(self, path: str, query: Query) -> bool:
        """Answer if the path is one of the Hub's."""
        listed = {
            "/api/models": self._search,
            "/api/quicksearch": self._quick_search,
            "/api/search/full-text": self._full_text,
            "/api/whoami-v2": self._whoami,
        }
        if self.token and self.token in self.hub.refused_tokens:
            self._refuse(401, "", "Invalid credentials in Authorization header")
        elif moved := self._moved(path):
            self._redirect(moved)
        elif path in listed:
            listed[path](query)
        elif path.startswith("/api/models/"):
            self._api(path.removeprefix("/api/models/"), query)
        elif path.startswith("/cdn/"):
            self._cdn(path.removeprefix("/cdn/"))
        elif match := re.match(r"^/api/resolve-cache/models/([^/]+/[^/]+)/[^/]+/(.+)$", path):
            self._small(*match.groups())
        elif match := re.match(r"^/([^/]+/[^/]+)/raw/main/README.md$", path):
            self._card(match.group(1))
        elif match := re.match(r"^/([^/]+/[^/]+)/raw/([^/]+)/(.+)$", path):
            self._raw(*match.groups())
        elif match := re.match(r"^/([^/]+/[^/]+)/resolve/([^/]+)/(.+)$", path):
            self._resolve(*match.groups())
        else:
            return False
        return True

    def _search(self, query: Query) -> None:
        words = query.get("search", [""])[0].lower()
        author = query.get("author", [""])[0].lower()
        asked = " ".join(filter(None, (author and f"author:{author}", words)))
        if self.fails(f"search {asked}", "search"):
            return
        cursor = int(query.get("cursor", ["0"])[0])
        if cursor < self.hub.empty_pages:
            # The host is one that must not be followed.
            following = f"https://elsewhere.example/api/models?cursor={cursor + 1}"
            self.json(200, [], {"Link": f'<{following}>; rel="next"'})
            return
        hits = [
            repo
            for repo in self.hub.repositories.values()
            if (not author or repo.id.lower().startswith(f"{author}/"))
            and all(word in repo.id.lower() for word in words.split())
        ]
        hits.sort(key=lambda repo: -repo.downloads)
        limit = min(int(query.get("limit", ["1000"])[0]), 1000)
        full = "full" in query or "siblings" in query.get("expand", [])
        self.json(200, [repo.describe(full=full) for repo in hits[:limit]])

    def _whoami(self, _query: Query) -> None:
        if self.fails("whoami", "search"):
            return
        if not self.token:
            self._refuse(401, "", "Invalid username or password.")
            return
        token = {"displayName": "demo", "role": "read"}
        self.json(200, {"type": "user", "name": "demo", "auth": {"accessToken": token}})

    def _quick_search(self, query: Query) -> None:
        """Repositories whose name holds the text, as the search field offers them."""
        text = query.get("q", [""])[0].lower()
        if self.fails(f"quick-search {text}", "search"):
            return
        if not self.hub.quick_search:
            self.json(404, {"error": "not found"})
            return
        hits = [repo for repo in self.hub.repositories.values() if text in repo.id.lower()]
        hits.sort(key=lambda repo: (f"/{text}" not in repo.id.lower(), -repo.downloads))
        limit = int(query.get("limit", ["5"])[0])
        self.json(200, {"models": [{"id": repo.id} for repo in hits[:limit]], "datasets": []})

    def _full_text(self, query: Query) -> None:
        """Repositories whose file names or model card hold the text."""
        text = query.get("q", [""])[0].lower()
        if self.fails(f"full-text {text}", "search"):
            return
        if not self.hub.full_text:
            self.json(404, {"error": "not found"})
            return
        hits = [repo for repo in self.hub.repositories.values() if _holds(repo, text)]
        hits.sort(key=lambda repo: -repo.downloads)
        limit = int(query.get("limit", ["20"])[0])
        pairs = [repo.id.split("/", 1) for repo in hits[:limit]]
        self.json(200, {"hits": [{"repoOwner": o, "repoName": n} for o, n in pairs]})

    def _api(self, rest: str, query: Query) -> None:
        match = re.match(r"^([^/]+/[^/]+)(?:/(tree|paths-info|revision)/([^/]+))?(?:/(.*))?$", rest)
        repo = self.hub.repositories.get(match.group(1)) if match else None
        if match is None or repo is None:
            self._no_repository()
            return
        if self.fails(f"repository {repo.id}", "search"):
            return
        verb, repo = match.group(2), repo.at(match.group(3))
        if repo is None:
            self._refuse(404, "RevisionNotFound", "Invalid rev id")
        elif verb == "paths-info":
            form = parse_qs(self.body.decode())
            expand = form.get("expand", [""])[0] == "True"
            items = [repo.item(p, scans=expand) for p in form.get("paths", []) if p in repo.files]
            self.json(200, items)
        elif verb == "tree":
            folder = match.group(4) or ""
            self.json(200, [repo.item(p) for p in sorted(repo.files) if p.startswith(folder)])
        else:
            self.json(200, repo.describe(blobs="blobs" in query, scans="securityStatus" in query))

    def _card(self, repo_id: str) -> None:
        """A model card, as plain text: it is no LFS file."""
        if self.fails(f"card {repo_id}", "search"):
            return
        repo = self.hub.repositories.get(repo_id)
        if repo is None:
            self._no_repository()
        elif not repo.readme:
            self._refuse(404, "EntryNotFound", "Entry not found", X_Repo_Commit=repo.commit)
        else:
            headers = {"Content-Type": "text/plain; charset=utf-8", "X-Repo-Commit": repo.commit}
            self.send(200, repo.readme.encode("utf-8", "replace"), headers)

    def _no_repository(self) -> None:
        # As the real one: without a token a missing repository can't be told from a private one.
        if self.headers.get("Authorization"):
            self._refuse(404, "RepoNotFound", "Repository not found")
        else:
            self._refuse(401, "", NO_REPOSITORY)

    def _refuse(self, status: int, code: str, message: str, **headers: str) -> None:
        """Say no: as JSON on the API, as plain text elsewhere, and in the head each time."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {**({"X-Error-Code": code} if code else {}), "X-Error-Message": message, **headers}
        if self.path.startswith("/api/"):
            self.json(status, {"error": message}, sent)
        else:
            kind = {"Content-Type": "text/plain; charset=utf-8"}
            self.send(status, message.encode(), {**kind, **sent})

    def _moved(self, path: str) -> str:
        """Where a path leads since its repository has another name; empty if it has not."""
        for old, new in self.hub.renamed.items():
            for lead in ("/api/models/", "/"):
                if f"{path}/".startswith(f"{lead}{old}/"):
                    return quote(lead + new + path.removeprefix(lead + old))
        return ""

    def _redirect(self, target: str, **headers: str) -> None:
        """Send to another place of the same server: its query is not kept."""
        headers_sent = {"Location": target, **{k.replace("_", "-"): v for k, v in headers.items()}}
        self.send(307, f"Temporary Redirect. Redirecting to {target}".encode(), headers_sent)

    def _gate(self, repo: Repository) -> bool:
        """Say no to who may not have the files of a gated repository; False if there is no gate."""
        if not repo.gated or self.token in self.hub.tokens:
            return False
        who = self.hub.gates.get(self.token, "unasked") if self.token else "anonymous"
        code = "" if who == "scope" else "GatedRepo"
        self._refuse(403 if self.token else 401, code, GATES[who].format(id=repo.id))
        return True

    def _resolve(self, repo_id: str, revision: str, path: str) -> None:
        if self.fails(f"resolve {repo_id}/{path}", "resolve"):
            return
        repo = self.hub.repositories.get(repo_id)
        if repo is None:
            self._no_repository()
            return
        repo = repo.at(revision)
        if repo is None:
            self._refuse(404, "RevisionNotFound", "Invalid rev id")
            return
        if self._gate(repo):
            return
        if path not in repo.files:
            self._refuse(404, "EntryNotFound", "Entry not found", X_Repo_Commit=repo.commit)
            return
        if repo.is_plain(path):
            mark = quote(f'"{repo.oid(path)}"')
            where = f"/api/resolve-cache/models/{repo.id}/{repo.commit}/{quote(path)}?etag={mark}"
            self._redirect(where, X_Repo_Commit=repo.commit)
            return
        digest, size = repo.files.summary(path)
        target = f"/cdn/{quote(repo_id)}/{quote(path)}?sig={repo.commit[:8]}"
        headers = {
            "Location": self.hub.storage + target,
            "X-Linked-Size": str(size),
            "X-Linked-ETag": f'"{digest}"',
            "X-Repo-Commit": repo.commit,
        }
        self.send(302, b"", headers)

    def _raw(self, repo_id: str, revision: str, path: str) -> None:
        """What git holds of a file: all of a small one, of one in LFS the pointer."""
        repo = self.hub.repositories.get(repo_id)
        if repo is None:
            self._no_repository()
        elif revision not in ("main", repo.commit):
            self._refuse(404, "RevisionNotFound", "Invalid rev id")
        elif path not in repo.files:
            self._refuse(404, "EntryNotFound", "Entry not found")
        elif not self._gate(repo) and not self.fails(f"raw {repo_id}/{path}", "raw"):
            digest, size = repo.files.summary(path)
            pointer = (
                f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n"
            )
            data = repo.files[path] if repo.is_plain(path) else pointer.encode()
            self.send(200, data, {"Content-Type": "text/plain; charset=utf-8"})

    def _small(self, repo_id: str, path: str) -> None:
        """A file that is not in LFS: the Hub gives it itself, to who may have it."""
        repo = self.hub.repositories.get(repo_id)
        if repo is None:
            self._no_repository()
        elif not self._gate(repo) and not self.fails(f"file {repo_id}/{path}", "file"):
            mark = f'"{repo.oid(path)}"'
            self.file(repo.files[path], ETag=mark, X_Repo_Commit=repo.commit)

    def _cdn(self, rest: str) -> None:
        owner, name, path = rest.split("/", 2)
        if self.fails(f"file {owner}/{name}/{path}", "file"):
            return
        commit = parse_qs(urlsplit(self.path).query).get("sig", ["main"])[0]
        repo = self.hub.repositories[f"{owner}/{name}"].at(commit)
        if repo is None:
            self.send(403, b"", {})  # as a signed address that ran out
        else:
            self.file(repo.files[path])


def _holds(repo: Repository, text: str) -> bool:
    return text in repo.readme.lower() or any(text in path.lower() for path in repo.files)
