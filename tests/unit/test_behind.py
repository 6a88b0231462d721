"""Behind: no reader of zips opens a file that was judged as something else."""

from __future__ import annotations

import io
import random
import struct
import time
import zipfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from comfyfix.formats.finding import Refused
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.zip import behind
from tests.unit.judged import said

END, END64, LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"


def archive(*, comment: bytes = b"", names: tuple[str, ...] = ("x/data.pkl",)) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name in names:
            made.writestr(name, b"\x80\x02N.")
        made.comment = comment
    return out.getvalue()


def moved(data: bytes, by: int) -> bytes:
    """The archive with its places told as if so many bytes stood before it, as miniz wants it."""
    out = bytearray(data)
    entry = data.find(b"PK\x01\x02")
    end = data.find(END, entry)  # another may stand in the comment
    for place in (end + 16, entry + 42):
        (told,) = struct.unpack_from("<I", out, place)
        struct.pack_into("<I", out, place, told + by)
    return bytes(out)


def wide(data: bytes, by: int = 0, *, gap: bytes = b"", short: bool = True) -> bytes:
    """The archive with an end of 64 bits; `short`: that of 32 tells nothing itself."""
    end = data.find(END, data.find(b"PK\x01\x02"))
    count, _, length, begin = struct.unpack_from("<HHII", data, end + 8)
    record = struct.pack("<4sQHHIIQQQQ", END64, 44, 45, 45, 0, 0, count, count, length, begin + by)
    locator = struct.pack("<4sIQI", LOCATOR, 0, end + by, 1)
    most = (0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF) if short else (count, count, length, begin)
    last = struct.pack("<4sHHHHIIH", END, 0, 0, *most, 0)
    return data[:end] + record + gap + locator + last


def told(data: bytes) -> bool:
    try:
        behind.check(io.BytesIO(data), len(data))
    except Refused as refused:
        assert said(refused.finding) in (
            ("unsafe", Flaw.ZIP_BEHIND),
            ("unsafe", Flaw.ZIP_BEHIND_MANY),
        )
        return True
    return False


def opens(data: bytes) -> bool:
    """Whether Python finds members."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            return bool(opened.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return False


WEIGHTS = random.Random(5).randbytes(200_000)
HIDDEN = {
    "put behind": WEIGHTS + archive(),
    "with its places moved": WEIGHTS + moved(archive(), len(WEIGHTS)),
    "with a comment": WEIGHTS + archive(comment=b"c" * 60_000),
    "and bytes behind it": WEIGHTS + moved(archive(), len(WEIGHTS)) + b"\0" * 65_000,
    "as far as torch looks": WEIGHTS + moved(archive(), len(WEIGHTS)) + b"\0" * 69_562,
    "with an end of 64 bits": WEIGHTS + wide(archive()),
    "of 64 bits, moved": WEIGHTS + wide(archive(), len(WEIGHTS)),
    "of both": WEIGHTS + wide(archive(), short=False),
    "of 64 bits that only the locator finds": WEIGHTS
    + wide(moved(archive(), len(WEIGHTS)), len(WEIGHTS), gap=b"g" * 999),
    "the last end is empty": WEIGHTS + archive() + archive(names=()),
    "of a picture": b"\x89PNG\r\n\x1a\n" + archive(),
    "one byte before": b"\0" + archive(),
    "an end before": END + b"\0" * 18 + archive(),
    "the mark of a split archive before": b"PK\x07\x08" + archive(),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_an_archive_behind_is_told(name: str) -> None:
    assert told(HIDDEN[name])


def test_what_begins_as_a_zip_is_left_to_the_reader_of_zips() -> None:
    assert not told(archive())
    assert not told(archive(comment=b"c"))


@given(
    before=st.binary(max_size=300),
    after=st.binary(max_size=40) | st.just(END) | st.just(archive(names=())),
    comment=st.binary(max_size=40),
    by=st.sampled_from([-1, 0, 1]),
    both=st.booleans(),
    gap=st.binary(max_size=3),
    flips=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3),
)
@example(before=b"x", after=b"", comment=b"", by=0, both=True, gap=b"", flips=[])
def test_what_python_opens_is_told(
    before: bytes,
    after: bytes,
    comment: bytes,
    by: int,
    both: bool,
    gap: bytes,
    flips: list[tuple[int, int]],
) -> None:
    plain = moved(archive(comment=comment), by * len(before)) if by >= 0 else archive()
    data = bytearray(before + (wide(plain, len(before) * by, gap=gap) if both else plain) + after)
    for place, value in flips:
        data[place % len(data)] = value
    if not data.startswith(b"PK\x03\x04") and opens(bytes(data)):
        assert told(bytes(data))


def test_weights_are_never_told_by_chance() -> None:
    random_ = random.Random(1)
    for _ in range(300):
        data = bytearray(random_.randbytes(80_000))
        for mark in (END, END, LOCATOR, END64, b"PK\x01\x02"):
            place = random_.randrange(len(data) - 4)
            data[place : place + 4] = mark
        assert not told(bytes(data))


@pytest.mark.parametrize(
    "data", [b"", b"PK", END, b"x" + END, b"x" * 30 + END + b"\xff" * 18, b"\0" * 100_000]
)
def test_an_end_without_a_directory_is_nothing(data: bytes) -> None:
    assert not told(data)


class Counted(io.BytesIO):
    """Counts the bytes that are read."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def test_little_is_read() -> None:
    for content in (WEIGHTS, WEIGHTS + END + b"\0" * 500):
        stream = Counted(content)
        behind.check(stream, len(content))
        assert stream.count < behind.TAIL + 200


def test_many_ends_are_told_and_cost_nothing() -> None:
    begin = time.process_time()
    assert told(b"x" + END * 20_000)
    assert told(b"x" + (LOCATOR + b"\0" * 16 + END + b"\0" * 18) * 3000)
    assert time.process_time() - begin < 1
