r"""Paths as Windows writes them, and where they lead here: nowhere, but under WSL.

WSL mounts `E:` below the root that `/etc/wsl.conf` names (`[automount]`, `/mnt/` without one), and
`\\wsl.localhost\DISTRO\x` is its own `/x`; `wslpath` reads both so.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping
from pathlib import Path

from comfyfix.disk import looked, regular

_CONFIG = Path("/etc/wsl.conf")
_KERNEL = Path("/proc/sys/kernel/osrelease")
_EXTENDED = re.compile(r"^\\\\\?\\(UNC(?=\\))?")
_OWN = re.compile(r"(?i)^[\\/]{2}wsl(?:\.localhost|\$)[\\/]+[^\\/]+(?=[\\/]|$)")
_DRIVE = re.compile(r"^([A-Za-z]):")
_WINDOWS = re.compile(rf"^\\\\|^%\w+%|{_DRIVE.pattern}|{_OWN.pattern[4:]}", re.IGNORECASE)


def is_windows(path: str) -> bool:
    """Tell a path that starts as only those of Windows do: a drive, a share, a `%VARIABLE%`."""
    return bool(_WINDOWS.match(path))


def here(path: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return where a path of Windows leads on this system, or None where it leads nowhere."""
    if not in_wsl(environ):
        return None
    plain = _EXTENDED.sub(lambda match: "\\" if match.group(1) else "", path)
    own = _OWN.match(plain)
    if own:
        return os.path.normpath(f"/{slashes(plain[own.end() :])}".replace("//", "/"))
    drive = _DRIVE.match(plain)
    if drive is None:
        return None
    below = slashes(plain[drive.end() :]).lstrip("/")
    return os.path.normpath(f"{_automount()}/{drive.group(1).lower()}/{below}")


def drive_away(path: str) -> str | None:
    """Return the drive's folder that a path of `here` lies in, if that drive is not mounted."""
    root = _automount()
    below = path.removeprefix(f"{root}/")
    drive = f"{root}/{below.partition('/')[0]}"
    is_drive = below != path and len(below.partition("/")[0]) == 1
    return drive if is_drive and not looked.is_dir(drive) else None


def slashes(path: str) -> str:
    """Return a path with the separators of this system."""
    return path.replace("\\", "/")


def in_wsl(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether this Linux is the one inside Windows."""
    if environ.get("WSL_DISTRO_NAME") or environ.get("WSL_INTEROP"):
        return True
    try:
        return "microsoft" in regular.text(_KERNEL).lower()
    except (OSError, UnicodeDecodeError):
        return False


def _automount() -> str:
    """The folder of the drives, without a slash at its end."""
    config = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        config.read_string(regular.text(_CONFIG))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return "/mnt"
    root = config.get("automount", "root", fallback="/mnt").strip().strip("\"'")
    return root.rstrip("/") if root.startswith("/") else "/mnt"
