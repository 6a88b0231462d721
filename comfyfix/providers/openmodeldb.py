"""OpenModelDB: a catalogue of upscalers that knows size and sha256 of every file.

One static list (`/api/v1/models.json`, id → model with its resources) is asked for once a run.
It holds no files itself; each resource names addresses elsewhere.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from comfyfix.disk.files import printable
from comfyfix.errors import SourceDown
from comfyfix.loose_json import dicts, is_size, items, mapping
from comfyfix.once import Once
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.net.http import Web

GATEWAYS = ("mediafire.com", "mega.nz", "mega.co.nz", "drive.google.com", "1drv.ms", "dropbox.com")
"""Hosts that answer a browser with a page instead of a program with a file."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One file of one model as the database describes it; `size` in bytes."""

    model: str
    names: frozenset[str]
    urls: tuple[str, ...]
    size: int
    sha256: str
    author: str = ""
    licence: str = ""


class OpenModelDB:
    """The database at one endpoint; safe to share between threads."""

    def __init__(self, web: Web, endpoint: str) -> None:
        self._web = web
        self._url = f"{endpoint}/api/v1/models.json"
        self._lists: Once[str, list[Resource]] = Once()

    def files(self) -> list[Resource]:
        """Every file of the database, asked once a run. Raises SourceDown."""
        return self._lists.get(self._url, self._ask)

    def _ask(self) -> list[Resource]:
        answer = self._web.get(self._url)
        value = answer.json()
        if answer.status != HTTPStatus.OK or not isinstance(value, dict):
            raise SourceDown(Why.DATABASE_NO_LIST, cause=answer.no_use)
        return [
            resource
            for key, model in value.items()
            for entry in dicts(mapping(model).get("resources"))
            if (resource := _resource(str(key), mapping(model), entry))
        ]


def _resource(key: str, model: Any, entry: dict[str, Any]) -> Resource | None:
    size, digest = entry.get("size"), str(entry.get("sha256") or "").lower()
    if not is_size(size) or size == 0 or not _SHA256.fullmatch(digest):
        return None  # without both there is nothing to hold a download against
    urls = tuple(url for url in items(entry.get("urls")) if isinstance(url, str))
    stems = {key, str(model.get("name") or key)}
    names = {f"{stem}.{entry.get('type')}" for stem in stems} | {file_name(url) for url in urls}
    author = model.get("author")
    authors = [str(one) for one in (author if isinstance(author, list) else [author]) if one]
    return Resource(
        model=printable(key, 200),
        names=frozenset(names - {""}),
        urls=urls,
        size=size,
        sha256=digest,
        author=printable(", ".join(authors), 80),
        licence=printable(str(model.get("license") or ""), 40),
    )


def file_name(url: str) -> str:
    """The name of the file that an address leads to; empty for a page in between."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return "" if _is_gateway(parts.hostname or "") else unquote(parts.path.rpartition("/")[2])


def _is_gateway(host: str) -> bool:
    return any(host == gateway or host.endswith(f".{gateway}") for gateway in GATEWAYS)
