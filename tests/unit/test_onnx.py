"""ONNX: the message is walked to its end, and takes weights from beside itself only."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.demo.content import file_for
from comfyfix.formats import onnx
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.look import inspect
from tests.unit.judged import Said, said


def varint(value: int, pad: int = 0) -> bytes:
    """A number, with so many bytes more than it needs."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value | (0x80 if pad else 0))
    return bytes(out) + b"\x80" * (pad - 1) + b"\0" * (pad > 0)


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


def problem(folder: Path, data: bytes) -> Said:
    (folder / "x.onnx").write_bytes(data)
    return said(inspect(folder / "x.onnx"))


def entry(key: str, value: bytes) -> bytes:
    return field(13, field(1, key.encode()) + field(2, value))


def located(*entries: bytes) -> bytes:
    """A model with a tensor that lies elsewhere."""
    return model(field(5, field(1, 4) + field(2, 1) + b"".join(entries) + field(14, 1)))


BAD = "../../.bashrc"
BESIDE = entry("location", b"w.bin")
VALID = {
    "demo": file_for("x.onnx"),
    "plain": model(),
    "weights": model(field(5, field(1, 4) + field(9, b"\0" * 16))),
    "weights beside it": model(field(5, outside("model.onnx.data"))),
    "weights in a folder beside it": model(field(5, outside("weights/a..b.bin"))),
    "a name that would be a path": model(field(5, field(8, b"../../x"))),
    "in a subfolder of Windows": located(entry("location", b"a\\b")),
    "a tensor on the spot that has an entry": model(field(5, BESIDE)),
    "all that is told of a place": located(
        entry("offset", b"4096"),
        BESIDE,
        entry("length", b"16"),
        entry("checksum", b"/9a:f"),
        entry("basepath", b"/home/x"),
        entry("prepacked_1", b"MatMul+key|4096;16;0"),
    ),
    "a field of tomorrow": located(BESIDE, field(99, BAD.encode()), field(98, 1 << 63)),
    "numbers longer than they need be": model(field(5, varint(8) + varint(4, 3))),
    "everything else": model(field(1, field(4, b"Conv")), field(8, field(2, 17)), field(14, b"")),
}
BROKEN = {
    "leads out": (model(field(5, outside(BAD))), ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE)),
    "absolute": (model(field(5, outside("/etc/passwd"))), ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE)),
    "Windows": (model(field(5, outside("C:\\x"))), ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE)),
    "backslashes": (
        model(field(5, outside("a\\..\\..\\x"))),
        ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE),
    ),
    "a zero byte": (model(field(5, outside("a\0b"))), ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE)),
    "an address": (
        located(entry("location", b"https://h/x")),
        ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE),
    ),
    "a stream of Windows": (
        located(entry("location", b"w.bin:x")),
        ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE),
    ),
    "an address in memory": (
        located(entry("location", b"*/_ORT_MEM_ADDR_/*")),
        ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE),
    ),
    "a home": (located(entry("location", b"~/x")), ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE)),
    "dots and spaces": (
        located(entry("location", b"a/.. /.. ./x")),
        ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE),
    ),
    "no text": (located(entry("location", b"\xc0\xae/x")), ("unsafe", Flaw.ONNX_WEIGHTS_NO_NAME)),
    "value first": (
        located(field(13, field(2, BAD.encode()) + field(1, b"location"))),
        ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE),
    ),
    "a key that readers may fold": (
        located(BESIDE, entry("LOCATION", BAD.encode())),
        ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE),
    ),
    "a later location": (
        located(BESIDE, entry("location", BAD.encode())),
        ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE),
    ),
    "an empty location": (located(entry("location", b"")), ("damaged", Flaw.ONNX_WEIGHTS_NOWHERE)),
    "no location": (located(entry("offset", b"0")), ("damaged", Flaw.ONNX_WEIGHTS_NOWHERE)),
    "no entry": (located(), ("damaged", Flaw.ONNX_WEIGHTS_NOWHERE)),
    "value twice": (
        located(field(13, field(1, b"location") + field(2, b"w") + field(2, BAD.encode()))),
        ("unsafe", Flaw.ONNX_FIELD_TWICE),
    ),
    "value twice, long": (
        located(field(13, field(1, b"location") + field(2, b"w") + field(2, b"../" * 2000))),
        ("unsafe", Flaw.ONNX_FIELD_TWICE),
    ),
    "key twice": (
        located(field(13, field(1, b"x") + field(1, b"location") + field(2, b"x"))),
        ("unsafe", Flaw.ONNX_FIELD_TWICE),
    ),
    "graph twice": (
        model(b"", field(7, field(5, outside("w")))),
        ("unsafe", Flaw.ONNX_FIELD_TWICE),
    ),
    "a tensor in parts": (
        model(field(1, field(5, field(5, BESIDE) + field(5, field(14, 1))))),
        ("unsafe", Flaw.ONNX_FIELD_TWICE),
    ),
    "a place told twice": (
        model(field(5, field(14, 0) + BESIDE + field(14, 1))),
        ("unsafe", Flaw.ONNX_FIELD_TWICE),
    ),
    "a graph as a number": (
        model(field(1, field(5, field(6, 7)))),
        ("damaged", Flaw.ONNX_FIELD_UNKNOWN),
    ),
    "very long": (model(field(5, outside("a/" * 5000))), ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE)),
    "in an attribute": (
        model(field(1, field(5, field(5, outside(BAD))))),
        ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE),
    ),
    "in a subgraph": (
        model(field(1, field(5, field(6, field(5, outside(BAD)))))),
        ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE),
    ),
    "in a function": (
        model(b"", field(25, field(7, field(5, field(10, outside(BAD)))))),
        ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE),
    ),
    "in a sparse tensor": (
        model(field(15, field(1, outside(BAD)))),
        ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE),
    ),
    "in the training": (
        model(b"", field(20, field(1, field(5, outside(BAD))))),
        ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE),
    ),
    "no graph": (field(1, 8) + field(2, b"x"), ("wrong", Flaw.ONNX_NO_MODEL)),
    "unknown field": (model() + field(99, b"x"), ("damaged", Flaw.ONNX_FIELD_UNKNOWN)),
    "field 0": (model(b"\0\0"), ("damaged", Flaw.PROTOBUF_NO_FIELD)),
    "field of another type": (field(1, b"8") + field(7, b""), ("damaged", Flaw.ONNX_FIELD_UNKNOWN)),
    "too long inside": (field(1, 8) + b"\x3a\x05\x12\x7fmain", ("damaged", Flaw.ONNX_FIELD_BEYOND)),
    "endless number": (field(1, 8) + b"\x28" + b"\xff" * 20, ("unsafe", Flaw.PROTOBUF_LONG_NUMBER)),
    "a number of 66 bits": (
        field(1, 8) + b"\x28" + b"\xff" * 9 + b"\x03",
        ("unsafe", Flaw.PROTOBUF_LONG_NUMBER),
    ),
    "group": (model(b"\x0b\x0c"), ("unsafe", Flaw.PROTOBUF_GROUP)),
    "end of a group": (model(b"\x0c"), ("unsafe", Flaw.PROTOBUF_GROUP)),
    "group in a tensor": (
        model(field(5, varint(99 << 3 | 3) + BESIDE + varint(99 << 3 | 4))),
        ("unsafe", Flaw.PROTOBUF_GROUP),
    ),
    "a type of tomorrow": (model(b"\x0e\0"), ("damaged", Flaw.PROTOBUF_NO_FIELD)),
}


