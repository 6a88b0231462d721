"""pins.yaml: what `doit pin` has settled; a `models:` of the same shape as the manifest's.

It lies beside manifest.yaml, is written by the program and may be edited or deleted by the user.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from comfyfix.disk import json_file
from comfyfix.disk.files import write_atomic

NAME = "pins.yaml"
_HEAD = "# Written by `doit pin`; what manifest.yaml says of a model counts before this.\n"


def add(path: Path, lock: Path, key: str, entry: dict[str, str]) -> None:
    """Add or replace one entry. Raises SetupProblem for a broken file, and OSError."""
    _change(path, lock, lambda models: models.update({key: entry}))


def take_back(path: Path, lock: Path, name: str) -> list[str]:
    """Remove the entries of a model, by their key or its file name; the keys that are gone.

    Raises SetupProblem for a broken file, and OSError.
    """
    gone: list[str] = []

    def remove(models: dict[str, Any]) -> None:
        gone.extend([name] if name in models else [k for k in models if k.endswith(f"/{name}")])
        for key in gone:
            del models[key]

    if os.path.lexists(path):
        _change(path, lock, remove)
    return gone


def _change(path: Path, lock: Path, change: Callable[[dict[str, Any]], object]) -> None:
    import yaml  # only a pin writes YAML

    from comfyfix.settings import yamlfile

    with json_file.locked(lock):
        value = (yamlfile.read(path)[0] if os.path.lexists(path) else None) or {}
        models = dict(value.get("models") or {}) if isinstance(value, dict) else {}
        change(models)
        text = yaml.safe_dump({"models": models}, sort_keys=True, allow_unicode=True, width=1000)
        write_atomic(path, (_HEAD + text).encode())
