"""Well-known packs, read from their sources: what their inputs list, against a running ComfyUI."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyfix.comfyui.loaders.table import built_in, merged
from comfyfix.comfyui.store import folders as comfyui_folders
from tests.real import oracle as real

LEAST = 0.98


@pytest.fixture(scope="module")
def comfyui() -> Path:
    found = real.laid_out()
    if found is None:
        pytest.skip("COMFYFIX_PACKS names no ComfyUI with packs")
    return found


def test_the_table_alone_knows_every_input_of_the_core(oracle: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    rows = real.truth(oracle, [real.CORE])
    told = real.judged(rows, built_in(), comfyui_folders.read(tmp_path, [], None))
    assert {kind: inputs for kind, inputs in told.items() if kind != "right"} == {}
    assert len(told["right"]) > 40
    assert real.too_many_endings(rows, built_in()) == []


def test_what_packs_list_is_known_from_their_sources(oracle: Path, comfyui: Path) -> None:
    rows = real.truth(oracle, real.packs_of(comfyui))
    facts, folders = real.read(comfyui)
    for loaders, least in ((merged(facts.loaders, built_in()), LEAST), (facts.loaders, 0.95)):
        told = real.judged(rows, loaders, folders)
        assert told["wrong"] == []
        assert len(told["right"]) >= least * len(rows), (told["partly"], told["missed"])
    assert len(real.too_many_endings(rows, facts.loaders)) <= 0.02 * len(rows)
