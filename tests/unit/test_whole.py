"""Whole: what is there of a directory or a set tells whether more belongs to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from comfyfix.records import Model, Reference
from comfyfix.stages.needs.join import Need
from comfyfix.stages.plan import whole

INDEX = json.dumps({"weight_map": {"a": "part-1.safetensors", "b": "part-2.safetensors"}})
PIPELINE = json.dumps(
    {"unet": ["diffusers", "UNet"], "vae": [None, None], "scheduler": ["diffusers", "Euler"]}
)


def need(place: Path, folder: str = "LLM", files: tuple[str, ...] = ()) -> Need:
    reference = Reference(
        workflow="w", node_id="1", node_type="L", input="x", value=place.name, name=place.name,
        path=place.name, folder=folder, kind="directory", files=files,
    )  # fmt: skip
    model = Model(folder=folder, path=place.name)
    return Need(model=model, is_directory=True, references=[reference], location=str(place))


def put(place: Path, **files: str) -> Path:
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place


@pytest.mark.parametrize(
    ("files", "lacks"),
    [
        ({"config.json": "{}"}, False),
        ({"m.safetensors.index.json": INDEX, "part-1.safetensors": ""}, True),
        ({"m.index.json": INDEX, "part-1.safetensors": "", "part-2.safetensors": ""}, False),
        ({"m.index.fp16.json": INDEX, "part-1.safetensors": ""}, True),
        ({"m.safetensors.index.json": INDEX, "model.safetensors": ""}, False),
        ({"index.json": INDEX, "part-1.safetensors": ""}, False),
        ({"m.index.json": "[not json", "part-1.safetensors": ""}, False),
        ({"m-00001-of-00002.safetensors": "", "config.json": "{}"}, True),
        ({"m-00001-of-00002.gguf": "", "m-00002-of-00002.gguf": ""}, False),
        ({"m-00000-of-00002.gguf": "", "m-00001-of-00002.gguf": ""}, False),
        ({"a-00001-of-00001.gguf": "", "b-00002-of-00002.gguf": ""}, True),
        ({"model_index.json": PIPELINE}, True),
        ({"model_index.json": PIPELINE, "unet/config.json": "{}"}, False),
        ({"model_index.json": PIPELINE, "unet/.hidden": ""}, True),
    ],
)
def test_what_is_there_says_whether_more_belongs_to_it(
    files: dict[str, str], lacks: bool, tmp_path: Path
) -> None:
    assert whole.lacks_some(need(put(tmp_path / "m", **files))) is lacks


def test_a_pipeline_of_diffusers_has_its_index(tmp_path: Path) -> None:
    place = put(tmp_path / "m", **{"unet/config.json": "{}"})
    assert whole.lacks_some(need(place, "diffusers"))
    assert not whole.lacks_some(need(place))
    put(place, **{"model_index.json": "{}"})
    assert not whole.lacks_some(need(place, "diffusers"))


def test_what_a_loader_opens_by_name_belongs_to_it(tmp_path: Path) -> None:
    place = put(tmp_path / "m", **{"one.json": "{}"})
    assert not whole.lacks_some(need(place, files=("m/one.json",)))
    assert whole.lacks_some(need(place, files=("m/one.json", "m/two.json")))


def test_what_is_there_is_told_with_all_its_bytes_and_its_model_files(tmp_path: Path) -> None:
    place = put(tmp_path / "m", **{"b.safetensors": "123", "a.gguf": "12", "config.json": "{}"})
    present = whole.present(need(place))
    assert present.size == 7
    assert present.files == (f"{place}/a.gguf", f"{place}/b.safetensors")
    assert present.mtime_ns == max(path.stat().st_mtime_ns for path in place.iterdir())
    nothing = whole.present(need(tmp_path / "none"))
    assert (nothing.size, nothing.mtime_ns, nothing.files) == (0, 0, ())
