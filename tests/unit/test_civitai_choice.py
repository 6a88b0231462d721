"""Which file of a version an address names."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
import pytest

from comfyfix.net.urls import civitai_address as civitaifile
from comfyfix.net.urls.civitai_address import CivitaiFile
from comfyfix.providers.civitai.choice import bearing, choose
from comfyfix.providers.civitai.entries import CivitaiEntry
from comfyfix.records import Reason, because
from comfyfix.why import Why

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


def other(trait: str, asked: str, told: str) -> Reason:
    return because(Why.CIVITAI_OTHER_TRAIT, trait=trait, asked=asked, told=told)


REFUSED = {
    "fileId=99": because(Why.CIVITAI_NO_FILE),
    "type=Text Encoder": because(Why.CIVITAI_NO_TYPE, file_type="Text Encoder"),
    "type=VAE&format=PickleTensor": other("format", "PickleTensor", "SafeTensor"),
    "fp=fp8": other("fp", "fp8", "fp16"),
    "fileId=1&size=pruned": other("size", "pruned", "full"),
    "fileId=4&type=Model": other("type", "Model", "VAE"),
    "size=full&fp=fp16": other("fp", "fp16", "fp32"),
}


def read(path: str, query: str) -> CivitaiFile:
    target = civitaifile.read(path, query)
    assert isinstance(target, CivitaiFile)
    return target


def chosen(query: str, name: str = NAME, files: list[CivitaiEntry] | None = None) -> int | Reason:
    target = read("/api/download/models/70", query)
    found = choose(FILES if files is None else files, target, name)
    return found if isinstance(found, Reason) else found.file_id


@pytest.mark.parametrize("query", ASKED)
def test_the_file_that_an_address_names_is_chosen(query: str) -> None:
    assert chosen(query) == ASKED[query]


@pytest.mark.parametrize("query", REFUSED)
def test_where_address_and_file_disagree_there_is_none(query: str) -> None:
    assert chosen(query) == REFUSED[query]


def test_a_version_alone_is_made_clear_by_the_name() -> None:
    assert chosen("", "harbor.vae.safetensors") == 4
    assert chosen("type=Model", "harbor.vae.safetensors") == 2


def test_where_files_do_not_tell_what_they_are_none_is_guessed() -> None:
    files = [entry(1, size="full"), entry(2)]
    assert chosen("", files=files) == because(Why.CIVITAI_SEVERAL, count=2)


def test_a_version_of_another_model_is_refused() -> None:
    parts = urlsplit("https://civitai.com/models/6/x?modelVersionId=70")
    target = read(parts.path, parts.query)
    found = choose(FILES, target, NAME)
    assert found == because(Why.CIVITAI_OTHER_MODEL, model=5, asked=6)


def test_a_version_without_files_has_none() -> None:
    assert chosen("", files=[]) == because(Why.CIVITAI_NO_FILES)


def test_of_a_version_the_primary_bears_a_name_and_of_one_without_it_all() -> None:
    first, second = entry(1), entry(2)
    primary = msgspec.structs.replace(first, primary=True)
    elsewhere = msgspec.structs.replace(entry(3), version_id=71)
    assert bearing([primary, second, elsewhere, FILES[3]], NAME) == [primary, elsewhere]
    assert bearing([first, second, FILES[3]], NAME) == [first, second]
