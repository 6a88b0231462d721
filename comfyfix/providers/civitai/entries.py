"""Civitai's answers as records: one for each file of each version of each model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from comfyfix.disk.files import printable
from comfyfix.loose_json import day, dicts, items, mapping, sha256
from comfyfix.net.urls.civitai_address import WISHES
from comfyfix.records import Reason, because
from comfyfix.why import Why

ARCHIVED = "Archived"
"""The mode of a model whose files are given to no one; any other mode leaves them."""
_ID = re.compile(r"[0-9]{1,12}")
_PICTURE = re.compile(r"https://[a-z0-9.-]+/[!-~]{1,400}")
_SCANS = ("pickleScan", "virusScan")
_Json = Mapping[str, Any]


class CivitaiEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One file of one version of one model; `size` in bytes, `exact` when it was not rounded.

    `name` is the one that a download gets; several files of a version may share it, and `primary`
    is the one that is meant then. `traits` are what its metadata tells, by the names that an
    address asks by; `own_query` is that of the address which Civitai itself gives for it (`?` where
    none is told). `scan` is what its scanners say if they did not pass the file. `public`: the
    version is published for everyone; `usage` is what its creator gives it for, empty if that is
    not told. `file_id` is 0 for a version whose files are not listed any more (archived).
    `downloads` are those of the version, `published` its day, `picture` the address of its first
    one; each is empty where it is not told. `others_unread`: of the version's other files one at
    least could not be read, and it may be the one meant.
    """

    model_id: int
    version_id: int
    file_id: int
    model: str
    version: str
    kind: str
    mode: str
    name: str
    file_type: str
    primary: bool = False
    own_query: str = "?"
    traits: tuple[tuple[str, str], ...] = ()
    size: int | None = None
    exact: bool = False
    sha256: str | None = None
    scan: Reason | None = None
    public: bool = False
    usage: str = ""
    publisher: str = ""
    base_model: str = ""
    licence: str = ""
    downloads: int = 0
    published: str = ""
    picture: str = ""
    others_unread: bool = False

    @property
    def where(self) -> str:
        """The file in words: model and version."""
        return printable(f"{self.model} ({self.version})")


def matching(versions: Any, digests: Sequence[str]) -> dict[str, CivitaiEntry]:
    """The files of some versions that have one of these sha256; of several the first."""
    entries = [entry for version in dicts(versions) for entry in of_version(version)]
    asked = set(digests)
    return {e.sha256: e for e in reversed(entries) if e.sha256 and e.sha256 in asked}


def of_model(model: dict[str, Any]) -> Iterator[CivitaiEntry]:
    """The files of one model of a list; versions that claim another model are left out."""
    for version in dicts(model.get("modelVersions")):
        if version.get("modelId") is None or number(version["modelId"]) == number(model.get("id")):
            yield from _entries(model, version, model.get("id"))


def of_version(version: dict[str, Any]) -> list[CivitaiEntry]:
    """The files of one version."""
    return _entries(mapping(version.get("model")), version, version.get("modelId"))


def _entries(model: _Json, version: _Json, model_id: Any) -> list[CivitaiEntry]:
    version_id, model_id = number(version.get("id")), number(model_id)
    if not (version_id and model_id):
        return []
    listed = items(version.get("files"))
    if not listed and model.get("mode") == ARCHIVED:
        no_longer_listed = {"id": 0, "name": ".safetensors", "type": "Model"}
        return [_entry(model, version, (model_id, version_id), no_longer_listed)]
    files = [file for file in dicts(listed) if number(file.get("id")) and _is_named(file)]
    entries = [_entry(model, version, (model_id, version_id), file) for file in files]
    if len(entries) == len(listed):
        return entries
    return [msgspec.structs.replace(entry, others_unread=True) for entry in entries]


def _is_named(file: _Json) -> bool:
    return isinstance(file.get("name"), str) and bool(file["name"])


def number(value: Any) -> int | None:
    """An id, told as a number or as a text of digits."""
    if isinstance(value, str) and _ID.fullmatch(value):
        return int(value)
    return value if type(value) is int and value >= 0 else None


def _entry(model: _Json, version: _Json, ids: tuple[int, int], file: _Json) -> CivitaiEntry:
    size, exact = _size(file.get("sizeKB"))
    address = file.get("downloadUrl")
    return CivitaiEntry(
        model_id=ids[0],
        version_id=ids[1],
        file_id=int(file["id"]),
        model=str(model.get("name") or ""),
        version=str(version.get("name") or ""),
        kind=str(model.get("type") or ""),
        mode=str(model.get("mode") or ""),
        name=str(file.get("name") or ""),
        file_type=str(file.get("type") or ""),
        primary=file.get("primary") is True,
        own_query=address.partition("?")[2] if isinstance(address, str) and address else "?",
        public="Public" in (version.get("availability"), _published(version)),
        usage=str(version.get("usageControl") or ""),
        traits=_traits(mapping(file.get("metadata"))),
        size=size,
        exact=exact,
        sha256=sha256(mapping(file.get("hashes")).get("SHA256")) or None,
        scan=_scan(file),
        publisher=printable(str(mapping(model.get("creator")).get("username") or ""), 80),
        base_model=printable(str(version.get("baseModel") or ""), 80),
        licence=_licence(model),
        downloads=number(mapping(version.get("stats")).get("downloadCount")) or 0,
        published=day(version.get("publishedAt")) or day(version.get("createdAt")),
        picture=_picture(version),
    )


def _picture(version: _Json) -> str:
    """The address of the first picture of a version, if it is one that a browser may open."""
    urls = (str(image.get("url") or "") for image in dicts(version.get("images")))
    return next((url for url in urls if _PICTURE.fullmatch(url)), "")


def _traits(metadata: _Json) -> tuple[tuple[str, str], ...]:
    traits = ((name, metadata.get(name)) for name in WISHES)
    return tuple((name, value) for name, value in traits if isinstance(value, str) and value)


def _published(version: _Json) -> str:
    """Answers for one version tell its status; one that is for some only tells that, too."""
    for_all = version.get("availability") is None and version.get("earlyAccessEndsAt") is None
    return "Public" if for_all and version.get("status") == "Published" else ""


def _scan(file: _Json) -> Reason | None:
    results = {scan: file.get(f"{scan}Result") for scan in _SCANS}
    for scan, result in results.items():
        if result not in ("Success", "Pending"):
            message = printable(str(file.get(f"{scan}Message") or ""), 120)
            told = f"{result!r} ({scan}Result{': ' + message if message else ''})"
            return because(Why.CIVITAI_SCAN, told=told)
    return because(Why.CIVITAI_UNSCANNED) if "Pending" in results.values() else None


def _licence(model: _Json) -> str:
    """What Civitai tells of permissions, in its own words; it has no licence field."""
    allowed = model.get("allowCommercialUse")
    uses = [allowed] if isinstance(allowed, str) else items(allowed)
    listed = ", ".join(str(use) for use in uses if use)
    return printable(f"commercial use: {listed}", 80) if listed else ""


def _size(kibibytes: Any) -> tuple[int | None, bool]:
    """Bytes from `sizeKB`, a float of KiB that is sometimes rounded; and whether it is exact."""
    if isinstance(kibibytes, str) and re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,15})?", kibibytes):
        kibibytes = float(kibibytes)
    if type(kibibytes) not in (int, float) or not 0 < kibibytes < 1 << 40:
        return None, False
    size = kibibytes * 1024
    # A float that came from a number of bytes gives that number back; a rounded one does not.
    return round(size), abs(size - round(size)) < 1e-6 and not float(kibibytes).is_integer()  # noqa: PLR2004
