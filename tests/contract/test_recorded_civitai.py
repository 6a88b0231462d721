"""The double answers as Civitai does: its handlers and its recorded answers, key by key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import CivitaiVersion, Hub, sha256
from comfyfix.net.http import Web
from comfyfix.providers.civitai.api import Civitai
from tests.contract.test_recorded_hub import ask

NAME = "harborLight_v1.safetensors"
VERSION = {  # one version of a list
    "id": int, "name": str, "baseModel": str, "publishedAt": str, "availability": str,
    "trainedWords": list, "files": list, "downloadUrl": str,
}  # fmt: skip
FILE = {
    "id": int, "sizeKB": float, "name": str, "type": str, "metadata": dict, "downloadUrl": str,
    "pickleScanResult": str, "virusScanResult": str, "hashes": dict, "primary": bool,
}  # fmt: skip
REFUSED = {  # what the download handler says, in the order of its checks
    "archived": (410, {"error"}),
    "gone": (404, {"error"}),
    "disabled": (401, {"error", "message"}),
    "login": (401, {"error", "message"}),
    "early": (403, {"error", "deadline"}),
    "forbidden": (403, {"error"}),
}


@pytest.fixture
def version(hub: Hub) -> CivitaiVersion:
    made = hub.add_civitai("Harbor Light", NAME, type="Checkpoint")
    made.name, made.data = "v1", file_for(NAME)
    made.others = {500: (NAME, "Model", file_for("full.safetensors"))}
    made.traits = {
        made.file_id: {"size": "pruned", "fp": "fp16"}, 500: {"size": "full", "fp": "fp32"},
    }  # fmt: skip
    return made


def told(hub: Hub, path: str, **options: Any) -> Any:
    return json.loads(ask(hub, path, **options).text)


def kinds(value: dict[str, Any], expected: dict[str, type]) -> dict[str, type]:
    return {key: type(value[key]) for key in expected if key in value}


def test_a_list_of_models(hub: Hub, version: CivitaiVersion) -> None:
    first = told(hub, "/api/v1/models?query=harbor")
    assert first["items"] == []
    assert first["metadata"].keys() == {"nextCursor", "nextPage"}
    page = told(hub, "/api/v1/models?query=harbor&cursor=1")
    (model,) = page["items"]
    assert {"id", "name", "type", "creator", "allowCommercialUse"} < model.keys()
    assert page["metadata"].keys() == {"currentPage", "pageSize"}
    (listed,) = model["modelVersions"]
    assert kinds(listed, VERSION) == VERSION
    primary, other = listed["files"]
    assert kinds(primary, FILE) == FILE
    assert "primary" not in other, "absent in lists, not false"
    assert primary["name"] == other["name"]
    assert "?" not in primary["downloadUrl"]
    assert (
        other["downloadUrl"].partition("?")[2] == "type=Model&format=SafeTensor&size=full&fp=fp32"
    )


def test_one_version_and_versions_by_hash(hub: Hub, version: CivitaiVersion) -> None:
    digest = sha256(version.data)
    one = told(hub, f"/api/v1/model-versions/{version.id}")
    assert one["model"].keys() == {"name", "type", "nsfw", "poi", "mode"}
    assert not {"creator", "allowCommercialUse"} & (one.keys() | one["model"].keys())
    assert told(hub, f"/api/v1/model-versions/by-hash/{digest}") == one
    body = json.dumps([digest.upper()])
    nothing, many = told(hub, "/api/v1/model-versions/by-hash", method="POST", body=body)
    assert nothing is None
    assert many["downloadUrl"].startswith("https://undefined/")
    known = Civitai(Web({}, direct=True), hub.url, token_known=False).by_hashes([digest])
    assert known[digest].file_id == version.file_id


@pytest.mark.parametrize("path", ["model-versions/999", f"model-versions/by-hash/{'0' * 64}"])
def test_what_is_not_there(hub: Hub, path: str) -> None:
    answer = ask(hub, f"/api/v1/{path}")
    assert (answer.status, json.loads(answer.text)) == (404, {"error": "Model not found"})


def test_a_token_that_is_none_is_as_without(hub: Hub, version: CivitaiVersion) -> None:
    hub.refused_tokens.add("civ_old")
    answer = ask(hub, f"/api/v1/model-versions/{version.id}", token="civ_old")
    assert answer.status == 200


@pytest.mark.parametrize("access", REFUSED)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_download_that_is_refused(
    hub: Hub, version: CivitaiVersion, access: str, method: str
) -> None:
    version.access = access
    answer = ask(hub, f"/api/download/models/{version.id}", method=method)
    status, keys = REFUSED[access]
    assert answer.status == status
    assert method == "HEAD" or json.loads(answer.text).keys() == keys


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 307), ("?type=Model&format=SafeTensor&size=full&fp=fp32", 307), ("?fileId=500", 307),
        ("?fileId=1", 404), ("?type=VAE", 404), ("?fp=nf4", 404), ("?token=abc", 307),
    ],
)  # fmt: skip
def test_a_download_by_its_query(
    hub: Hub, version: CivitaiVersion, query: str, status: int
) -> None:
    version.mode = "TakenDown"  # loses pictures alone
    answer = ask(hub, f"/api/download/models/{version.id}{query}")
    assert answer.status == status
    assert (answer.headers["Location"] or "").startswith("http") == (status == 307)
