"""Shorthands of the makers of legitimate files."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from tests.proof.readers.legit import Legit


def saved(name: str, family: str, value: Any, protocol: int = 2, *, old: bool = False) -> Legit:
    """Return a file that torch.save writes; `old` is its format of before 2020."""

    def make(path: Path) -> None:
        torch.save(
            value() if callable(value) and not isinstance(value, torch.nn.Module) else value,
            path,
            pickle_protocol=protocol,
            _use_new_zipfile_serialization=not old,
        )

    return name, family, "torch.load", make


def pickled(name: str, family: str, value: Any, protocol: int = 4) -> Legit:
    """Return a file that Python's pickle writes."""
    return written(name, family, "pickle.load", pickle.dumps(value, protocol))


def written(name: str, family: str, reader: str, data: bytes) -> Legit:
    """Return a file of these bytes."""

    def make(path: Path) -> None:
        path.write_bytes(data)

    return name, family, reader, make
