"""Civitai may answer with something else than was asked: its ids and hashes are always compared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from comfyfix.net.answer import Answer
from comfyfix.providers.civitai.api import Civitai

ONE, OTHER = "a" * 64, "b" * 64


class Scripted:
    """A service that answers every question with one value."""

    def __init__(self, value: Any) -> None:
        self.body = json.dumps(value).encode()

    def get(self, url: str, *_: Any, **__: Any) -> Answer:
        return Answer(url=url, status=200, headers={}, body=self.body)

    post_json = get


def civitai(value: Any) -> Civitai:
    return Civitai(Scripted(value), "https://civitai.example", token_known=False)  # type: ignore[arg-type]


def version(number: int, model: int, sha256: str = ONE) -> dict[str, Any]:
    file = {"id": number * 10, "name": "x.safetensors", "hashes": {"SHA256": sha256.upper()}}
    return {"id": number, "modelId": model, "name": "v1", "files": [file]}


def test_the_version_that_was_asked_for_is_taken() -> None:
    found = civitai(version(70, 5)).version(70)
    assert found is not None
    assert [(entry.version_id, entry.model_id, entry.file_id) for entry in found] == [(70, 5, 700)]


@pytest.mark.parametrize("number", [71, "71", None, True, [70]])
def test_an_answer_of_another_version_is_none(number: Any) -> None:
    assert civitai({**version(70, 5), "id": number}).version(70) is None


def test_a_file_of_another_hash_is_not_the_one_of_the_hash() -> None:
    assert [entry.sha256 for entry in civitai(version(70, 5)).by_hash(ONE)] == [ONE]
    assert civitai(version(70, 5, OTHER)).by_hash(ONE) == []


def test_of_many_only_hashes_that_were_asked_for_are_told() -> None:
    found = civitai([version(70, 5), version(71, 5, OTHER)]).by_hashes([ONE])
    assert set(found) == {ONE}


def test_a_version_that_says_it_is_another_models_is_left_out_of_a_search() -> None:
    versions = [version(70, 5), version(71, 6), {**version(72, 5), "modelId": None}]
    found = civitai({"items": [{"id": 5, "modelVersions": versions}]}).search("x", (), nsfw=True)
    assert [(entry.version_id, entry.model_id) for entry in found] == [(70, 5), (72, 5)]
