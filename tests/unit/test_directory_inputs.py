"""Inputs that take directories: how their nodes read one, and where their sources say it is."""

from __future__ import annotations

import pytest

from comfyfix.comfyui.loaders import table
from comfyfix.net.urls.hub_address import hub_repo
from comfyfix.records import Reads, Reference
from tests.unit.graphs import found


def named(node_type: str, **inputs: object) -> list[Reference]:
    return found({"1": {"class_type": node_type, "inputs": inputs}})


def test_every_directory_input_tells_how_it_is_read() -> None:
    unsure = {("NunchakuTextEncoderLoader", "int4_model")}  # its formats have changed with time
    for name, loader in table.built_in().items():
        for key, entry in loader.inputs.items():
            told = entry.reads is not Reads.ANY
            assert told or not entry.kind.startswith("directory") or (name, key) in unsure, name
            assert [hub_repo(repo) for repo in entry.repos] == list(entry.repos)


@pytest.mark.parametrize(
    ("node", "name", "value", "reads", "url"),
    [
        ("DiffusersLoader", "model_path", "sdxl-base", Reads.CHECKPOINT, None),
        ("Florence2ModelLoader", "model", "Florence-2-large", Reads.TRANSFORMERS,
         "https://huggingface.co/microsoft/Florence-2-large"),
        ("Florence2ModelLoader", "model", "Florence-2-mine", Reads.TRANSFORMERS, None),
        ("NunchakuFluxDiTLoader", "model_path", "sub\\svdq-int4-flux.1-dev", Reads.NUNCHAKU,
         "https://huggingface.co/mit-han-lab/svdq-int4-flux.1-dev"),
    ],
)  # fmt: skip
def test_a_directory(node: str, name: str, value: str, reads: Reads, url: str | None) -> None:
    (one,) = named(node, **{name: value})
    assert (one.kind, one.reads) == ("directory", reads)
    assert (one.hint and one.hint.url) == url


def test_a_file_in_the_same_input_has_no_repository() -> None:
    (one,) = named("NunchakuFluxDiTLoader", model_path="svdq-int4-flux.1-dev.safetensors")
    assert (one.kind, one.hint) == ("file", None)


def test_a_precision_is_passed_on() -> None:
    (one,) = named("LoadStableDelightModel", model="yoso-delight-v0-4-base", device="AUTO")
    assert (one.reads, one.variant) == (Reads.PIPELINE, "fp16")


def test_what_the_workflow_says_comes_before_the_nodes_source() -> None:
    model = {"name": "Florence-2-large", "url": "https://huggingface.co/someone/Florence-2-large"}
    node = {"id": 1, "type": "Florence2ModelLoader", "widgets_values": ["Florence-2-large"],
            "properties": {"models": [{**model, "directory": "LLM"}]}}  # fmt: skip
    (one,) = found({"nodes": [node], "links": []})
    assert one.hint
    assert one.hint.url == model["url"]
