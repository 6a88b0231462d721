"""What is known of the content of a store's files, and the hashing of what is not."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from comfyfix.disk.files import HASH_BLOCK, regular_stat
from comfyfix.records import Receipt
from comfyfix.screen.commands import checking
from comfyfix.screen.run.progress import drawn
from comfyfix.screen.text import warn
from comfyfix.state import receipts
from comfyfix.state.hashes import HashLog
from comfyfix.state.hashing import Hasher, cores
from comfyfix.stopping import Stopped
from comfyfix.tasks.run.running import Run


def log_of(run: Run) -> HashLog:
    """What the project of a run has hashed before."""
    return HashLog(run.project.layout.hashes, run.project.trust.identity)


def remembered(run: Run, paths: Iterable[str]) -> dict[str, str]:
    """The sha256 of those files of which it is known: by a receipt that holds, or once hashed."""
    trust, log = run.project.trust, log_of(run)
    by_path: Mapping[str, Receipt] = {
        receipt.path: receipt for receipt in receipts.load(run.project.layout).values()
    }
    hashes = {}
    for path in paths:
        info = regular_stat(path)
        if info is None:
            continue
        receipt = by_path.get(path)
        holds = receipt is not None and trust.holds(receipt, path, info)
        digest = receipt.sha256 if receipt and holds else log.find(path, info)
        if digest:
            hashes[path] = digest
    return hashes


def all_of(run: Run, paths: Iterable[str], jobs: int = 0) -> dict[str, str]:
    """The sha256 of files, hashed where it is not known. Raises Stopped; what is done is kept.

    One that can't be read, or that changes meanwhile, has none.
    """
    every = list(paths)
    hashes = remembered(run, every)
    infos = {path: regular_stat(path) for path in every if path not in hashes}
    sizes = {path: info.st_size if info else 0 for path, info in infos.items()}
    if not sizes:
        return hashes
    warn(checking.hashing(len(sizes), sum(sizes.values())))
    try:
        fresh = hashed_together(run, {Path(path): size for path, size in sizes.items()}, jobs)
    except Stopped:
        done = remembered(run, sizes)
        bytes_done = sum(sizes[path] for path in done)
        for line in checking.stopped(len(done), len(sizes), bytes_done, sum(sizes.values())):
            warn(line)
        raise
    return hashes | {str(path): digest for path, digest in fresh.items()}


def hashed_together(run: Run, sizes: Mapping[Path, int], jobs: int = 0) -> dict[Path, str]:
    """Hash files of these sizes side by side, and tell how far it is.

    One that can't be read is left out. `jobs`: how many at a time; 0: one for each processor.
    """
    hasher = Hasher(log_of(run))
    hashes: dict[Path, str] = {}
    done = 0

    def progress() -> tuple[int, int]:
        return done + hasher.under_way(), len(hashes)

    pool = ThreadPoolExecutor(jobs or cores(), thread_name_prefix="hash")
    try:
        with drawn(sum(sizes.values()), len(sizes), progress):
            # The biggest first: at the end no thread is left alone with a big one.
            ordered = sorted(sizes, key=lambda path: -sizes[path])
            futures = {pool.submit(hasher, path): path for path in ordered}
            for future in as_completed(futures):
                with contextlib.suppress(OSError):
                    hashes[futures[future]] = future.result()
                done += sizes[futures[future]]
    finally:
        hasher.halt()
        pool.shutdown(cancel_futures=True)
        hasher.log.close()
    return hashes


def open_file_hasher(passed: Callable[[int], object]) -> Callable[[int], str | None]:
    """Make what hashes an open file; `passed` is told of bytes. It raises OSError.

    None where the file changes meanwhile.
    """

    def digest(handle: int) -> str | None:
        sha256, size = hashlib.sha256(), os.fstat(handle).st_size
        view = memoryview(bytearray(HASH_BLOCK))
        at = 0
        while count := os.preadv(handle, [view[: size - at]], at):
            sha256.update(view[:count])
            at += count
            passed(count)
        same = at == size == os.fstat(handle).st_size
        return sha256.hexdigest() if same else None

    return digest
