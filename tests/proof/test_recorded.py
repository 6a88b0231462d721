"""The judge against what the real readers said once: no reader is needed for it."""

from __future__ import annotations

import base64
import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from comfyfix.formats import look
from tests.proof.make_hostile import samples
from tests.proof.mutants.generate import mutant
from tests.proof.mutants.seeds import honest, trees
from tests.proof.mutants.tree import parse
from tests.proof.record import HONEST, HOSTILE, MUTANTS, RECORDED, digest

FAMILIES_MIN, HOSTILE_MIN = 30, 400


def passes(path: Path, data: bytes) -> bool:
    """Whether the judge has nothing against a file."""
    path.write_bytes(data)
    told = look.inspect(path)
    path.unlink()
    return told is None


def test_no_proven_file_passes(tmp_path: Path) -> None:
    proven = set((RECORDED / HOSTILE).read_text().splitlines())
    made = [sample for sample in samples() if sample.name in proven]
    # Libraries of machine code are made only where there is a compiler.
    missing = proven - {sample.name for sample in made}
    assert [name for name in missing if not name.startswith("native")] == []
    assert len(made) >= HOSTILE_MIN
    assert len({sample.family for sample in made}) >= FAMILIES_MIN
    through = [sample.name for sample in made if passes(tmp_path / sample.name, sample.data)]
    assert through == []


def test_no_mutant_that_acts_passes(tmp_path: Path) -> None:
    told: dict[str, Any] = json.loads((RECORDED / MUTANTS).read_text())
    acting = told["acting"]
    assert digest(acting) == told["sha256"], "the mutants are others now: record them anew"
    mutants = [mutant(told["seed"], number) for number in acting]
    through = [
        (one.number, one.origin)
        for one in mutants
        if passes(tmp_path / f"m{one.number}.{one.ending}", one.data)
    ]
    assert through == []


def test_honest_files_pass(tmp_path: Path) -> None:
    alarmed = []
    for line in (RECORDED / HONEST).read_text().splitlines():
        told = json.loads(line)
        data = lzma.decompress(base64.b64decode(told["data"]))
        if not passes(tmp_path / told["file"], data):
            alarmed.append(told["file"])
    assert alarmed == []


@pytest.mark.parametrize("name", sorted(honest()))
def test_a_tree_writes_the_pickle_that_it_was(name: str) -> None:
    built = honest()[name] + b"."
    assert parse(built, inline=False).write() + b"." == built


def test_a_mutant_is_the_same_every_time_and_mostly_another_one() -> None:
    first = [mutant(7, number).data for number in range(50)]
    assert first == [mutant(7, number).data for number in range(50)]
    assert len(set(first)) > len(first) // 2
    assert len(trees()[1]) > len(first)
