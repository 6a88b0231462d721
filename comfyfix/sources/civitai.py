"""Civitai as a source: by hash where one is known, else by the words of the name.

Civitai's search knows model names, not file names; the files of what it finds are compared with
the wanted name. Downloads are asked for by file id, and every answer's ids are compared with
what was asked: both have been seen to differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from comfyfix.comfyui.shapes import dicts, mapping
from comfyfix.errors import (
    RETRY,
    ArchivedAtSource,
    EarlyAccess,
    ModelProblem,
    RegionBlocked,
    SourceDown,
    TokenNeeded,
)
from comfyfix.files import printable
from comfyfix.hosts import CIVITAI, CivitaiFile
from comfyfix.records import Candidate, Rejected
from comfyfix.sources.base import Blocked, Finding, Services, Wanted
from comfyfix.sources.words import GENERIC, queries

NAME = "civitai"
TITLE = "on Civitai"
DECISIVE = False
MODELS = 20  # per page
PAGES_MAX = 3  # an empty page with a cursor is not the end
QUERIES_MAX = 2
TYPES = {
    "checkpoints": ("Checkpoint",),
    "diffusion_models": ("Checkpoint",),
    "loras": ("LORA", "LoCon", "DoRA"),
    "embeddings": ("TextualInversion",),
    "vae": ("VAE", "Checkpoint"),
    "controlnet": ("Controlnet",),
    "upscale_models": ("Upscaler",),
    "hypernetworks": ("Hypernetwork",),
    "animatediff_models": ("MotionModule",),
    "text_encoders": ("TextEncoder", "Checkpoint"),
    "clip_vision": ("CLIPVision",),
    "ultralytics": ("Detection",),
}


def find(wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Yield the files that have the wanted hash, or else those that bear the wanted name."""
    for digest in sorted(wanted.likely):
        version = _get(f"/api/v1/model-versions/by-hash/{digest}", {}, services)
        services.log_search(wanted, NAME, digest, "a version" if version else "no version")
        for file in _files(version or {}):
            if _sha256(file) == digest:
                yield _confirmed(version or {}, file, NAME, services, "its sha256 is known there")
                return
    if wanted.model.name.rpartition(".")[0].lower() in GENERIC:
        return
    for query in queries(wanted.model.name)[:QUERIES_MAX]:
        found = False
        for version, file in _search(query, wanted, services):
            if file.get("name") == wanted.model.name:
                found = True
                yield _confirmed(version, file, NAME, services, f"found with the words {query}")
        if found:
            return


def confirm(target: CivitaiFile, name: str, source: str, services: Services) -> Finding:
    """Ask Civitai about the file that a URL names. Raises SourceDown."""
    where = f"model version {target.version}"
    version = _get(f"/api/v1/model-versions/{target.version}", {}, services)
    if version is None:
        return Rejected(source=source, where=where, reason="Civitai has no such model version")
    if version.get("id") != target.version:
        return Rejected(source=source, where=where, reason="Civitai answered with another version")
    files = _files(version)
    if target.file:
        chosen = [file for file in files if file.get("id") == target.file]
    else:
        models = [file for file in files if file.get("type") == "Model"]
        named = [file for file in files if file.get("name") == name]
        primary = [file for file in models if file.get("primary")]
        chosen = named or (primary if len(primary) == 1 else models)
    if len(chosen) != 1:
        reason = f"Civitai lists {len(chosen)} such files of it; name one by ?fileId="
        return Rejected(source=source, where=where, reason=reason)
    return _confirmed(version, chosen[0], source, services, f"URL in {source}: {where}")


def _get(path: str, params: dict[str, Any], services: Services) -> dict[str, Any] | None:
    """One API call; None for what does not exist. Raises SourceDown, RegionBlocked."""
    answer = services.web.get(services.manifest.endpoints.civitai + path, params)
    if answer.status in (400, 404):
        return None
    if answer.status == 451:  # noqa: PLR2004 - HTTP
        raise _region()
    value = answer.json()
    if answer.status != 200 or not isinstance(value, dict):  # noqa: PLR2004 - HTTP
        raise SourceDown(
            "Civitai gave no usable answer", cause=f"status {answer.status}", next_step=RETRY
        )
    return value


def _region() -> RegionBlocked:
    return RegionBlocked(
        "Civitai does not serve your region",
        next_step="give another address under models: in manifest.yaml",
    )


