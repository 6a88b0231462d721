"""Two runs that bring the same directory into one store at once: one whole directory, no errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.demo.shelf import sha256
from tests.rig import Site

REPO = "microsoft/Florence-2-large"
FILES = {
    "config.json": b'{"model_type": "florence2"}',
    "tokenizer.json": b'{"version": "1.0"}',
    "vocab.json": b'{"a": 1}',
    "preprocessor_config.json": b'{"b": 1}',
    "model.safetensors": file_for("model.safetensors", seed="florence"),
}


@pytest.mark.soak
def test_two_runs_at_once(tmp_path: Path, hub: Hub) -> None:
    hub.add(REPO, ()).files.update(FILES)
    sites = [Site(tmp_path / name, hub) for name in ("one", "two")]
    node = {"class_type": "Florence2ModelLoader", "inputs": {"model": "Florence-2-large"}}
    for site in sites:
        site.manifest(store=str(sites[0].models), comfyui=str(sites[0].comfyui),
                      workflows=[str(sites[0].workflows)], download={"retries": 3})  # fmt: skip
    sites[0].workflows.joinpath("w.json").write_text(json.dumps({"1": node}))
    try:
        for _ in range(3):
            runs = [site.start() for site in sites]
            told = [run.communicate(timeout=120) for run in runs]
            assert [run.returncode for run in runs] == [0, 0], told
            want = {f"LLM/Florence-2-large/{name}": sha256(data) for name, data in FILES.items()}
            assert sites[0].files() == want, told
            assert not list(sites[0].models.rglob("*.new"))
            sites[0].models.joinpath("LLM", "Florence-2-large", "vocab.json").unlink()
    finally:
        for site in sites:
            site.close()
