"""GGUF: every count and length is held against the file, whatever it says."""

from __future__ import annotations

import io
import random
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from comfyfix.formats import gguf
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.look import inspect
from tests.unit.judged import Said, said

U32, STRING, ARRAY, U64 = 4, 8, 9, 10


def text(value: str, end: str = "<") -> bytes:
    return struct.pack(end + "Q", len(value.encode())) + value.encode()


def pair(key: str, kind: int, value: bytes, end: str = "<") -> bytes:
    return text(key, end) + struct.pack(end + "I", kind) + value


def info(name: str, shape: list[int], kind: int, offset: int, end: str = "<") -> bytes:
    dimensions = struct.pack(f"{end}I{len(shape)}Q", len(shape), *shape)
    return text(name, end) + dimensions + struct.pack(end + "IQ", kind, offset)


def build(
    infos: list[bytes],
    data: bytes,
    pairs: list[bytes] | None = None,
    *,
    version: int = 3,
    end: str = "<",
    counts: tuple[int, int] | None = None,
    alignment: int = 32,
) -> bytes:
    pairs = pairs or []
    counts = counts or (len(infos), len(pairs))
    head = b"GGUF" + struct.pack(end + "IQQ", version, *counts) + b"".join(pairs) + b"".join(infos)
    return head + b"\0" * (-len(head) % alignment) + data


def problem(folder: Path, data: bytes) -> Said:
    (folder / "x.gguf").write_bytes(data)
    return said(inspect(folder / "x.gguf"))


