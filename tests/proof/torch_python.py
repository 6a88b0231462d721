"""Starts a reader's program in the Python that `COMFYFIX_TORCH` names."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

PYTHON = os.environ.get("COMFYFIX_TORCH", "")
PROJECT = Path(__file__).resolve().parents[2]


def environment(scratch: str) -> dict[str, str]:
    """Return an environment in which the readers find the project and write nothing of value."""
    told = os.environ.get("COMFYFIX_TORCH_PATH", "")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (told, str(PROJECT)))),
        "PYTHONWARNINGS": "ignore",
        "YOLO_CONFIG_DIR": scratch,
        "MPLCONFIGDIR": scratch,
        "HOME": scratch,
        "OMP_NUM_THREADS": "1",
    }


def run(program: str, arguments: Sequence[str], said: str = "", seconds: float = 1800) -> str:
    """Run `readers/PROGRAM`; return what it printed. Raises CalledProcessError, TimeoutExpired."""
    with tempfile.TemporaryDirectory() as scratch:
        told = subprocess.run(
            [PYTHON, "-m", f"tests.proof.readers.{program}", *arguments],
            input=said,
            env=environment(scratch),
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=seconds,
        )
    return told.stdout
