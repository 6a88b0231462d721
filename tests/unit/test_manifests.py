"""Other tools' files: which form is which, and what a hostile one can't do."""

from __future__ import annotations

import io
import json
import stat
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix.comfyui.manifests import forms, packed, read
from comfyfix.comfyui.manifests.listing import Listing, NotAList
from comfyfix.why import Why

SHA = "7adffa28d4003a773c2d4e5f10ae1ba63c33573967864a7f9a4a3be9c9f04a93"
HUB = "https://huggingface.co"
NODES = {
    "comfyui": "c" * 40,
    "git_custom_nodes": {"https://github.com/a/b": {"hash": "d" * 40, "disabled": False}},
    "cnr_custom_nodes": {"some-pack": "1.2.0"},
    "file_custom_nodes": [{"filename": "x.py", "disabled": False}],
    "pips": {"numpy==2.0": ""},
}
SOURCE = {
    "download_url": f"{HUB}/o/n/resolve/{'e' * 40}/a b (1).safetensors?download=true",
    "url": f"{HUB}/o/n/blob/{'e' * 40}/a b (1).safetensors",
    "repo": "o/n",
    "commit": "e" * 40,
    "path": "a b (1).safetensors",
    "source": "huggingface",
}
CIVITAI = {
    "download_url": "https://civitai.com/api/download/models/128713",
    "url": "https://civitai.com/models/4384?modelVersionId=128713",
    "repo": 4384,
    "commit": 128713,
    "source": "civitai",
}


def packed_model(**more: Any) -> dict[str, Any]:
    told = {"filename": "models/checkpoints/x.safetensors", "size": 5, "atime": 1.5, "ctime": 1.5}
    return {**told, "disabled": False, "sha256": SHA, "source": SOURCE, **more}


def snapshot(*models: Any, **more: Any) -> dict[str, Any]:
    return {"python": "3.12", **NODES, "models": list(models), **more}


