"""Files near by, as other programs leave them: the Hub's cache, and folders of models."""

from __future__ import annotations

import hashlib
from pathlib import Path

from comfyfix.demo.hub import sha256

COMMIT = "c" * 40


def cache_of(home: Path) -> Path:
    """Where huggingface_hub keeps its cache below a home folder."""
    return home / ".cache" / "huggingface" / "hub"


def put_in_cache(
    cache: Path, repo: str, path: str, data: bytes, *, etag: str = "", large: bool = True
) -> Path:
    """Put a file into a cache as `hf download` does; return the file that holds the bytes.

    `large`: its etag is its sha256, as of all that lies in large file storage.
    """
    small = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    folder = cache / f"models--{repo.replace('/', '--')}"
    blob = folder / "blobs" / (etag or (sha256(data) if large else small))
    link = folder / "snapshots" / COMMIT / path
    for place in (blob, link, folder / "refs" / "main"):
        place.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(data)
    link.symlink_to(Path(*[".."] * (2 + path.count("/")), "blobs", blob.name))
    (folder / "refs" / "main").write_text(COMMIT)
    return blob


def state_of(folder: Path) -> dict[str, tuple[int, ...]]:
    """All that shows a change of a tree: of each entry its inode, size, times and links."""
    found = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        times = (info.st_mtime_ns, info.st_ctime_ns)
        read = () if path.is_dir() or path.is_symlink() else (info.st_atime_ns,)
        found[str(path)] = (info.st_ino, info.st_size, info.st_nlink, *times, *read)
    return found
