"""comfyfix: finds, fetches and verifies the model files that ComfyUI workflows name.

import comfyfix

project = comfyfix.open("manifest.yaml")
for model in project.plan().missing:
    receipt = project.fetch(project.find(model))
    print(receipt.path, receipt.sha256)
assert all(verdict.good for verdict in project.verify())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfyfix.version import __version__ as __version__

if TYPE_CHECKING:
    from comfyfix.errors import Problem
    from comfyfix.library import Project, open
    from comfyfix.records import Candidate, Model, Receipt, Record, Reference, Rejected, Verdict
    from comfyfix.stages.needs.work import Plan, Planned, Present

__all__ = [
    "Candidate",
    "Model",
    "Plan",
    "Planned",
    "Present",
    "Problem",
    "Project",
    "Receipt",
    "Record",
    "Reference",
    "Rejected",
    "Verdict",
    "open",
]
_PLACES = {
    "Problem": "errors",
    "Project": "library",
    "open": "library",
    **dict.fromkeys(("Plan", "Planned", "Present"), "stages.needs.work"),
}


def __getattr__(name: str) -> Any:
    # Every module of ours begins with this one, and most need nothing of what it offers.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PLACES.get(name, 'records')}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
