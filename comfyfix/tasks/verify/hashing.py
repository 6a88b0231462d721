"""What is known of the content of a store's files, and the hashing of what is not."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from comfyfix.disk.files import HASH_BLOCK, regular_stat
from comfyfix.records import Receipt
from comfyfix.screen.commands import checking
from comfyfix.screen.text import warn
from comfyfix.state import receipts
from comfyfix.state.hashes import HashLog
from comfyfix.stopping import Stopped
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.verify.side_by_side import hashed_together


def known(run: Run, paths: Iterable[str]) -> dict[str, str]:
    """The sha256 of those files of which it is known: by a receipt that holds, or once hashed."""
    project = run.project
    log = HashLog(project.layout.hashes, project.trust.identity)
    ours: Mapping[str, Receipt] = {r.path: r for r in receipts.load(project.layout).values()}
    found = {}
    for path in paths:
        info = regular_stat(path)
        if info is None:
            continue
        receipt = ours.get(path)
        holds = receipt is not None and project.trust.holds(receipt, path, info)
        digest = receipt.sha256 if receipt and holds else log.find(path, info)
        if digest:
            found[path] = digest
    return found


def all_of(run: Run, paths: Iterable[str], jobs: int = 0) -> dict[str, str]:
    """The sha256 of files, hashed where it is not known. Raises Stopped; what is done is kept.

    One that can't be read, or that changes meanwhile, has none.
    """
    every = list(paths)
    found = known(run, every)
    sizes = {path: _size(path) for path in every if path not in found}
    if not sizes:
        return found
    warn(checking.hashing(len(sizes), sum(sizes.values())))
    try:
        fresh = hashed_together(run, [(Path(path), size) for path, size in sizes.items()], jobs)
    except Stopped:
        done = known(run, sizes)
        told = len(done), len(sizes), sum(sizes[path] for path in done), sum(sizes.values())
        for line in checking.stopped(*told):
            warn(line)
        raise
    return found | {str(path): digest for path, digest in fresh.items()}


def _size(path: str) -> int:
    info = regular_stat(path)
    return info.st_size if info else 0


def of_open(passed: Callable[[int], object]) -> Callable[[int], str | None]:
    """Make what hashes an open file; `passed` is told of bytes. It raises OSError.

    None where the file changes meanwhile.
    """

    def digest(handle: int) -> str | None:
        told, size = hashlib.sha256(), os.fstat(handle).st_size
        view = memoryview(bytearray(HASH_BLOCK))
        at = 0
        while at < size and (count := os.preadv(handle, [view[: size - at]], at)):
            told.update(view[:count])
            at += count
            passed(count)
        same = at == size == os.fstat(handle).st_size
        return told.hexdigest() if same else None

    return digest
