"""The store as a source: a file that is there already, under another folder or name-case.

Nothing is fetched then, it is linked. Only equal content counts: the hash that is wanted
(`find`), the one that a provider has just confirmed (`same_content`), or, when no provider
knows the name at all, the same name in another case (`same_name`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from comfyfix.disk.files import regular_stat
from comfyfix.records import Candidate, Reason, Rejected, because
from comfyfix.sources.base import Finding, Services, Wanted, rejected
from comfyfix.state.hashing import FileChanged
from comfyfix.why import Why

NAME = "store"
DECISIVE = True


def find(wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Yield the file of this name whose hash is the wanted one."""
    paths = _of_name(wanted, services)
    for path in paths:
        if not wanted.likely:
            yield rejected(NAME, str(path), Why.HASH_UNKNOWN)
        elif isinstance(digest := _sha256_of(path, services), Reason):
            yield Rejected(source=NAME, where=str(path), reason=digest)
        elif digest in wanted.likely:
            yield _candidate(path, digest, Why.HASH_WANTED)
        else:
            yield rejected(NAME, str(path), Why.HASH_NOT_WANTED)
    services.log_search(wanted, NAME, wanted.model.name, {"files": len(paths)})


def same_content(wanted: Wanted, size: int, sha256: str, services: Services) -> Candidate | None:
    """The file of the store that holds exactly these bytes, whatever its name."""
    for path in map(Path, services.index.of_size(size)):
        if _usable(path, wanted) and _sha256_of(path, services) == sha256:
            services.log_search(wanted, NAME, sha256, {"found": str(path)})
            return _candidate(path, sha256, Why.SAME_AS_SOURCE)
    return None


def same_name(wanted: Wanted, services: Services) -> Candidate | None:
    """The file of the same folder whose name differs in case only, if there is one content.

    In another folder a file of the name may be anything: `model.safetensors` of a text encoder
    is no VAE. So there only equal content counts.
    """
    own = services.folders.directories(wanted.model.folder or "")
    paths = [
        path
        for path in _of_name(wanted, services)
        if any(str(path).casefold() == f"{root}/{wanted.model.path}".casefold() for root in own)
    ]
    contents = [_sha256_of(path, services) for path in paths]
    digests = {digest for digest in contents if isinstance(digest, str)}
    if len(digests) != 1 or any(isinstance(content, Reason) for content in contents):
        return None  # of one that can't be read, nobody knows whether it is the same
    return _candidate(paths[0], digests.pop(), Why.ONLY_CONTENT)


def _sha256_of(path: Path, services: Services) -> str | Reason:
    """The sha256 of a file; of one that is changed now, or can't be read, why there is none.

    It may be linked or written by another download: the search goes on without it.
    """
    try:
        return services.hash_of(path)
    except FileChanged:
        return because(Why.FILE_CHANGES)
    except OSError as error:
        return because(Why.FILE_UNREADABLE, cause=error.strerror)


def _candidate(path: Path, sha256: str, evidence: Why) -> Candidate:
    return Candidate(
        source=NAME,
        where=str(path),
        name=path.name,
        local=str(path),
        size=path.stat().st_size,
        sha256=sha256,
        renamed=True,
        evidence=(because(evidence),),
    )


def _of_name(wanted: Wanted, services: Services) -> list[Path]:
    paths = map(Path, services.index.named(wanted.model.name))
    return [path for path in paths if _usable(path, wanted)]


def _usable(path: Path, wanted: Wanted) -> bool:
    """Tell whether a file may serve: it is there, holds something, and is not the wanted one."""
    info = regular_stat(path)
    return info is not None and info.st_size > 0 and str(path) != wanted.destination
