"""What of the needed models is to have a copy in the tier, and what is known of its bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from comfyfix.comfyui.store import folders
from comfyfix.records import Model, Receipt, Record
from comfyfix.settings.overrides import Override
from comfyfix.stages.needs.work import Pending, Plan, Planned, Present
from comfyfix.stages.store.sweep import Choice
from comfyfix.stages.store.tiers.needed_copies import NeededCopy, needed_copies

MODEL = Model(folder="loras", path="a.safetensors")


def needed(
    root: Path, *models: Planned | Present, choice: Choice | None = None
) -> list[NeededCopy]:
    (root / "models/loras").mkdir(parents=True, exist_ok=True)
    planned = tuple(m for m in models if isinstance(m, Planned))
    present = tuple(m for m in models if isinstance(m, Present))
    known = {MODEL.key: [choice]} if choice else {}
    plan = Plan(planned, present, {}, ())
    return needed_copies(plan, known, folders.read(root, [], None), ())


def test_only_what_is_there_and_comfyui_lists_comes(tmp_path: Path) -> None:
    place = str(tmp_path / "models/loras/a.safetensors")
    copy = NeededCopy(MODEL.key, Path(place), "loras/a.safetensors")
    assert needed(
        tmp_path, Present(model=MODEL, location=place, size=1, mtime_ns=1, receipt=None)
    ) == [copy]
    settled = Planned(model=MODEL, number=1, task="a", location=place, pending=None, references=())
    assert needed(tmp_path, settled) == [copy]
    assert needed(tmp_path, msgspec.structs.replace(settled, pending=Pending.ABSENT)) == []
    elsewhere = str(tmp_path / "elsewhere/a.safetensors")
    assert (
        needed(tmp_path, Present(model=MODEL, location=elsewhere, size=1, mtime_ns=1, receipt=None))
        == []
    )


def test_whose_word_on_its_bytes_counts_first(tmp_path: Path) -> None:
    place = tmp_path / "models/loras/a.safetensors"
    receipt = Receipt(model=MODEL.key, path="", size=1, sha256="3" * 64, mtime_ns=1, at="")
    record = Record(
        number=1, model=MODEL, destination=str(place), store="/m", source="x", where="o/n",
        sha256="2" * 64,
    )  # fmt: skip
    unknown = msgspec.structs.replace(record, sha256=None)
    words: list[tuple[Any, Any, Any, dict[str, str]]] = [
        (record, receipt, Override(sha256="A" * 64), {"": "a" * 64}),
        (record, receipt, Override(), {"": "2" * 64}),
        (unknown, receipt, None, {"": "3" * 64}),
        (None, None, None, {}),
    ]
    for known, fetched, override, hashes in words:
        choice = Choice(MODEL, place, known, fetched, override)
        (copy,) = needed(
            tmp_path,
            Present(model=MODEL, location=str(place), size=1, mtime_ns=1, receipt=None),
            choice=choice,
        )
        assert copy.hashes == hashes
