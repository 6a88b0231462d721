"""Addresses: for which names of a workflow an address counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from comfyfix.comfyui.loaders.table import built_in
from comfyfix.comfyui.references.find import read
from comfyfix.comfyui.workflows.read import parse
from tests.unit.graphs import Json, found, node, ui

HUB = "https://huggingface.co"
NAME = "wan_high.safetensors"


def unet(value: str, *models: Json) -> Json:
    return node(1, "UNETLoader", value, properties={"models": list(models)})


def model(name: str, owner: str, directory: str = "diffusion_models") -> Json:
    url = f"{HUB}/{owner}/r/resolve/main/{NAME}"
    return {"name": name, "url": url, "directory": directory}


def owner(graph: Json) -> str:
    (reference,) = [r for r in found(graph) if r.node_id == "1"]
    return reference.hint.url.split("/")[3] if reference.hint else ""


@pytest.mark.parametrize("value", [NAME, f"Wan2.2\\{NAME}", f"Wan2.2/{NAME}", f"other/{NAME}"])
@pytest.mark.parametrize("name", [NAME, f"Wan2.2\\{NAME}"])
@pytest.mark.parametrize("directory", ["diffusion_models", "diffusion_models/Wan2.2", ""])
def test_an_address_of_the_very_node_counts_by_the_last_part(
    value: str, name: str, directory: str
) -> None:
    assert owner(ui(unet(value, model(name, "author", directory)))) == "author"
    assert owner(ui(unet("other.safetensors", model(name, "author", directory)))) == ""


def test_the_exact_path_comes_first() -> None:
    a, b = model(f"A/{NAME}", "a"), model(f"B\\{NAME}", "b")
    c = model(NAME, "c", "diffusion_models/C")
    for letter in "abc":
        assert owner(ui(unet(f"{letter.upper()}/{NAME}", a, b, c))) == letter


def test_an_address_elsewhere_counts_in_its_own_folder() -> None:
    elsewhere = node(2, "VAELoader", "x", properties={"models": [model(NAME, "vae", "vae")]})
    assert owner(ui(unet(f"sub/{NAME}"), elsewhere)) == ""
    elsewhere["properties"]["models"].append(model(NAME, "right", "unet"))
    assert owner(ui(unet(f"sub/{NAME}"), elsewhere)) == "right"


@pytest.mark.parametrize(
    "text",
    [
        f"{HUB}/author/r/resolve/main/sub/{NAME}",
        f"- [{NAME}]({HUB}/author/r/blob/main/{NAME}?download=true)",
        f'<p>Get <a href="{HUB}/author/r/resolve/main/{NAME}">it</a>.</p>',
        f"see {HUB}/author/r/resolve/main/{NAME}.",
        f"[{NAME}](https://civitai.com/models/1/author?modelVersionId=2)",
        f"{NAME}: https://civitai.com/api/download/models/2\n",
    ],
)
@pytest.mark.parametrize("kind", ["Note", "MarkdownNote", "Label (rgthree)", "RichText"])
def test_an_address_in_a_note_counts_for_the_name_that_it_ends_in(kind: str, text: str) -> None:
    (reference,) = found(ui(unet(f"sub/{NAME}"), node(2, kind, {"a": [text]})))
    assert reference.hint is not None
    assert reference.hint.name == NAME
    assert reference.hint.url in text


@pytest.mark.parametrize(
    "text",
    [
        f"http://huggingface.co/a/r/resolve/main/{NAME}",
        f"{HUB}/a/r/resolve/main/other_{NAME}",
        f"{NAME} or other.safetensors: https://civitai.com/models/1?modelVersionId=2",
        f"{NAME}: https://civitai.com/models/1 https://civitai.com/models/3",
        f"{NAME}: https://example.com/page",
        "https://[x",
    ],
)
def test_what_does_not_name_the_file_is_no_address_of_it(text: str) -> None:
    (reference,) = found(ui(unet(NAME), node(2, "Note", text)))
    assert reference.hint is None


def test_a_property_comes_before_a_note_and_a_text_of_the_node_before_both() -> None:
    note = node(2, "Note", f"{HUB}/note/r/resolve/main/{NAME}")
    other = node(3, "New", properties={"models": [model(NAME, "property")]})
    assert owner(ui(unet(NAME), note, other)) == "property"
    own: Any = node(1, "New", NAME, f"{HUB}/own/r/resolve/main/{NAME}")
    assert owner(ui(own, note, other)) == "own"


def test_every_address_is_told_for_other_workflows() -> None:
    graph = ui(node(2, "Note", f"{HUB}/note/r/resolve/main/{NAME}"), unet("x", model("y.pt", "a")))
    _, told = read(parse(json.dumps(graph).encode()), "w", built_in())
    assert {hint.name for hint in told} == {NAME, "y.pt"}
