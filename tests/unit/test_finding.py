"""What a file tells of itself is kept with the finding, whatever it tells."""

from __future__ import annotations

import struct
from pathlib import Path

from comfyfix.formats.finding import NUMBER_MAX, TEXT_MAX, unsafe
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.look import inspect
from comfyfix.records import because
from comfyfix.screen.words import sentence
from tests.unit.hostile_pickles import P4
from tests.unit.judged import said


def text(data: bytes) -> bytes:
    return b"\x8c" + bytes([len(data)]) + data


def test_a_name_that_is_no_text_can_be_written_down(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(P4 + text(b"os\xed\xa0\x80") + text(b"x\x1b[2J") + b"\x93.")
    found = inspect(tmp_path / "x.pkl")
    assert said(found) == ("unsafe", Flaw.PICKLE_IMPORTS)
    assert found is not None
    assert found.reason.told["module"] == "os\\ud800"


def test_a_number_of_thousands_of_digits_can_be_told(tmp_path: Path) -> None:
    shape = "(" + "9223372036854775807," * 64 + ")"
    item = "'<f4'"
    for _ in range(7):
        item = f"({item}, {shape})"
    header = f"{{'descr': [('a', {item})], 'fortran_order': False, 'shape': {shape}}}".encode()
    data = b"\x93NUMPY\2\0" + struct.pack("<I", len(header)) + header
    (tmp_path / "x.npy").write_bytes(data)
    found = inspect(tmp_path / "x.npy")
    assert said(found) == ("damaged", Flaw.BYTES_MISSING)
    assert found is not None
    assert found.reason.told == {"count": NUMBER_MAX}


def test_a_long_name_is_cut_and_a_reason_inside_is_whole() -> None:
    inner = because(Flaw.PICKLE_LEAVES_VALUES, place=7)
    found = unsafe(Flaw.ZIP_HIDES_PICKLE, member="a" * 5000, cause=inner).finding
    assert found.reason.told == {"member": "a" * TEXT_MAX + "…", "cause": inner}
    assert sentence(inner) in sentence(found.reason)
