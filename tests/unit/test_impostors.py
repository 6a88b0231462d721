"""Impostors: what is no model at all, or another kind of file, never passes under any name."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.formats.look import inspect
from tests.unit.torchlike import archived

EXTENSIONS = ["safetensors", "gguf", "pth", "ckpt", "bin", "onnx"]
RUBBISH = bytes(range(256)) * 9
IMPOSTORS = {
    "page": (b"<!DOCTYPE html><html><body>Sign in</body></html>", "a web page"),
    "page after spaces": (b"\n\n  <html lang=en>\xff", "a web page"),
    "XML": (b'\xef\xbb\xbf<?xml version="1.0"?><Error>NoSuchKey</Error>', "a web page or"),
    "JSON": (b'{"error": "Repository not found"}', "JSON"),
    "JSON list": (b'  [{"message": "\xe9"}]', "JSON"),
    "empty JSON": (b"{}", "JSON"),
    "LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4265380512\n",
        "a Git LFS pointer, not the file itself (of 4.3 GB)",
    ),
    "LFS pointer, cut": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    "annex pointer": (
        b"/annex/objects/SHA256E-s1048576--0123abcd.safetensors\n",
        "a git-annex pointer, not the file itself (of 1.0 MB)",
    ),
    "annex link": (b"../.git/annex/objects/xX/MD5-s5--0/MD5-s5--0", "a git-annex pointer"),
    "empty": (b"", "empty"),
    "error": (b"Entry not found", "plain text"),
    "table": (b"a,b\r\n" * 2000, "plain text"),
    "script": (b"#!/bin/sh\nrm -rf /\n", "a script"),
    "gzip": (gzip.compress(b"x", mtime=0), "a gzip file"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + RUBBISH, "a 7z archive"),
    "rar": (b"Rar!\x1a\x07\x01\0" + RUBBISH, "a RAR archive"),
    "bzip2": (b"BZh91AY&SY" + RUBBISH, "a bzip2 file"),
    "xz": (b"\xfd7zXZ\0" + RUBBISH, "an xz file"),
    "zstd": (b"\x28\xb5\x2f\xfd" + RUBBISH, "a Zstandard file"),
    "tar": (b"model".ljust(257, b"\0") + b"ustar\0" + RUBBISH, "a tar archive"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + RUBBISH, "a PNG picture"),
    "JPEG": (b"\xff\xd8\xff\xe0" + RUBBISH, "a JPEG picture"),
    "PDF": (b"%PDF-1.7\n\xff" + RUBBISH, "a PDF document"),
    "ELF": (b"\x7fELF\2\1\1" + RUBBISH, "a program (ELF)"),
    "PE": (b"MZ\x90\0" + RUBBISH, "a program for Windows"),
    "zip of something": (archived({"readme.txt": b"hello"}), "zip archive"),
    "zeros": (b"\0" * 5000, ""),
    "rubbish": (RUBBISH, ""),
}


def test_there_are_twenty_impostors_and_more() -> None:
    assert len(IMPOSTORS) >= 20


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("name", IMPOSTORS)
def test_no_impostor_passes(name: str, extension: str, tmp_path: Path) -> None:
    data, said = IMPOSTORS[name]
    path = tmp_path / f"x.{extension}"
    path.write_bytes(data)
    found = inspect(path)
    assert found is not None
    assert said in found.reason
    no_model = ("page", "JSON", "pointer", "empty", "plain text", "script")
    if said:
        assert found.kind == ("damaged" if any(word in said for word in no_model) else "wrong")


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
