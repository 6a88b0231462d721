"""Workflows inside pictures, videos, sounds and zips.

The files in `media/` were written by ffmpeg's libraries in the ways that ComfyUI's own nodes and
the Video Helper Suite do: tags of any name, or one comment that holds both graphs.
"""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.comfyui.workflows.read import NotAWorkflow, parse
from comfyfix.stages.scan import scan, scan_file
from tests.unit.graphs import ui, vae

MEDIA = Path(__file__).parent / "media"
GRAPH = ui(vae(1, "v.safetensors"))
API = {"1": {"class_type": "VAELoader", "inputs": {"vae_name": "api.safetensors"}}}
FILES = sorted(path.name for path in MEDIA.iterdir())


def names(path: Path) -> list[str]:
    return [reference.name for reference in scan_file(str(path), "w").references]


def picture(form: str, **texts: str) -> bytes:
    data = io.BytesIO()
    image = Image.new("RGB", (8, 8))
    if form == "PNG":
        info = PngImagePlugin.PngInfo()
        for key, text in texts.items():
            info.add_text(key, text, zip=key == "workflow")
        image.save(data, form, pnginfo=info)
    else:
        exif = Image.Exif()
        for field, (key, text) in zip((0x010F, 0x0110), texts.items(), strict=False):
            exif[field] = f"{key}:{text}"
        image.save(data, form, exif=exif)
    return data.getvalue()


@pytest.mark.parametrize("name", FILES)
def test_the_tags_of_videos_and_sounds_are_read(name: str, tmp_path: Path) -> None:
    assert names(MEDIA / name) == ["v.safetensors"]
    misnamed = tmp_path / "anything.json"
    shutil.copy(MEDIA / name, misnamed)
    assert names(misnamed) == ["v.safetensors"]


def test_of_a_large_video_only_the_tags_are_read(tmp_path: Path) -> None:
    """The pictures are skipped, not read: here they are a hole of 3 GB."""
    data = (MEDIA / "core.mp4").read_bytes()
    at = data.index(b"mdat") - 4
    length = int.from_bytes(data[at : at + 4], "big")
    hole = 3 << 30
    path = tmp_path / "large.mp4"
    with path.open("wb") as out:
        out.write(data[:at] + (1).to_bytes(4, "big") + b"mdat" + hole.to_bytes(8, "big"))
        out.seek(at + hole)
        out.write(data[at + length :])
    assert names(path) == ["v.safetensors"]


@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG"])
def test_pictures_are_read_in_every_way_of_keeping_text(form: str) -> None:
    texts = {"workflow": json.dumps(GRAPH), "prompt": json.dumps(API)}
    assert len(parse(picture(form, **texts)).nodes) == 1
    only_api = parse(picture(form, prompt=json.dumps(API))).nodes[0]
    assert only_api.value("vae_name") == "api.safetensors"


def test_where_the_graph_is_broken_the_prompt_counts() -> None:
    data = picture("PNG", workflow="{", prompt=json.dumps(API))
    assert parse(data).nodes[0].value("vae_name") == "api.safetensors"
    with pytest.raises(NotAWorkflow, match="broken JSON at line 1, column 2"):
        parse(picture("PNG", workflow="{"))
    with pytest.raises(NotAWorkflow, match="holds no workflow"):
        parse(picture("PNG", parameters="a cat, steps: 20"))


@settings(max_examples=300)
@given(st.data())
def test_any_damage_of_a_media_file_is_told_in_words(data: st.DataObject) -> None:
    whole = (MEDIA / data.draw(st.sampled_from(FILES))).read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    piece = data.draw(st.binary(max_size=24))
    skipped = data.draw(st.integers(0, 64))
    try:
        parse(whole[:start] + piece + whole[start + skipped :])
    except NotAWorkflow as problem:
        assert str(problem)


def zipped(path: Path, **members: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            text = value if isinstance(value, bytes) else json.dumps(value)
            archive.writestr(name.replace("__", "/"), text)
    return path


def test_a_zip_is_a_folder_of_workflows(tmp_path: Path) -> None:
    pack = zipped(tmp_path / "pack.zip", **{
        "a.json": GRAPH, "deep__b.json": API, "readme.txt": b"no", "__MACOSX__._a.json": b"no",
        "c.mp4": (MEDIA / "core.mp4").read_bytes(),
    })  # fmt: skip
    for place in (str(tmp_path), str(pack)):
        files = workflow_files.find([place])
        assert [name for _, name in files] == ["pack.zip/a.json", "pack.zip/c.mp4",
                                               "pack.zip/deep/b.json"]  # fmt: skip
    found = {file.workflow: [r.name for r in file.references] for file in scan(files)}
    assert found["pack.zip/deep/b.json"] == ["api.safetensors"]
    assert found["pack.zip/a.json"] == found["pack.zip/c.mp4"] == ["v.safetensors"]
    (one,) = workflow_files.find([f"{pack}/deep/b.json"])
    assert [r.name for r in scan([one])[0].references] == ["api.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pack.zip"]


def test_a_changed_zip_is_read_again(tmp_path: Path) -> None:
    cache = tmp_path / "cache.json"
    pack = zipped(tmp_path / "pack.zip", **{"a.json": GRAPH})
    first = scan(workflow_files.find([str(pack)]), cache)
    zipped(pack, **{"a.json": API})
    second = scan(workflow_files.find([str(pack)]), cache)
    assert [r.name for r in first[0].references] == ["v.safetensors"]
    assert [r.name for r in second[0].references] == ["api.safetensors"]


def test_a_bad_zip_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    zipped(tmp_path / "good.zip", **{"a.json": GRAPH})
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 and no more")
    zipped(tmp_path / "bomb.zip", **{"b.json": bytes(80 << 20)})
    locked = zipped(tmp_path / "locked.zip", **{"l.json": GRAPH})
    data = bytearray(locked.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1  # says that it is encrypted
    locked.write_bytes(data)
    told = {f.workflow: f.problem for f in scan(workflow_files.find([str(tmp_path)]))}
    assert told == {
        "bad.zip": "a zip that can't be read",
        "bomb.zip/b.json": "it is larger than 64 MB inside the zip",
        "good.zip/a.json": "",
        "locked.zip/l.json": "the zip is locked with a password",
    }
