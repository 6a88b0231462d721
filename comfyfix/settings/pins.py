"""pins.yaml: what `doit pin` and `doit import` have settled; a `models:` as the manifest's.

It lies beside manifest.yaml, is written by the program and may be edited or deleted by the user.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from comfyfix.disk import json_file
from comfyfix.disk.files import write_atomic
from comfyfix.settings.manifest import Manifest

NAME = "pins.yaml"
_HEAD = (
    "# Of `doit pin` and `doit import`; what manifest.yaml says of a model counts before this.\n"
)


def place(manifest: Manifest, manifest_path: Path) -> Path:
    """Where the pins of a manifest lie."""
    return manifest.beside(manifest_path, NAME)


def add(path: Path, lock: Path, entries: Mapping[str, Mapping[str, str]]) -> None:
    """Add or replace entries, by key. Raises SetupProblem for a broken file, and OSError."""
    _change(path, lock, lambda models: models.update((k, dict(e)) for k, e in entries.items()))


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
        yamlfile.parse(text, path)  # what could not be read again is not written
        write_atomic(path, (_HEAD + text).encode())