F32 = [info("a", [8], 0, 0)]
TWO = [info("a", [3], 0, 0), info("b", [256, 2], 12, 32)]
WORDS = struct.pack("<IQ", STRING, 3) + text("a") + text("b") + text("")
NESTED = struct.pack("<IQ", ARRAY, 1) + struct.pack("<IQ", U32, 2) + b"\0" * 8
CHAT = "{% for m in messages %}{{ m['role'] }}{{ messages[loop.index0 - 1].role }}{% endfor %}"
HOSTILE = "{{ cycler.__init__.__globals__.os }}"
VALID = {
    "one": build(F32, b"\0" * 32),
    "version 2": build(F32, b"\0" * 32, version=2),
    "big endian": build(
        [info("a", [8], 0, 0, ">")], b"\0" * 32, [pair("k", U32, b"\0\0\0\1", ">")], end=">"
    ),
    "two, the last padded": build(TWO, b"\0" * (32 + 288)),
    "two, in another order": build(TWO[::-1], b"\0" * (32 + 288)),
    "padded after the last": build([info("a", [3], 0, 0)], b"\0" * 32),
    "not padded after the last": build([info("a", [3], 0, 0)], b"\0" * 12),
    "a scalar": build([info("a", [], 0, 0)], b"\0" * 4),
    "values of all types": build(
        F32,
        b"\0" * 32,
        [
            pair(f"k{kind}", kind, b"\0" * width)
            for kind, width in {0: 1, 2: 2, 4: 4, 6: 4, 7: 1, 10: 8, 12: 8}.items()
        ],
    ),
    "lists": build(F32, b"\0" * 32, [pair("w", ARRAY, WORDS), pair("n", ARRAY, NESTED)]),
    "five dimensions": build([info("a", [2, 1, 2, 1, 2], 0, 0)], b"\0" * 32),
    "a vocabulary": build([], b"", [pair("tokenizer.ggml.tokens", ARRAY, WORDS)]),
    "a vocabulary, not padded": build(
        [], b"", [pair("tokenizer.ggml.tokens", ARRAY, WORDS)], alignment=1
    ),
    "a template": build(F32, b"\0" * 32, [pair("tokenizer.chat_template", STRING, text(CHAT))]),
    "templates and their names": build(
        F32,
        b"\0" * 32,
        [
            pair("tokenizer.chat_template.tool_use", STRING, text(CHAT)),
            pair(
                "tokenizer.chat_templates",
                ARRAY,
                struct.pack("<IQ", STRING, 2) + text("tool_use") + text("_rag"),
            ),
        ],
    ),
    "a text that nobody renders": build(
        F32, b"\0" * 32, [pair("general.description", STRING, text(HOSTILE))]
    ),
    "aligned to 64": build(
        [info("a", [3], 0, 0), info("b", [3], 0, 64)],
        b"\0" * 128,
        [pair("general.alignment", U32, struct.pack("<I", 64))],
        alignment=64,
    ),
}
HUGE = struct.pack("<Q", 1 << 62)
BROKEN = {
    "magic": (b"GGML" + VALID["one"][4:], ("damaged", Flaw.GGUF_NO_START)),
    "version 1": (build(F32, b"\0" * 32, version=1), ("wrong", Flaw.GGUF_VERSION_1)),
    "version 0": (build(F32, b"\0" * 32, version=0), ("damaged", Flaw.GGUF_VERSION_UNKNOWN)),
    "version 99": (build(F32, b"\0" * 32, version=99), ("damaged", Flaw.GGUF_VERSION_UNKNOWN)),
    "eight bytes": (b"GGUF\3\0\0\0", ("damaged", Flaw.CUT_SHORT)),
    "seven bytes": (b"GGUF\3\0\0", ("damaged", Flaw.CUT_SHORT)),
    "tensors beyond counting": (
        build(F32, b"", counts=(1 << 63, 0)),
        ("damaged", Flaw.GGUF_IMPOSSIBLE_COUNTS),
    ),
    "values beyond counting": (
        build(F32, b"", counts=(1, 1 << 63)),
        ("damaged", Flaw.GGUF_IMPOSSIBLE_COUNTS),
    ),
    "bytes and no tensors": (build([], b"\0" * 32), ("damaged", Flaw.TENSORS_NONE_BUT_BYTES)),
    "key of 2^62": (
        build(F32, b"\0" * 99, [HUGE + b"k" * 20]),
        ("damaged", Flaw.GGUF_IMPOSSIBLE_LENGTH),
    ),
    "text of 2^62": (
        build(F32, b"\0" * 32, [pair("k", STRING, HUGE)]),
        ("damaged", Flaw.CUT_SHORT),
    ),
    "list of 2^62 numbers": (
        build(F32, b"\0" * 32, [pair("k", ARRAY, struct.pack("<I", U64) + HUGE)]),
        ("damaged", Flaw.CUT_SHORT),
    ),
    "list of 2^62 texts": (
        build(F32, b"\0" * 32, [pair("k", ARRAY, struct.pack("<I", STRING) + HUGE)]),
        ("damaged", Flaw.GGUF_LONG_LIST),
    ),
    "lists nested deeply": (
        build(F32, b"\0" * 32, [pair("k", ARRAY, struct.pack("<IQ", ARRAY, 1) * 50)]),
        ("damaged", Flaw.GGUF_NESTED),
    ),
    "unknown type of value": (
        build(F32, b"\0" * 32, [pair("k", 77, b"")]),
        ("damaged", Flaw.GGUF_VALUE_TYPE_UNKNOWN),
    ),
    "key twice": (
        build(F32, b"\0" * 32, [pair("k", U32, b"\0" * 4)] * 2),
        ("damaged", Flaw.GGUF_KEY_TWICE),
    ),
    "name twice": (build(F32 * 2, b"\0" * 64), ("damaged", Flaw.GGUF_TENSOR_TWICE)),
    "dimensions beyond": (
        build([info("a", [1] * 33, 0, 0)], b"\0" * 32),
        ("damaged", Flaw.GGUF_DIMENSIONS),
    ),
    "a hostile template": (
        build(F32, b"\0" * 32, [pair("tokenizer.chat_template", STRING, text(HOSTILE))]),
        ("unsafe", Flaw.TEMPLATE_REACHES_INSIDE),
    ),
    "a hostile template, named": (
        build(F32, b"\0" * 32, [pair("tokenizer.chat_template.rag", STRING, text(HOSTILE))]),
        ("unsafe", Flaw.TEMPLATE_REACHES_INSIDE),
    ),
    "hostile templates in a list": (
        build(
            F32,
            b"\0" * 32,
            [
                pair(
                    "tokenizer.chat_templates",
                    ARRAY,
                    struct.pack("<IQ", STRING, 2) + text("") + text(HOSTILE),
                )
            ],
        ),
        ("unsafe", Flaw.TEMPLATE_REACHES_INSIDE),
    ),
    "a hostile prompt": (
        build(F32, b"\0" * 32, [pair("general.Prompt", STRING, text(HOSTILE))]),
        ("unsafe", Flaw.TEMPLATE_REACHES_INSIDE),
    ),
    "a template that readers mend": (
        build(
            F32,
            b"\0" * 32,
            [pair("tokenizer.chat_template", STRING, struct.pack("<Q", 3) + b"{{\xff")],
        ),
        ("unsafe", Flaw.TEMPLATE_NO_TEXT),
    ),
    "a template of 2^62": (
        build(F32, b"\0" * 32, [pair("tokenizer.chat_template", STRING, HUGE)]),
        ("damaged", Flaw.CUT_SHORT),
    ),
    "a large template": (
        build(F32, b"\0" * 32, [pair("tokenizer.chat_template", STRING, text("a" * 250_000))]),
        ("unsafe", Flaw.TEMPLATE_LONG),
    ),
    "many templates": (
        build(
            F32,
            b"\0" * 32,
            [
                pair(f"tokenizer.chat_template.{i}", STRING, text("{{ a }}" + "b" * 20_000))
                for i in range(3)
            ],
        ),
        ("unsafe", Flaw.TEMPLATES_LONG),
    ),
    "many tensors": (
        build([], b"\0" * 24 * 200_001, counts=(200_001, 0)),
        ("unsafe", Flaw.GGUF_MANY_ENTRIES),
    ),
    "many values": (
        build([], b"\0" * 13 * 200_001, counts=(0, 200_001)),
        ("unsafe", Flaw.GGUF_MANY_ENTRIES),
    ),
    "unknown type": (
        build([info("a", [8], 99, 0)], b"\0" * 32),
        ("wrong", Flaw.TENSOR_TYPE_UNKNOWN),
    ),
    "half a block": (build([info("a", [100], 12, 0)], b"\0" * 320), ("damaged", Flaw.GGUF_SHAPE)),
    "not aligned": (build([info("a", [8], 0, 4)], b"\0" * 64), ("damaged", Flaw.GGUF_NOT_ALIGNED)),
    "alignment 0": (
        build(F32, b"\0" * 32, [pair("general.alignment", U32, b"\0" * 4)]),
        ("damaged", Flaw.GGUF_ALIGNMENT),
    ),
    "alignment 3": (
        build(F32, b"\0" * 32, [pair("general.alignment", U32, b"\3\0\0\0")]),
        ("damaged", Flaw.GGUF_ALIGNMENT),
    ),
    "alignment of text": (
        build(F32, b"\0" * 32, [pair("general.alignment", STRING, text("32"))]),
        ("damaged", Flaw.GGUF_ALIGNMENT),
    ),
    "offset beyond": (
        build([info("a", [8], 0, 1 << 62)], b"\0" * 32),
        ("damaged", Flaw.TENSORS_HOLE_BEFORE),
    ),
    "hole": (
        build([info("a", [8], 0, 0), info("b", [8], 0, 64)], b"\0" * 96),
        ("damaged", Flaw.TENSORS_HOLE_BETWEEN),
    ),
    "overlap": (
        build([info("a", [16], 0, 0), info("b", [8], 0, 32)], b"\0" * 64),
        ("damaged", Flaw.TENSORS_OVERLAP),
    ),
    "shape beyond": (
        build([info("a", [1 << 62, 1 << 62, 1 << 62, 1 << 62], 0, 0)], b"\0" * 32),
        ("damaged", Flaw.BYTES_MISSING),
    ),
    "cut": (VALID["one"][:-1], ("damaged", Flaw.BYTES_MISSING)),
    "tail": (VALID["one"] + b"\0", ("damaged", Flaw.TENSORS_BYTES_AFTER)),
}


