"""Lists and files of other tools, as recorded: the doubles and the tests have their shape."""

from __future__ import annotations

import http.client
import json
from importlib import resources
from typing import Any

from comfyfix.demo.hub import Hub
from tests.unit.test_catalogue import told
from tests.unit.test_manifests import CIVITAI, NODES, SOURCE, packed_model, snapshot

TEXT, NULL = str, type(None)
MODEL: dict[str, tuple[type, ...]] = {  # OpenModelDB, 2026-08-14: what each of the 671 models has
    "name": (TEXT,), "author": (TEXT, list), "license": (TEXT, NULL), "tags": (list,),
    "description": (TEXT,), "date": (TEXT,), "architecture": (TEXT,), "size": (list, NULL),
    "scale": (int,), "inputChannels": (int,), "outputChannels": (int,), "resources": (list,),
    "images": (list,),
}  # fmt: skip
RESOURCE = {"platform": TEXT, "type": TEXT, "size": int, "sha256": TEXT, "urls": list}
LISTED = {  # ComfyUI-Manager, 2026-08-19: what each of the 562 entries has
    "name": TEXT, "type": TEXT, "base": TEXT, "save_path": TEXT, "description": TEXT,
    "reference": TEXT, "filename": TEXT, "url": TEXT, "size": TEXT,
}  # fmt: skip
PACKED = {  # the example of comfy-pack
    "filename": TEXT, "size": int, "atime": float, "ctime": float, "disabled": bool,
    "sha256": TEXT, "source": dict,
}  # fmt: skip
OF_HUB = dict.fromkeys(("download_url", "url", "repo", "commit", "path", "source"), TEXT)
OF_CIVITAI = {"download_url": TEXT, "url": TEXT, "repo": int, "commit": int, "source": TEXT}
SNAPSHOT = {
    "comfyui": TEXT, "git_custom_nodes": dict, "cnr_custom_nodes": dict, "file_custom_nodes": list,
    "pips": dict,
}  # fmt: skip


def kinds(value: dict[str, Any]) -> dict[str, type]:
    return {key: type(one) for key, one in value.items()}


def test_a_model_of_openmodeldb(hub: Hub) -> None:
    hub.add_upscaler("4x_HarborSharp", ["https://huggingface.co/a/b/resolve/main/x.pth"], b"x")
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=20)
    try:
        connection.request("GET", "/api/v1/models.json")
        answer = connection.getresponse()
        value = json.loads(answer.read())
    finally:
        connection.close()
    assert answer.headers["ETag"]
    assert answer.headers.get_content_type() == "application/json"
    ((key, model),) = value.items()
    assert key == "4x_HarborSharp"
    assert model.keys() == MODEL.keys()
    assert all(isinstance(model[name], kind) for name, kind in MODEL.items())
    assert [kinds(resource) for resource in model["resources"]] == [RESOURCE]


def test_the_names_that_users_have() -> None:
    data = resources.files("comfyfix.providers").joinpath("openmodeldb_names.json").read_bytes()
    table = json.loads(data)
    assert "open-model-database@782aac088" in table["origin"]
    assert len(table["names"]) == 354
    assert all(name.endswith((".pth", ".pt")) for name in table["names"].values())
    assert len(data) < 20_000


def test_an_entry_of_the_managers_list() -> None:
    assert kinds(told("loras/x", "https://huggingface.co/a")) == LISTED


def test_a_snapshot_and_what_a_pack_adds_to_it() -> None:
    assert kinds(NODES) == SNAPSHOT
    assert kinds(packed_model()) == PACKED
    assert (kinds(SOURCE), kinds(CIVITAI)) == (OF_HUB, OF_CIVITAI)
    assert snapshot().keys() == {*SNAPSHOT, "python", "models"}
