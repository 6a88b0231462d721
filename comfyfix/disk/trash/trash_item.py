"""A file or directory that goes to the trash: chosen, looked at again, given its place back."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from comfyfix.disk.folders import stat_of
from comfyfix.disk.trash.trash_note import Item, is_place


def item_of(store: str, path: str, real: Callable[[str], str] = os.path.realpath) -> Item | None:
    """A file or directory as it is now; None where it can't go: a link, odd, or not in the store.

    `store` with every link followed; `real` follows those of a folder. Raises OSError.
    """
    folder, _, name = path.rpartition("/")
    place = f"{real(folder)}/{name}".removeprefix(f"{store}/")
    info = os.lstat(path)
    is_directory = stat.S_ISDIR(info.st_mode)
    if not (is_directory or stat.S_ISREG(info.st_mode)) or not is_place(place):
        return None
    return Item(
        place=place,
        is_directory=is_directory,
        size=0 if is_directory else info.st_size,
        mtime_ns=info.st_mtime_ns,
        device=info.st_dev,
        inode=info.st_ino,
    )


def is_as_chosen(info: os.stat_result | None, item: Item) -> bool:
    """Tell whether it is what was chosen, and has this one name alone."""
    if info is None or (info.st_dev, info.st_ino) != (item.device, item.inode):
        return False
    if item.is_directory:
        return stat.S_ISDIR(info.st_mode)
    same = (info.st_size, info.st_mtime_ns) == (item.size, item.mtime_ns)
    return stat.S_ISREG(info.st_mode) and same and info.st_nlink == 1


def give_back(inside: int, item: Item, info: os.stat_result, folder: int, name: str) -> None:
    """Give a file its place again, unless something is there. Raises OSError."""
    there = stat_of(folder, name)
    if there is not None:
        if (there.st_dev, there.st_ino) != (info.st_dev, info.st_ino):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), item.place)
        os.unlink(item.kept, dir_fd=inside)  # both names are there: it was killed between the two
    elif stat.S_ISDIR(info.st_mode):
        os.rename(item.kept, name, src_dir_fd=inside, dst_dir_fd=folder)
    else:
        try:
            # A link first: unlike a rename it never replaces what has come a moment ago.
            os.link(item.kept, name, src_dir_fd=inside, dst_dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if isinstance(error, FileExistsError) or stat_of(folder, name) is not None:
                raise
            os.rename(item.kept, name, src_dir_fd=inside, dst_dir_fd=folder)  # no hard links here
            return
        os.unlink(item.kept, dir_fd=inside)
