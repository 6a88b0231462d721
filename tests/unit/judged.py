"""What a look at a file says, as tests compare it: its kind, and the flaw."""

from __future__ import annotations

import msgspec

from comfyfix.formats.finding import Finding
from comfyfix.formats.flaws import Flaw
from comfyfix.records import Reason, to_json
from comfyfix.screen.words import sentence

Said = tuple[str, Flaw] | tuple[()]


def said(found: Finding | None) -> Said:
    """Return kind and flaw, nothing for a sound file. Every reason can be shown and kept."""
    if found is None:
        return ()
    assert sentence(found.reason).isprintable()
    assert msgspec.json.decode(to_json(found.reason), type=Reason) == found.reason
    return found.kind, Flaw(found.reason.why)


def kind(found: Finding | None) -> str:
    """Return the kind alone, empty for a sound file."""
    return found.kind if said(found) and found else ""
