"""What a manifest may not say although each value has the type that it should."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from comfyfix import endings
from comfyfix.settings import cluster, listed, mirror, notify, yamlfile
from comfyfix.settings.amounts import rate_in_bytes, size_in_bytes
from comfyfix.settings.manifest import SOURCES, Cluster, Manifest
from comfyfix.why import Why

_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*|/[^\s\x00-\x1f\x7f]+")


def values(manifest: Manifest, lines: yamlfile.Lines, path: Path) -> None:
    """Refuse what no type tells: names, hashes, sizes, addresses. Raises SetupProblem."""
    for name in manifest.search.sources:
        if name not in SOURCES:
            where = "$.search.sources"
            raise yamlfile.problem(
                path, lines, where, Why.SOURCE_NAME_UNKNOWN, name=name, known=SOURCES
            )
    for name, override in manifest.models.items():
        if override.sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", override.sha256):
            raise yamlfile.problem(path, lines, f"$.models.{name}.sha256", Why.SHA256_UNFIT)
        needed = [("path", "repo"), ("file_id", "model_version_id")]
        if name.lower().endswith(tuple(endings.LISTED)):  # of a directory it may be all of it
            needed.append(("repo", "path"))
        for given, needs in needed:
            if getattr(override, given) and not getattr(override, needs):
                where = f"$.models.{name}.{given}"
                raise yamlfile.problem(path, lines, where, Why.FIELD_NEEDS, needs=needs)
    if manifest.qwen.command and not _PROGRAM.fullmatch(manifest.qwen.command):
        raise yamlfile.problem(path, lines, "$.qwen.command", Why.COMMAND_UNFIT)
    places = [(f"mirror[{n}]", mirror.flaw(entry)) for n, entry in enumerate(manifest.mirror)]
    places += [(f"notify[{n}]", notify.flaw(entry)) for n, entry in enumerate(manifest.notify)]
    places += listed.flaws(manifest)
    for key, unfit in places:
        if unfit:
            raise yamlfile.refused_at(path, lines, f"$.{key}", unfit)
    _cluster(manifest, lines, path)
    sizes = {
        "download.reserve": manifest.download.reserve,
        "policy.max_file": manifest.policy.max_file,
        "policy.max_total": manifest.policy.max_total,
        "tiers.size": manifest.tiers.size,
    }
    for key, size in sizes.items():
        _size(0 if size is None else size, f"$.{key}", lines, path)
    _tiers(manifest, lines, path)
    _limit(manifest.download.limit, lines, path)


def _tiers(manifest: Manifest, lines: yamlfile.Lines, path: Path) -> None:
    if manifest.tiers.size is not None and manifest.tiers.size_bytes == 0:
        raise yamlfile.problem(path, lines, "$.tiers.size", Why.TIER_SIZE_NONE)
    if "\0" in (manifest.tiers.fast or ""):
        raise yamlfile.problem(path, lines, "$.tiers.fast", Why.NAME_CHARACTER)


def _limit(
    limit: int | str | dict[str, int | str] | None, lines: yamlfile.Lines, path: Path
) -> None:
    where = "$.download.limit"
    told = limit.items() if isinstance(limit, dict) else () if limit is None else [("", limit)]
    for host, rate in told:
        if host and not listed.HOST.fullmatch(host):
            raise yamlfile.problem(path, lines, f"{where}.{host}", Why.LIMIT_HOST_UNFIT, host=host)
        place = f"{where}.{host}" if host else where
        try:
            rate_in_bytes(rate)
        except ValueError:
            raise yamlfile.problem(path, lines, place, Why.RATE_UNFIT, rate=str(rate)) from None
        except OverflowError:
            raise yamlfile.problem(path, lines, place, Why.RATE_LOW, rate=str(rate)) from None


def _cluster(manifest: Manifest, lines: yamlfile.Lines, path: Path) -> None:
    told = manifest.cluster
    address = told.address if isinstance(told, Cluster) else told
    where = "$.cluster.address" if isinstance(told, Cluster) else "$.cluster"
    if address is not None and (unfit := cluster.flaw(address)):
        raise yamlfile.refused_at(path, lines, where, unfit)
    if isinstance(told, Cluster) and told.workers and told.store != "each":
        raise yamlfile.problem(path, lines, "$.cluster.workers", Why.CLUSTER_EACH_ONLY)


def _size(size: int | str, where: str, lines: yamlfile.Lines, path: Path) -> None:
    try:
        size_in_bytes(size)
    except ValueError:
        raise yamlfile.problem(path, lines, where, Why.SIZE_UNFIT, size=str(size)) from None
    except OverflowError:
        raise yamlfile.problem(path, lines, where, Why.SIZE_LARGE, size=str(size)) from None


def endpoints(manifest: Manifest, lines: yamlfile.Lines, path: Path) -> None:
    """Refuse services that have no address to ask. Raises SetupProblem."""
    places = (("qwen.base_url", manifest.qwen.base_url), ("comfyui_url", manifest.comfyui_url))
    given = [(where, url) for where, url in places if url]
    given += [(f"endpoints.{k}", v) for k, v in msgspec.structs.asdict(manifest.endpoints).items()]
    for where, url in given:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
            usable = usable and "@" not in parts.netloc and (parts.port or 1) > 0
        except ValueError:
            usable = False
        if not usable or not re.fullmatch(r"[\x21-\x7e]+", url):
            raise yamlfile.problem(path, lines, f"$.{where}", Why.ADDRESS_UNFIT, address=url)
