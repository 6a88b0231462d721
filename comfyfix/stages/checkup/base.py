"""What a check is given, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from comfyfix.records import Reason, because
from comfyfix.settings.manifest import Manifest
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.comfyui.store.folders import Folders

ASK_SECONDS = 12.0
"""How long one question may take, to a program or to a service."""


@dataclass(frozen=True, slots=True)
class Line:
    """What is said of one thing; `good` where nothing needs doing."""

    name: str
    good: bool
    said: Reason


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at: the settings, and what is known of the machine and its user.

    `folders` and `output` are None where the set-up can't be read. `offline` is the variable that
    forbids every request. `tokens` are by source.
    """

    manifest: Manifest
    environ: Mapping[str, str]
    folders: Folders | None = None
    output: Path | None = None
    offline: str = ""
    signs: bool = False
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)


Check = Callable[[Patient], Iterator[Line]]


def well(name: str, why: Why, /, **fields: object) -> Line:
    """Nothing needs doing."""
    return Line(name, good=True, said=because(why, **fields))


def ill(name: str, why: Why, /, **fields: object) -> Line:
    """The user has something to do."""
    return Line(name, good=False, said=because(why, **fields))
