"""Pickles as files: one alone, or the five of torch's format of before 2020.

torch wrote until version 1.5: a magic number, a version, facts on the system, the value, the keys
of the weights; each a pickle. Then the weights, each after the number of its items.
"""

from __future__ import annotations

from typing import Any, BinaryIO

from comfyfix.formats.finding import Refused, damaged, unsafe
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.pickle import joblib as joblib_arrays
from comfyfix.formats.pickle.kinds import Box, Storage
from comfyfix.formats.pickle.machine import Machine
from comfyfix.formats.pickle.source import Source

PICKLE_MAX = 256_000_000  # bytes of a pickle that are looked at; weights lie beside it
_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001


def check(stream: BinaryIO, size: int, *, joblib: bool = False) -> None:
    """Look at a file that is a pickle, or begins as one; `joblib`: its name says whose it is.

    Raises Refused.
    """
    stream.seek(0)
    marked = is_marked(stream.read(2))
    stream.seek(0)
    machine = Machine(Source(stream, size), doubted=not marked)
    refused: Refused | None = None
    first: Any = None
    try:
        first = machine.run()
    except Refused as found:
        refused = found
    if machine.wrapped:
        joblib_arrays.check(stream, size, refused, has_stopped=machine.has_stopped, by_name=joblib)
    elif refused is not None:
        raise machine.foreign if machine.foreign and refused.finding.kind == "unsafe" else refused
    elif first == _MAGIC and type(first) is int:
        _check_old_torch(machine.source)
    elif machine.source.has_more and machine.is_doubtful:
        raise damaged(Flaw.PICKLE_NONE)
    elif machine.source.has_more:
        raise unsafe(Flaw.PICKLE_BYTES_AFTER)


def check_one(stream: BinaryIO, size: int) -> dict[str, Storage]:
    """Look at one pickle of exactly `size` bytes; return the weights it names. Raises Refused."""
    machine = Machine(Source(stream, size))
    machine.run()
    if machine.source.has_more:
        raise unsafe(Flaw.PICKLE_BYTES_AFTER)
    return machine.storages


def is_marked(head: bytes) -> bool:
    """Tell whether a file begins as pickles of protocol 2 and above do."""
    return head[:1] == b"\x80" and head[1:2] <= b"\x05"


def _check_old_torch(source: Source) -> None:
    """Look at what follows the magic number."""
    version = _data(source)[0]
    if type(version) is not int or version != _VERSION:  # torch takes 1001.0 as well
        raise unsafe(Flaw.PICKLE_OLD_TORCH_VERSION)
    _data(source)  # facts on the system
    machine = Machine(source)
    machine.run()
    for key in _data(source)[1]:
        known = machine.storages.get(str(key))
        if known is None:
            raise damaged(Flaw.PICKLE_WEIGHTS_NOT_NAMED, weights=key)
        if source.number(8) != known.items:
            raise damaged(Flaw.PICKLE_WEIGHTS_SIZE, weights=key)
        source.skip(known.items * (known.item_bytes or 1))
    if source.left:
        raise damaged(Flaw.PICKLE_BYTES_AFTER_WEIGHTS, count=source.left)


def _data(source: Source) -> tuple[Any, list[Any]]:
    """Look at a pickle that holds data only; return its value, and the members of a list."""
    machine = Machine(source, keeps=True)
    value = machine.run()
    if machine.imports:
        raise unsafe(Flaw.PICKLE_OLD_TORCH_IMPORTS)
    listed = isinstance(value, Box) and value.form == "list"
    return value, [member for _, member in value.odd] if listed else []
