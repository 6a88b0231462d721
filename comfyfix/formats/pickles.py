"""Pickles as files: one alone, or the five of torch's format of before 2020, and a second opinion.

torch wrote until version 1.5: a magic number, a version, facts on the system, the value, the keys
of the weights; each a pickle. Then the weights, each after the number of its items.
"""

from __future__ import annotations

import io
import logging
from typing import Any, BinaryIO

from comfyfix.files import printable
from comfyfix.formats.finding import damaged, unsafe
from comfyfix.formats.pickle_allowed import allowed
from comfyfix.formats.pickle_values import Storage
from comfyfix.formats.pickle_walk import Walk
from comfyfix.formats.window import Window

PICKLE_MAX = 256_000_000  # bytes of a pickle that are looked at; weights lie beside it
_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001


def check(stream: BinaryIO, size: int) -> None:
    """Look at a file that is a pickle, or begins as one. Raises Refused."""
    stream.seek(0)
    window = Window(stream, size)
    first = _one(window)
    if first[0] == _MAGIC:
        _check_old_torch(window)
    elif window.left:
        raise unsafe(f"{window.left} bytes follow its pickle, where nothing should be")


def check_one(stream: BinaryIO, size: int, start: int = 0) -> dict[str, Storage]:
    """Look at one pickle of exactly `size` bytes; return the weights it names. Raises Refused."""
    window = Window(stream, size, start)
    _, storages = _one(window)
    if window.left:
        raise unsafe(f"{window.left} bytes follow its pickle, where nothing should be")
    return storages


def _one(window: Window) -> tuple[Any, dict[str, Storage]]:
    begin = window.at
    walk = Walk(window)
    value = walk.run()
    length = window.at - begin
    if length > PICKLE_MAX:
        raise unsafe(f"its pickle has {length} bytes, too many to look at")
    window.stream.seek(-length, 1)
    _second_opinion(window.stream.read(length))
    return value, walk.storages


def _check_old_torch(window: Window) -> None:
    if _one(window)[0] != _VERSION:
        raise damaged("it is of a version of torch's old format that is not known")
    _one(window)  # facts on the system
    _, storages = _one(window)
    keys, _ = _one(window)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise damaged("it does not name its weights")
    for key in keys:
        known = storages.get(key)
        if known is None:
            raise damaged(f"it holds weights that its pickle does not name ({printable(key, 40)})")
        if window.number(8) != known.items:
            raise damaged(
                f"the weights {printable(key, 40)} have another size than its pickle says"
            )
        window.skip(known.items * (known.item_bytes or 1), "the weights")
    if window.left:
        raise damaged(f"{window.left} bytes follow its last weights")


def _second_opinion(data: bytes) -> None:
    """Ask picklescan which names a pickle imports; its own judgement is not enough, its list is.

    It knows ways to hide that we may have overlooked. Raises Refused.
    """
    from picklescan.scanner import scan_pickle_bytes  # noqa: PLC0415 - slow, and only for pickles

    logging.getLogger("picklescan").setLevel(logging.CRITICAL + 1)  # it would print to the screen
    try:
        result = scan_pickle_bytes(io.BytesIO(data), "", multiple_pickles=True, strict=True)
    except Exception as error:  # noqa: BLE001 - whatever it can't read is not known to be safe
        raise unsafe(f"picklescan can't read its pickle ({printable(str(error), 60)})") from None
    if result.scan_err:
        raise unsafe("picklescan can't read its pickle to the end")
    for found in result.globals:
        if allowed(found.module, found.name)[1] is None:
            raise unsafe(f"picklescan finds {printable(f'{found.module}.{found.name}', 80)} in it")
