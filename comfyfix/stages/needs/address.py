"""A workflow that is named by its address: asked for under the rules of hosts, kept as it came.

What people paste is the page on which a browser shows the file, so what that page stands for is
asked. An endpoint that the user has set may redirect wherever it wants; of any other host each
redirect has to be allowed as the address itself.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urljoin, urlsplit

from comfyfix.comfyui.workflows import files, read
from comfyfix.comfyui.workflows.graph import NotAWorkflow
from comfyfix.disk.files import relative_name, write_if_changed
from comfyfix.errors import HostRefused, NameRefused, SetupProblem, SourceDown
from comfyfix.net.addresses import is_link_local
from comfyfix.net.answer import REDIRECTS, Answer
from comfyfix.net.failures import REDIRECTS_MAX
from comfyfix.net.urls.hosts import (
    CIVITAI_HOSTS,
    HUGGINGFACE_HOSTS,
    DirectFile,
    is_public_name,
    read_url,
)
from comfyfix.net.urls.hub_address import HubFile
from comfyfix.net.urls.origin import origin_of
from comfyfix.net.urls.rules import broken_rule
from comfyfix.records import Reason, because
from comfyfix.settings.manifest import Manifest
from comfyfix.state.layout import Layout
from comfyfix.why import Why

SIZE_MAX = files.MEMBER_MAX
"""Bytes of a workflow; a video that holds one may be larger, and is to be saved first."""
SECONDS = 20.0
"""Until an answer is there: somebody waits for it."""
GISTS = ("gist.github.com", "gist.githubusercontent.com")
"""GitHub's hosts of small files, beside those that models are fetched from."""
_PAGES = ("openart.ai", "comfyworkflows.com", "runcomfy.com", "reddit.com", "youtube.com")
"""Sites whose addresses are pages, whatever they are about."""
_NAME_MAX = 60  # letters, each of four bytes at most
_CLOSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class Asks(Protocol):
    """What gets one answer from the network; see `Web.take`."""

    def take(self, url: str, most: int, *, public: bool) -> Answer:
        """GET without following redirects."""


@dataclass(frozen=True, slots=True)
class _Place:
    """What is asked: `trusted` is an endpoint of the user's own, or what that leads to."""

    url: str
    trusted: bool = False


def bring(
    address: str,
    manifest: Manifest,
    layout: Layout,
    web: Asks,
    hear: Callable[[Reason], object],
    *,
    as_kept: bool = False,
) -> Path:
    """Get the workflow at an address, and return the file that it is kept in.

    Where nobody can be asked, what was kept before is used, and told to `hear`; with `as_kept` it
    is used without asking. Raises SetupProblem, OSError.
    """
    address = address.strip()
    place = _place(address, manifest)
    copy = _copy_of(place.url, layout)
    if as_kept and copy.is_file():
        return copy
    try:
        data = _fetched(place, address, manifest, web)
    except SourceDown as problem:
        cause = _cause(problem)
        if not copy.is_file() or cause.why == Why.TOO_LARGE:
            raise _refused(address, cause) from None
        date = time.strftime("%Y-%m-%d %H:%M", time.localtime(copy.stat().st_mtime))
        hear(because(Why.WORKFLOW_AS_KEPT, address=shown(address), cause=cause, date=date))
        return copy
    _require_workflow(data, address)
    copy.parent.mkdir(parents=True, exist_ok=True)
    write_if_changed(copy, data)
    return copy


def shown(address: str) -> str:
    """An address as it may be told: what signs a query, or a name before the host, is a secret."""
    parts = urlsplit(address.partition("?")[0].partition("#")[0])
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _place(address: str, manifest: Manifest) -> _Place:
    """What to ask for an address. Raises SetupProblem with the rule that it breaks."""
    try:
        host = (urlsplit(address).hostname or "").rstrip(".")
        _require_no_page(address, host, manifest)
        return _under_rules(_file_of_page(address, host), manifest)
    except ValueError as error:
        cause = because(Why.ADDRESS_UNREADABLE, error=error)
        raise SetupProblem(Why.WORKFLOW_UNFETCHED, address=address, cause=cause) from None
    except HostRefused as refusal:
        raise _host_refused(address, refusal) from None


def _under_rules(address: str, manifest: Manifest) -> _Place:
    """Hold an address against the rules of hosts. Raises HostRefused."""
    own = manifest.comfyui_url
    if own and origin_of(address) == origin_of(own):
        return _Place(address, trusted=True)
    endpoints, allowed = manifest.endpoints, manifest.download.allow_hosts
    target = read_url(address, endpoints, (*allowed, *GISTS))
    if isinstance(target, HubFile):
        return _Place(endpoints.huggingface.rstrip("/") + target.resolve_path(), trusted=True)
    url = target.url if isinstance(target, DirectFile) else address
    return _Place(url.partition("#")[0])


def _require_no_page(address: str, host: str, manifest: Manifest) -> None:
    """Raise SetupProblem for what is known to be a page: its site is asked nothing."""
    own = origin_of(address) == origin_of(manifest.endpoints.civitai)
    if host in CIVITAI_HOSTS or (own and not _is_hub(address, manifest)):
        raise SetupProblem(Why.WORKFLOW_ON_CIVITAI, address=shown(address))
    if any(host == site or host.endswith(f".{site}") for site in _PAGES) and host not in (
        manifest.download.allow_hosts
    ):
        raise SetupProblem(Why.WORKFLOW_IS_PAGE, address=shown(address))


