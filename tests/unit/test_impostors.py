"""Impostors: what is no model at all, or another kind of file, never passes under any name."""

from __future__ import annotations

import gzip
import io
import pickle
import random
import struct
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.demo.content import file_for
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.impostors import is_tar
from comfyfix.formats.look import inspect
from tests.unit.judged import said
from tests.unit.torchlike import archived

EXTENSIONS = ["safetensors", "gguf", "pth", "ckpt", "bin", "onnx"]
RUBBISH = bytes(range(256)) * 9
IMPOSTORS = {
    "page": (b"<!DOCTYPE html><html><body>Sign in</body></html>", Flaw.IS_WEB_PAGE),
    "page after spaces": (b"\n\n  <html lang=en>\xff", Flaw.IS_WEB_PAGE),
    "XML": (b'\xef\xbb\xbf<?xml version="1.0"?><Error>NoSuchKey</Error>', Flaw.IS_XML),
    "JSON": (b'{"error": "Repository not found"}', Flaw.IS_JSON),
    "JSON list": (b'  [{"message": "\xe9"}]', Flaw.IS_JSON),
    "empty JSON": (b"{}", Flaw.IS_JSON),
    "LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4265380512\n",
        Flaw.IS_GIT_LFS_POINTER,
    ),
    "LFS pointer, cut": (b"version https://git-lfs.github.com/spec/v1\n", Flaw.IS_GIT_LFS_POINTER),
    "annex pointer": (
        b"/annex/objects/SHA256E-s1048576--0123abcd.safetensors\n",
        Flaw.IS_GIT_ANNEX_POINTER,
    ),
    "annex link": (b"../.git/annex/objects/xX/MD5-s5--0/MD5-s5--0", Flaw.IS_GIT_ANNEX_POINTER),
    "empty": (b"", Flaw.IS_EMPTY),
    "error": (b"Entry not found", Flaw.IS_TEXT),
    "table": (b"a,b\r\n" * 2000, Flaw.IS_TEXT),
    "script": (b"#!/bin/sh\nrm -rf /\n", Flaw.IS_SCRIPT),
    "gzip": (gzip.compress(b"x", mtime=0), Flaw.IS_GZIP),
    "7z": (b"7z\xbc\xaf\x27\x1c" + RUBBISH, Flaw.IS_7Z),
    "rar": (b"Rar!\x1a\x07\x01\0" + RUBBISH, Flaw.IS_RAR),
    "bzip2": (b"BZh91AY&SY" + RUBBISH, Flaw.IS_BZIP2),
    "xz": (b"\xfd7zXZ\0" + RUBBISH, Flaw.IS_XZ),
    "zstd": (b"\x28\xb5\x2f\xfd" + RUBBISH, Flaw.IS_ZSTANDARD),
    "tar": (b"model".ljust(257, b"\0") + b"ustar\0" + RUBBISH, Flaw.IS_TAR),
    "PNG": (b"\x89PNG\r\n\x1a\n" + RUBBISH, Flaw.IS_PNG),
    "JPEG": (b"\xff\xd8\xff\xe0" + RUBBISH, Flaw.IS_JPEG),
    "PDF": (b"%PDF-1.7\n\xff" + RUBBISH, Flaw.IS_PDF),
    "ELF": (b"\x7fELF\2\1\1" + RUBBISH, Flaw.IS_ELF),
    "PE": (b"MZ\x90\0" + RUBBISH, Flaw.IS_WINDOWS_PROGRAM),
    "zip of something": (archived({"readme.txt": b"hello"}), Flaw.IS_ZIP),
    "zeros": (b"\0" * 5000, None),
    "rubbish": (RUBBISH, None),
}


def test_there_are_twenty_impostors_and_more() -> None:
    assert len(IMPOSTORS) >= 20


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("name", IMPOSTORS)
def test_no_impostor_passes(name: str, extension: str, tmp_path: Path) -> None:
    data, flaw = IMPOSTORS[name]
    path = tmp_path / f"x.{extension}"
    path.write_bytes(data)
    found = said(inspect(path))
    assert found
    if flaw is Flaw.IS_ZIP and extension in ("pth", "ckpt", "bin"):
        flaw = Flaw.ZIP_NOT_TORCH  # such a file may be a zip
    if flaw is not None:
        assert found == ("damaged" if flaw in NO_MODEL else "wrong", flaw)


NO_MODEL = {
    *(Flaw.IS_WEB_PAGE, Flaw.IS_XML, Flaw.IS_JSON, Flaw.IS_EMPTY, Flaw.IS_TEXT, Flaw.IS_SCRIPT),
    *(Flaw.IS_GIT_LFS_POINTER, Flaw.IS_GIT_ANNEX_POINTER),
}


