"""Which file of a version an address names."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from comfyfix.net import civitai_address as civitaifile
from comfyfix.providers.civitai.api import CivitaiEntry
from comfyfix.providers.civitai.choice import choose

NAME = "harborLight_v1.safetensors"


def entry(file_id: int, kind: str = "Model", name: str = NAME, **traits: str) -> CivitaiEntry:
    return CivitaiEntry(
        model_id=5,
        version_id=70,
        file_id=file_id,
        model="Harbor Light",
        version="v1",
        kind="Checkpoint",
        mode="",
        name=name,
        saved_as=name,
        file_type=kind,
        traits=tuple(traits.items()),
    )


FILES = [
    entry(1, format="SafeTensor", size="full", fp="fp32"),
    entry(2, format="SafeTensor", size="pruned", fp="fp16"),
    entry(3, format="PickleTensor", size="full", fp="fp32"),
    entry(4, "VAE", "harbor.vae.safetensors", format="SafeTensor"),
    entry(5, "Pruned Model", format="SafeTensor", size="pruned", fp="bf16"),
    entry(6, "Training Data", "data.zip", format="Other"),
]
ASKED = {
    "": 2,  # one name three times: the server's own choice
    "fileId=3": 3,
    "type=VAE&format=SafeTensor": 4,
    "type=VAE": 4,
    "type=vae": 4,
    "size=full&fp=fp32": 1,
    "type=Model&format=PickleTensor": 3,
    "format=PickleTensor&size=full": 3,
    "fp=bf16": 5,
    "type=Pruned Model": 5,
    "type=Training Data": 6,
    "fileId=1&size=full": 1,
    "token=abc": 2,
    "quantType=Q8_0": 2,  # no file of it tells one
}
REFUSED = {
    "fileId=99": "no file of that id",
    "type=Text Encoder": "no file of the type Text Encoder",
    "type=VAE&format=PickleTensor": "asks for format PickleTensor, and that file is SafeTensor",
    "fp=fp8": "asks for fp fp8, and that file is fp16",
    "fileId=1&size=pruned": "asks for size pruned, and that file is full",
    "fileId=4&type=Model": "asks for type Model, and that file is VAE",
    "size=full&fp=fp16": "asks for fp fp16, and that file is fp32",
}


def chosen(
    query: str, name: str = NAME, files: list[CivitaiEntry] | None = None
) -> tuple[int, str]:
    target = civitaifile.read("/api/download/models/70", query)
    found, reason = choose(FILES if files is None else files, target, name)
    return (found.file_id if found else 0), reason


@pytest.mark.parametrize("query", ASKED)
def test_the_file_that_an_address_names_is_chosen(query: str) -> None:
    assert chosen(query) == (ASKED[query], "")


@pytest.mark.parametrize("query", REFUSED)
def test_where_address_and_file_disagree_there_is_none(query: str) -> None:
    found, reason = chosen(query)
    assert not found
    assert REFUSED[query] in reason


def test_a_version_alone_is_made_clear_by_the_name() -> None:
    assert chosen("", "harbor.vae.safetensors") == (4, "")
    assert chosen("type=Model", "harbor.vae.safetensors") == (2, "")


def test_where_files_do_not_tell_what_they_are_none_is_guessed() -> None:
    files = [entry(1, size="full"), entry(2)]
    assert "name one by ?fileId=" in chosen("", files=files)[1]


def test_a_version_of_another_model_is_refused() -> None:
    parts = urlsplit("https://civitai.com/models/6/x?modelVersionId=70")
    target = civitaifile.read(parts.path, parts.query)
    assert choose(FILES, target, NAME) == (None, "it is a version of model 5, not of 6")


def test_a_version_without_files_has_none() -> None:
    assert chosen("", files=[])[0] == 0
