"""Formats: a file that is not what its name says is told from one that is."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix.demo.content import file_for
from comfyfix.formats import inspect

EXTENSIONS = ["safetensors", "gguf", "pth", "ckpt", "bin", "onnx"]
IMPOSTORS = {
    b"<!DOCTYPE html><html><body>Sign in</body></html>": "a web page",
    b"\n\n  <html lang=en>\xff": "a web page",
    b'\xef\xbb\xbf<?xml version="1.0"?><Error>NoSuchKey</Error>': "a web page",
    b'{"error": "Repository not found"}': "JSON",
    b'  [{"message": "\xe9"}]': "JSON",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n": "Git LFS pointer",
    b"": "empty",
    b"Entry not found": "plain text",
    b"a,b\r\n" * 2000: "plain text",
}


def tensor(begin: int, end: int, dtype: str = "U8", shape: list[int] | None = None) -> Any:
    shape = [end - begin] if shape is None else shape
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def build(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def problem(folder: Path, data: bytes, name: str = "x.safetensors") -> str:
    (folder / name).write_bytes(data)
    return inspect(folder / name)


VALID = {
    "one": build({"a": tensor(0, 8)}, b"\0" * 8),
    "scalar and metadata": build(
        {"__metadata__": {"format": "pt"}, "a": tensor(0, 4, "F32", [])}, b"\0" * 4
    ),
    "several, unsorted, one empty": build(
        {"b": tensor(4, 8, "BF16", [2, 1]), "e": tensor(4, 4, "F16", [0, 9]), "a": tensor(0, 4)},
        b"\xff" * 8,
    ),
    "four bits": build({"a": tensor(0, 2, "F4", [4])}, b"\0\0"),
    "a type of tomorrow": build({"a": tensor(0, 5, "F5", [8])}, b"\0" * 5),
    "padded header": build(b'{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}   ', b"\0" * 8),
}
BROKEN = {
    "cut": (build({"a": tensor(0, 8)}, b"\0" * 7), "cut short"),
    "tail": (build({"a": tensor(0, 8)}, b"\0" * 9), "bytes after its last tensor"),
    "hole": (build({"a": tensor(0, 4), "b": tensor(5, 8)}, b"\0" * 8), "overlap or leave holes"),
    "hole at the start": (build({"a": tensor(1, 8)}, b"\0" * 8), "overlap or leave holes"),
    "overlap": (build({"a": tensor(0, 5), "b": tensor(4, 8)}, b"\0" * 8), "overlap"),
    "twice": (build({"a": tensor(0, 8), "b": tensor(0, 8)}, b"\0" * 8), "overlap"),
    "backwards": (build({"a": tensor(8, 0, shape=[8])}, b"\0" * 8), "impossible positions"),
    "negative": (build({"a": tensor(-8, 0)}, b"\0" * 8), "impossible positions"),
    "negative shape": (build({"a": tensor(0, 8, shape=[-2, -4])}, b"\0" * 8), "impossible"),
    "shape": (build({"a": tensor(0, 8, shape=[9])}, b"\0" * 8), "contradicts itself"),
    "type": (build({"a": tensor(0, 8, "F16", [8])}, b"\0" * 8), "contradicts itself"),
    "no tensors": (build({"__metadata__": {}}, b""), "no tensors"),
    "no list": (build([]), "no safetensors header"),
    "spaces first": (build(b' {"a":1}'), "no safetensors header"),
    "not JSON": (build(b'{"a": \xff}', b"\0" * 8), "header is damaged"),
    "half JSON": (build(b'{"a": {"dtype": "U8"', b"\0" * 8), "header is damaged"),
    "wrong types": (build({"a": {**tensor(0, 8), "shape": "8"}}, b"\0" * 8), "damaged"),
    "three offsets": (build({"a": {**tensor(0, 8), "data_offsets": [0, 4, 8]}}), "damaged"),
    "nested deeply": (build(b'{"a":' * 50_000, b"\0"), "damaged"),
    "header of 2^63": (build({"a": tensor(0, 8)}, b"\0" * 8, 2**63), "longer than the file"),
    "header one too long": (build(b"{}", b"", 3), "longer than the file"),
    "nine bytes": (b"\1" + b"\0" * 8, "longer than the file"),
}


@pytest.mark.parametrize("data", VALID.values(), ids=VALID)
def test_a_valid_safetensors_file_has_no_problem(data: bytes, tmp_path: Path) -> None:
    assert problem(tmp_path, data) == ""
    assert problem(tmp_path, data, "x.SFT") == ""


@pytest.mark.parametrize(("data", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_safetensors_file_is_told_with_its_damage(
    data: bytes, said: str, tmp_path: Path
) -> None:
    assert said in problem(tmp_path, data)
    assert said in problem(tmp_path, data, "x.SFT")


def test_every_cut_of_a_valid_file_is_noticed(tmp_path: Path) -> None:
    data = VALID["several, unsorted, one empty"]
    assert all(problem(tmp_path, data[:end]) for end in range(len(data)))


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize(("data", "said"), IMPOSTORS.items(), ids=range(len(IMPOSTORS)))
def test_an_impostor_is_told_under_every_extension(
    data: bytes, said: str, extension: str, tmp_path: Path
) -> None:
    assert said in problem(tmp_path, data, f"x.{extension}")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"GGUF\3\0\0\0", ""),
        (b"GGUF\1\0\0\0", ""),
        (b"GGUF\0\0\0\0", "version"),
        (b"GGUF\0\0\0\3", "version"),
        (b"GGML\3\0\0\0", "does not start as"),
        (b"\0GGUF\3\0\0\0", "does not start as"),
    ],
)
def test_a_gguf_file_is_known_by_its_first_eight_bytes(
    head: bytes, said: str, tmp_path: Path
) -> None:
    told = problem(tmp_path, head + b"\0" * 64, "x.GGUF")
    assert (said in told) if said else (told == "")


def test_another_format_under_a_strict_name_is_told(tmp_path: Path) -> None:
    assert problem(tmp_path, file_for("x.pth"))
    assert problem(tmp_path, file_for("x.gguf"))
    assert problem(tmp_path, file_for("x.safetensors"), "x.gguf")


@pytest.mark.parametrize("size", [0, 1, 2048, 100_000])
@pytest.mark.parametrize("extension", [*EXTENSIONS, "sft", "pt"])
def test_the_files_of_the_demo_are_what_their_names_say(
    extension: str, size: int, tmp_path: Path
) -> None:
    name = f"x.{extension}"
    assert problem(tmp_path, file_for(name, size=size), name) == ""
    assert file_for(name) == file_for(name) != file_for(f"y.{extension}")


HEADERS = st.dictionaries(
    st.text(max_size=3) | st.just("__metadata__"),
    st.fixed_dictionaries(
        {
            "dtype": st.sampled_from(["U8", "F32", "F4", "?"]),
            "shape": st.lists(st.integers(-1, 2**70), max_size=3),
            "data_offsets": st.lists(st.integers(-1, 2**70), max_size=3),
        }
    )
    | st.none(),
    max_size=3,
)


@settings(deadline=None)
@given(data=st.binary() | HEADERS.map(build) | st.binary(max_size=9).map(build))
@pytest.mark.parametrize("extension", EXTENSIONS[:3])
def test_any_bytes_are_told_in_words_and_never_raise(
    data: bytes, extension: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    told = problem(tmp_path_factory.getbasetemp(), data, f"x.{extension}")
    assert told.isprintable()
    assert told or len(data) >= 10 or extension != "safetensors"


@pytest.mark.parametrize("length", [0x227B, 0x277B, 0x7B5B, 0x0A7B, 0x207B, 0x227B20])
def test_a_header_whose_length_reads_like_json_is_no_impostor(length: int, tmp_path: Path) -> None:
    text = json.dumps({"a": tensor(0, 8)}).encode().ljust(length)
    assert problem(tmp_path, build(text, b"\0" * 8)) == ""


def test_a_shape_of_many_extents_does_not_stall(tmp_path: Path) -> None:
    data = build({"a": tensor(0, 8, shape=[9] * 500_000)}, b"\0" * 8)
    begin = time.process_time()
    assert "impossible positions" in problem(tmp_path, data)
    assert time.process_time() - begin < 3


@pytest.mark.parametrize("size", [5, 6, 7])
def test_a_gguf_file_cut_in_its_first_eight_bytes_is_told(size: int, tmp_path: Path) -> None:
    assert problem(tmp_path, b"GGUF\3\0\0\0"[:size], "x.gguf")