@pytest.mark.parametrize("name", VALID)
def test_a_valid_file_has_no_problem(name: str, tmp_path: Path) -> None:
    assert problem(tmp_path, VALID[name]) == ()


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_told_with_its_damage(name: str, tmp_path: Path) -> None:
    data, flaw = BROKEN[name]
    assert problem(tmp_path, data) == flaw


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    data = VALID["lists"]
    assert all(problem(tmp_path, data[:end]) for end in range(len(data)))


def fuzzed(random_: random.Random, seeds: list[bytes]) -> bytes:
    """One seed with a few bytes changed, cut, repeated, or numbers of all sizes written over."""
    data = bytearray(random_.choice(seeds))
    for _ in range(random_.randint(1, 6)):
        place = random_.randrange(len(data))
        match random_.randrange(4):
            case 0:
                data[place] = random_.randrange(256)
            case 1:
                number = random_.choice(
                    [0, 1, 255, 1 << 16, 1 << 31, (1 << 32) - 1, 1 << 62, (1 << 64) - 1]
                )
                data[place : place + 8] = struct.pack("<Q", number)
            case 2:
                data = data[: place + 1]
            case 3:
                data[place:place] = data[place : place + random_.randrange(64)]
    return bytes(data)


def test_ten_thousand_fuzzed_headers_neither_hang_nor_raise() -> None:
    random_ = random.Random(7)
    seeds: list[Any] = list(VALID.values())
    begin, slowest = time.process_time(), 0.0
    for _ in range(10_000):
        start = time.process_time()
        data = fuzzed(random_, seeds)
        found = gguf.check(io.BytesIO(data), len(data))
        said(found)  # does not raise
        slowest = max(slowest, time.process_time() - start)
    assert slowest < 1
    assert time.process_time() - begin < 60


@pytest.mark.faults
def test_a_header_of_many_texts_does_not_stall(tmp_path: Path) -> None:
    words = struct.pack("<IQ", STRING, 3_000_000) + b"\0" * 24_000_000
    begin = time.process_time()
    data = build(F32, b"\0" * 32, [pair("k", ARRAY, words)])
    assert problem(tmp_path, data) == ("unsafe", Flaw.GGUF_MANY_TEXTS)
    assert time.process_time() - begin < 20