@pytest.mark.parametrize("name", VALID)
def test_a_valid_model_has_no_problem(name: str, tmp_path: Path) -> None:
    assert problem(tmp_path, VALID[name]) == ()


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model_is_told(name: str, tmp_path: Path) -> None:
    data, flaw = BROKEN[name]
    assert problem(tmp_path, data) == flaw


def test_a_cut_inside_the_graph_is_noticed(tmp_path: Path) -> None:
    data = VALID["weights"]
    assert all(problem(tmp_path, data[:end]) for end in range(len(data)))


def test_graphs_in_graphs_end(tmp_path: Path) -> None:
    graph = field(2, b"g")
    for _ in range(400):
        graph = field(1, field(5, field(6, graph)))
    assert problem(tmp_path, model(graph)) == ("unsafe", Flaw.ONNX_NESTED)


def test_fuzzed_models_never_raise(tmp_path: Path) -> None:
    random_ = random.Random(3)
    for _ in range(3000):
        data = bytearray(random_.choice(list(VALID.values())))
        for _ in range(3):
            data[random_.randrange(len(data))] = random_.randrange(256)
        problem(tmp_path, bytes(data))  # does not raise


PATHS: dict[str, list[int]] = {
    "initialiser": [7, 5, 13],
    "attribute": [7, 1, 5, 5, 13],
    "attribute's list": [7, 1, 5, 10, 13],
    "subgraph": [7, 1, 5, 6, 5, 13],
    "subgraph in a list": [7, 1, 5, 11, 5, 13],
    "sparse": [7, 15, 1, 13],
    "sparse indices": [7, 15, 2, 13],
    "sparse attribute": [7, 1, 5, 22, 1, 13],
    "sparse attributes": [7, 1, 5, 23, 2, 13],
    "training": [20, 1, 5, 13],
    "training's algorithm": [20, 2, 1, 5, 5, 13],
    "function": [25, 7, 5, 5, 13],
    "function's attribute": [25, 11, 5, 13],
}


