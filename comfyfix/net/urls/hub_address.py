"""What an address of the Hugging Face Hub names: a file of a repository, or a folder.

On whatever mirror an address lies, `/owner/name/resolve/REVISION/path` names the same file; so does
`hf://owner/name@REVISION/path`, as the Hub's own file system writes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from comfyfix.disk.files import printable
from comfyfix.errors import HostRefused
from comfyfix.net.urls.rules import refused
from comfyfix.why import Why

_REPO_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
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


def hub_repo(repo: str) -> str:
    """Check a repository id from outside. Raises HostRefused."""
    parts = repo.removeprefix("datasets/").removeprefix("spaces/").split("/")
    if len(parts) > 2 or not all(_REPO_PART.fullmatch(p) and ".." not in p for p in parts):  # noqa: PLR2004 - owner/name
        raise refused(repo, Why.NO_REPOSITORY_ID)
    return repo


def hub_path(path: str) -> str:
    """Check a path inside a repository from outside. Raises HostRefused."""
    hidden = path != printable(path, len(path))
    if not path or hidden or any(part in ("", ".", "..") for part in path.split("/")):
        raise refused(path, Why.NO_PATH_INSIDE)
    return path


def is_hub_path(path: str) -> bool:
    """Tell whether `hub_path` takes a path."""
    try:
        hub_path(path)
    except HostRefused:
        return False
    return True


def file(url: str, path: str) -> HubFile:
    """The file that the path of an address leads to. Raises HostRefused."""
    parts = [unquote(p) for p in path.strip("/").split("/")]
    kind = _kind(parts)
    for width in (2, 1):  # owner/name, or a canonical repository without an owner
        if len(parts) > width + 2 and parts[width] in ("resolve", "blob", "raw"):
            repo = kind + "/".join(parts[:width])
            revision, rest = parts[width + 1], "/".join(parts[width + 2 :])
            if not revision or ".." in revision:
                break
            return HubFile(hub_repo(repo), revision, hub_path(rest))
    raise refused(url, Why.ADDRESS_NAMES_NO_FILE)


def file_of_scheme(url: str) -> HubFile:
    """The file that `hf://` leads to. Raises HostRefused."""
    if "?" in url or "#" in url:
        raise refused(url, Why.ADDRESS_NAMES_NO_FILE)
    kind, parts = _of_scheme(url.partition("://")[2])
    width = 1 if len(parts) == 2 or "@" in "".join(parts[:1]) else 2  # noqa: PLR2004 - name, path
    name, _, revision = "/".join(parts[:width]).partition("@")
    path = unquote("/".join(parts[width:]))
    revision = unquote(revision) or "main"
    if ".." in revision or not path:
        raise refused(url, Why.ADDRESS_NAMES_NO_FILE)
    return HubFile(hub_repo(kind + name), revision, hub_path(path))


def folder(url: str, path: str) -> HubFolder:
    """The folder that the path of an address leads to, or in which its file lies."""
    parts = [unquote(p) for p in path.strip("/").split("/") if p]
    kind = _kind(parts)
    for width in (2, 1):
        if len(parts) == width:
            return HubFolder(hub_repo(kind + "/".join(parts)))
        if len(parts) > width + 1 and parts[width] in ("tree", "resolve", "blob", "raw"):
            repo, revision = kind + "/".join(parts[:width]), parts[width + 1]
            if ".." in revision:
                break
            rest = "/".join(parts[width + 2 :])
            return _inside(repo, revision, rest, is_file=parts[width] != "tree")
    raise refused(url, Why.ADDRESS_NAMES_NO_FOLDER)


def folder_of_scheme(url: str) -> HubFolder:
    """The folder that `hf://` leads to: what ends like a file of a model is one."""
    kind, parts = _of_scheme(url.partition("?")[0].partition("://")[2].strip("/"))
    name, _, revision = "/".join(parts[:2]).partition("@")
    revision = unquote(revision) or "main"
    if ".." in revision:
        raise refused(url, Why.ADDRESS_NAMES_NO_FILE)
    return _inside(kind + name, revision, unquote("/".join(parts[2:])))


def _inside(repo: str, revision: str, path: str, *, is_file: bool = False) -> HubFolder:
    folder = path.rpartition("/")[0] if is_file else path
    return HubFolder(hub_repo(repo), revision, hub_path(folder) if folder else "")


def _of_scheme(path: str) -> tuple[str, list[str]]:
    """The kind of repository that `hf://` leads into, and the parts of the path behind it."""
    parts = path.split("/")
    kind = _kind(parts)
    if parts[:1] == ["models"]:
        parts.pop(0)
    return kind, parts


def _kind(parts: list[str]) -> str:
    """Take from a path which kind of repository it leads into: empty for one of models."""
    return f"{parts.pop(0)}/" if parts and parts[0] in _KINDS else ""