def _is_hub(address: str, manifest: Manifest) -> bool:
    """Tell whether an address is the Hub's: one endpoint may stand for several services."""
    return origin_of(address) == origin_of(manifest.endpoints.huggingface)


def _file_of_page(address: str, host: str) -> str:
    """The address of GitHub that the rules know; any other as it is."""
    parts = urlsplit(address)
    if parts.netloc.lower() == "www.github.com":
        return parts._replace(netloc="github.com").geturl()
    if host == GISTS[0] and re.fullmatch(r"(/[^/]+)?/[0-9a-f]{8,64}/?", parts.path):
        if parts.fragment:  # which of its files that is can't be told from it
            raise SetupProblem(Why.WORKFLOW_OF_GIST, address=address)
        return parts._replace(path=f"{parts.path.rstrip('/')}/raw", query="").geturl()
    return address


def _fetched(place: _Place, address: str, manifest: Manifest, web: Asks) -> bytes:
    """Ask, and follow redirects. Raises SetupProblem, SourceDown."""
    first = place
    for _ in range(REDIRECTS_MAX + 1):
        try:
            answer = web.take(place.url, SIZE_MAX, public=_must_be_public(place, first))
            target = answer.headers.get("location", "")
            if answer.status not in REDIRECTS or not target:
                return _body(answer, address, manifest)
            url = urljoin(place.url, target)
            place = _Place(url, trusted=True) if first.trusted else _under_rules(url, manifest)
        except HostRefused as refusal:
            raise _host_refused(address, refusal) from None
        except ValueError:
            raise _refused(address, because(Why.REDIRECT_UNFIT)) from None
    raise _refused(address, because(Why.REDIRECTS_MANY, limit=REDIRECTS_MAX))


def _must_be_public(place: _Place, first: _Place) -> bool:
    """Tell whether a connection may lead to public addresses alone. Raises HostRefused, ValueError.

    Only where the user's own endpoint is near may what it redirects to be so; never link-local.
    """
    if not first.trusted or origin_of(place.url) == origin_of(first.url):
        return not first.trusted
    parts = urlsplit(place.url)
    if parts.scheme not in ("http", "https") or is_link_local(parts.hostname or ""):
        raise HostRefused(Why.HOST_NOT_PUBLIC, host=parts.hostname)
    start = urlsplit(first.url)
    return start.scheme == "https" and is_public_name(start.hostname or "")


def _body(answer: Answer, address: str, manifest: Manifest) -> bytes:
    """What an answer holds. Raises SetupProblem."""
    if answer.status != HTTPStatus.OK:
        of_hub = _is_hub(address, manifest) or urlsplit(address).hostname in HUGGINGFACE_HOSTS
        if of_hub and answer.status in _CLOSED:
            why = Why.WORKFLOW_BEHIND_TOKEN
            raise SetupProblem(why, address=shown(address), status=answer.status)
        raise _refused(address, because(Why.ANSWERS_STATUS, status=answer.status))
    if not answer.body:
        raise _refused(address, because(Why.ANSWER_EMPTY))
    page = answer.headers.get("content-type", "").startswith("text/html")
    if page or answer.body.lstrip()[:1] == b"<":
        raise SetupProblem(Why.WORKFLOW_IS_PAGE, address=shown(address))
    return answer.body


def _require_workflow(data: bytes, address: str) -> None:
    if data.startswith(b"PK\x03\x04"):
        raise SetupProblem(Why.WORKFLOW_IS_ZIP, address=shown(address))
    try:
        read.parse(data)
    except NotAWorkflow as error:
        raise _refused(address, error.reason) from None


def _copy_of(url: str, layout: Layout) -> Path:
    """Where the workflow of an address is kept: under its own name, which reports tell."""
    digest = hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
    return layout.brought / digest / _name(url)


def _name(url: str) -> str:
    parts = urlsplit(url)
    segments = [part for part in unquote(parts.path).split("/") if part not in ("", "raw")]
    try:
        name = relative_name(segments[-1] if segments else "").rpartition("/")[2]
    except NameRefused:
        name = "workflow"
    stem, dot, ending = name.rpartition(".")
    if f".{ending.lower()}" not in files.ENDINGS:
        stem, dot, ending = name, ".", "json"
    return f"{stem[:_NAME_MAX]}{dot}{ending}"


def _cause(problem: SourceDown) -> Reason:
    """Why nobody could be asked, without the host, which the address tells."""
    cause = problem.reason.told.get("cause")
    offline = problem.reason.why == Why.OFFLINE
    return cause if isinstance(cause, Reason) and not offline else problem.reason


def _refused(address: str, cause: Reason) -> SetupProblem:
    return SetupProblem(Why.WORKFLOW_UNFETCHED, address=shown(address), cause=cause)


def _host_refused(address: str, refusal: HostRefused) -> SetupProblem:
    rule = broken_rule(refusal)
    if rule.why == Why.HOST_NOT_LISTED:
        host = rule.told.get("host", "")
        return SetupProblem(Why.WORKFLOW_HOST, address=shown(address), host=host, cause=rule)
    if rule.why == Why.PAGE_IN_BETWEEN:
        return SetupProblem(Why.WORKFLOW_IS_PAGE, address=shown(address))
    return _refused(address, rule)
