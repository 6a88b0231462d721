"""Civitai's API: its calls, and its answers as records. Ids are always compared.

Shapes: `/api/v1/models`, `/api/v1/model-versions/ID`, `…/by-hash/HASH`, and a POST of a list of
hashes to `…/by-hash`. An answer may be of
another id than was asked, and an empty page with a cursor is not the end: both have been seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from comfyfix.disk.files import printable
from comfyfix.errors import RegionBlocked, SourceDown
from comfyfix.loose_json import dicts, items, mapping
from comfyfix.net.civitai_address import WISHES
from comfyfix.providers.civitai.names import derived
from comfyfix.sources.base import Services
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.net.http import Answer

MODELS = 20  # per page
PAGES_MAX = 3
HASHES_MAX = 100  # in one question
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SCANS = ("pickleScan", "virusScan")


class CivitaiEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One file of one version of one model; `size` in bytes, `exact` when it was not rounded.

    `traits` are what its metadata tells, by the names that an address asks by; `saved_as` is the
    name that a download gets, `scan` what its scanners say if they did not pass the file. `file_id`
    is 0 for a version whose files are not listed any more (archived).
    """

    model_id: int
    version_id: int
    file_id: int
    model: str
    version: str
    kind: str
    mode: str
    name: str
    saved_as: str
    file_type: str
    traits: tuple[tuple[str, str], ...] = ()
    size: int | None = None
    exact: bool = False
    sha256: str | None = None
    scan: str = ""
    publisher: str = ""
    base_model: str = ""
    licence: str = ""

    @property
    def where(self) -> str:
        """The file in words: model and version."""
        return printable(f"{self.model} ({self.version})")


def version(version_id: int, services: Services) -> list[CivitaiEntry] | None:
    """The files of one version; None if there is none. Raises SourceDown, RegionBlocked."""
    value = _get(f"/api/v1/model-versions/{version_id}", {}, services)
    if value is None or value.get("id") != version_id:
        return None
    return _entries(mapping(value.get("model")), value, value.get("modelId"))


def by_hash(digest: str, services: Services) -> list[CivitaiEntry]:
    """The files with this sha256, whatever else is answered. Raises as `version`."""
    value = _get(f"/api/v1/model-versions/by-hash/{digest}", {}, services) or {}
    entries = _entries(mapping(value.get("model")), value, value.get("modelId"))
    return [entry for entry in entries if entry.sha256 == digest]


def by_hashes(digests: Sequence[str], services: Services) -> dict[str, CivitaiEntry]:
    """Of these sha256 (HASHES_MAX at most) those that Civitai knows, asked at once.

    Raises as `version`.
    """
    url = f"{services.manifest.endpoints.civitai}/api/v1/model-versions/by-hash"
    answer = services.web.post_json(url, [digest.upper() for digest in digests[:HASHES_MAX]])
    value = _usable(answer)
    if not isinstance(value, list):
        raise SourceDown(Why.CIVITAI_NO_ANSWER, status=answer.status)
    return matching(value, digests)


def matching(versions: Any, digests: Sequence[str]) -> dict[str, CivitaiEntry]:
    """The files of some versions that have one of these sha256; of several the first."""
    entries = [
        entry
        for told in dicts(versions)
        for entry in _entries(mapping(told.get("model")), told, told.get("modelId"))
    ]
    asked = set(digests)
    return {e.sha256: e for e in reversed(entries) if e.sha256 and e.sha256 in asked}


def search(query: str, types: tuple[str, ...], services: Services) -> list[CivitaiEntry]:
    """The files of all models that a search finds, asked once a run. Raises as `version`."""

    def ask() -> list[CivitaiEntry]:
        asked: dict[str, Any] = {"query": query, "limit": MODELS, "nsfw": "true"}
        if types:
            asked["types"] = list(types)
        found: list[dict[str, Any]] = []
        for _ in range(PAGES_MAX):
            page = _get("/api/v1/models", asked, services) or {}
            found += dicts(page.get("items"))
            cursor = mapping(page.get("metadata")).get("nextCursor")
            if found or not cursor:
                break
            asked["cursor"] = str(cursor)
        return [entry for item in found for entry in _of_model(item)]

    entries: list[CivitaiEntry] = services.once(("civitai search", query.lower(), types), ask)
    return entries


