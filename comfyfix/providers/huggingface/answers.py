"""What the Hub answers, as records: repositories, their files, and lists of repositories.

Shapes: the model info (`/revision/` with blobs and securityStatus), which tells all of a
repository; `paths-info` for a few files of one; the entries of lists.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec

from comfyfix.disk.files import printable
from comfyfix.errors import HostRefused
from comfyfix.file_names import loose
from comfyfix.loose_json import day, dicts, is_size, items, mapping, sha256
from comfyfix.net.urls.hub_address import hub_repo

ABSENT = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
"""How the Hub answers for what is not there, or is private: it tells no one which."""
KEPT_BACK = (*ABSENT, HTTPStatus.GONE, HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS)
_GIT_ID = re.compile(r"(?!0{40})[0-9a-f]{40}")


class HubItem(msgspec.Struct, frozen=True, kw_only=True):
    """One file as the Hub describes it: size in bytes; `scan` is the word of its own scanners.

    `blob` is git's id of the content, for a file that git itself keeps; of one in LFS that is only
    the id of a pointer.
    """

    size: int | None = None
    sha256: str | None = None
    scan: str = ""
    blob: str = ""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the Hub says of a repository as a whole; `downloads` are those of the last month.

    `changed` is the day of its last change, else that on which it was made; empty where unknown.
    A private one is told to those whose token may see it.
    """

    gated: bool = False
    private: bool = False
    downloads: int = 0
    licence: str = ""
    base_model: str = ""
    changed: str = ""


class About(Facts, frozen=True, kw_only=True):
    """One repository at one commit, with its files by path; `id` is what it is called today."""

    commit: str
    id: str = ""
    files: dict[str, HubItem]


class Listing(Facts, frozen=True, kw_only=True):
    """One repository as the Hub lists it.

    `files` maps a file name made loose to the paths that bear it; `created` is an ISO date,
    empty where unknown.
    """

    repo: str
    revision: str
    files: dict[str, tuple[str, ...]]
    created: str = ""

    @property
    def owner(self) -> str:
        """Who has published it."""
        return self.repo.partition("/")[0]

    def bearing(self, name: str) -> list[str]:
        """The paths whose last part is exactly this name."""
        paths = self.files.get(loose(name), ())
        return [path for path in paths if path.rpartition("/")[2] == name]


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one question; `whole` is false when there are more repositories than told."""

    listings: tuple[Listing, ...]
    whole: bool = True


def about(value: dict[str, Any], commit: str) -> About:
    """Read a repository's description."""
    issues = dicts(mapping(value.get("securityRepoStatus")).get("filesWithIssues"))
    scans = {str(issue.get("path")): printable(str(issue.get("level")), 40) for issue in issues}
    files = {}
    for sibling in dicts(value.get("siblings")):
        path = str(sibling.get("rfilename"))
        files[path] = _item(sibling, scans.get(path, ""))
    name = printable(str(value.get("id") or ""), 200)
    return About(commit=commit, id=name, files=files, **_facts(value))


def described(entries: list[Any]) -> dict[str, HubItem]:
    """Read the descriptions of some files, by path."""
    files = {}
    for item in dicts(entries):
        if item.get("type") != "directory":
            scan = str(mapping(item.get("securityFileStatus")).get("status") or "")
            files[str(item.get("path"))] = _item(item, printable(scan, 40))
    return files


def listing(item: dict[str, Any]) -> Listing | None:
    """Read one entry of a list; None for what names no repository."""
    try:
        repo = hub_repo(str(item.get("id")))
    except HostRefused:
        return None
    files: dict[str, tuple[str, ...]] = {}
    for sibling in dicts(item.get("siblings")):
        path = str(sibling.get("rfilename"))
        key = loose(path.rpartition("/")[2])
        files[key] = (*files.get(key, ()), path)
    return Listing(
        repo=repo,
        revision=str(item.get("sha") or "main"),
        files=files,
        created=printable(str(item.get("createdAt") or ""), 40),
        **_facts(item),
    )


def names(values: Iterable[Any]) -> list[str]:
    """The repository names among some values, each once: what is none can't be asked for."""
    repos: dict[str, None] = {}
    for value in values:
        with contextlib.suppress(HostRefused):
            repos[hub_repo(str(value))] = None
    return list(repos)


def _item(told: dict[str, Any], scan: str) -> HubItem:
    """One file; what lies in LFS has its size and sha256 (`oid`, `sha256`) in its pointer."""
    pointer = mapping(told.get("lfs"))
    size, blob = pointer.get("size", told.get("size")), str(told.get("blobId"))
    return HubItem(
        size=size if is_size(size) else None,
        sha256=sha256(pointer.get("oid") or pointer.get("sha256")) or None,
        scan=scan,
        blob=blob if _GIT_ID.fullmatch(blob) and not told.get("lfs") else "",
    )


def _facts(value: dict[str, Any]) -> dict[str, Any]:
    downloads = value.get("downloads")
    return {
        "gated": bool(value.get("gated")),
        "private": bool(value.get("private")),
        "downloads": downloads if isinstance(downloads, int) else 0,
        "licence": _tagged(value.get("tags"), "license:"),
        "base_model": _tagged(value.get("tags"), "base_model:"),
        "changed": day(value.get("lastModified")) or day(value.get("createdAt")),
    }


def _tagged(tags: Any, kind: str) -> str:
    """What a repository's tags say of one kind (`license:`, `base_model:`); empty if nothing."""
    named = (str(tag).removeprefix(kind) for tag in items(tags) if str(tag).startswith(kind))
    # `base_model:quantized:NAME` tells the relation first.
    return printable(next(named, "").rpartition(":")[2], 80)
