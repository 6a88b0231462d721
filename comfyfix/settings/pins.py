"""pins.yaml: what `doit pin` has settled; a `models:` of the same shape as the manifest's.

It lies beside manifest.yaml, is written by the program and may be edited or deleted by the user.
"""

from __future__ import annotations

import os
from pathlib import Path

from comfyfix.disk import json_file
from comfyfix.disk.files import write_atomic

NAME = "pins.yaml"
_HEAD = "# Written by `doit pin`; what manifest.yaml says of a model counts before this.\n"


def add(path: Path, lock: Path, key: str, entry: dict[str, str]) -> None:
    """Add or replace one entry. Raises SetupProblem for a broken file, and OSError."""
    import yaml  # only a pin writes YAML

    from comfyfix.settings import yamlfile

    with json_file.locked(lock):
        value = (yamlfile.read(path)[0] if os.path.lexists(path) else None) or {}
        models = dict(value.get("models", {})) if isinstance(value, dict) else {}
        models[key] = entry
        text = yaml.safe_dump({"models": models}, sort_keys=True, allow_unicode=True, width=1000)
        write_atomic(path, (_HEAD + text).encode())
