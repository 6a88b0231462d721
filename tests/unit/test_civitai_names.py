"""Civitai's names for downloads, and the words that find a model by them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.demo.civitai_names import LENGTH, download_name, filenamize
from comfyfix.providers.civitai.names import model_queries


@pytest.mark.parametrize(
    ("title", "part"),
    [
        ("DreamShaper", "dreamshaper"),
        ("Realistic Vision V6.0 B1", "realisticVisionV60B1"),
        ("V5.1 (VAE)", "v51VAE"),
        ("Juggernaut XL", "juggernautXL"),
        ("V6 (start with this one)", "v6StartWithThisOne"),
        ("Natural Sin RC1 VAE", "naturalSinRC1VAE"),
        ("Cat's Eye", "catsEye"),
        ("Supercalifragilistic Expialidocious Words", "supercalifragilistic"),
        ("abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrst"),
        ("", ""),
    ],
)
def test_a_title_becomes_a_part_of_a_name(title: str, part: str) -> None:
    assert filenamize(title) == part


@given(st.text(max_size=80))
def test_any_title_becomes_letters_and_digits(title: str) -> None:
    part = filenamize(title)
    assert part.isascii()
    assert part == "" or part.isalnum()
    assert len(part) <= LENGTH + len(title)


def name_of(kind: str, file: str, version: str = "v8", **more: object) -> str:
    words = ["quiethands"] if more.get("words") else []
    file_type = str(more.get("file_type", "Model"))
    return download_name(
        kind=kind,
        model="Dream Shaper",
        version=version,
        file=file,
        file_type=file_type,
        words=words,
    )


def test_each_type_has_its_rule() -> None:
    assert name_of("LORA", "mine_v1.safetensors") == "mine_v1.safetensors"
    assert name_of("VAE", "mine_v1.pt") == "dreamShaper_v8.pt"
    assert name_of("Checkpoint", "x.vae.pt", file_type="VAE") == "x.vae.pt"
    assert name_of("Checkpoint", "mine.safetensors") == "dreamShaper_v8.safetensors"
    assert (
        name_of("Checkpoint", "mine-inpainting.ckpt", version="8 Inpainting")
        == "dreamShaper_8-inpainting.ckpt"
    )
    assert name_of("TextualInversion", "mine.pt", words=True) == "quiethands.pt"
    negative = name_of("TextualInversion", "mine.pt", words=True, file_type="Negative")
    assert negative == "quiethands-neg.pt"


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("juggernautXL_v9Rdphoto2Lightning.safetensors", "juggernaut XL"),
        ("realisticVisionV60B1_v51VAE.safetensors", "realistic Vision"),
        ("dreamshaper_8.safetensors", "dreamshaper"),
        ("xxmix9realistic_v40.safetensors", "xxmix 9realistic"),
        ("counterfeitV30_v30.safetensors", "counterfeit"),
        ("dreamshaperXL10_alpha2Xl10.safetensors", "dreamshaper XL"),
        ("more_details.safetensors", "more_details"),
        ("ink_wash_poster.safetensors", "ink_wash_poster"),
    ],
)
def test_the_models_words_are_asked_for_first(name: str, query: str) -> None:
    first, *others = model_queries(name)
    assert first == query
    assert len(others) <= 1


@given(st.text(max_size=60))
def test_any_name_gives_few_queries(name: str) -> None:
    assert len(model_queries(name)) <= 2