def _of_model(item: dict[str, Any]) -> Iterator[CivitaiEntry]:
    for value in dicts(item.get("modelVersions")):
        if value.get("modelId") in (None, item.get("id")):
            yield from _entries(item, value, item.get("id"))


def _get(path: str, params: dict[str, Any], services: Services) -> dict[str, Any] | None:
    """One call; None for what does not exist."""
    answer = services.web.get(services.manifest.endpoints.civitai + path, params)
    if answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
        return None
    value = _usable(answer)
    if not isinstance(value, dict):
        raise SourceDown(Why.CIVITAI_NO_ANSWER, status=answer.status)
    return value


def _usable(answer: Answer) -> Any:
    """What an answer holds. Raises SourceDown, RegionBlocked."""
    if answer.status == HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS:
        raise RegionBlocked(Why.CIVITAI_REGION)
    value = answer.json()
    if answer.status != HTTPStatus.OK:
        raise SourceDown(Why.CIVITAI_NO_ANSWER, status=answer.status)
    return value


def _entries(model: Any, value: dict[str, Any], model_id: Any) -> list[CivitaiEntry]:
    version_id = value.get("id")
    if not (isinstance(version_id, int) and isinstance(model_id, int)):
        return []
    files = dicts(value.get("files"))
    if not files and model.get("mode"):
        files = [{"id": 0, "name": ".safetensors", "type": "Model"}]  # no longer listed
    return [
        _entry(model, value, model_id, version_id, file)
        for file in files
        if isinstance(file.get("id"), int)
    ]


def _entry(
    model: Any, value: dict[str, Any], model_id: int, version_id: int, file: dict[str, Any]
) -> CivitaiEntry:
    titles = {"model": str(model.get("name") or ""), "version": str(value.get("name") or "")}
    kind, file_type = str(model.get("type") or ""), str(file.get("type") or "")
    words = [word for word in items(value.get("trainedWords")) if isinstance(word, str)]
    name = str(file.get("name") or "")
    size, exact = _size(file.get("sizeKB"))
    digest = str(mapping(file.get("hashes")).get("SHA256") or "").lower()
    return CivitaiEntry(
        model_id=model_id,
        version_id=version_id,
        file_id=file["id"],
        **titles,
        kind=kind,
        mode=str(model.get("mode") or ""),
        name=name,
        saved_as=derived(kind=kind, file=name, file_type=file_type, words=words, **titles),
        file_type=file_type,
        traits=_traits(mapping(file.get("metadata"))),
        size=size,
        exact=exact,
        sha256=digest if _SHA256.fullmatch(digest) else None,
        scan=_scan(file),
        publisher=printable(str(mapping(model.get("creator")).get("username") or ""), 80),
        base_model=printable(str(value.get("baseModel") or ""), 80),
        licence=_licence(model),
    )


def _traits(metadata: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    told = ((name, metadata.get(name)) for name in WISHES)
    return tuple((name, value) for name, value in told if isinstance(value, str) and value)


def _scan(file: dict[str, Any]) -> str:
    for scan in _SCANS:
        result = file.get(f"{scan}Result")
        if result != "Success":
            message = printable(str(file.get(f"{scan}Message") or ""), 120)
            return f"{result!r} ({scan}Result{': ' + message if message else ''})"
    return ""


def _licence(model: Any) -> str:
    """What Civitai tells of permissions, in its own words; it has no licence field."""
    allowed = model.get("allowCommercialUse")
    uses = [allowed] if isinstance(allowed, str) else items(allowed)
    told = ", ".join(str(use) for use in uses if use)
    return printable(f"commercial use: {told}", 80) if told else ""


def _size(kibibytes: Any) -> tuple[int | None, bool]:
    """Bytes from `sizeKB`, a float of KiB that is sometimes rounded; and whether it is exact."""
    if not isinstance(kibibytes, int | float) or not 0 < kibibytes < 1 << 40:
        return None, False
    size = kibibytes * 1024
    # A float that came from a number of bytes gives that number back; a rounded one does not.
    return round(size), abs(size - round(size)) < 1e-6 and not float(kibibytes).is_integer()  # noqa: PLR2004
