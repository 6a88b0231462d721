"""What is wanted of a model: as the user says, as its workflows tell, as earlier runs have seen."""

from __future__ import annotations

from comfyfix.records import Record
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.overrides import Locked
from comfyfix.sources import workflow
from comfyfix.sources.base import Wanted
from comfyfix.stages.lock import locked
from comfyfix.stages.needs.work import Planned


def of(planned: Planned, manifest: Manifest) -> Wanted:
    """What the sources are asked for."""
    return Wanted(
        model=planned.model,
        references=planned.references,
        hints=planned.hints,
        override=planned.override,
        sha256=_expected_hash(planned),
        strict=is_strict(planned, manifest),
        neighbours=planned.neighbours,
        destination=str(planned.path),
        is_directory=planned.is_directory,
    )


def still_wanted(record: Record, planned: Planned, manifest: Manifest) -> bool:
    """Tell whether a record may be used again: same place, and the user has not decided anew."""
    override = planned.override
    if isinstance(override, Locked):
        same_file = (record.destination, record.sha256) == (planned.location, override.digest)
        return same_file and locked.same_files(record.files, override.files)
    if record.destination != planned.location or record.asked != place(planned):
        return False
    if record.files or planned.is_whole:
        return bool(record.files) == planned.is_whole
    if is_strict(planned, manifest) and record.sha256 not in _workflow_hashes(planned):
        return False
    return not (override and override.digest) or override.digest == record.sha256


def is_strict(planned: Planned, manifest: Manifest) -> bool:
    """Tell whether only a file with the hash that its workflows tell may be fetched."""
    by_user = planned.override and (planned.override.names_a_place or planned.override.digest)
    return (
        manifest.verify.workflow_hash == "fail" and bool(_workflow_hashes(planned)) and not by_user
    )


def _workflow_hashes(planned: Planned) -> frozenset[str]:
    """The sha256 that workflows tell of a model."""
    return frozenset(hint.sha256 for hint in planned.hints if hint.sha256)


def place(planned: Planned) -> str:
    """The place that the user has named for a model, as one address."""
    override = planned.override
    return "" if override is None or isinstance(override, Locked) else workflow.address(override)


def _expected_hash(planned: Planned) -> str | None:
    if planned.is_whole:
        return None
    if planned.override and planned.override.digest:
        return planned.override.digest
    if planned.receipt and planned.receipt.verified and planned.record is None:
        return planned.receipt.sha256  # only the record was lost; the file is known to be right
    return None


def vouched_sha256(planned: Planned, manifest: Manifest) -> str | None:
    """The sha256 of a file whose provider tells none: the script holds what arrives against it."""
    if planned.override and planned.override.digest:
        return planned.override.digest
    hashes = _workflow_hashes(planned)
    return next(iter(hashes)) if len(hashes) == 1 and is_strict(planned, manifest) else None