def along(
    path: list[int],
    told: str,
    *,
    odd: int = -1,
    tag: Callable[[int], bytes] = varint,
    length: Callable[[int], bytes] = varint,
) -> bytes:
    """A model with a location at the end of a path; step `odd` is written by `tag` and `length`."""
    steps = [*path, 2]
    value = told.encode()
    for place in range(len(steps) - 1, -1, -1):
        plain = place != odd
        start = (varint if plain else tag)(steps[place] << 3 | 2)
        value = start + (varint if plain else length)(len(value)) + value
        if place == len(steps) - 1:
            value = field(1, b"location") + value
    return field(1, 8) + (field(7, b"") if path[0] != 7 else b"") + value


@pytest.mark.parametrize("name", PATHS)
def test_a_location_is_found_wherever_a_model_can_have_it(name: str, tmp_path: Path) -> None:
    assert problem(tmp_path, along(PATHS[name], "w.bin")) == ()
    elsewhere = ("unsafe", Flaw.ONNX_WEIGHTS_ELSEWHERE)
    assert problem(tmp_path, along(PATHS[name], "../w")) == elsewhere


@given(name=st.sampled_from(list(PATHS)), step=st.integers(0, 6), data=st.data())
def test_what_readers_of_32_and_64_bits_take_differently_is_unsafe(
    name: str, step: int, data: st.DataObject
) -> None:
    path = PATHS[name]
    step = min(step, len(path))
    bits, pad = data.draw(st.integers(32, 63)), data.draw(st.integers(1, 8))
    low = data.draw(st.integers(31, 63))
    odd = {
        "more bits": along(path, "w", odd=step, tag=lambda n: varint(n | 1 << bits)),
        "more bytes": along(path, "w", odd=step, tag=lambda n: varint(n, pad)),
        "a longer length": along(path, "w", odd=step, length=lambda n: varint(n, pad)),
        "a length beyond": along(path, "w", odd=step, length=lambda n: varint(n | 1 << low)),
    }
    for case, content in odd.items():
        found = onnx.check(io.BytesIO(content), len(content))
        assert found is not None and found.kind == "unsafe", case
        assert found.reason.why in (Flaw.PROTOBUF_ODD_NUMBER, Flaw.PROTOBUF_ODD_LENGTH), case


@given(st.data())
def test_weights_between_and_slabs_change_nothing(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(0, 20_000), max_size=5))
    weights = b"".join(field(5, field(1, size) + field(9, b"\xff" * size)) for size in sizes)
    for told, kind in (("w", None), ("../w", "unsafe")):
        content = model(weights + field(5, outside(told)) + weights)
        found = onnx.check(io.BytesIO(content), len(content))
        assert (found and found.kind) == kind


SMALL = {
    "names": b"\n\0",
    "entries": field(13, field(1, b"") + field(2, b"")),
    "numbers": b"\x08\x01",
    "long numbers": b"\x08" + b"\xff" * 9 + b"\x01",
    "tensors": field(5, b"\x08\x01"),
}


@pytest.mark.faults
@pytest.mark.parametrize("name", SMALL)
def test_a_megabyte_of_small_fields_takes_two_seconds_at_most(name: str) -> None:
    part = SMALL[name]
    many = part * (1_000_000 // len(part))
    content = model(many if name == "tensors" else field(5, many))
    begin = time.process_time()
    onnx.check(io.BytesIO(content), len(content))
    assert time.process_time() - begin < 2


def test_too_many_fields_are_not_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx, "FIELDS_MAX", 1000)
    assert problem(tmp_path, model(b"\n\0" * 1000)) == ("unsafe", Flaw.ONNX_MANY_FIELDS)
    assert problem(tmp_path, model(b"\n\0" * 900)) == ()
