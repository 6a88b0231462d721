"""What a URL means and whether it may be asked: the one gate for every address from outside.

A Hugging Face address, on whatever mirror, is read as repository, revision and path and then
asked at the configured endpoint. Any other host must be listed. Addresses of machines near
the user (loopback, private, link-local) never pass: only a configured endpoint may be one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, unquote, urlsplit

from comfyfix.errors import HostRefused
from comfyfix.net.urls import civitai_address as civitaifile
from comfyfix.net.urls import hub_address, pages
from comfyfix.net.urls.civitai_address import CivitaiFile
from comfyfix.net.urls.hub_address import HubFile, HubFolder
from comfyfix.net.urls.origin import origin_of
from comfyfix.net.urls.rules import refused
from comfyfix.records import Reason, because
from comfyfix.settings.manifest import Endpoints
from comfyfix.why import Why

HUGGINGFACE = "https://huggingface.co"
"""What records and scripts call the Hub; it is asked at the configured endpoint."""
CIVITAI = "https://civitai.com"
"""The same for Civitai."""
PUBLIC = {"huggingface": HUGGINGFACE, "civitai": CIVITAI}
HUGGINGFACE_HOSTS = frozenset(
    {"huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co", "hf-mirror.com"}
)
CIVITAI_HOSTS = frozenset(
    {
        "civitai.com",
        "www.civitai.com",
        "api.civitai.com",
        "civitai.red",
        "www.civitai.red",
        "civitai.green",
        "www.civitai.green",
        "api.civitai.red",
        "api.civitai.green",
    }
)
DIRECT_HOSTS = frozenset(
    {
        "github.com",
        "raw.githubusercontent.com",
        "media.githubusercontent.com",
        "objects.githubusercontent.com",
        "release-assets.githubusercontent.com",
        "openmodeldb.info",
        "dl.fbaipublicfiles.com",
        "download.pytorch.org",
        "storage.googleapis.com",
        "heibox.uni-heidelberg.de",
    }
)
DIRECT_PLACES = (
    "https://objectstorage.us-phoenix-1.oraclecloud.com/n/ax6ygfvpvzka/b/open-modeldb-files/o/",
    "https://f002.backblazeb2.com/file/ESRGAN/",
)
"""OpenModelDB's own bucket, and an author's that it names: on hosts where anyone may have one."""
_HOST = re.compile(r"^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{1,62}$")
_NEAR = (".local", ".internal", ".localhost", ".lan", ".home.arpa")


@dataclass(frozen=True, slots=True)
class DirectFile:
    """A file on a listed host, fetched as it is."""

    url: str
    name: str


def read_url(
    url: str, endpoints: Endpoints, allow_hosts: tuple[str, ...] = ()
) -> HubFile | CivitaiFile | DirectFile:
    """Say what a URL from outside leads to. Raises HostRefused with the rule it breaks."""
    air = civitaifile.read_air(url)
    if air:
        return air
    parts, host = _split(url)
    if parts.scheme == "hf":
        return hub_address.file_of_scheme(url)
    on_hub = _path_on_hub(parts, host, endpoints)
    if on_hub is not None:
        return hub_address.file(url, on_hub)
    if host in CIVITAI_HOSTS or origin_of(url) == origin_of(endpoints.civitai):
        return _civitai_file(url, parts.path, parts.query)
    allowed = host in {name.lower() for name in allow_hosts}
    return _direct_file(url, parts, host, allowed=allowed)


def tokens_by_origin(endpoints: Endpoints, tokens: Mapping[str, str]) -> dict[str, str]:
    """Which origin may see which token; one that serves several services sees the first.

    Qwen's is not among them: it is sent by the questions to Qwen alone, and they send no other.
    """
    places = ((endpoints.huggingface, "huggingface"), (endpoints.civitai, "civitai"))
    found: dict[str, str] = {}
    for url, source in places:
        if url and tokens.get(source):
            found.setdefault(origin_of(url), tokens[source])
    return found


def read_folder(url: str, endpoints: Endpoints) -> HubFolder | None:
    """The folder of the Hub that a URL from outside leads to; of a file that in which it lies.

    None for what leads nowhere on the Hub. Raises HostRefused with the rule it breaks.
    """
    parts, host = _split(url)
    url, _, choice = url.partition("#")
    on_hub = _path_on_hub(parts, host, endpoints)
    if parts.scheme == "hf":
        found = hub_address.folder_of_scheme(url)
    elif on_hub is not None:
        found = hub_address.folder(url, on_hub)
    else:
        return None
    return replace(found, choice=unquote(choice)) if choice else found


def _split(url: str) -> tuple[SplitResult, str]:
    """The parts of an address from outside, and its host. Raises HostRefused."""
    if re.search(r"[\s\\\x00-\x1f\x7f]", url) or not url.isascii():
        raise refused(url, Why.ADDRESS_NOT_ASCII)
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise refused(url, Why.ADDRESS_UNREADABLE, error=error) from None
    if "@" in parts.netloc and parts.scheme != "hf":
        raise refused(url, Why.ADDRESS_NAMES_USER)
    return parts, host


def _path_on_hub(parts: SplitResult, host: str, endpoints: Endpoints) -> str | None:
    """The path that an address has on the Hub, its mirrors or its endpoint; None elsewhere."""
    endpoint = urlsplit(endpoints.huggingface)
    if (parts.scheme, parts.netloc) == (endpoint.scheme, endpoint.netloc):
        return parts.path.removeprefix(endpoint.path)
    return parts.path if host in HUGGINGFACE_HOSTS else None


def endpoint_of(url: str) -> str:
    """The configured endpoint that a record's URL is asked at: a source's name, or nothing."""
    return next((name for name, base in PUBLIC.items() if url.startswith(f"{base}/")), "")


def _in_listed_place(url: str, path: str) -> bool:
    return url.startswith(DIRECT_PLACES) and not pages.climbs(path)


def is_public_name(host: str) -> bool:
    """Tell whether a host is named as one of the internet is, and not as one near the user."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(_HOST.match(host)) and not host.endswith(_NEAR)
    return False


def _direct_file(url: str, parts: SplitResult, host: str, *, allowed: bool) -> DirectFile:
    if pages.is_between(host) and not allowed:
        between = because(Why.PAGE_IN_BETWEEN)
        raise HostRefused(Why.ADDRESS_IS_PAGE, address=url, cause=between)
    if parts.scheme != "https" or parts.port not in (None, 443):
        raise refused(url, Why.ADDRESS_NOT_HTTPS)
    if not is_public_name(host):
        raise refused(url, Why.HOST_NO_PUBLIC_NAME)
    if not (allowed or host in DIRECT_HOSTS or _in_listed_place(url, parts.path)):
        rule = because(Why.HOST_NOT_LISTED, host=host)
        raise HostRefused(Why.ADDRESS_NOT_LISTED, address=url, host=host, cause=rule)
    if host == "github.com":
        url = url.replace(parts.path, pages.github_raw(parts.path), 1)
    return DirectFile(url=url, name=unquote(parts.path.rpartition("/")[2]))


def _civitai_file(url: str, path: str, query: str) -> CivitaiFile:
    found = civitaifile.read(path, query)
    if isinstance(found, Reason):
        raise HostRefused(Why.ADDRESS_REFUSED, address=url, cause=found)
    return found
