"""Taken: which value ComfyUI takes for a file that is there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from comfyfix.comfyui.references.lookup import Lookup
from comfyfix.comfyui.references.taken import value_taken
from comfyfix.comfyui.store import folders as comfyui_folders
from comfyfix.comfyui.store.folders import Folders
from comfyfix.records import Reference
from tests.unit.graphs import Json, found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path


def put(home: Path, *places: str) -> Folders:
    for place in places:
        path = home / "models" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return comfyui_folders.read(home, (), None)


def named(kind: str, **inputs: object) -> Reference:
    graph: Json = {"1": {"class_type": kind, "inputs": inputs}}
    (reference,) = found(graph)
    return reference


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("x.safetensors", None),
        ("SDXL/x.safetensors", "SDXL/x.safetensors"),
        ("SDXL\\x.safetensors", "SDXL/x.safetensors"),
        ("./SDXL/x.safetensors", "SDXL/x.safetensors"),
        ("/SDXL/x.safetensors", "SDXL/x.safetensors"),
        ("sub/../SDXL/x.safetensors", "SDXL/x.safetensors"),
        ("SDXL//x.safetensors", "SDXL/x.safetensors"),
        ("SDXL/x.safetensors ", None),
    ],
)
def test_a_chosen_value_is_taken_as_the_list_has_it(home: Path, value: str, taken: str) -> None:
    folders = put(home, "checkpoints/SDXL/x.safetensors")
    reference = named("CheckpointLoaderSimple", ckpt_name=value)
    assert value_taken(reference, folders) == taken


@pytest.mark.parametrize(
    "value", ["x", "x.safetensors", "old\\x.safetensors", "sub/x", "gone/x.pt", "y_v1.1"]
)
def test_a_row_is_taken_where_its_node_finds_the_name(home: Path, value: str) -> None:
    folders = put(home, "loras/sub/x.safetensors", "loras/y_v1.1.safetensors")
    reference = named("Power Lora Loader (rgthree)", lora_1={"on": True, "lora": value})
    assert value_taken(reference, folders) == value
    assert value_taken(reference, put(home / "other", "loras/z.pt")) is None


def test_of_two_files_of_a_name_the_exact_path_and_ending_come_first(home: Path) -> None:
    lookup = Lookup(put(home, "loras/a/x.pt", "loras/b/x.safetensors", "loras/c/x.safetensors"))

    def at(value: str) -> str:
        reference = named("Power Lora Loader (rgthree)", lora_1={"on": True, "lora": value})
        hit = lookup.file(reference, (reference.files or (reference.path,))[0])
        return hit.name if hit else ""

    assert [at(v) for v in ("c/x", "x.safetensors", "x.pt", "q/x.bin")] == [
        "c/x.safetensors", "b/x.safetensors", "a/x.pt", "a/x.pt",
    ]  # fmt: skip


def test_a_set_is_chosen_by_its_own_name_and_a_version_by_its_file(home: Path) -> None:
    folders = put(
        home,
        "vae_approx/taesd_encoder.pth",
        "vae_approx/taesd_decoder.pth",
        "loras/civitai-1-2.safetensors",
        "diffusers/a/b/model_index.json",
    )
    assert value_taken(named("VAELoader", vae_name="taesd"), folders) == "taesd"
    version = named("LoraLoader", lora_name="urn:air:sdxl:lora:civitai:1@2")
    assert value_taken(version, folders) == "civitai-1-2.safetensors"
    assert value_taken(named("DiffusersLoader", model_path="a\\b"), folders) == "a/b"


def test_parts_of_a_folder_are_named_by_what_stands_before(home: Path) -> None:
    (home / "extra_model_paths.yaml").write_text(
        "x:\n  base_path: models\n  ultralytics_bbox: BB\n  ultralytics_segm: SS\n"
    )
    folders = put(home, "BB/face.pt", "SS/person.pt", "ultralytics/other/y.pt")

    def taken(value: str) -> str | None:
        return value_taken(named("UltralyticsDetectorProvider", model_name=value), folders)

    assert taken("bbox/face.pt") == "bbox/face.pt"
    assert taken("segm\\person.pt") == "segm/person.pt"
    assert taken("segm/face.pt") is None
    assert taken("other/y.pt") is None  # there, and in no list


def test_a_disk_that_knows_no_case_lists_its_own_spelling(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = put(home, "vae/Sub/Taken.pth")
    models, real = f"{home}/models/vae/", os.stat

    def folding(path: Any, **named: Any) -> os.stat_result:
        below = str(path).removeprefix(models)
        own = "Sub/Taken.pth" if below.lower() == "sub/taken.pth" else below
        return real(f"{models}{own}" if below != str(path) else path, **named)

    monkeypatch.setattr(os, "stat", folding)
    monkeypatch.setattr(os, "listdir", lambda place: ["Sub"] if place == models else ["Taken.pth"])
    assert value_taken(named("VAELoader", vae_name="sub/taken.pth"), folders) == "Sub/Taken.pth"
