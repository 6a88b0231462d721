"""Civitai's API. Ids are always compared.

Shapes: `/api/v1/models`, `/api/v1/model-versions/ID`, `…/by-hash/HASH`, and a POST of a list of
hashes to `…/by-hash`. An answer may be of
another id than was asked, and an empty page with a cursor is not the end: both have been seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from comfyfix.errors import ModelProblem, RegionBlocked, SourceDown
from comfyfix.loose_json import dicts, mapping
from comfyfix.net.urls.civitai_address import CivitaiFile
from comfyfix.once import Once, asked_once
from comfyfix.providers.civitai import access
from comfyfix.providers.civitai.entries import (
    ARCHIVED,
    CivitaiEntry,
    matching,
    number,
    of_model,
    of_version,
)
from comfyfix.records import Reason, because
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.net.answer import Answer
    from comfyfix.net.http import Web

_Kind = TypeVar("_Kind")
MODELS = 20  # per page
PAGES_MAX = 3
HASHES_MAX = 100  # in one question
TRIES = 2  # a file that is there has been answered with 404 for a moment


class Civitai:
    """Civitai at one endpoint; safe to share between threads.

    Every method raises SourceDown where there is no usable answer, and RegionBlocked.
    """

    def __init__(self, web: Web, endpoint: str, *, token_known: bool) -> None:
        self._web = web
        self._endpoint = endpoint
        self._token_known = token_known
        self._searches: Once[tuple[str, tuple[str, ...], bool], list[CivitaiEntry]] = Once()

    def version(self, version_id: int) -> list[CivitaiEntry] | None:
        """The files of one version; None if there is none."""
        value = self._get(f"/api/v1/model-versions/{version_id}", {})
        if value is None or number(value.get("id")) != version_id:
            return None
        return of_version(value)

    @asked_once
    def model(self, model_id: int) -> list[CivitaiEntry]:
        """The files of a model, its newest version first, asked once a run; none if there is none.

        An archived one lists none, and is told by an entry without a file.
        """
        value = self._get(f"/api/v1/models/{model_id}", {}) or {}
        return list(of_model(value)) if number(value.get("id")) == model_id else []

    def by_hash(self, digest: str) -> list[CivitaiEntry]:
        """The files with this sha256, whatever else is answered."""
        value = self._get(f"/api/v1/model-versions/by-hash/{digest}", {}) or {}
        return [entry for entry in of_version(value) if entry.sha256 == digest]

    def by_hashes(self, digests: Sequence[str]) -> dict[str, CivitaiEntry]:
        """Of these sha256 (HASHES_MAX at most) those that Civitai knows, asked at once."""
        url = f"{self._endpoint}/api/v1/model-versions/by-hash"
        answer = self._web.post_json(url, [digest.upper() for digest in digests[:HASHES_MAX]])
        return matching(_usable(answer, list), digests)

    def search(self, query: str, types: tuple[str, ...], *, nsfw: bool) -> list[CivitaiEntry]:
        """The files of all models that a search finds, asked once a run.

        With `nsfw` all but those in which minors are depicted, without it these and tame ones.
        """

        def ask() -> list[CivitaiEntry]:
            parameters: dict[str, Any] = {"query": query, "limit": MODELS}
            if nsfw:
                parameters["nsfw"] = "true"
            if types:
                parameters["types"] = list(types)
            return [entry for item in self._pages(parameters) for entry in of_model(item)]

        return self._searches.get((query.lower(), types, nsfw), ask)

    def access(self, entry: CivitaiEntry, file: CivitaiFile) -> ModelProblem | Reason | None:
        """What keeps a file from the user, or None.

        Where the API does not tell it, the download address is asked as a download asks it, but
        neither followed nor read; Civitai counts that as a download.
        """
        if entry.mode == ARCHIVED:
            return access.gone(entry)
        if "generation" in entry.usage.lower():
            return access.switched_off(entry)
        if entry.public and self._is_signed_in():
            return None
        for _ in range(TRIES):
            answer = self._web.peek(self._endpoint + file.download_path)
            if answer.status != HTTPStatus.NOT_FOUND:
                return access.refusal(answer, entry, token_known=self._token_known)
        return because(Why.CIVITAI_GONE)

    @asked_once
    def _is_signed_in(self) -> bool:
        """Tell whether Civitai takes the token: then a public file needs nothing more."""
        if not self._token_known:
            return False
        answer = self._web.get(f"{self._endpoint}/api/v1/me", {})
        return answer.status == HTTPStatus.OK

    def _pages(self, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """The first page that lists anything."""
        for _ in range(PAGES_MAX):
            page = self._get("/api/v1/models", parameters) or {}
            models = dicts(page.get("items"))
            cursor = mapping(page.get("metadata")).get("nextCursor")
            if models or not cursor:
                return models
            parameters = {**parameters, "cursor": str(cursor)}
        return []

    def _get(self, path: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
        """One call; None for what does not exist."""
        answer = self._web.get(self._endpoint + path, parameters)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status == HTTPStatus.BAD_REQUEST:
            raise SourceDown(Why.CIVITAI_WRONG_QUESTION, path=path)
        return _usable(answer, dict)


def _usable(answer: Answer, kind: type[_Kind]) -> _Kind:
    """What an answer holds. Raises SourceDown, RegionBlocked."""
    if answer.status == HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS:
        raise RegionBlocked(Why.CIVITAI_REGION)
    return answer.json_of(kind, Why.CIVITAI_NO_ANSWER)