def _search(
    query: str, wanted: Wanted, services: Services
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield (version, file) of all models that a search finds."""
    types = TYPES.get(wanted.model.folder or "", ())
    params: dict[str, Any] = {"query": query, "limit": MODELS, "nsfw": "true"}
    if types:
        params["types"] = list(types)

    def ask() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        for _ in range(PAGES_MAX):
            page = _get("/api/v1/models", params, services) or {}
            items += dicts(page.get("items"))
            cursor = mapping(page.get("metadata")).get("nextCursor")
            if items or not cursor:
                break
            params["cursor"] = cursor
        return items

    items = services.once(("civitai search", query.lower(), types), ask)
    names = ", ".join(str(item.get("name")) for item in items)
    services.log_search(wanted, NAME, query, f"{len(items)} models: {names}")
    for item in items:
        for version in dicts(item.get("modelVersions")):
            model = {key: item.get(key) for key in ("id", "name", "type", "mode")}
            for file in _files(version):
                yield {**version, "model": model, "modelId": item.get("id")}, file


def _files(version: dict[str, Any]) -> list[dict[str, Any]]:
    return dicts(version.get("files"))


def _sha256(file: dict[str, Any]) -> str | None:
    hashes = file.get("hashes")
    digest = hashes.get("SHA256") if isinstance(hashes, dict) else None
    if isinstance(digest, str) and re.fullmatch(r"[0-9A-Fa-f]{64}", digest):
        return digest.lower()
    return None


def _confirmed(
    version: dict[str, Any], file: dict[str, Any], source: str, services: Services, evidence: str
) -> Finding:
    """Turn a file into a candidate, unless Civitai itself says that it can't or must not be had."""
    model = mapping(version.get("model"))
    where = printable(f"{model.get('name')} ({version.get('name')})")
    for scan in ("pickleScanResult", "virusScanResult"):
        if file.get(scan) != "Success":
            reason = f"Civitai's own scan says {file.get(scan)!r} ({scan})"
            return Rejected(source=source, where=where, reason=reason)
    if model.get("mode") in ("Archived", "TakenDown"):
        return Rejected(source=source, where=where, reason="it is archived or was taken down")
    version_id, file_id = version.get("id"), file.get("id")
    if not (isinstance(version_id, int) and isinstance(file_id, int)):
        return Rejected(source=source, where=where, reason="Civitai tells no ids")
    size, exact = _size(file.get("sizeKB"))
    path = f"/api/download/models/{version_id}?fileId={file_id}"
    found = Candidate(
        source=source,
        where=where,
        name=str(file.get("name")),
        url=CIVITAI + path,
        size=size,
        size_exact=exact,
        sha256=_sha256(file),
        evidence=(evidence,),
    )
    problem = _access(path, where, version_id, services)
    return Blocked(found, problem) if problem else found


def _size(kibibytes: Any) -> tuple[int | None, bool]:
    """Bytes from `sizeKB`, a float of KiB that is sometimes rounded; and whether it is exact."""
    if not isinstance(kibibytes, int | float) or not 0 < kibibytes < 1 << 40:
        return None, False
    size = kibibytes * 1024
    # A float that came from a number of bytes gives that number back; a rounded one does not.
    return round(size), abs(size - round(size)) < 1e-6 and not float(kibibytes).is_integer()  # noqa: PLR2004


def _access(path: str, where: str, version_id: int, services: Services) -> ModelProblem | None:
    """Ask, before any download, whether we would be let in."""
    answer = services.web.head(services.manifest.endpoints.civitai + path)
    page = f"{CIVITAI}/model-versions/{version_id}"
    if answer.status == 401:  # noqa: PLR2004 - HTTP
        return TokenNeeded(
            f"{where} on Civitai needs a token",
            cause="its creator asks you to sign in, or has switched downloads off",
            next_step=f"set CIVITAI_TOKEN; if that does not help, look at {page}",
        )
    if answer.status == 403:  # noqa: PLR2004 - HTTP
        return EarlyAccess(
            f"{where} on Civitai is not open to everyone yet",
            cause="early access, or no permission",
            next_step=f"see {page}, and run doit again when it is open",
        )
    if answer.status == 410:  # noqa: PLR2004 - HTTP
        return ArchivedAtSource(
            f"{where} on Civitai is archived",
            next_step="give another address under models: in manifest.yaml",
        )
    if answer.status == 451:  # noqa: PLR2004 - HTTP
        return _region()
    return None
