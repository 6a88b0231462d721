"""Civitai's answers as records: one for each file of each version of each model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from comfyfix.disk.files import printable
from comfyfix.loose_json import dicts, items, mapping
from comfyfix.net.civitai_address import WISHES
from comfyfix.providers.civitai.names import derived

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


def matching(versions: Any, digests: Sequence[str]) -> dict[str, CivitaiEntry]:
    """The files of some versions that have one of these sha256; of several the first."""
    entries = [entry for told in dicts(versions) for entry in of_version(told)]
    asked = set(digests)
    return {e.sha256: e for e in reversed(entries) if e.sha256 and e.sha256 in asked}


def of_model(item: dict[str, Any]) -> Iterator[CivitaiEntry]:
    """The files of one model of a list; versions that claim another model are left out."""
    for value in dicts(item.get("modelVersions")):
        if value.get("modelId") in (None, item.get("id")):
            yield from _entries(item, value, item.get("id"))


def of_version(value: dict[str, Any]) -> list[CivitaiEntry]:
    """The files of one version."""
    return _entries(mapping(value.get("model")), value, value.get("modelId"))


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
    if type(kibibytes) not in (int, float) or not 0 < kibibytes < 1 << 40:
        return None, False
    size = kibibytes * 1024
    # A float that came from a number of bytes gives that number back; a rounded one does not.
    return round(size), abs(size - round(size)) < 1e-6 and not float(kibibytes).is_integer()  # noqa: PLR2004
