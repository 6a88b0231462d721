"""The records that stages hand to each other: frozen, checked on the way in, JSON both ways."""

from __future__ import annotations

from typing import Any

import msgspec

from comfyfix.records.directories import FileFact, Reads
from comfyfix.records.outcomes import Attempt, Hashed, Opinion, Receipt, Status, Verdict
from comfyfix.records.reasons import Reason, because
from comfyfix.records.references import Hint, Kind, Left, Model, Reference
from comfyfix.records.resolved import Candidate, Record, Rejected

__all__ = [
    "Attempt",
    "Candidate",
    "FileFact",
    "Hashed",
    "Hint",
    "Kind",
    "Left",
    "Model",
    "Opinion",
    "Reads",
    "Reason",
    "Receipt",
    "Record",
    "Reference",
    "Rejected",
    "Status",
    "Verdict",
    "because",
    "to_json",
]


def to_json(value: Any) -> bytes:
    """Encode records as indented, sorted JSON, so that state files diff well."""
    text = msgspec.json.encode(value, order="sorted")
    return msgspec.json.format(text, indent=2) + b"\n"
