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
from urllib.parse import SplitResult, quote, unquote, urlsplit

from comfyfix.disk.files import printable
from comfyfix.errors import HostRefused
from comfyfix.net import civitai_address as civitaifile
from comfyfix.net import pages
from comfyfix.net.civitai_address import CivitaiFile
from comfyfix.net.origin import origin_of
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
_REPO_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_HOST = re.compile(r"^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{1,62}$")
_NEAR = (".local", ".internal", ".localhost", ".lan", ".home.arpa")
_KINDS = ("datasets", "spaces")


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a Hugging Face repository; `repo` has a `datasets/` or `spaces/` prefix if any."""

    repo: str
    revision: str
    path: str

    @property
    def name(self) -> str:
        """The file name alone."""
        return self.path.rpartition("/")[2]

    @property
    def publisher(self) -> str:
        """Whose repository it is."""
        return self.repo.removeprefix("datasets/").removeprefix("spaces/").partition("/")[0]

    def resolve_path(self, revision: str = "") -> str:
        """`/owner/repo/resolve/REVISION/path`, quoted, for any endpoint."""
        pinned = quote(revision or self.revision, safe="")
        return f"/{self.repo}/resolve/{pinned}/{quote(self.path)}"


@dataclass(frozen=True, slots=True)
class HubFolder:
    """A repository, or a folder of it; `path` is empty for all of it.

    `choice` names one of several models that lie there, as the fragment of an address does.
    """

    repo: str
    revision: str = "main"
    path: str = ""
    choice: str = ""

    @property
    def name(self) -> str:
        """What it is called there."""
        return (self.path or self.repo).rpartition("/")[2]

    @property
    def where(self) -> str:
        """The place as people write it."""
        return f"{self.repo}/{self.path}" if self.path else self.repo

    @property
    def publisher(self) -> str:
        """Whose repository it is."""
        return HubFile(self.repo, self.revision, self.path).publisher

    def tree_path(self, revision: str = "") -> str:
        """`/owner/repo/tree/REVISION/path`, quoted: a page for people."""
        pinned = quote(revision or self.revision, safe="")
        return f"/{self.repo}/tree/{pinned}" + (f"/{quote(self.path)}" if self.path else "")


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
    if re.search(r"[\s\\\x00-\x1f\x7f]", url) or not url.isascii():
        raise _refused(url, Why.ADDRESS_NOT_ASCII)
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise _refused(url, Why.ADDRESS_UNREADABLE, error=error) from None
    if parts.scheme == "hf":
        return _of_scheme(url)
    if "@" in parts.netloc:
        raise _refused(url, Why.ADDRESS_NAMES_USER)
    origin = origin_of(url)
    if origin == origin_of(endpoints.huggingface):
        return _hub_file(url, parts.path.removeprefix(urlsplit(endpoints.huggingface).path))
    if host in HUGGINGFACE_HOSTS:
        return _hub_file(url, parts.path)
    if host in CIVITAI_HOSTS or origin == origin_of(endpoints.civitai):
        return _civitai_file(url, parts.path, parts.query)
    allowed = host in {name.lower() for name in allow_hosts}
    return _direct_file(url, parts, host, port, allowed=allowed)


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
    if re.search(r"[\s\\\x00-\x1f\x7f]", url) or not url.isascii():
        raise _refused(url, Why.ADDRESS_NOT_ASCII)
    url, _, choice = url.partition("#")
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError as error:
        raise _refused(url, Why.ADDRESS_UNREADABLE, error=error) from None
    if "@" in parts.netloc and parts.scheme != "hf":
        raise _refused(url, Why.ADDRESS_NAMES_USER)
    found = None
    if parts.scheme == "hf":
        found = _folder_of_scheme(url)
    elif origin_of(url) == origin_of(endpoints.huggingface):
        found = _hub_folder(url, parts.path.removeprefix(urlsplit(endpoints.huggingface).path))
    elif host in HUGGINGFACE_HOSTS:
        found = _hub_folder(url, parts.path)
    return replace(found, choice=unquote(choice)) if found and choice else found


def endpoint_of(url: str) -> str:
    """The configured endpoint that a record's URL is asked at: a source's name, or nothing."""
    return next((name for name, base in PUBLIC.items() if url.startswith(f"{base}/")), "")


def hub_repo(repo: str) -> str:
    """Check a repository id from outside. Raises HostRefused."""
    parts = repo.removeprefix("datasets/").removeprefix("spaces/").split("/")
    if len(parts) > 2 or not all(_REPO_PART.fullmatch(p) and ".." not in p for p in parts):  # noqa: PLR2004 - owner/name
        raise _refused(repo, Why.NO_REPOSITORY_ID)
    return repo


def hub_path(path: str) -> str:
    """Check a path inside a repository from outside. Raises HostRefused."""
    hidden = path != printable(path, len(path))
    if not path or hidden or any(part in ("", ".", "..") for part in path.split("/")):
        raise _refused(path, Why.NO_PATH_INSIDE)
    return path


def is_hub_path(path: str) -> bool:
    """Tell whether `hub_path` takes a path."""
    try:
        hub_path(path)
    except HostRefused:
        return False
    return True


def broken_rule(refusal: HostRefused) -> Reason:
    """The rule that a refused address breaks, without the address."""
    rule = refusal.reason.told.get("cause")
    return rule if isinstance(rule, Reason) else refusal.reason


def _refused(address: str, rule: Why, **told: object) -> HostRefused:
    return HostRefused(Why.ADDRESS_REFUSED, address=address, cause=because(rule, **told))


def _in_listed_place(url: str, path: str) -> bool:
    return url.startswith(DIRECT_PLACES) and not pages.climbs(path)


def is_public_name(host: str) -> bool:
    """Tell whether a host is named as one of the internet is, and not as one near the user."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(_HOST.match(host)) and not host.endswith(_NEAR)
    return False