@pytest.mark.parametrize(
    ("name", "size"), [("LFS pointer", 4265380512), ("annex pointer", 1048576)]
)
def test_a_pointer_tells_the_size_of_its_file(name: str, size: int, tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(IMPOSTORS[name][0])
    found = inspect(tmp_path / "x.pth")
    assert found is not None
    assert found.reason.told == {"size": size}


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("real", ["safetensors", "gguf", "pth", "onnx"])
def test_no_format_passes_for_another(real: str, extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{extension}"
    path.write_bytes(file_for(f"x.{real}"))
    found = inspect(path)
    if real == extension or (real == "pth" and extension in ("ckpt", "bin")):
        assert found is None
    else:
        assert found is not None
        assert found.kind == ("damaged" if (real, extension) in UNKNOWN else "wrong")


# What an ONNX file is can't be told from its first bytes.
UNKNOWN = {("onnx", "safetensors"), ("onnx", "gguf")}


@pytest.mark.parametrize("name", ["v1-inference.yaml", "x.json", "vocabulary.txt"])
def test_settings_are_text_and_may_be(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b'{"model": 1}')
    assert inspect(tmp_path / name) is None
    (tmp_path / name).write_bytes(b"")
    assert inspect(tmp_path / name)


def tar(name: str, kind: int, content: bytes = b"x") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as made:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        made.addfile(info, io.BytesIO(content))
    return out.getvalue()


def summed(block: bytes, *, signed: bool = False, way: str = "text") -> bytes:
    """The block with a sum that fits, in one of the ways in which it can be written."""
    rest = block[:148] + block[156:]
    total = 256 + sum(struct.unpack("504b" if signed else "504B", rest))
    binary = (b"\x80" if total >= 0 else b"\xff") + (total % (1 << 56)).to_bytes(7, "big")
    texts = {"text": b"%06o\0 ", "spaces": b" %o ", "zeros": b"%08o", "python": b"0o%o"}
    field = binary if total < 0 or way == "binary" else texts[way] % total
    return block[:148] + bytes(field).ljust(8, b"\0")[:8] + block[156:]


def opened(data: bytes) -> bool:
    """Whether Python opens the file as a tar, and finds a member."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as made:
            return made.firstmember is not None  # type: ignore[attr-defined]
    except tarfile.TarError:
        return False


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", ["storages", "d/" * 60 + "long" * 9, "ü" * 45])
def test_a_tar_is_known_whatever_its_first_member_is(kind: int, name: str) -> None:
    data = tar(name, kind)
    assert opened(data)
    assert is_tar(data[:4096])


@given(place=st.integers(0, 511), value=st.integers(0, 255), kind=st.integers(0, 2))
def test_a_tar_with_another_byte_is_one_only_if_python_says_so(
    place: int, value: int, kind: int
) -> None:
    data = bytearray(tar("storages", kind))
    data[place] = value
    assert is_tar(bytes(data)) or not opened(bytes(data))


@given(
    begin=st.binary(max_size=512),
    signed=st.booleans(),
    way=st.sampled_from(["text", "spaces", "zeros", "python", "binary"]),
    kind=st.sampled_from([b"\0", b"0", b"5", b"7", b"L", b"K", b"x", b"g", b"S"]),
    behind=st.binary(max_size=600),
)
def test_what_python_opens_as_a_tar_is_one(
    begin: bytes, signed: bool, way: str, kind: bytes, behind: bytes
) -> None:
    name = begin.ljust(512, b"\0")
    block = name[:100] + b"0000644\0" * 3 + b"0" * 24 + b" " * 8 + kind + name[157:257]
    block = block.ljust(329, b"\0") + b"\0" * 16 + name[345:]
    data = summed(block[:512], signed=signed, way=way) + behind
    assert is_tar(data)
    assert not opened(data[:511])
    assert not is_tar(data[:511])
    if opened(begin + behind):
        assert is_tar(begin + behind)


def test_a_pickle_that_is_a_tar_too_is_known() -> None:
    text = b"\x80\x02X" + struct.pack("<I", 600)
    data = summed(text.ljust(512, b"\0")[:257] + b"ustar\x0000" + b"\0" * 247)
    assert opened(data)
    assert is_tar(data)


def test_no_weights_no_pickle_and_no_zeros_are_a_tar() -> None:
    random_ = random.Random(2)
    samples = [random_.randbytes(512) for _ in range(2000)]
    samples += [pickle.dumps([1.5] * 600, protocol) for protocol in range(6)]
    samples += [file_for(f"x.{extension}", size=4096) for extension in EXTENSIONS]
    for data in [*samples, b"\0" * 1024, b"0" * 512, b" " * 512, b"\xff" * 512, b""]:
        assert not is_tar(data)
        assert not opened(data)
