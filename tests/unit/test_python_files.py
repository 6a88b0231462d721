"""NumPy's and joblib's files, packed pickles, and pickles under any name."""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lz4.frame
import pytest

from comfyfix.formats.flaws import Flaw
from comfyfix.formats.look import inspect, look
from tests.unit.hostile_pickles import P2, call, named, text
from tests.unit.judged import kind as kind_of
from tests.unit.judged import said
from tests.unit.test_pickle_rules import ARRAY, OBJECTS, of_dtype
from tests.unit.torchlike import archived

HOSTILE = P2 + call("os.system") + b"."
HARMLESS = pickle.dumps({"classes": ["cat", "dog"], "threshold": 0.5})
OBJECT_ARRAY = P2 + ARRAY + b"(K\1K\1\x85" + OBJECTS + of_dtype(b"K\x3f") + b"\x89](K\1etb."


def verdict(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return kind_of(inspect(folder / name))


def npy(descr: Any, shape: tuple[int, ...], data: bytes, *, version: int = 1) -> bytes:
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    width = "<H" if version == 1 else "<I"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(width, len(header)) + header + data


ARRAYS = {
    "numbers": npy("<f4", (2, 3), b"\0" * 24),
    "version 2": npy("<f4", (2,), b"\0" * 8, version=2),
    "one number": npy("|b1", (), b"\1"),
    "nothing": npy("<i8", (0, 5), b""),
    "texts": npy("<U3", (2,), b"\0" * 24),
    "times": npy("<M8[ns]", (2,), b"\0" * 16),
    "records": npy([("a", "<f4"), ("b", "<i2", (2,)), ("c", [("d", "|S5")])], (2,), b"\0" * 26),
    "objects": npy("|O", (1,), OBJECT_ARRAY),
}
WRONG_ARRAYS = {
    "an object that acts": (npy("|O", (1,), HOSTILE), "unsafe"),
    "objects that are none": (npy("|O", (1,), HARMLESS), "unsafe"),
    "records of objects": (npy([("a", "|O")], (1,), HOSTILE), "unsafe"),
    "a type of another kind": (npy("T{O:a:}", (1,), HOSTILE), "unsafe"),
    "objects by name": (npy("object", (1,), HOSTILE), "unsafe"),
    "cut short": (npy("<f4", (2,), b"\0" * 7), "damaged"),
    "bytes behind": (npy("<f4", (2,), b"\0" * 9), "damaged"),
    "a shape below nothing": (npy("|O", (-1,), HOSTILE), "unsafe"),
    "a shape of truth": (npy("|O", (True,), HOSTILE), "unsafe"),
    "a shape of many digits": (npy("|O", (1 << 70,), HOSTILE), "unsafe"),
    "a field as a list": (npy([["a", "|O"]], (1,), HOSTILE), "unsafe"),
    "a field as a text": (npy(["aO"], (1,), HOSTILE), "unsafe"),
    "a header that is a call": (b"\x93NUMPY\1\0\x0b\0__import__(", "unsafe"),
    "a header without end": (b"\x93NUMPY\2\0\xff\xff\xff\xff{", "unsafe"),
    "a header nested deep": (b"\x93NUMPY\1\0\x10\x27" + b"(" * 10_000, "unsafe"),
}


_OLD_HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2L,), }\n"
ARRAYS["Python 2"] = (
    b"\x93NUMPY\1\0" + struct.pack("<H", len(_OLD_HEADER)) + _OLD_HEADER + b"\0" * 8
)


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_passes(name: str, tmp_path: Path) -> None:
    data = ARRAYS[name]
    assert verdict(tmp_path, "x.npy", data) == ""
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        assert verdict(tmp_path, "x.npz", archived({"a.npy": data, "b.npy": data}, method)) == ""


@pytest.mark.parametrize("name", WRONG_ARRAYS)
def test_another_array_does_not(name: str, tmp_path: Path) -> None:
    data, kind = WRONG_ARRAYS[name]
    assert verdict(tmp_path, "x.npy", data) == kind
    assert verdict(tmp_path, "x.npz", archived({"a.npy": data})) == kind
    if kind == "unsafe":
        assert verdict(tmp_path, "x.bin", data) == "unsafe"
        assert verdict(tmp_path, "x.bin", archived({"a.npy": data})) == "unsafe"
        mixed = archived({"a.npy": data, "note": b"hello"})
        assert verdict(tmp_path, "x.task", mixed) == "unsafe"


