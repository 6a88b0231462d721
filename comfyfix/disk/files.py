"""Files on disk: written whole or not at all, looked at without following surprises."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from comfyfix.disk import looked, regular, temporary
from comfyfix.errors import NameRefused
from comfyfix.why import Why

HASH_BLOCK = 1 << 20
_WINDOWS_DEVICE = re.compile(
    r"(?i)^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\.|$)"
)
# Control characters, and whatever is invisible or turns the direction of text: it would hide a
# name's true end in a terminal. File names of some system can't have the signs.
_SIGNS = ':"<>|?*'
_HIDES = (
    r"\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ufeff\ufff9-\ufffb\ufffd\ud800-\udfff"
)
_FORBIDDEN = re.compile(f"[{_SIGNS}{_HIDES}]")
# What is invisible as well, and yet part of names in some scripts: it is shown as what it is, since
# two names that differ in nothing else would look the same.
_UNSEEN = re.compile(
    f"[{_HIDES}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
_ORDINARY = re.compile(r"\w+([.-]\w+)*", re.ASCII)
FOLDERS_MAX = 16  # of one name, the file among them
NAME_BYTES_MAX = 255  # of a file, on every usual filesystem
FETCHED_NAME_BYTES_MAX = 200
"""Bytes of the name of a file that is fetched: its part, notes and lock have longer ones."""


def write_atomic(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Write `data` so that a reader, now or after a crash, sees the old file or the new one.

    The temporary file is unique and lies in the same folder, because a rename is atomic only
    inside one filesystem. A folder in the file's place is put aside. Raises OSError that names
    the file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_beside(path, data, mode)
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def _write_beside(path: Path, data: bytes, mode: int) -> None:
    fresh = written_beside(path, data, lambda handle: os.fchmod(handle, mode & ~_umask()))
    try:
        try:
            fresh.replace(path)
        except IsADirectoryError:
            quarantine(path, "damaged")
            fresh.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise


def written_beside(path: Path, data: bytes, settle: Callable[[int], object]) -> Path:
    """A temporary file beside `path` that is on the disk, for whoever gives it a name.

    `settle` gives the open file its mode, and what else it has to have. Raises OSError.
    """
    handle, name = temporary.make(path)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            settle(out.fileno())
            out.flush()
            os.fsync(out.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    return Path(name)


def write_new(path: Path, data: bytes, *, mode: int) -> None:
    """Write a file where there is nothing. Raises OSError, FileExistsError among others."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as out:
        try:
            out.write(data)
            out.flush()
            with contextlib.suppress(OSError):  # a filesystem without modes
                os.fchmod(out.fileno(), mode)
            os.fsync(out.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink()
            raise


def write_if_changed(path: Path, data: bytes) -> None:
    """Write atomically unless the file holds exactly this already."""
    try:
        if regular.read(path) == data:
            return
    except OSError:
        pass  # absent or unreadable: writing tells the truth about it
    write_atomic(path, data)


def _read_umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


_UMASK = _read_umask()


def _umask() -> int:
    # Read once at import: os.umask can only be read by setting it, which races with threads.
    return _UMASK


def sha256_of(path: Path, passed: Callable[[int], object] = bool) -> str:
    """Hash a file in bounded memory; `passed` is told of each block's bytes. Raises OSError.

    Threads may hash side by side: reading and hashing hold no lock of the interpreter.
    """
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        buffer = bytearray(HASH_BLOCK)
        view = memoryview(buffer)
        while count := stream.readinto(buffer):
            digest.update(view[:count])
            passed(count)
    return digest.hexdigest()


def git_blob_of(path: Path) -> str:
    """Git's id of a file's content, which it has beside its name. Raises OSError."""
    with path.open("rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        while block := stream.read(HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def regular_stat(path: str | Path) -> os.stat_result | None:
    """Stat of a regular file (symlinks followed, as ComfyUI does), or None."""
    info = looked.at(path)
    if info is None:
        return None
    return info if stat.S_ISREG(info.st_mode) else None


def relative_name(value: str) -> str:
    """Turn a model name from a workflow into a safe relative path with forward slashes.

    Windows separators are legitimate (`SDXL\\foo.safetensors`). Raises NameRefused, with the
    rule that was broken, for whatever could leave the folder, name a device or a stream, hide
    in a terminal, or be unportable.
    """
    ordinary = _ORDINARY.fullmatch(value) and len(value) <= NAME_BYTES_MAX
    if not ordinary or _WINDOWS_DEVICE.match(value):
        _require_no_rule_broken(value)
    return value.replace("\\", "/")


def _require_no_rule_broken(value: str) -> None:
    parts = value.replace("\\", "/").split("/")
    rules = [
        (not value.strip(), Why.NAME_EMPTY),
        (bool(_FORBIDDEN.search(value)), Why.NAME_CHARACTER),
        (value.startswith(("/", "\\")), Why.NAME_ABSOLUTE),
        (any(part in ("", ".", "..") for part in parts), Why.NAME_DOTS),
        (any(part.startswith(("-", "~")) for part in parts), Why.NAME_START),
        (any(part != part.strip() or part.endswith(".") for part in parts), Why.NAME_EDGE),
        (any(_WINDOWS_DEVICE.match(part) for part in parts), Why.NAME_DEVICE),
        (any(part.startswith(".") for part in parts), Why.NAME_HIDDEN),
    ]
    broken = next((why for is_broken, why in rules if is_broken), None)
    if broken:
        raise NameRefused(broken, name=value)
    if len(parts) > FOLDERS_MAX:
        raise NameRefused(Why.NAME_DEEP, name=value, limit=FOLDERS_MAX)
    if any(len(part.encode("utf-8", "replace")) > NAME_BYTES_MAX for part in parts):
        raise NameRefused(Why.NAME_LONG, name=value, limit=NAME_BYTES_MAX)


def led_into(path: Path, *roots: Path) -> Path | None:
    """Return a path with every link on it followed, if that is one of `roots` or lies below one.

    The roots' own links are followed too, and a folder is the same under each of its names (as on
    a disk that makes no difference of upper and lower case). What is not there yet is taken as it
    is named. None: it leads out, or in a circle.
    """
    for place in (path, *roots):
        looked.at(place)
    real = Path(os.path.realpath(path))
    followed = [Path(os.path.realpath(root)) for root in roots]
    if any(map(_turns_in_a_circle, (real, *followed))):
        return None
    if any(real.is_relative_to(root) for root in followed):
        return real
    known = [info for root in followed if (info := _stat(root))]
    above = [info for folder in (real, *real.parents) if known and (info := _stat(folder))]
    same = any(os.path.samestat(one, other) for one in known for other in above)
    return real if same else None


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def _turns_in_a_circle(path: Path) -> bool:
    try:
        path.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def clean_text(text: str) -> str:
    """Make text that can be encoded: what is no character becomes its escape (`\\ud800`)."""
    return text.encode("utf-8", "backslashreplace").decode() if not text.isascii() else text


def printable(text: str, limit: int = 120) -> str:
    """Text from outside made safe for a terminal: escapes for control and bidi characters."""
    if len(text) <= limit and text.isprintable() and (text.isascii() or not _UNSEEN.search(text)):
        return text  # nearly every text, in a hundredth of the time
    shown = "".join(
        c if _seen(c) else c.encode("unicode_escape", "backslashreplace").decode("ascii")
        for c in text[: limit + 1]
    )
    return shown if len(text) <= limit else shown[:limit] + "…"


def _seen(letter: str) -> bool:
    """Tell whether a letter stands where it is and looks like itself."""
    return letter.isprintable() and not _UNSEEN.match(letter)


def human_size(size: int | None) -> str:
    """`1.4 GB` for people; decimal units, as download pages use."""
    if size is None:
        return "?"
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004 - the step between decimal units
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def quarantine(path: Path, ending: str) -> Path:
    """Move a file aside as `NAME.damaged` or the like, never over another. Raises OSError."""
    for count in range(1000):
        suffix = f".{ending}" if count == 0 else f".{ending}.{count}"
        aside = path.with_name(path.name + suffix)
        try:
            # A link first, then the removal: unlike a rename this never replaces a file that
            # another process has quarantined under the same name a moment ago.
            os.link(path, aside, follow_symlinks=False)
        except FileExistsError:
            continue
        except OSError:
            if os.path.lexists(aside):
                continue
            path.rename(aside)  # a filesystem without hard links
            return aside
        path.unlink()
        return aside
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(aside))
