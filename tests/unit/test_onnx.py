"""ONNX: the message is walked to its end, and takes weights from beside itself only."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.formats.look import inspect


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def model(graph: bytes = b"", *more: bytes) -> bytes:
    return field(1, 8) + field(2, b"pytorch") + field(7, field(2, b"main") + graph) + b"".join(more)


def outside(location: str) -> bytes:
    """A tensor whose weights lie in another file."""
    told = field(13, field(1, b"location") + field(2, location.encode()))
    return field(1, 4) + field(2, 1) + told + field(14, 1)


def problem(folder: Path, data: bytes) -> str:
    (folder / "x.onnx").write_bytes(data)
    found = inspect(folder / "x.onnx")
    return f"{found.kind}: {found.reason}" if found else ""


BAD = "../../.bashrc"
VALID = {
    "demo": file_for("x.onnx"),
    "plain": model(),
    "weights": model(field(5, field(1, 4) + field(9, b"\0" * 16))),
    "weights beside it": model(field(5, outside("model.onnx.data"))),
    "weights in a folder beside it": model(field(5, outside("weights/a..b.bin"))),
    "a name that would be a path": model(field(5, field(8, b"../../x"))),
    "everything else": model(field(1, field(4, b"Conv")), field(8, field(2, 17)), field(14, b"")),
}
BROKEN = {
    "leads out": (model(field(5, outside(BAD))), "unsafe: it takes weights from ../../.bashrc"),
    "absolute": (model(field(5, outside("/etc/passwd"))), "unsafe"),
    "Windows": (model(field(5, outside("C:\\x"))), "unsafe"),
    "backslashes": (model(field(5, outside("a\\..\\..\\x"))), "unsafe"),
    "a zero byte": (model(field(5, outside("a\0b"))), "unsafe"),
    "very long": (model(field(5, outside("a/" * 5000))), "unsafe"),
    "in an attribute": (model(field(1, field(5, field(5, outside(BAD))))), "unsafe"),
    "in a subgraph": (model(field(1, field(5, field(6, field(5, outside(BAD)))))), "unsafe"),
    "in a function": (model(b"", field(25, field(7, field(5, field(10, outside(BAD)))))), "unsafe"),
    "in a sparse tensor": (model(field(15, field(1, outside(BAD)))), "unsafe"),
    "in the training": (model(b"", field(20, field(1, field(5, outside(BAD))))), "unsafe"),
    "no graph": (field(1, 8) + field(2, b"x"), "wrong: it is no ONNX model"),
    "unknown field": (model() + field(99, b"x"), "damaged: it is no ONNX model"),
    "field of another type": (field(1, b"8") + field(7, b""), "no ONNX model"),
    "too long inside": (field(1, 8) + b"\x3a\x05\x12\x7fmain", "cut short"),
    "endless number": (field(1, 8) + b"\x28" + b"\xff" * 20, "has no end"),
    "group": (model(b"\x0b\x0c"), "damaged at byte"),
}


@pytest.mark.parametrize("name", VALID)
def test_a_valid_model_has_no_problem(name: str, tmp_path: Path) -> None:
    assert problem(tmp_path, VALID[name]) == ""


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model_is_told(name: str, tmp_path: Path) -> None:
    data, said = BROKEN[name]
    assert said in problem(tmp_path, data)


def test_a_cut_inside_the_graph_is_noticed(tmp_path: Path) -> None:
    data = VALID["weights"]
    assert all(problem(tmp_path, data[:end]) for end in range(len(data)))


def test_graphs_in_graphs_end(tmp_path: Path) -> None:
    graph = field(2, b"g")
    for _ in range(400):
        graph = field(1, field(5, field(6, graph)))
    assert "nested" in problem(tmp_path, model(graph))


def test_fuzzed_models_never_raise(tmp_path: Path) -> None:
    random_ = random.Random(3)
    for _ in range(3000):
        data = bytearray(random_.choice(list(VALID.values())))
        for _ in range(3):
            data[random_.randrange(len(data))] = random_.randrange(256)
        assert problem(tmp_path, bytes(data)).isprintable()
