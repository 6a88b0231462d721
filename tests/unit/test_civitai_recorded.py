"""Civitai as recorded: which file each address and each name means, and the double's shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from comfyfix.demo.civitai import as_model
from comfyfix.demo.civitai_versions import CivitaiVersion
from comfyfix.net.urls import civitai_address
from comfyfix.net.urls.civitai_address import CivitaiFile
from comfyfix.providers.civitai.choice import bearing, choose
from comfyfix.providers.civitai.entries import CivitaiEntry, of_model
from comfyfix.providers.civitai.kinds import misplaced
from comfyfix.providers.civitai.names import model_queries

REAL = Path(__file__).resolve().parents[3] / "shared" / "facts" / "real"
RECORDED = REAL / "civitai_checkpoints.json"


@pytest.fixture(scope="module")
def models() -> list[dict[str, Any]]:
    if not RECORDED.is_file():
        pytest.skip("the recorded answers are not here")
    value: list[dict[str, Any]] = json.loads(RECORDED.read_bytes())["items"]
    return value


def versions(models: list[dict[str, Any]]) -> list[list[CivitaiEntry]]:
    found: dict[int, list[CivitaiEntry]] = {}
    for model in models:
        for entry in of_model(model):
            found.setdefault(entry.version_id, []).append(entry)
    return list(found.values())


def address(url: str) -> CivitaiFile:
    parts = urlsplit(url)
    target = civitai_address.read(parts.path, parts.query)
    assert isinstance(target, CivitaiFile)
    return target


def test_each_own_address_means_its_file(models: list[dict[str, Any]]) -> None:
    by_id = {entries[0].version_id: entries for entries in versions(models)}
    for model in models:
        for version in model["modelVersions"]:
            for file in version["files"]:
                found = choose(by_id[version["id"]], address(file["downloadUrl"]), "mine.ckpt")
                assert isinstance(found, CivitaiEntry), (file["downloadUrl"], found)
                assert found.file_id == file["id"]


def test_an_address_without_query_and_a_name_mean_the_primary(
    models: list[dict[str, Any]],
) -> None:
    every = [entry for entries in versions(models) for entry in entries]
    for entries in versions(models):
        (first,) = [entry for entry in entries if entry.primary]
        for name in ("mine.safetensors", first.name):
            assert choose(entries, CivitaiFile(first.version_id), name) == first
        if misplaced(first.kind, first.file_type, "checkpoints") is None:
            assert bearing(every, first.name) == [first]


def test_the_first_words_of_a_name_find_its_model(models: list[dict[str, Any]]) -> None:
    for model in models:
        for entry in of_model(model):
            queries = model_queries(entry.name)
            title = model["name"].lower()
            assert any(all(w.lower() in title for w in q.split()) for q in queries), entry.name


def test_the_double_answers_in_the_recorded_shape(models: list[dict[str, Any]]) -> None:
    double = CivitaiVersion(1, "Harbor", "Checkpoint", 7, "v1", 9, "a.safetensors", b"x" * 100)
    double.others = {10: ("harbor_v1.safetensors", "Model", b"y" * 99)}
    double.traits = {9: {"size": "pruned", "fp": "fp16"}, 10: {"size": "full", "fp": "fp32"}}
    told = as_model([double])
    real = next(m for m in models for v in m["modelVersions"] if len(v["files"]) > 1)
    assert compared(told, real) == []


def compared(told: Any, real: Any, where: str = "$") -> list[str]:
    """What a recorded answer has and the double has not, or has of another type."""
    if isinstance(real, dict) and isinstance(told, dict):
        absent = [f"{where}.{key}" for key in real.keys() - told.keys()]
        if where.endswith(".hashes"):
            absent = absent if "SHA256" not in told else []
        both = [key for key in real if key in told]
        return [*absent, *(d for k in both for d in compared(told[k], real[k], f"{where}.{k}"))]
    if isinstance(real, list) and isinstance(told, list):
        return compared(told[0], real[0], f"{where}[]") if told and real else []
    number = (int, float)
    same = isinstance(told, type(real)) or (isinstance(told, number) and isinstance(real, number))
    return [] if same else [f"{where}: {type(told).__name__}, not {type(real).__name__}"]
