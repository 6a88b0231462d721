"""The templates of scripts and prompts: where they lie."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def text(name: str) -> str:
    """Return the source of one template of `templates/`."""
    packaged = resources.files("comfyfix").joinpath("templates", name)
    if packaged.is_file():  # an installed wheel carries the templates inside the package
        return packaged.read_text(encoding="utf-8")
    beside = Path(__file__).resolve().parents[1] / "templates" / name
    return beside.read_text(encoding="utf-8")
