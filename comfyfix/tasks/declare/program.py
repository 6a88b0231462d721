"""`comfyfix …`: the same as `doit …`, from any folder with a manifest.yaml."""

from __future__ import annotations

import os
import sys

from comfyfix.screen.ends import guarded, settle_descriptors


def main() -> None:
    """Run the command that the arguments name."""
    if os.name != "posix":
        sys.exit("comfyfix runs on Linux, macOS and WSL, not on native Windows.")
    settle_descriptors()
    sys.exit(guarded(_run))


def _run() -> int:
    from comfyfix.screen import words  # a stop may come meanwhile
    from comfyfix.tasks.declare.manifest_loader import run

    words.typed(words.PROGRAMS[1])
    return run(sys.argv[1:])
