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
from comfyfix.formats.look import inspect

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


def problem(folder: Path, data: bytes) -> str:
    (folder / "x.gguf").write_bytes(data)
    found = inspect(folder / "x.gguf")
    return f"{found.kind}: {found.reason}" if found else ""


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
    "magic": (b"GGML" + VALID["one"][4:], "does not start as"),
    "version 1": (build(F32, b"\0" * 32, version=1), "wrong: it is of GGUF version 1"),
    "version 0": (build(F32, b"\0" * 32, version=0), "version is not known"),
    "version 99": (build(F32, b"\0" * 32, version=99), "version is not known (99)"),
    "eight bytes": (b"GGUF\3\0\0\0", "cut short"),
    "seven bytes": (b"GGUF\3\0\0", "cut short"),
    "tensors beyond counting": (build(F32, b"", counts=(1 << 63, 0)), "can't hold"),
    "values beyond counting": (build(F32, b"", counts=(1, 1 << 63)), "can't hold"),
    "bytes and no tensors": (build([], b"\0" * 32), "32 bytes after its header, and no tensors"),
    "key of 2^62": (build(F32, b"\0" * 99, [HUGE + b"k" * 20]), "the length of a key"),
    "text of 2^62": (build(F32, b"\0" * 32, [pair("k", STRING, HUGE)]), "a text at byte"),
    "list of 2^62 numbers": (
        build(F32, b"\0" * 32, [pair("k", ARRAY, struct.pack("<I", U64) + HUGE)]),
        "a list at byte",
    ),
    "list of 2^62 texts": (
        build(F32, b"\0" * 32, [pair("k", ARRAY, struct.pack("<I", STRING) + HUGE)]),
        "longer than the file",
    ),
    "lists nested deeply": (
        build(F32, b"\0" * 32, [pair("k", ARRAY, struct.pack("<IQ", ARRAY, 1) * 50)]),
        "nested",
    ),
    "unknown type of value": (build(F32, b"\0" * 32, [pair("k", 77, b"")]), "is not known (77)"),
    "key twice": (build(F32, b"\0" * 32, [pair("k", U32, b"\0" * 4)] * 2), "key k twice"),
    "name twice": (build(F32 * 2, b"\0" * 64), "names the tensor a twice"),
    "dimensions beyond": (build([info("a", [1] * 33, 0, 0)], b"\0" * 32), "33 dimensions"),
    "a hostile template": (
        build(F32, b"\0" * 32, [pair("tokenizer.chat_template", STRING, text(HOSTILE))]),
        "unsafe: its chat template reaches for __",
    ),
    "a hostile template, named": (
        build(F32, b"\0" * 32, [pair("tokenizer.chat_template.rag", STRING, text(HOSTILE))]),
        "unsafe: its chat template reaches for __",
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
        "unsafe: its chat template reaches for __",
    ),
    "a hostile prompt": (
        build(F32, b"\0" * 32, [pair("general.Prompt", STRING, text(HOSTILE))]),
        "unsafe: its chat template reaches for __",
    ),
    "a template that readers mend": (
        build(
            F32,
            b"\0" * 32,
            [pair("tokenizer.chat_template", STRING, struct.pack("<Q", 3) + b"{{\xff")],
        ),
        "unsafe: its chat template is no text in UTF-8",
    ),
    "a template of 2^62": (
        build(F32, b"\0" * 32, [pair("tokenizer.chat_template", STRING, HUGE)]),
        "a text at byte",
    ),
    "a large template": (
        build(F32, b"\0" * 32, [pair("tokenizer.chat_template", STRING, text("a" * 250_000))]),
        "unsafe: its chat template has 250000 bytes: too costly to look into",
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
        "unsafe: its chat templates have more than 60000 characters",
    ),
    "many tensors": (
        build([], b"\0" * 24 * 200_001, counts=(200_001, 0)),
        "unsafe: it has 200001 tensors and 0 values: too costly",
    ),
    "many values": (
        build([], b"\0" * 13 * 200_001, counts=(0, 200_001)),
        "unsafe: it has 0 tensors and 200001 values: too costly",
    ),
    "unknown type": (
        build([info("a", [8], 99, 0)], b"\0" * 32),
        "wrong: the tensor a is of a type",
    ),
    "half a block": (build([info("a", [100], 12, 0)], b"\0" * 320), "does not fit its type"),
    "not aligned": (build([info("a", [8], 0, 4)], b"\0" * 64), "not aligned"),
    "alignment 0": (
        build(F32, b"\0" * 32, [pair("general.alignment", U32, b"\0" * 4)]),
        "no power of two",
    ),
    "alignment 3": (
        build(F32, b"\0" * 32, [pair("general.alignment", U32, b"\3\0\0\0")]),
        "no power of two",
    ),
    "alignment of text": (
        build(F32, b"\0" * 32, [pair("general.alignment", STRING, text("32"))]),
        "no power of two",
    ),
    "offset beyond": (build([info("a", [8], 0, 1 << 62)], b"\0" * 32), "leave a hole before a"),
    "hole": (
        build([info("a", [8], 0, 0), info("b", [8], 0, 64)], b"\0" * 96),
        "leave a hole between a and b",
    ),
    "overlap": (
        build([info("a", [16], 0, 0), info("b", [8], 0, 32)], b"\0" * 64),
        "overlap between a and b",
    ),
    "shape beyond": (
        build([info("a", [1 << 62, 1 << 62, 1 << 62, 1 << 62], 0, 0)], b"\0" * 32),
        "cut short",
    ),
    "cut": (VALID["one"][:-1], "cut short: 1 bytes are missing"),
    "tail": (VALID["one"] + b"\0", "1 bytes after its last tensor"),
}


@pytest.mark.parametrize("name", VALID)
def test_a_valid_file_has_no_problem(name: str, tmp_path: Path) -> None:
    assert problem(tmp_path, VALID[name]) == ""


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_told_with_its_damage(name: str, tmp_path: Path) -> None:
    data, said = BROKEN[name]
    assert said in problem(tmp_path, data)


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
        assert found is None or found.reason.isprintable()
        slowest = max(slowest, time.process_time() - start)
    assert slowest < 1
    assert time.process_time() - begin < 60


@pytest.mark.faults
def test_a_header_of_many_texts_does_not_stall(tmp_path: Path) -> None:
    words = struct.pack("<IQ", STRING, 3_000_000) + b"\0" * 24_000_000
    begin = time.process_time()
    assert "texts" in problem(tmp_path, build(F32, b"\0" * 32, [pair("k", ARRAY, words)]))
    assert time.process_time() - begin < 20
