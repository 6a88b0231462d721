"""OpenModelDB as a source: a catalogue of upscalers that knows size and sha256 of every file.

One static list (`/api/v1/models.json`, id → model with its resources) is asked for once a run.
It holds no files itself; each resource names addresses elsewhere. Those of web pages in between
(MediaFire, Mega, Google Drive) are skipped, the others are confirmed where they lead to. What is
published there must be the database's file: same size and, where one is told, same sha256.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from comfyfix.disk.files import printable
from comfyfix.errors import SourceDown
from comfyfix.file_names import loose
from comfyfix.loose_json import dicts, is_size, items, mapping
from comfyfix.records import Candidate, Hint, Reason, Rejected, because
from comfyfix.sources.base import Blocked, Finding, Services, Wanted
from comfyfix.sources.workflow import confirm_url, told
from comfyfix.why import Why

NAME = "openmodeldb"
TITLE = "on OpenModelDB"
DECISIVE = False
FOLDER = "upscale_models"
GATEWAYS = ("mediafire.com", "mega.nz", "mega.co.nz", "drive.google.com", "1drv.ms", "dropbox.com")
"""Hosts that answer a browser with a page instead of a program with a file."""
RESOURCES_MAX = 6
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


def find(wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Yield the files that have the wanted hash, or else those that bear the wanted name."""
    if wanted.model.folder != FOLDER:
        yield Rejected(source=NAME, where="", reason=because(Why.DATABASE_UPSCALERS_ONLY))
        return
    known = listed(services)
    name, akin = wanted.model.name, loose(wanted.model.name)
    fits = [r for r in known if r.sha256 in wanted.likely] or [r for r in known if name in r.names]
    services.log_search(wanted, NAME, name, {"fit": len(fits), "known": len(known)})
    for resource in fits[:RESOURCES_MAX]:
        yield _confirmed(resource, wanted, services)
    if fits:
        return
    for resource in known:
        if any(loose(other) == akin for other in resource.names):
            yield Rejected(source=NAME, where=resource.model, reason=because(Why.NAME_AKIN))


def listed(services: Services) -> list[Resource]:
    """Every file of the database, asked once a run. Raises SourceDown."""
    known: list[Resource] = services.once(("openmodeldb",), lambda: _ask(services))
    return known


def _ask(services: Services) -> list[Resource]:
    url = f"{services.manifest.endpoints.openmodeldb}/api/v1/models.json"
    answer = services.web.get(url)
    value = answer.json()
    if answer.status != HTTPStatus.OK or not isinstance(value, dict):
        raise SourceDown(Why.DATABASE_NO_LIST, status=answer.status)
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
    names = {f"{stem}.{entry.get('type')}" for stem in stems} | {_base_name(url) for url in urls}
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


def _base_name(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return "" if _is_gateway(parts.hostname or "") else unquote(parts.path.rpartition("/")[2])


def _is_gateway(host: str) -> bool:
    return any(host == gateway or host.endswith(f".{gateway}") for gateway in GATEWAYS)


def _confirmed(resource: Resource, wanted: Wanted, services: Services) -> Finding:
    """Return the first address that leads to the database's file, or why none does.

    Raises SourceDown when none does and one of them could not be asked.
    """
    refused: list[Reason] = []
    down: SourceDown | None = None
    for url in resource.urls:
        if not _base_name(url):
            refused.append(_at(_host(url), because(Why.PAGE_IN_BETWEEN)))
            continue
        hint = Hint(name=wanted.model.name, url=url, sha256=resource.sha256)
        try:
            finding = confirm_url(hint, NAME, services)
        except SourceDown as problem:
            down = problem
            continue
        services.log_search(wanted, NAME, url, told(finding))
        if isinstance(finding, Blocked):
            return Blocked(_told(finding.candidate, resource, wanted), finding.problem)
        if isinstance(finding, Rejected):
            refused.append(_at(url, finding.reason))
        elif isinstance(finding, Candidate):
            if finding.sha256 in (None, resource.sha256) and _same_size(finding, resource):
                return _told(finding, resource, wanted)
            refused.append(_at(url, because(Why.DATABASE_OTHER_FILE)))
    if down:
        raise down
    why = Why.AT_PLACES if refused else Why.DATABASE_NO_ADDRESS
    return Rejected(source=NAME, where=resource.model, reason=because(why, places=refused))


def _at(place: str, reason: Reason | str) -> Reason:
    return because(Why.AT_PLACE, place=place, reason=reason)


def _host(url: str) -> str:
    """The host of an address, or the whole of what is none."""
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def _same_size(found: Candidate, resource: Resource) -> bool:
    return found.size is None or not found.size_exact or found.size == resource.size


def _told(found: Candidate, resource: Resource, wanted: Wanted) -> Candidate:
    """Add what the database says; its name for a file is meant for this address."""
    named = wanted.model.name in resource.names
    return msgspec.structs.replace(
        found,
        name=wanted.model.name if named else found.name,
        renamed=found.name != wanted.model.name,
        size=resource.size,
        size_exact=True,
        sha256=resource.sha256,
        publisher=resource.author or found.publisher,
        licence=resource.licence or found.licence,
        evidence=(because(Why.DATABASE_LISTS, model=resource.model), *found.evidence),
    )
