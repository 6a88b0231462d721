"""A Hugging Face endpoint: which repositories there are, and what they hold.

Its `search` and `author` lists come with the names of all files; its quick search and its
full-text search tell repository names only. Those two are extras: where they don't answer,
the search goes on without them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

from comfyfix.errors import ModelProblem, SourceDown
from comfyfix.loose_json import dicts, mapping
from comfyfix.net.urls.hosts import HUGGINGFACE, HUGGINGFACE_HOSTS
from comfyfix.once import Once, asked_once
from comfyfix.providers.huggingface import answers, gates
from comfyfix.providers.huggingface.answers import ABSENT, About, Answered, HubItem, Listing
from comfyfix.records import Reason
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.net.answer import Answer
    from comfyfix.net.http import Web

PAGES_MAX = 3
REPOSITORIES = 200  # per question; the answer lists every file of each
OF_PUBLISHER = 300
MOST = 1000  # what the Hub gives at once
HITS = 16
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NEXT = re.compile(r"<[^>?]*\?([^>#]*)[^>]*>\s*;\s*rel=\"?next")


class Hub:
    """One endpoint. Each question is asked once a run; safe to share between threads.

    Every method that asks raises SourceDown where there is no usable answer.
    """

    def __init__(self, web: Web, endpoint: str, *, token_known: bool) -> None:
        self._web = web
        self._endpoint = endpoint
        # A mirror has no accounts: licences and tokens are matters of the Hub itself.
        mirror = urlsplit(endpoint).hostname in HUGGINGFACE_HOSTS
        self._website = HUGGINGFACE if mirror else endpoint
        self._token_known = token_known
        # By the words in small letters: the Hub tells no difference.
        self._lists: Once[tuple[str, str], Answered] = Once()
        self._extras: Once[tuple[str, str], Any] = Once()
        self._given_up: set[str] = set()  # extras that did not answer in this run

    @asked_once
    def about(self, repo: str, revision: str) -> About | Reason:
        """All of a repository; or why it can't be had."""
        kind = "" if repo.startswith(("datasets/", "spaces/")) else "models/"
        path = f"/api/{kind}{repo}/revision/{quote(revision, safe='')}"
        parameters = {"blobs": "true", "securityStatus": "true"}
        answer = self._web.get(self._endpoint + path, parameters)
        if answer.status in answers.KEPT_BACK:
            return gates.why_not(answer)
        value = answer.json_of(dict, Why.HUB_NO_ANSWER, repo=repo)
        commit = str(value.get("sha"))
        if not _COMMIT.fullmatch(commit):
            raise answer.of_no_use(Why.HUB_NO_ANSWER, repo=repo)
        return answers.about(value, commit)

    @asked_once
    def details(self, repo: str, revision: str, paths: tuple[str, ...]) -> dict[str, HubItem]:
        """Describe files of one repository: path → item; unknown paths are left out."""
        if not paths:
            return {}
        path = f"/api/models/{repo}/paths-info/{quote(revision, safe='')}"
        form = [*(("paths", path) for path in paths), ("expand", "True")]
        answer = self._web.post_form(self._endpoint + path, form)
        if answer.status in ABSENT and "x-error-message" in answer.headers:
            return {}
        return answers.described(answer.json_of(list, Why.HUB_NO_DESCRIPTION, repo=repo))

    def access(self, repo: str, url: str) -> ModelProblem | Reason | None:
        """What keeps a file of a gated repository from the user, or None.

        `url` is as records have it. Without a token no question is needed.
        """
        if not self._token_known:
            return gates.token_needed(repo, self._website)
        answer = self._web.head(self._endpoint + url.removeprefix(HUGGINGFACE))
        return gates.gate(answer, repo, self._website)

    def search(self, words: str, limit: int = REPOSITORIES) -> Answered:
        """Repositories whose names hold all words, the most used first."""
        return self._list("search", words, limit)

    def of_publisher(self, author: str) -> Answered:
        """Repositories of one publisher, the most used first."""
        return self._list("author", author, OF_PUBLISHER)

    def quick(self, text: str) -> list[str]:
        """Repositories that the quick search offers; none where it doesn't answer."""
        models = mapping(self._extra("/api/quicksearch", text)).get("models")
        return answers.names(item.get("id") for item in dicts(models))

    def full_text(self, text: str) -> list[str] | None:
        """Repositories whose files or cards hold the text; None where the Hub doesn't answer."""
        hits = mapping(self._extra("/api/search/full-text", text)).get("hits")
        if not isinstance(hits, list):
            return None
        parts = ((h.get("repoOwner"), h.get("repoName"), h.get("repoId")) for h in dicts(hits))
        return answers.names(f"{owner}/{n}" if owner and n else whole for owner, n, whole in parts)

    @asked_once
    def repository(self, repo: str) -> Listing | None:
        """One repository with its files; None if it is not there."""
        answer = self._ask(f"/api/models/{repo}", {}, missing=ABSENT)
        value = None if answer.status in ABSENT else answer.json()
        return answers.listing(value) if isinstance(value, dict) else None

    @asked_once
    def card(self, repo: str) -> bytes:
        """A repository's README; empty if there is none."""
        answer = self._web.get(f"{self._endpoint}/{repo}/raw/main/README.md")
        if answer.status in ABSENT:
            return b""
        answer.require_good(Why.HUB_NO_CARD)
        return answer.body

    @asked_once
    def text(self, repo: str, revision: str, path: str) -> bytes:
        """What a small file of a repository holds; empty where the Hub does not give it."""
        where = f"/{repo}/raw/{quote(revision, safe='')}/{quote(path)}"
        answer = self._web.get(self._endpoint + where)
        if answer.status in answers.KEPT_BACK:
            return b""
        answer.require_good(Why.HUB_NO_DESCRIPTION, repo=repo)
        return answer.body

    def _list(self, how: str, what: str, limit: int) -> Answered:
        def ask() -> Answered:
            items = self._pages({how: what, "limit": limit, "full": "true", "sort": "downloads"})
            listings = [listing for item in dicts(items) if (listing := answers.listing(item))]
            return Answered(listings=tuple(listings), whole=len(items) < limit)

        return self._lists.get((how, what.casefold()), ask)

    def _pages(self, parameters: dict[str, Any]) -> list[Any]:
        """The first page that lists anything: an empty one with a cursor is not the end."""
        for _ in range(PAGES_MAX):
            answer = self._ask("/api/models", parameters)
            items = answer.json_of(list, Why.HUB_NO_LIST)
            cursor = _cursor(answer)
            if items or not cursor:
                return items
            parameters = {**parameters, "cursor": cursor}
        return []

    def _ask(self, path: str, parameters: dict[str, Any], *, missing: Sequence[int] = ()) -> Answer:
        answer = self._web.get(self._endpoint + path, parameters)
        answer.require_good(Why.HUB_NO_LIST, missing)
        return answer

    def _extra(self, path: str, text: str) -> Any:
        """Ask one of the extras; the first time that it is absent it is given up for the run."""

        def ask() -> Any:
            if path in self._given_up:
                return None
            try:
                return self._ask(path, {"q": text, "type": "model", "limit": HITS}).json()
            except SourceDown:
                self._given_up.add(path)
                return None

        return self._extras.get((path, text.casefold()), ask)


def _cursor(answer: Answer) -> str:
    """Where the next page begins. Of its address only that is used, never the host."""
    following = _NEXT.search(answer.headers.get("link", ""))
    return parse_qs(following.group(1)).get("cursor", [""])[0] if following else ""