PACK: dict[str, Callable[[bytes], bytes]] = {
    "zlib": zlib.compress,
    "zlib, hardly": lambda data: zlib.compress(data, 0),
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "lz4": lz4.frame.compress,
}


@pytest.mark.parametrize("packing", PACK)
def test_a_packed_pickle_is_looked_into_under_any_name(packing: str, tmp_path: Path) -> None:
    pack = PACK[packing]
    for name in ("x.joblib", "x.pkl", "x.unknown", "x.txt", "x"):
        assert verdict(tmp_path, name, pack(HARMLESS)) == "", name
        assert verdict(tmp_path, name, pack(HOSTILE)) == "unsafe", name
    padded = P2 + b"X" + struct.pack("<I", 400_000) + bytes(400_000) + b"0" + HOSTILE[2:]
    assert verdict(tmp_path, "x.joblib", pack(padded)) == "unsafe"
    # A reader stops at the cut, and has done by then what stands before it.
    if packing != "lz4":  # whose one block is unpacked whole or not at all
        assert verdict(tmp_path, "x.joblib", pack(HOSTILE + bytes(9000))[:-9]) == "unsafe"
    if packing in ("zlib", "gzip", "bz2", "xz"):
        assert verdict(tmp_path, "x.joblib", pack(P2) + pack(HOSTILE[2:])) == "unsafe"


def test_joblibs_old_form_is_not_looked_into_so_unsafe(tmp_path: Path) -> None:
    for length in (b"0x1f", b"1f", b"  0x1f", b"+1f"):
        data = b"ZF" + length.ljust(19) + zlib.compress(HARMLESS)
        assert verdict(tmp_path, "x.unknown", data) == "unsafe"


def test_what_torch_cannot_load_is_wrong_under_its_names(tmp_path: Path) -> None:
    for data in (
        ARRAYS["numbers"],
        archived({"a.npy": ARRAYS["numbers"]}),
        gzip.compress(HARMLESS),
    ):
        for name in ("x.pt", "x.bin", "x.safetensors"):
            assert verdict(tmp_path, name, data) == "wrong", name


def test_a_packed_bomb_ends_early(tmp_path: Path) -> None:
    bomb = P2 + b"(" + (b"\x8e" + struct.pack("<Q", 100_000_000) + bytes(100_000_000)) * 3
    (tmp_path / "x.joblib").write_bytes(zlib.compress(bomb, 1))
    assert said(inspect(tmp_path / "x.joblib")) == ("unsafe", Flaw.PACKED_UNPACKS_TO_TOO_MUCH)


def wrapper(shape: bytes, *, alignment: bytes = b"K\x10", code: str = "f4") -> bytes:
    """What joblib writes before the bytes of an array."""
    state = {
        "subclass": named("numpy.ndarray"),
        "shape": shape,
        "order": text("C"),
        "dtype": named("numpy.dtype") + text(code) + b"\x89\x88\x87R",
        "allow_mmap": b"\x88",
        "numpy_array_alignment_bytes": alignment,
    }
    attributes = b"".join(text(key) + value for key, value in state.items())
    return named("joblib.numpy_pickle.NumpyArrayWrapper") + b")\x81}(" + attributes + b"ub"


def test_an_array_inside_of_joblibs_pickle_is_passed_over(tmp_path: Path) -> None:
    weights = b"\x03\xff\xff\xff" + HOSTILE[:8]
    data = P2 + b"}" + text("a") + wrapper(b"K\2\x85") + weights + b"s."
    for name in ("x.joblib", "x.pkl", "x.unknown"):
        assert verdict(tmp_path, name, data) == "", name
        assert verdict(tmp_path, name, zlib.compress(data)) == "", name
    objects = wrapper(b"K\1\x85", code="O8")
    assert verdict(tmp_path, "x.joblib", P2 + objects + OBJECT_ARRAY + b".") == ""
    assert verdict(tmp_path, "x.joblib", P2 + objects + HOSTILE + b".") == "unsafe"
    assert verdict(tmp_path, "x.joblib", P2 + objects + HARMLESS + b".") == "unsafe"