def zipped(data: bytes, name: str = "snapshot.json", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        archive.writestr("workflow.json", "{}")
        archive.writestr(name, data)
    return made.getvalue()


def of(tmp_path: Path, data: bytes | str | dict[str, Any], name: str = "f") -> Listing:
    if isinstance(data, dict):
        data = json.dumps(data)
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read.listing(path)


def refusal(tmp_path: Path, data: bytes | str | dict[str, Any]) -> str:
    with pytest.raises(NotAList) as refused:
        of(tmp_path, data)
    return refused.value.reason.why


@pytest.mark.parametrize("name", ["x.cpack.zip", "x.json", "x.yaml", "x"])
def test_the_kind_is_told_by_the_content(tmp_path: Path, name: str) -> None:
    told = snapshot(packed_model())
    for data in (zipped(json.dumps(told).encode()), json.dumps(told).encode()):
        listing = of(tmp_path, data, name)
        assert (listing.tool, listing.packs) == ("comfy-pack", 3)
        (model,) = listing.models
        assert (model.place, model.sha256) == ("models/checkpoints/x.safetensors", SHA)
        assert model.url == f"{HUB}/o/n/resolve/{'e' * 40}/a%20b%20%281%29.safetensors"


@pytest.mark.parametrize(
    ("told", "url"),
    [
        (CIVITAI, "https://civitai.com/api/download/models/128713"),
        ({**SOURCE, "download_url": "a b.safetensors", "url": "a b.safetensors"}, "a%20b"),
        ({**SOURCE, "repo": "datasets/o/n"}, f"{HUB}/datasets/o/n/resolve/"),
        ({"download_url": f"{HUB}/o/n/resolve/main/a b.pth"}, f"{HUB}/o/n/resolve/main/a%20b.pth"),
        (
            {"download_url": "x", "url": "https://civitai.com/models/1"},
            "https://civitai.com/models/1",
        ),
        ({}, ""),
        (None, ""),
        ({"source": "huggingface", "repo": 7, "path": [], "commit": {}}, ""),
    ],
)
def test_where_a_pack_says_a_model_is(tmp_path: Path, told: Any, url: str) -> None:
    (model,) = of(tmp_path, snapshot(packed_model(source=told))).models
    assert url in model.url
    assert bool(url) == bool(model.url)


def test_an_older_pack_and_one_without_hashes(tmp_path: Path) -> None:
    """Before 0.4 node packs were a list, and the hash of a large file may be unknown."""
    nodes = [{"url": "https://github.com/a/b.git", "commit_hash": "d" * 40, "disabled": False}]
    model = packed_model(sha256=None, source={})
    listing = of(tmp_path, {"comfyui": "c" * 40, "custom_nodes": nodes, "models": [model]})
    assert (listing.tool, listing.packs, listing.models[0].sha256) == ("comfy-pack", 1, "")
    off = of(tmp_path, snapshot(packed_model(disabled=True))).models[0]
    assert off.odd is not None
    assert off.odd.why == Why.IMPORT_SWITCHED_OFF


LOCK = f"""
basics:
  name: x
  updated_at: '2025-01-01T00:00:00'
custom_nodes: []
models:
- model: Harbor Light
  url: {HUB}/o/n/resolve/main/x.safetensors
  paths:
  - path: models/loras/a.safetensors
  - path: models/loras/sub/a.safetensors
  hash: {SHA.upper()}
  type: lora
- model: b.safetensors
  url: https://civitai.com/api/download/models/7
  paths: []
  hashes:
  - hash: {"1a" * 32}
    type: Blake3
  - hash: {SHA}
    type: SHA256
  type: checkpoint
- model: c
  url: {HUB}/o/n/resolve/main/c.pth?download=true
  hashes: [{{hash: abc1234567, type: AutoV2}}]
- model: no file
  url: null
- 7
"""


def test_a_lock_of_comfy_cli(tmp_path: Path) -> None:
    listing = of(tmp_path, LOCK)
    assert listing.tool == "comfy-cli"
    told = [(m.place, m.folder, m.sha256) for m in listing.models]
    assert told == [
        ("models/loras/a.safetensors", "loras", SHA),
        ("models/loras/sub/a.safetensors", "loras", SHA),
        ("b.safetensors", "checkpoints", SHA),
        ("c.pth", "", ""),
        ("no file", "", ""),
        ("", "", ""),
    ]
    assert [m.odd is None for m in listing.models] == [True, True, True, True, False, False]


def test_a_build_of_comfy_cli(tmp_path: Path) -> None:
    model = {"type": "ultralytics/bbox", "filename": "face.pt", "sha256": SHA, "sizeBytes": 5}
    source = {"sourceUri": f"{HUB}/o/n/resolve/main/face.pt"}
    nodes = [{"name": "x", "repository": "https://github.com/a/b", "gitRef": "c" * 40}]
    listing = of(
        tmp_path, {"models": [model, {**model, **source}, {"type": "vae"}], "customNodes": nodes}
    )
    assert (listing.tool, listing.packs) == ("comfy-cli", 1)
    local, public, odd = listing.models
    assert (local.place, local.url, local.sha256) == ("models/ultralytics/bbox/face.pt", "", SHA)
    assert public.url == source["sourceUri"]
    assert odd.odd is not None


API = """
apt: [git]
custom_nodes: [comfyui_essentials, https://github.com/a/b]
models:
  before_start:
    - url: https://civitai.com/api/download/models/128713?type=Model&format=SafeTensor
      local_path: /opt/ComfyUI/models/checkpoints/a.safetensors
    - url: s3://bucket/x.safetensors
      local_path: models/checkpoints/b.safetensors
  after_start:
    - local_path: models/loras/c.safetensors
    - url: https://huggingface.co/o/n/resolve/main/d.pth
"""


def test_a_manifest_of_comfyui_api(tmp_path: Path) -> None:
    listing = of(tmp_path, API)
    assert (listing.tool, listing.packs) == ("comfyui-api", 2)
    assert [m.where for m in listing.models if m.odd] == [
        "models.after_start[0]",
        "models.after_start[1]",
    ]
    assert [m.place for m in listing.models if not m.odd] == [
        "/opt/ComfyUI/models/checkpoints/a.safetensors",
        "models/checkpoints/b.safetensors",
    ]
    bare = of(tmp_path, {"custom_nodes": ["x"], "pip": []})
    assert (bare.tool, bare.models) == ("comfyui-api", ())


@pytest.mark.parametrize("told", [NODES, {"custom_nodes": NODES}])
def test_a_snapshot_of_the_manager_has_no_models(tmp_path: Path, told: dict[str, Any]) -> None:
    listing = of(tmp_path, told)
    assert (listing.tool, listing.models, listing.packs) == ("ComfyUI-Manager", (), 3)


def test_what_is_none_of_them_is_said(tmp_path: Path) -> None:
    assert refusal(tmp_path, {"models": [{"name": "x", "url": "y"}]}) == Why.IMPORT_UNKNOWN_FORM
    for data in ("", "[]", "text", "{}", "models: {}", '{"models": 7}'):
        assert refusal(tmp_path, data) == Why.IMPORT_UNKNOWN_FORM
    assert refusal(tmp_path, {"nodes": [], "links": []}) == Why.IMPORT_WORKFLOW
    assert refusal(tmp_path, {"1": {"class_type": "X", "inputs": {}}}) == Why.IMPORT_WORKFLOW
    assert refusal(tmp_path, b"\xff\xfe\x00") == Why.NOT_TEXT
    assert refusal(tmp_path, "a: [\n") == Why.MANIFEST_LINE
    assert refusal(tmp_path, "[" * 100_000) in (Why.JSON_UNREADABLE, Why.MANIFEST_LINE)
    assert refusal(tmp_path, snapshot(*[packed_model()] * 2001)) == Why.IMPORT_MANY_MODELS
    assert refusal(tmp_path, json.dumps([0] * 250_000)) == Why.VALUES_MANY
    assert refusal(tmp_path, b" " * (9 << 20)) == Why.TOO_LARGE


def test_a_text_of_windows_is_read(tmp_path: Path) -> None:
    text = json.dumps(snapshot(packed_model()))
    assert (
        of(tmp_path, text.encode("utf-16")).models
        == of(tmp_path, b"\xef\xbb\xbf" + text.encode()).models
    )


def test_a_zip_is_read_in_memory_and_bounded(tmp_path: Path) -> None:
    data = json.dumps(snapshot(packed_model())).encode()
    assert of(tmp_path, zipped(data, "again/snapshot.json")).models
    assert refusal(tmp_path, zipped(data, "../snapshot.json/x")) == Why.IMPORT_NO_SNAPSHOT
    assert refusal(tmp_path, zipped(data, "a/b/snapshot.json")) == Why.IMPORT_NO_SNAPSHOT
    bomb = zipped(b" " * (200 << 20))
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    assert refusal(tmp_path, bomb) == Why.MEMBER_LARGE
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 << 20
    assert refusal(tmp_path, zipped(data, method=zipfile.ZIP_LZMA)) == Why.IMPORT_ODD_MEMBER
    assert refusal(tmp_path, zipped(data)[:-30]) in (Why.ZIP_BROKEN, Why.IMPORT_NO_SNAPSHOT)
    assert refusal(tmp_path, b"PK\x03\x04") == Why.ZIP_BROKEN
    assert list(tmp_path.iterdir()) == [tmp_path / "f"], "nothing is unpacked"


def test_odd_members_are_refused(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        link = zipfile.ZipInfo("snapshot.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert refusal(tmp_path, made.getvalue()) == Why.IMPORT_ODD_MEMBER
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("snapshot.json", "{}")
        archive.writestr("x/snapshot.json", "{}")
    assert refusal(tmp_path, made.getvalue()) == Why.IMPORT_TWO_SNAPSHOTS
    locked = bytearray(zipped(b"{}"))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = locked.rfind(mark) + place
        locked[at] |= 1
    assert refusal(tmp_path, bytes(locked)) == Why.ZIP_LOCKED


def test_a_zip_of_very_many_names_costs_nothing(tmp_path: Path) -> None:
    made = bytearray(zipped(b"{}"))
    end = made.rfind(b"PK\x05\x06")
    made[end + 12 : end + 16] = (packed._DIRECTORY_MAX + 1).to_bytes(4, "little")
    assert refusal(tmp_path, bytes(made)) == Why.IMPORT_LARGE_DIRECTORY
    # The end that counts, and one that is made to be found first.
    assert refusal(tmp_path, bytes(made) + b"PK\x05\x06") == Why.IMPORT_LARGE_DIRECTORY
    elsewhere = zipped(b"{}")
    end = elsewhere.rfind(b"PK\x05\x06")
    locator = b"PK\x06\x07" + bytes(16)
    assert (
        refusal(tmp_path, elsewhere[:end] + locator + elsewhere[end:]) == Why.IMPORT_LARGE_DIRECTORY
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.just(SHA),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "models",
                    "filename",
                    "source",
                    "paths",
                    "url",
                    "before_start",
                    "local_path",
                    "hashes",
                    "hash",
                    "type",
                    "custom_nodes",
                    "git_custom_nodes",
                    "path",
                    "model",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=300)
@given(JSON)
def test_any_value_at_all_is_read_or_refused(value: Any) -> None:
    found = forms.listing({"models": value, "comfyui": "x"}) or forms.listing(value)
    for model in found.models if found else ():
        assert model.odd or model.place
        assert "\n" not in model.url
