"""What the judge passes is loaded by the real readers, and nothing happens but the load.

`COMFYFIX_TORCH` names a Python that has the readers (torch, ultralytics, lightning, omegaconf,
joblib, onnx, numpy, gguf, safetensors, jinja2, lz4); without it these tests are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.proof import make_hostile
from tests.proof.judge import verdicts
from tests.proof.loads import loaded
from tests.proof.mutants.run import run as run_mutants
from tests.proof.samples import Entry, read_index
from tests.proof.torch_python import PYTHON, run

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="COMFYFIX_TORCH names no Python that has torch and the other readers"
)
MUTANTS = int(os.environ.get("COMFYFIX_MUTANTS", "120000"))
LOADED_MIN = 10_000
SECONDS_MAX = 5400  # for one test at full size
LEGIT_MIN, HOSTILE_MIN, FAMILIES_MIN = 150, 400, 30


def _legit(folder: Path, kinds: str = "") -> list[Entry]:
    run("legit", [str(folder / "legit"), str(folder / "may"), *([kinds] if kinds else [])])
    return list(read_index(folder / "legit"))


def _alarms(folder: Path) -> list[str]:
    return [
        f"{entry.path.name}: {verdict}"
        for entry, verdict in verdicts(folder)
        if verdict != "passes"
    ]


def _loads(entries: Sequence[Entry]) -> list[str]:
    """Load files; return what should not be."""
    return [
        f"{entry.path.name}: {told['outcome']} {told['said']} {told['events']}"
        for entry, told in loaded(entries)
        if told["outcome"] != "loaded" or told["events"]
    ]


def test_some_legitimate_files_pass_and_do_nothing(tmp_path: Path) -> None:
    entries = _legit(tmp_path, "tensors,modules,values,settings,files")
    assert _alarms(tmp_path / "legit") == []
    assert _loads(entries[::4]) == []


def test_some_hostile_files_are_refused(tmp_path: Path) -> None:
    proven, _ = make_hostile.make(tmp_path, every=17)
    assert len(proven) > HOSTILE_MIN // 17
    through = [entry.path.name for entry, verdict in verdicts(tmp_path) if verdict == "passes"]
    assert through == []


def test_some_mutants_that_pass_do_nothing(tmp_path: Path) -> None:
    sums = run_mutants(2000, seed=2, processes=1, keep=tmp_path, known=frozenset())
    assert sums.failures == []
    assert sums.broken == []
    assert sums.slow == []
    assert len(sums.passing) > 100


@pytest.mark.proof
@pytest.mark.timeout(SECONDS_MAX)
def test_legitimate_files_pass_and_do_nothing(tmp_path: Path) -> None:
    entries = _legit(tmp_path)
    assert len(entries) >= LEGIT_MIN
    assert _alarms(tmp_path / "legit") == []
    assert _loads(entries) == []


@pytest.mark.proof
@pytest.mark.timeout(SECONDS_MAX)
def test_what_passes_of_the_rest_does_nothing(tmp_path: Path) -> None:
    """Files that may be refused: where they pass, loading them must do nothing either."""
    _legit(tmp_path)
    passing = [entry for entry, told in verdicts(tmp_path / "may") if told == "passes"]
    assert [line for line in _loads(passing) if not line.endswith("[]")] == []


@pytest.mark.proof
@pytest.mark.timeout(SECONDS_MAX)
def test_hostile_files_are_refused(tmp_path: Path) -> None:
    proven, _ = make_hostile.make(tmp_path)
    assert len(proven) >= HOSTILE_MIN
    assert len({entry.family for entry in proven}) >= FAMILIES_MIN
    through = [entry.path.name for entry, verdict in verdicts(tmp_path) if verdict == "passes"]
    assert through == []


@pytest.mark.proof
@pytest.mark.timeout(SECONDS_MAX)
def test_mutants_that_pass_do_nothing(tmp_path: Path) -> None:
    processes = os.cpu_count() or 1
    sums = run_mutants(MUTANTS, seed=3, processes=processes, keep=tmp_path, known=frozenset())
    assert sums.failures == []
    assert sums.broken == []
    assert sums.slow == []
    assert len(sums.passing) >= LOADED_MIN
