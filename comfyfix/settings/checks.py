"""What a manifest may not say although each value has the type that it should."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import msgspec

from comfyfix import endings
from comfyfix.records import Reason, because
from comfyfix.settings import cluster, mirror, notify
from comfyfix.settings.amounts import rate_in_bytes, size_in_bytes
from comfyfix.settings.manifest import SOURCES, Cluster, Download, Manifest, Tiers
from comfyfix.settings.overrides import Override
from comfyfix.settings.yamlfile import Document
from comfyfix.why import Why

Flaw = tuple[str, Reason]
"""The key of a value, such as `policy.hosts[1]`, and what is wrong with it."""
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*|/[^\s\x00-\x1f\x7f]+")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_WORDS = ("licences", "publishers", "formats")


def values(manifest: Manifest, document: Document) -> None:
    """Refuse what no type tells: names, hashes, sizes, addresses. Raises SetupProblem."""
    for key, flaw in _flaws(manifest):
        raise document.refused(f"$.{key}", flaw)


def _flaws(manifest: Manifest) -> Iterator[Flaw]:
    for name in manifest.search.sources:
        if name not in SOURCES:
            yield "search.sources", because(Why.SOURCE_NAME_UNKNOWN, name=name, known=SOURCES)
    yield from _of_models(manifest.models)
    if manifest.qwen.command and not _PROGRAM.fullmatch(manifest.qwen.command):
        yield "qwen.command", because(Why.COMMAND_UNFIT)
    addresses = {"mirror": (manifest.mirror, mirror.flaw), "notify": (manifest.notify, notify.flaw)}
    for key, (entries, flaw_of) in addresses.items():
        for number, entry in enumerate(entries):
            if flaw := flaw_of(entry):
                yield f"{key}[{number}]", flaw
    yield from _of_lists(manifest)
    yield from _of_cluster(manifest.cluster)
    sizes = {
        "download.reserve": manifest.download.reserve,
        "policy.max_file": manifest.policy.max_file,
        "policy.max_total": manifest.policy.max_total,
        "tiers.size": manifest.tiers.size,
    }
    for key, size in sizes.items():
        yield from _of_size(key, 0 if size is None else size)
    yield from _of_tiers(manifest.tiers)
    yield from _of_limit(manifest.download)


def _of_models(models: Mapping[str, Override]) -> Iterator[Flaw]:
    for name, override in models.items():
        if override.sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", override.sha256):
            yield f"models.{name}.sha256", because(Why.SHA256_UNFIT)
        required = [("path", "repo"), ("file_id", "model_version_id")]
        if name.lower().endswith(tuple(endings.LISTED)):  # of a directory it may be all of it
            required.append(("repo", "path"))
        for given, needs in required:
            if getattr(override, given) and not getattr(override, needs):
                yield f"models.{name}.{given}", because(Why.FIELD_NEEDS, needs=needs)


def _of_lists(manifest: Manifest) -> Iterator[Flaw]:
    """Words in lists: one that can never fit is a mistake, and is told.

    An empty word comes of a variable that is empty: no licence at all must not be what it allows.
    """
    for rule in _WORDS:
        for number, word in enumerate(getattr(manifest.policy, rule)):
            if not word.strip():
                yield f"policy.{rule}[{number}]", because(Why.WORD_EMPTY)
    lists = {
        "policy.hosts": manifest.policy.hosts,
        "download.allow_hosts": manifest.download.allow_hosts,
    }
    for key, hosts in lists.items():
        for number, host in enumerate(hosts):
            if not _HOST.fullmatch(host):
                yield f"{key}[{number}]", because(Why.HOST_UNFIT, host=host)
    limit = manifest.download.limit
    seen: set[str] = set()
    for host in limit if isinstance(limit, dict) else ():
        if host.lower() in seen:
            yield f"download.limit.{host}", because(Why.KEY_TWICE, name=host.lower())
        seen.add(host.lower())


def _of_cluster(setting: str | Cluster | None) -> Iterator[Flaw]:
    address = setting.address if isinstance(setting, Cluster) else setting
    if address is not None and (flaw := cluster.flaw(address)):
        yield "cluster.address" if isinstance(setting, Cluster) else "cluster", flaw
    if isinstance(setting, Cluster) and setting.workers and setting.store != "each":
        yield "cluster.workers", because(Why.CLUSTER_EACH_ONLY)


def _of_size(key: str, size: int | str) -> Iterator[Flaw]:
    try:
        size_in_bytes(size)
    except ValueError:
        yield key, because(Why.SIZE_UNFIT, size=str(size))
    except OverflowError:
        yield key, because(Why.SIZE_LARGE, size=str(size))


def _of_tiers(tiers: Tiers) -> Iterator[Flaw]:
    if tiers.size is not None and tiers.size_bytes == 0:
        yield "tiers.size", because(Why.TIER_SIZE_NONE)
    if "\0" in (tiers.fast or ""):
        yield "tiers.fast", because(Why.NAME_CHARACTER)


def _of_limit(download: Download) -> Iterator[Flaw]:
    limit = {"": download.limit} if isinstance(download.limit, int | str) else download.limit
    for host, rate in (limit or {}).items():
        key = f"download.limit.{host}" if host else "download.limit"
        if host and not _HOST.fullmatch(host):
            yield key, because(Why.LIMIT_HOST_UNFIT, host=host)
        try:
            rate_in_bytes(rate)
        except ValueError:
            yield key, because(Why.RATE_UNFIT, rate=str(rate))
        except OverflowError:
            yield key, because(Why.RATE_LOW, rate=str(rate))


def endpoints(manifest: Manifest, document: Document) -> None:
    """Refuse services that have no address to ask. Raises SetupProblem."""
    given = {"qwen.base_url": manifest.qwen.base_url, "comfyui_url": manifest.comfyui_url}
    services = msgspec.structs.asdict(manifest.endpoints)
    addresses = {key: url for key, url in given.items() if url}
    for key, url in (addresses | {f"endpoints.{k}": url for k, url in services.items()}).items():
        if not _can_be_asked(url):
            raise document.refused(f"$.{key}", because(Why.ADDRESS_UNFIT, address=url))


def _can_be_asked(url: str) -> bool:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        usable = usable and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return False
    return usable and bool(re.fullmatch(r"[\x21-\x7e]+", url))