def test_an_array_that_another_reader_takes_for_instructions_is_unsafe(tmp_path: Path) -> None:
    # joblib passes over these bytes, Python's own reader runs them.
    acting = call("os.system")
    data = P2 + wrapper(struct.pack("<cB", b"K", len(acting)) + b"\x85", code="S1", alignment=b"N")
    data += acting + b"."
    assert verdict(tmp_path, "x.pkl", data) == "unsafe"
    assert verdict(tmp_path, "x.unknown", data) == "unsafe"


def test_an_array_inside_of_a_part_is_unsafe(tmp_path: Path) -> None:
    # joblib reads the array from behind the part, and then what is left of it.
    body = wrapper(b"K\0\x85") + call("os.system") + b"0"
    data = b"\x80\x04\x95" + struct.pack("<Q", len(body) + 1) + body + b"." + b"\0" * 40
    assert verdict(tmp_path, "x.joblib", data) == "unsafe"


@pytest.mark.parametrize("name", ["x", "x.model", "x.task", "x.png", "x.txt", "x.json", "x.npy"])
def test_what_is_inside_decides_under_any_name(name: str, tmp_path: Path) -> None:
    for data in (
        HOSTILE,
        b"cos\nsystem\n(S'id'\ntR.",
        b"ccollections\nOrderedDict\n(tRp0\n(dS'keys'\nctorch.nn\nLinear\nsbg0\n(dsb.",
        archived({"x/data.pkl": HOSTILE}),
        archived({"a/constants.pkl": HARMLESS, "a/code/x.py": b""}),
    ):
        assert verdict(tmp_path, name, data) == "unsafe"
    assert look_at(tmp_path, "x.unknown", b"ordinary bytes \0\1\2") == (None, False)


def look_at(folder: Path, name: str, data: bytes) -> tuple[object, bool]:
    (folder / name).write_bytes(data)
    seen = look(folder / name)
    return seen.finding, seen.is_known


def test_a_kind_that_is_not_known_is_said_to_be_so(tmp_path: Path) -> None:
    assert look_at(tmp_path, "x.tflite", b"\x1c\0\0\0TFL3" + bytes(100)) == (None, False)
    notes = b"\x1c\0\0\0TFL3" + bytes(100) + archived({"labels.txt": b"cat"})
    assert look_at(tmp_path, "x.tflite", notes) == (None, False)
    assert verdict(tmp_path, "x.model", notes) == "unsafe"
    twins = archived({"W.npy": ARRAYS["numbers"], "w.npy": ARRAYS["numbers"]})
    assert look_at(tmp_path, "x.npz", twins) == (None, True)
    assert look_at(tmp_path, "x.task", archived({"a.tflite": b"TFL3"})) == (None, False)
    assert look_at(tmp_path, "x.model", HARMLESS) == (None, True)
    assert look_at(tmp_path, "x.npz", archived({"a.npy": ARRAYS["numbers"]})) == (None, True)


def test_old_torch_imports_nothing_beside_its_value(tmp_path: Path) -> None:
    def old(magic: bytes, facts: bytes, keys: bytes) -> bytes:
        parts = (magic, pickle.dumps(1001, 2), facts, P2 + b"}.", keys)
        return b"".join(parts)

    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    facts, keys = pickle.dumps({"little_endian": True}, 2), pickle.dumps([], 2)
    odict = P2 + call("collections.OrderedDict", b")") + b"."
    assert verdict(tmp_path, "x.pt", old(magic, facts, keys)) == ""
    assert verdict(tmp_path, "x.pt", old(magic, odict, keys)) == "unsafe"
    assert verdict(tmp_path, "x.pt", old(magic, facts, HOSTILE)) == "unsafe"


def test_a_stream_of_any_size_is_read_alike(tmp_path: Path) -> None:
    from comfyfix.formats.pickle import source  # its chunk is made small here

    value = pickle.dumps({"a": ["x" * n for n in range(300)], "b": list(range(300))}, 4)
    whole = source.CHUNK
    try:
        for chunk in (1, 2, 7, 300):
            source.CHUNK = chunk
            assert verdict(tmp_path, "x.pkl", value) == ""
            assert verdict(tmp_path, "x.pkl", value[:-1] + HOSTILE[2:]) == "unsafe"
    finally:
        source.CHUNK = whole
