"""Workflows inside pictures, videos, sounds and zips.

The files in `media/` were written by ffmpeg's libraries in the ways that ComfyUI's own nodes and
the Video Helper Suite do: tags of any name, or one comment that holds both graphs.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.comfyui.workflows.read import NotAWorkflow, parse
from comfyfix.records import because
from comfyfix.stages.needs.scan import scan, scan_file
from comfyfix.why import Why
from tests.unit.graphs import ui, vae

MEDIA = Path(__file__).parent / "media"
LIMITS = """
import gc, sys, warnings
from PIL import Image
def limits():
    return gc.isenabled(), gc.get_threshold(), Image.MAX_IMAGE_PIXELS, list(warnings.filters)
before = limits()
from comfyfix.stages.needs.scan import scan_file
from comfyfix.tasks.declare import creators, program
for path in sys.argv[1:]:
    assert scan_file(path, "w").references, path
assert limits() == before
"""
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


def why_not(data: bytes) -> str:
    with pytest.raises(NotAWorkflow) as caught:
        parse(data)
    return caught.value.reason.why


@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG"])
def test_pictures_are_read_in_every_way_of_keeping_text(form: str) -> None:
    texts = {"workflow": json.dumps(GRAPH), "prompt": json.dumps(API)}
    assert len(parse(picture(form, **texts)).nodes) == 1
    only_api = parse(picture(form, prompt=json.dumps(API))).nodes[0]
    assert only_api.value("vae_name") == "api.safetensors"


def test_a_picture_is_read_without_lifting_a_limit_of_the_process(tmp_path: Path) -> None:
    """In a process of its own: PIL's guard against huge pictures may be another's to count on."""
    for form in ("PNG", "WEBP", "JPEG", "AVIF"):
        (tmp_path / form).write_bytes(picture(form, workflow=json.dumps(GRAPH)))
    argv = [sys.executable, "-c", LIMITS, *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def of_size(form: str, width: int, height: int) -> bytes:
    """A picture that says it is of this size, and has the pixels of a small one."""
    data = bytearray(picture(form, workflow=json.dumps(GRAPH)))
    if form == "PNG":
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif form == "JPEG":
        at = data.index(b"\xff\xc0")
        data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    else:
        at = data.index(b"VP8X") + 12
        data[at : at + 6] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG"])
def test_a_huge_picture_is_read_as_any_other(form: str) -> None:
    assert len(parse(of_size(form, 16383, 16383)).nodes) == 1


def test_a_webp_that_is_cut_off_is_told_and_one_without_text_is_none() -> None:
    whole = picture("WEBP", workflow=json.dumps(GRAPH))
    assert why_not(whole[: whole.index(b"EXIF")]) == Why.PICTURE_UNREADABLE
    assert why_not(whole[:-20]) == Why.PICTURE_UNREADABLE
    assert why_not(picture("WEBP")) == Why.NO_WORKFLOW


def test_a_moving_webp_is_read() -> None:
    data, exif = io.BytesIO(), Image.Exif()
    exif[0x0110] = f"workflow:{json.dumps(GRAPH)}"
    frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in range(20)]
    frames[0].save(data, "WEBP", save_all=True, append_images=frames[1:], exif=exif)
    assert len(parse(data.getvalue()).nodes) == 1


def test_where_the_graph_is_broken_the_prompt_counts() -> None:
    data = picture("PNG", workflow="{", prompt=json.dumps(API))
    assert parse(data).nodes[0].value("vae_name") == "api.safetensors"
    assert why_not(picture("PNG", workflow="{")) == Why.JSON_BROKEN
    assert why_not(picture("PNG", parameters="a cat, steps: 20")) == Why.NO_WORKFLOW


@settings(max_examples=300)
@given(st.data())
def test_any_damage_of_a_media_file_is_told(data: st.DataObject) -> None:
    whole = (MEDIA / data.draw(st.sampled_from(FILES))).read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    piece = data.draw(st.binary(max_size=24))
    skipped = data.draw(st.integers(0, 64))
    with contextlib.suppress(NotAWorkflow):
        parse(whole[:start] + piece + whole[start + skipped :])


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
        "bad.zip": because(Why.ZIP_UNREADABLE),
        "bomb.zip/b.json": because(Why.MEMBER_LARGE, limit=workflow_files.MEMBER_MAX),
        "good.zip/a.json": None,
        "locked.zip/l.json": because(Why.ZIP_LOCKED),
    }
