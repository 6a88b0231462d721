"""Formats: a file that is not what its name says is told from one that is."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.demo.content import file_for
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.look import inspect
from tests.unit.judged import Said, said

EXTENSIONS = ["safetensors", "gguf", "pth", "ckpt", "bin", "onnx"]


def tensor(begin: int, end: int, dtype: str = "U8", shape: list[int] | None = None) -> Any:
    shape = [end - begin] if shape is None else shape
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def build(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def problem(folder: Path, data: bytes, name: str = "x.safetensors") -> Said:
    (folder / name).write_bytes(data)
    return said(inspect(folder / name))


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
    "much metadata": build(
        {"__metadata__": {"ss_tag_frequency": "cat, " * 10**6}, "a": tensor(0, 1)}, b"\0"
    ),
    "names like folders": build({"down/block.0/w..x": tensor(0, 1)}, b"\0"),
    "spaces inside": build(
        b'{ "__metadata__" : { } ,\n "a" : {"dtype":"U8","shape":[1],"data_offsets":[0,1]} }', b"\0"
    ),
    "escapes": build({'ü"\\': tensor(0, 1), "__metadata__": {"a\n": "\ud83d\ude00"}}, b"\0"),
    "nothing": build(b"{}"),
    "nothing, padded": build(b"{}      "),
    "metadata only": build({"__metadata__": {"format": "pt"}}),
    "spaces first": build(b' \n{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}', b"\0" * 8),
    "padded header": build(b'{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}   ', b"\0" * 8),
}
BROKEN = {
    "cut": (build({"a": tensor(0, 8)}, b"\0" * 7), ("damaged", Flaw.BYTES_MISSING)),
    "tail": (build({"a": tensor(0, 8)}, b"\0" * 9), ("damaged", Flaw.TENSORS_BYTES_AFTER)),
    "hole": (
        build({"a": tensor(0, 4), "b": tensor(5, 8)}, b"\0" * 8),
        ("damaged", Flaw.TENSORS_HOLE_BETWEEN),
    ),
    "hole at the start": (
        build({"a": tensor(1, 8)}, b"\0" * 8),
        ("damaged", Flaw.TENSORS_HOLE_BEFORE),
    ),
    "overlap": (
        build({"a": tensor(0, 5), "b": tensor(4, 8)}, b"\0" * 8),
        ("damaged", Flaw.TENSORS_OVERLAP),
    ),
    "twice": (
        build({"a": tensor(0, 8), "b": tensor(0, 8)}, b"\0" * 8),
        ("damaged", Flaw.TENSORS_OVERLAP),
    ),
    "backwards": (
        build({"a": tensor(8, 0, shape=[8])}, b"\0" * 8),
        ("damaged", Flaw.SAFETENSORS_IMPOSSIBLE_PLACE),
    ),
    "negative": (
        build({"a": tensor(-8, 0)}, b"\0" * 8),
        ("damaged", Flaw.SAFETENSORS_IMPOSSIBLE_PLACE),
    ),
    "negative shape": (
        build({"a": tensor(0, 8, shape=[-2, -4])}, b"\0" * 8),
        ("damaged", Flaw.SAFETENSORS_IMPOSSIBLE_PLACE),
    ),
    "shape": (
        build({"a": tensor(0, 8, shape=[9])}, b"\0" * 8),
        ("damaged", Flaw.SAFETENSORS_CONTRADICTS),
    ),
    "type": (
        build({"a": tensor(0, 8, "F16", [8])}, b"\0" * 8),
        ("damaged", Flaw.SAFETENSORS_CONTRADICTS),
    ),
    "hole in the middle": (
        build({"a": tensor(0, 2), "x": tensor(6, 8)}, b"\0" * 8),
        ("damaged", Flaw.TENSORS_HOLE_BETWEEN),
    ),
    "a type of tomorrow": (
        build({"a": tensor(0, 5, "F5", [8])}, b"\0" * 5),
        ("wrong", Flaw.TENSOR_TYPE_UNKNOWN),
    ),
    "name twice, same place": (
        build(b'{"a":%b,"a":%b}' % ((json.dumps(tensor(0, 8)).encode(),) * 2), b"\0" * 8),
        ("unsafe", Flaw.SAFETENSORS_TENSOR_TWICE),
    ),
    "name twice by an escape": (
        build(b'{"a":%b,"\\u0061":%b}' % ((json.dumps(tensor(0, 8)).encode(),) * 2), b"\0" * 8),
        ("unsafe", Flaw.SAFETENSORS_TENSOR_TWICE),
    ),
    "field twice": (
        build(b'{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}', b"\0"),
        ("unsafe", Flaw.SAFETENSORS_CONTRADICTS),
    ),
    "field twice by an escape": (
        build(b'{"a":{"dtype":"U8","\\u0064type":"I8","shape":[1],"data_offsets":[0,1]}}', b"\0"),
        ("damaged", Flaw.SAFETENSORS_NO_ENTRY),
    ),
    "unknown field": (
        build({"a": {**tensor(0, 1), "x": 1}}, b"\0"),
        ("damaged", Flaw.SAFETENSORS_DAMAGED_ENTRY),
    ),
    "metadata twice": (
        build(b'{"__metadata__":{},"__metadata__":{},"a":1}'),
        ("unsafe", Flaw.SAFETENSORS_METADATA_TWICE),
    ),
    "key of metadata twice": (
        build(b'{"__metadata__":{"a":"","a":""}}'),
        ("unsafe", Flaw.SAFETENSORS_KEY_TWICE),
    ),
    "metadata of numbers": (
        build({"__metadata__": {"a": 1}, "a": tensor(0, 1)}, b"\0"),
        ("damaged", Flaw.SAFETENSORS_NO_TEXT),
    ),
    "metadata that is a list": (
        build({"__metadata__": [], "a": tensor(0, 1)}, b"\0"),
        ("damaged", Flaw.SAFETENSORS_DAMAGED),
    ),
    "metadata nested deeply": (
        build(b'{"__metadata__":' + b"[" * 200_000),
        ("damaged", Flaw.SAFETENSORS_DAMAGED),
    ),
    "megabytes of metadata": (
        build(
            {"__metadata__": {str(i): "x" * 1000 for i in range(12_000)}, "a": tensor(0, 1)}, b"\0"
        ),
        ("unsafe", Flaw.SAFETENSORS_LONG_METADATA),
    ),
    "a name that leads out": (
        build({"../../x": tensor(0, 8)}, b"\0" * 8),
        ("unsafe", Flaw.TENSOR_NAME_LEADS_OUT),
    ),
    "a name that leads out, backwards": (
        build({"a\\..\\x": tensor(0, 8)}, b"\0" * 8),
        ("unsafe", Flaw.TENSOR_NAME_LEADS_OUT),
    ),
    "an absolute name": (
        build({"/etc/passwd": tensor(0, 8)}, b"\0" * 8),
        ("unsafe", Flaw.TENSOR_NAME_LEADS_OUT),
    ),
    "a name with control characters": (
        build({"a\x1b[2J": tensor(0, 8)}, b"\0" * 8),
        ("unsafe", Flaw.TENSOR_NAME_CONTROLS),
    ),
    "a very long name": (
        build({"a" * 5000: tensor(0, 8)}, b"\0" * 8),
        ("unsafe", Flaw.TENSOR_NAME_LONG),
    ),
    "a lone surrogate": (
        build(b'{"\\ud800":1}', b"\0" * 8),
        ("damaged", Flaw.SAFETENSORS_UNREADABLE_TEXT),
    ),
    "NaN": (
        build(b'{"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,1]}}', b"\0"),
        ("damaged", Flaw.SAFETENSORS_DAMAGED_ENTRY),
    ),
    "five thousand digits": (
        build(b'{"a":{"dtype":"U8","shape":[' + b"9" * 4000 + b'],"data_offsets":[0,1]}}', b"\0"),
        ("damaged", Flaw.SAFETENSORS_IMPOSSIBLE_PLACE),
    ),
    "text after the header": (
        build(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}} x', b"\0"),
        ("damaged", Flaw.SAFETENSORS_MORE_IN_HEADER),
    ),
    "a comma too many": (
        build(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},}', b"\0"),
        ("damaged", Flaw.SAFETENSORS_NO_TEXT),
    ),
    "bytes and no tensors": (
        build({"__metadata__": {}}, b"x"),
        ("damaged", Flaw.TENSORS_NONE_BUT_BYTES),
    ),
    "no list": (build([]), ("damaged", Flaw.SAFETENSORS_NO_HEADER)),
    "other spaces first": (build(b'\x0b{"a":1}'), ("damaged", Flaw.SAFETENSORS_NO_HEADER)),
    "nothing but spaces": (build(b" " * 8), ("damaged", Flaw.SAFETENSORS_NO_HEADER)),
    "not JSON": (build(b'{"a": \xff}', b"\0" * 8), ("damaged", Flaw.SAFETENSORS_NO_ENTRY)),
    "half JSON": (
        build(b'{"a": {"dtype": "U8"', b"\0" * 8),
        ("damaged", Flaw.SAFETENSORS_NO_ENTRY),
    ),
    "wrong types": (
        build({"a": {**tensor(0, 8), "shape": "8"}}, b"\0" * 8),
        ("damaged", Flaw.SAFETENSORS_DAMAGED_ENTRY),
    ),
    "three offsets": (
        build({"a": {**tensor(0, 8), "data_offsets": [0, 4, 8]}}),
        ("damaged", Flaw.SAFETENSORS_DAMAGED_ENTRY),
    ),
    "nested deeply": (build(b'{"a":' * 50_000, b"\0"), ("damaged", Flaw.SAFETENSORS_NO_ENTRY)),
    "header of 2^63": (
        build({"a": tensor(0, 8)}, b"\0" * 8, 2**63),
        ("damaged", Flaw.SAFETENSORS_CUT),
    ),
    "header one too long": (build(b"{}", b"", 3), ("damaged", Flaw.SAFETENSORS_CUT)),
    "nine bytes": (b"\1" + b"\0" * 8, ("damaged", Flaw.SAFETENSORS_CUT)),
}


@pytest.mark.parametrize("data", VALID.values(), ids=VALID)
def test_a_valid_safetensors_file_has_no_problem(data: bytes, tmp_path: Path) -> None:
    assert problem(tmp_path, data) == ()
    assert problem(tmp_path, data, "x.SFT") == ()


@pytest.mark.parametrize(("data", "flaw"), BROKEN.values(), ids=BROKEN)
def test_a_broken_safetensors_file_is_told_with_its_damage(
    data: bytes, flaw: Said, tmp_path: Path
) -> None:
    assert problem(tmp_path, data) == flaw
    assert problem(tmp_path, data, "x.SFT") == flaw


def test_every_cut_of_a_valid_file_is_noticed(tmp_path: Path) -> None:
    data = VALID["several, unsorted, one empty"]
    assert all(problem(tmp_path, data[:end]) for end in range(len(data)))


@pytest.mark.parametrize("size", [0, 1, 2048, 100_000])
@pytest.mark.parametrize("extension", [*EXTENSIONS, "sft", "pt"])
def test_the_files_of_the_demo_are_what_their_names_say(
    extension: str, size: int, tmp_path: Path
) -> None:
    name = f"x.{extension}"
    assert problem(tmp_path, file_for(name, size=size), name) == ()
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


@given(data=st.binary() | HEADERS.map(build) | st.binary(max_size=9).map(build))
@pytest.mark.parametrize("extension", EXTENSIONS[:3])
def test_any_bytes_are_told_in_words_and_never_raise(
    data: bytes, extension: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    told = problem(tmp_path_factory.getbasetemp(), data, f"x.{extension}")
    assert told or len(data) >= 10 or extension != "safetensors"


@pytest.mark.parametrize("length", [0x227B, 0x277B, 0x7B5B, 0x0A7B, 0x207B, 0x227B20])
def test_a_header_whose_length_reads_like_json_is_no_impostor(length: int, tmp_path: Path) -> None:
    text = json.dumps({"a": tensor(0, 8)}).encode().ljust(length)
    assert problem(tmp_path, build(text, b"\0" * 8)) == ()


def test_a_shape_of_many_extents_does_not_stall(tmp_path: Path) -> None:
    data = build({"a": tensor(0, 8, shape=[9] * 500_000)}, b"\0" * 8)
    begin = time.process_time()
    assert problem(tmp_path, data)
    assert time.process_time() - begin < 3