def _of_scheme(url: str) -> HubFile:
    """`hf://owner/name@revision/path`, as the Hub's own file system writes it."""
    if "?" in url or "#" in url:
        raise _refused(url, Why.ADDRESS_NAMES_NO_FILE)
    parts = url.partition("://")[2].split("/")
    kind = f"{parts.pop(0)}/" if parts[0] in _KINDS else ""
    if parts[0] == "models":
        parts.pop(0)
    width = 1 if "@" in parts[0] or len(parts) == 2 else 2  # noqa: PLR2004 - name, path
    name, _, revision = "/".join(parts[:width]).partition("@")
    path = unquote("/".join(parts[width:]))
    revision = unquote(revision) or "main"
    if ".." in revision or not path:
        raise _refused(url, Why.ADDRESS_NAMES_NO_FILE)
    return HubFile(hub_repo(kind + name), revision, hub_path(path))


def _folder_of_scheme(url: str) -> HubFolder:
    """`hf://owner/name@revision/path`: what ends like a file of a model is one."""
    parts = url.partition("?")[0].partition("://")[2].strip("/").split("/")
    kind = f"{parts.pop(0)}/" if parts[0] in _KINDS else ""
    if parts[0] == "models":
        parts.pop(0)
    name, _, revision = "/".join(parts[:2]).partition("@")
    revision = unquote(revision) or "main"
    if ".." in revision:
        raise _refused(url, Why.ADDRESS_NAMES_NO_FILE)
    return _inside(kind + name, revision, unquote("/".join(parts[2:])))


def _hub_folder(url: str, path: str) -> HubFolder:
    parts = [unquote(p) for p in path.strip("/").split("/") if p]
    kind = f"{parts.pop(0)}/" if parts and parts[0] in _KINDS else ""
    for width in (2, 1):
        if len(parts) == width:
            return HubFolder(hub_repo(kind + "/".join(parts)))
        if len(parts) > width + 1 and parts[width] in ("tree", "resolve", "blob", "raw"):
            repo, revision = kind + "/".join(parts[:width]), parts[width + 1]
            if ".." in revision:
                break
            rest = "/".join(parts[width + 2 :])
            return _inside(repo, revision, rest, is_file=parts[width] != "tree")
    raise _refused(url, Why.ADDRESS_NAMES_NO_FOLDER)


def _inside(repo: str, revision: str, path: str, *, is_file: bool = False) -> HubFolder:
    folder = path.rpartition("/")[0] if is_file else path
    return HubFolder(hub_repo(repo), revision, hub_path(folder) if folder else "")


def _hub_file(url: str, path: str) -> HubFile:
    parts = [unquote(p) for p in path.strip("/").split("/")]
    kind = f"{parts.pop(0)}/" if parts and parts[0] in _KINDS else ""
    for width in (2, 1):  # owner/name, or a canonical repository without an owner
        if len(parts) > width + 2 and parts[width] in ("resolve", "blob", "raw"):
            repo = kind + "/".join(parts[:width])
            revision, rest = parts[width + 1], "/".join(parts[width + 2 :])
            if not revision or ".." in revision:
                break
            return HubFile(hub_repo(repo), revision, hub_path(rest))
    raise _refused(url, Why.ADDRESS_NAMES_NO_FILE)


def _direct_file(
    url: str, parts: SplitResult, host: str, port: int | None, *, allowed: bool
) -> DirectFile:
    if pages.is_between(host) and not allowed:
        between = because(Why.PAGE_IN_BETWEEN)
        raise HostRefused(Why.ADDRESS_IS_PAGE, address=url, cause=between)
    if parts.scheme != "https" or port not in (None, 443):
        raise _refused(url, Why.ADDRESS_NOT_HTTPS)
    if not is_public_name(host):
        raise _refused(url, Why.HOST_NO_PUBLIC_NAME)
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
