"""Zips that two readers would read differently, or that hide something, are refused."""

from __future__ import annotations

import io
import struct
import time
import zipfile
from pathlib import Path

import pytest

from comfyfix.formats.look import inspect
from tests.unit.hostile_pickles import P2, call
from tests.unit.torchlike import Tensor, archived, dumped, zipped

HOSTILE = P2 + call("os.system") + b"."
SOUND = dumped({"a": 1})[0]


def problem(folder: Path, data: bytes) -> str:
    (folder / "x.pth").write_bytes(data)
    found = inspect(folder / "x.pth")
    return f"{found.kind}: {found.reason}" if found else ""


def with_member(name: str, content: bytes = b"x", *, mode: int = 0, method: int = 0) -> bytes:
    """A sound archive and one member more."""
    out = io.BytesIO(archived({"x/data.pkl": SOUND}))
    with zipfile.ZipFile(out, "a") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, content, method)
    return out.getvalue()


def renamed(old: bytes, new: bytes, *, only: int | None = None) -> bytes:
    """A sound archive in which a name is another, in one of its two places or in both."""
    data = archived({"x/data.pkl": SOUND, "x/pata.pkl": HOSTILE})
    if only is None:
        return data.replace(old, new)
    first, second = data.find(old), data.rfind(old)
    place = (first, second)[only]
    return data[:place] + new + data[place + len(old) :]


def flags(bit: int, where: bytes, offset: int) -> bytes:
    data = bytearray(archived({"x/data.pkl": SOUND}))
    data[data.find(where) + offset] |= bit
    return bytes(data)


