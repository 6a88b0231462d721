"""Links that were made so that ComfyUI finds a file under the name that a workflow has for it.

Each is noted down before it is made, so that none is left that nobody knows. What is taken back is
only what is still the very link that was made.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from comfyfix.disk import json_file
from comfyfix.state.layout import Layout

State = Literal["ours", "broken", "gone", "changed"]
"""As it was made; so, but what it leads to is away; no more there; replaced by something else."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One link, and the folders that were made for it, the innermost last.

    `device` and `inode` are those of the link itself, 0 until it is there.
    """

    link: str
    target: str
    folders: tuple[str, ...] = ()
    device: int = 0
    inode: int = 0
    at: str = ""


class _Links(msgspec.Struct, frozen=True, kw_only=True):
    version: Literal[1] = 1
    links: tuple[Link, ...] = ()


def load(layout: Layout) -> tuple[Link, ...]:
    """Every link that was made. Raises OSError, SetupProblem."""
    return (json_file.read(layout.links, _Links) or _Links()).links


def make(layout: Layout, path: Path, target: str) -> Link:
    """Make a link, never over anything. Raises OSError, SetupProblem."""
    missing = [folder for folder in (path.parent, *path.parents) if not folder.exists()]
    folders = tuple(map(str, dict.fromkeys(reversed(missing))))
    link = Link(link=str(path), target=target, folders=folders, at=json_file.now())
    _change(layout, lambda links: (*links, link))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    except OSError:
        _remove_folders(link)
        _change(layout, lambda links: tuple(one for one in links if one != link))
        raise
    info = path.lstat()
    made = msgspec.structs.replace(link, device=info.st_dev, inode=info.st_ino)
    _change(layout, lambda links: tuple(made if one == link else one for one in links))
    return made


def state(link: Link) -> State:
    """Tell whether a link is as it was made."""
    try:
        target, info = os.readlink(link.link), os.lstat(link.link)
    except (FileNotFoundError, NotADirectoryError):
        return "gone"
    except OSError:  # no link at all
        return "changed"
    same = not link.inode or (info.st_dev, info.st_ino) == (link.device, link.inode)
    if target != link.target or not same:
        return "changed"
    return "ours" if os.path.exists(link.link) else "broken"


def undo(layout: Layout, link: Link) -> State:
    """Take a link back if it is still ours, and forget it; returns what it was.

    Raises OSError, SetupProblem.
    """
    was = state(link)
    if was in ("ours", "broken"):
        os.unlink(link.link)
        _remove_folders(link)
    _change(layout, lambda links: tuple(one for one in links if one.link != link.link))
    return was


def _remove_folders(link: Link) -> None:
    for folder in reversed(link.folders):
        with contextlib.suppress(OSError):  # not empty any more, or never made
            os.rmdir(folder)


def _change(layout: Layout, update: Callable[[tuple[Link, ...]], tuple[Link, ...]]) -> None:
    json_file.change(
        layout.links,
        layout.links_lock,
        _Links,
        _Links,
        lambda known: msgspec.structs.replace(known, links=update(known.links)),
    )
