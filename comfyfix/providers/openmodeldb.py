"""OpenModelDB: a catalogue of upscalers that knows size and sha256 of every file.

One static list (`/api/v1/models.json`, id → model with its resources) is asked for once a run.
It holds no files itself; each resource names addresses elsewhere. Its own repository knows also
under which names users have the older files, which the list does not say: `openmodeldb_names.json`.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import msgspec

from comfyfix.disk.files import printable
from comfyfix.loose_json import dicts, is_size, items, mapping, sha256
from comfyfix.net.urls import pages
from comfyfix.once import asked_once
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.net.http import Web

_ENDINGS = {"pth": (".pth", ".pt")}  # of the types that files of other endings have
_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".xz")


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

    @asked_once
    def files(self) -> list[Resource]:
        """Every file of the database, asked once a run. Raises SourceDown."""
        models = self._web.get(self._url).json_of(dict, Why.DATABASE_NO_LIST)
        users = _users_names()
        return [
            resource
            for key, model in models.items()
            for entry in dicts(mapping(model).get("resources"))
            if (resource := _resource(str(key), mapping(model), entry, users.get(str(key), "")))
        ]


def _users_names() -> dict[str, str]:
    """The names that users have, by id; read with the list, once a run."""
    data = resources.files(__package__).joinpath("openmodeldb_names.json").read_bytes()
    names: dict[str, str] = msgspec.json.decode(data)["names"]
    return names


def _resource(key: str, model: Any, entry: dict[str, Any], users_name: str) -> Resource | None:
    size, digest = entry.get("size"), sha256(entry.get("sha256"))
    if not is_size(size) or size == 0 or not digest:
        return None  # without both there is nothing to hold a download against
    urls = tuple(url for url in items(entry.get("urls")) if isinstance(url, str))
    kind = str(entry.get("type"))
    stems = {key, str(model.get("name") or key)}
    endings = _ENDINGS.get(kind, (f".{kind}",))
    names = {users_name, *map(_file_name, urls)}
    author = model.get("author")
    authors = author if isinstance(author, list) else [author]
    return Resource(
        model=printable(key, 200),
        names=frozenset(
            {f"{stem}.{kind}" for stem in stems} | {n for n in names if n.lower().endswith(endings)}
        ),
        urls=urls,
        size=size,
        sha256=digest,
        author=printable(", ".join(str(name) for name in authors if name), 80),
        licence=printable(str(model.get("license") or ""), 40),
    )


def addresses(resource: Resource) -> Iterator[str]:
    """Where a program may get the file: of a page that lists files, where each name would lie."""
    for url in resource.urls:
        try:
            parts = urlsplit(url)
        except ValueError:
            yield url
            continue
        below = pages.below_github_page(parts.path) if parts.hostname == "github.com" else ""
        for name in sorted(resource.names) if below else ():
            yield f"https://github.com{below}/{quote(name)}"
        yield url


def is_archive(url: str) -> bool:
    """Tell an address of an archive: the file that is listed lies in it."""
    return _file_name(url).lower().endswith(_ARCHIVES)


def _file_name(url: str) -> str:
    """The name of the file that an address leads to; empty for a page in between."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    between = pages.is_between(parts.hostname or "")
    return "" if between else unquote(parts.path.rpartition("/")[2])