PLAIN = archived({"x/data.pkl": SOUND, "x/version": b"3\n"})
END = PLAIN.rfind(b"PK\x05\x06")
REFUSED = {
    "traversal": (with_member("x/../../evil"), "leads out of a folder"),
    "absolute": (with_member("/etc/passwd"), "leads out of a folder"),
    "backslash": (with_member("x\\evil"), "leads out of a folder"),
    "drive": (with_member("C:evil"), "leads out of a folder"),
    "control characters": (with_member("x/a\x1bb"), "leads out of a folder"),
    "zero in a name": (renamed(b"x/pata.pkl", b"x/pa\0a.pkl"), "leads out of a folder"),
    "link": (with_member("x/link", b"/etc/passwd", mode=0o120777), "a link to elsewhere"),
    "name twice": (renamed(b"x/pata.pkl", b"x/data.pkl"), "two members named"),
    "name twice but for case": (renamed(b"x/pata.pkl", b"x/Data.pkl"), "two members named"),
    "other name in front": (renamed(b"x/data.pkl", b"x/evil.pkl", only=0), "contradicts itself"),
    "other name in the directory": (renamed(b"x/data.pkl", b"x/evil.pkl", only=1), "contradicts"),
    "encrypted": (flags(1, b"PK\x01\x02", 8), "is encrypted"),
    "encrypted in front": (flags(1, b"PK\x03\x04", 6), "contradicts itself"),
    "method in front": (flags(8, b"PK\x03\x04", 8), "contradicts itself"),
    "unknown method": (with_member("x/a", b"x" * 99, method=zipfile.ZIP_LZMA), "unknown way"),
    "bomb": (with_member("x/a", b"\0" * 9_000_000, method=8), "unpacks to far more"),
    "two data.pkl": (archived({"x/data.pkl": SOUND, "y/data.pkl": SOUND}), "2 members named"),
    "no data.pkl": (archived({"a.txt": b"hello"}), "wrong: it is a zip archive without"),
    "TorchScript": (archived({"x/data.pkl": SOUND, "x/code/a.py": b""}), "TorchScript"),
    "constants of TorchScript": (
        archived({"x/data.pkl": SOUND, "x/constants.pkl": SOUND}),
        "Script",
    ),
    "hidden pickle": (
        archived({"x/data.pkl": SOUND, "x/data/0": HOSTILE}),
        "does not name, x/data/0",
    ),
    "hidden old pickle": (
        archived({"x/data.pkl": SOUND, "x/readme": b"cos\nsystem\n)R."}),
        "hides",
    ),
    "hidden, packed": (archived({"x/data.pkl": SOUND, "x/data/0": HOSTILE}, 8), "does not name"),
    "another pickle": (archived({"x/data.pkl": SOUND, "x/extra.pkl": HOSTILE}), "import os.system"),
    "a zip inside": (archived({"x/data.pkl": SOUND, "x/data/0": PLAIN}), "does not name"),
    "a note beside it": (archived({"x/data.pkl": SOUND, "x/readme": b"hello"}), "more than torch"),
    "small letters": (archived({"x/Data.pkl": SOUND, "x/version": b"3"}), "more than torch writes"),
    "two folders": (archived({"x/data.pkl": SOUND, "y/version": b"3"}), "more than torch writes"),
    "an array for NumPy": (
        archived({"x/data.pkl": SOUND, "x/version": b"\x93NUMPY\1\0"}),
        "an array of NumPy",
    ),
    "bytes after it": (PLAIN + b"rubbish", "bytes follow the end"),
    "a pickle after it": (PLAIN + HOSTILE, "bytes follow the end"),
    "a comment": (PLAIN[:-2] + b"\x03\0abc", "bytes follow the end"),
    "two archives": (PLAIN + PLAIN, "not where it says"),
    "bytes before the directory": (
        PLAIN[:-22].replace(b"PK\x01\x02", b"junkPK\x01\x02", 1) + PLAIN[-22:],
        "not where",
    ),
    "an entry that is not told": (
        PLAIN[:END]
        + struct.pack(
            "<4sHHHHIIH",
            b"PK\5\6",
            0,
            0,
            1,
            1,
            *struct.unpack("<II", PLAIN[END + 12 : END + 20]),
            0,
        ),
        "more than its entries",
    ),
    "more entries than told": (
        PLAIN[:END]
        + struct.pack(
            "<4sHHHHIIH",
            b"PK\5\6",
            0,
            0,
            9,
            9,
            *struct.unpack("<II", PLAIN[END + 12 : END + 20]),
            0,
        ),
        "damaged: its zip directory is damaged",
    ),
    "a pickle packed to be larger": (
        archived({"x/data.pkl": P2 + b"N0" * 99999 + b"N."}, 8),
        "unpacks to",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_odd_archive_is_refused(name: str, tmp_path: Path) -> None:
    data, said = REFUSED[name]
    assert said in problem(tmp_path, data)


def test_a_member_that_the_directory_does_not_tell_of_is_noticed(tmp_path: Path) -> None:
    for hidden in (HOSTILE, b"x"):
        data = archived({"x/data.pkl": SOUND, "x/zzz": hidden, "x/version": b"3"})
        begin = data.find(b"PK\x01\x02")
        second = data.find(b"PK\x01\x02", begin + 4)
        third = data.find(b"PK\x01\x02", second + 4)
        cut = data[:second] + data[third:-22]
        length = len(cut) - begin
        end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 2, 2, length, begin, 0)
        assert "no entry tells" in problem(tmp_path, cut + end)


def test_a_last_member_that_the_directory_does_not_tell_of_is_noticed(tmp_path: Path) -> None:
    data = archived({"x/data.pkl": SOUND, "x/zzz": HOSTILE})
    begin = data.find(b"PK\x01\x02")
    second = data.find(b"PK\x01\x02", begin + 4)
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, second - begin, begin, 0)
    assert "that its directory does not tell of" in problem(tmp_path, data[:second] + end)


def test_an_archive_written_in_one_go_is_sound(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        """A stream that can't go back, so that sizes follow the content, as torch writes them."""

        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.data += data
            return len(data)

    pickled, tensors = dumped({"a": Tensor()})
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:
        archive.writestr("x/data.pkl", pickled)
        archive.writestr("x/data/0", tensors["0"].weights)
    assert problem(tmp_path, bytes(pipe.data)) == ""


def test_an_archive_of_64_bits_is_sound(tmp_path: Path) -> None:
    out = io.BytesIO()
    pickled, tensors = dumped({"a": Tensor()})
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in (("x/data.pkl", pickled), ("x/data/0", tensors["0"].weights)):
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(content)
    plain = out.getvalue()
    assert problem(tmp_path, plain) == ""
    begin, end = plain.find(b"PK\x01\x02"), len(plain) - 22
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 2, 2, end - begin, begin)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    wide = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert problem(tmp_path, plain[:end] + record + locator + wide) == ""
    other = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, end - begin, begin, 0)
    assert "two directories" in problem(tmp_path, plain[:end] + record + locator + other)


@pytest.mark.faults
def test_ten_thousand_members_take_seconds(tmp_path: Path) -> None:
    data = zipped({str(i): Tensor(1) for i in range(10_000)})
    begin = time.process_time()
    assert problem(tmp_path, data) == ""
    assert time.process_time() - begin < 20
