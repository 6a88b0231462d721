"""Who has made something in a folder that others use too: a process, and whether it lives.

An owner is called `WHERE.PID`, and between the two stands when it began, as far as the system
tells: once it has ended, its number is given to others. `templates/script/identity.sh` makes the
same names, and `templates/script/lease.sh` reads them.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from pathlib import Path

from comfyfix.errors import ModelProblem

PATTERN = r"(?P<owner>[A-Za-z0-9]+\.[0-9]{1,10})"
"""An owner in the name of what it has made, of whatever machine."""
_PROC = Path("/proc")
_BEGAN = r"t[0-9]+|d[A-Z][A-Za-z0-9]*"
"""In ticks since the machine began, or as `ps` writes the date: of a kind each of a machine."""
_ASK_SECONDS = 5.0


@functools.cache
def where() -> str:
    """How scripts name this boot of this machine, or this container, in what they make."""
    boot, space = os.environ.get("HOSTNAME") or os.uname().nodename, ""
    with contextlib.suppress(OSError):
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii")
    with contextlib.suppress(OSError):
        space = str((_PROC / "self/ns/pid").readlink())
    return re.sub(r"[^A-Za-z0-9]", "", boot[:8] + re.sub(r"[^0-9]", "", space)) or "here"


def me() -> str:
    """This process as an owner."""
    return _named(os.getpid())


def is_here(owner: str) -> bool:
    """Tell whether an owner is, or was, a process of this boot of this machine."""
    return _of_here(owner) is not None


def is_dead(owner: str) -> bool:
    """Tell whether an owner of this machine has ended, also where another has its number now.

    Of another machine, or an earlier boot, nobody can tell: False.
    """
    found = _of_here(owner)
    if found is None:
        return False
    pid = int(found["pid"])
    if not _lives(pid):
        return True
    began, now = found["began"] or "", began_of(pid)
    # Told in another way, or not at all: then its number has to do.
    return began[:1] == now[:1] and began != now


def _of_here(owner: str) -> re.Match[str] | None:
    return re.fullmatch(rf"{where()}(?P<began>{_BEGAN})?\.(?P<pid>[0-9]{{1,10}})", owner)


@functools.lru_cache(maxsize=1)
def _named(pid: int) -> str:
    return f"{where()}{began_of(pid)}.{pid}"


def began_of(pid: int) -> str:
    """When a process of this machine began, as it stands in an owner; empty if nobody tells."""
    if (fields := _told(pid)) is not None:
        return f"t{fields[19]}" if len(fields) > 19 else ""  # noqa: PLR2004 - see proc_pid_stat(5)
    return "" if (_PROC / "self/stat").exists() else _date(pid)


def _date(pid: int) -> str:
    """When `ps` says that it began."""
    from comfyfix.process import Children  # few systems need it

    lines: list[str] = []
    env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC0"}
    argv = ["ps", "-o", "lstart=", "-p", str(pid)]
    with contextlib.suppress(ModelProblem, OSError):
        if Children().run(argv, env, lines.append, seconds=_ASK_SECONDS) == 0 and lines:
            began = "d" + re.sub(r"[^A-Za-z0-9]", "", lines[0])
            return began if re.fullmatch(_BEGAN, began) else ""
    return ""


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # another user's, or a number that can't be asked for
    # Who has ended and was not asked how is dead too: in containers nobody may ever ask.
    fields = _told(pid)
    return not fields or fields[0] not in ("Z", "X")


def _told(pid: int) -> list[str] | None:
    """What the kernel tells of a process, behind its name."""
    try:
        stat = (_PROC / f"{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return stat.rpartition(")")[2].split()
