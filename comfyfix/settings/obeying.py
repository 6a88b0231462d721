"""Which lock file binds a project, and how far a run obeys it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from comfyfix.errors import SetupProblem
from comfyfix.settings import lockfile
from comfyfix.settings.lockfile import Lock
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.overrides import LOCK_FILE
from comfyfix.settings.switches import FROZEN, LOCKED, on, require_plain
from comfyfix.why import Why

Mode = Literal["open", "locked", "frozen"]
"""Whether the lock file may be behind, has to say the same as the workflows, or is all there is."""


def read(
    manifest: Manifest, manifest_path: Path, cache: Path, environ: Mapping[str, str]
) -> tuple[Lock, Mode]:
    """Read it. Raises SetupProblem, also where it is to be obeyed and is not there."""
    require_plain(environ)
    path = manifest.beside(manifest_path.absolute(), LOCK_FILE)
    lock, mode = lockfile.read(path, cache), _mode(environ)
    if mode != "open" and not lock.exists:
        raise SetupProblem(Why.LOCK_ABSENT, path=lock.path, asked=f"--{mode}")
    return lock, mode


def _mode(environ: Mapping[str, str]) -> Mode:
    if on(FROZEN, environ):
        return "frozen"
    return "locked" if on(LOCKED, environ) else "open"
