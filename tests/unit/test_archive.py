"""Zips that two readers would read differently, or that hide something, are refused."""

from __future__ import annotations

import io
import random
import struct
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.formats.finding import Refused
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.look import inspect
from comfyfix.formats.zip import archive
from tests.unit.hostile_pickles import P2, call
from tests.unit.judged import Said, said
from tests.unit.torchlike import Tensor, archived, dumped, zipped

HOSTILE = P2 + call("os.system") + b"."
SOUND = dumped({"a": 1})[0]


def problem(folder: Path, data: bytes) -> Said:
    (folder / "x.pth").write_bytes(data)
    return said(inspect(folder / "x.pth"))


def with_member(name: str, content: bytes = b"x", *, mode: int = 0, method: int = 0) -> bytes:
    """A sound archive and one member more."""
    out = io.BytesIO(archived({"x/data.pkl": SOUND}))
    with zipfile.ZipFile(out, "a") as made:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        made.writestr(info, content, method)
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
    "traversal": (with_member("x/../../evil"), ("unsafe", Flaw.ZIP_MEMBER_NAME_LEADS_OUT)),
    "absolute": (with_member("/etc/passwd"), ("unsafe", Flaw.ZIP_MEMBER_NAME_LEADS_OUT)),
    "backslash": (with_member("x\\evil"), ("unsafe", Flaw.ZIP_MEMBER_NAME_LEADS_OUT)),
    "drive": (with_member("C:evil"), ("unsafe", Flaw.ZIP_MEMBER_NAME_LEADS_OUT)),
    "control characters": (with_member("x/a\x1bb"), ("unsafe", Flaw.ZIP_MEMBER_NAME_LEADS_OUT)),
    "zero in a name": (
        renamed(b"x/pata.pkl", b"x/pa\0a.pkl"),
        ("unsafe", Flaw.ZIP_MEMBER_NAME_LEADS_OUT),
    ),
    "link": (
        with_member("x/link", b"/etc/passwd", mode=0o120777),
        ("unsafe", Flaw.ZIP_MEMBER_LINK),
    ),
    "name twice": (renamed(b"x/pata.pkl", b"x/data.pkl"), ("unsafe", Flaw.ZIP_MEMBER_TWICE)),
    "name twice but for case": (
        renamed(b"x/pata.pkl", b"x/Data.pkl"),
        ("unsafe", Flaw.ZIP_MEMBER_TWICE),
    ),
    "other name in front": (
        renamed(b"x/data.pkl", b"x/evil.pkl", only=0),
        ("unsafe", Flaw.ZIP_MEMBER_CONTRADICTS),
    ),
    "other name in the directory": (
        renamed(b"x/data.pkl", b"x/evil.pkl", only=1),
        ("unsafe", Flaw.ZIP_MEMBER_CONTRADICTS),
    ),
    "encrypted": (flags(1, b"PK\x01\x02", 8), ("unsafe", Flaw.ZIP_MEMBER_ENCRYPTED)),
    "encrypted in front": (flags(1, b"PK\x03\x04", 6), ("unsafe", Flaw.ZIP_MEMBER_CONTRADICTS)),
    "method in front": (flags(8, b"PK\x03\x04", 8), ("unsafe", Flaw.ZIP_MEMBER_CONTRADICTS)),
    "unknown method": (
        with_member("x/a", b"x" * 99, method=zipfile.ZIP_LZMA),
        ("unsafe", Flaw.ZIP_MEMBER_PACKED_ODDLY),
    ),
    "two data.pkl": (
        archived({"x/data.pkl": SOUND, "y/data.pkl": SOUND}),
        ("unsafe", Flaw.ZIP_MANY_PICKLES),
    ),
    "no data.pkl": (archived({"a.txt": b"hello"}), ("wrong", Flaw.ZIP_NOT_TORCH)),
    "TorchScript": (
        archived({"x/data.pkl": SOUND, "x/code/a.py": b""}),
        ("unsafe", Flaw.IS_TORCHSCRIPT),
    ),
    "constants of TorchScript": (
        archived({"x/data.pkl": SOUND, "x/constants.pkl": SOUND}),
        ("unsafe", Flaw.IS_TORCHSCRIPT),
    ),
    "hidden pickle": (
        archived({"x/data.pkl": SOUND, "x/data/0": HOSTILE}),
        ("unsafe", Flaw.ZIP_WEIGHTS_NOT_NAMED),
    ),
    "hidden old pickle": (
        archived({"x/data.pkl": SOUND, "x/readme": b"cos\nsystem\n)R."}),
        ("unsafe", Flaw.ZIP_HIDES_PICKLE),
    ),
    "hidden, packed": (
        archived({"x/data.pkl": SOUND, "x/data/0": HOSTILE}, 8),
        ("unsafe", Flaw.ZIP_WEIGHTS_NOT_NAMED),
    ),
    "another pickle": (
        archived({"x/data.pkl": SOUND, "x/extra.pkl": HOSTILE}),
        ("unsafe", Flaw.ZIP_HIDES_PICKLE),
    ),
    "a zip inside": (
        archived({"x/data.pkl": SOUND, "x/data/0": PLAIN}),
        ("unsafe", Flaw.ZIP_WEIGHTS_NOT_NAMED),
    ),
    "a note beside it": (
        archived({"x/data.pkl": SOUND, "x/readme": b"hello"}),
        ("unsafe", Flaw.ZIP_MORE_THAN_TORCH),
    ),
    "small letters": (
        archived({"x/Data.pkl": SOUND, "x/version": b"3"}),
        ("unsafe", Flaw.ZIP_MORE_THAN_TORCH),
    ),
    "two folders": (
        archived({"x/data.pkl": SOUND, "y/version": b"3"}),
        ("unsafe", Flaw.ZIP_MORE_THAN_TORCH),
    ),
    "an array for NumPy": (
        archived({"x/data.pkl": SOUND, "x/version": b"\x93NUMPY\1\0"}),
        ("unsafe", Flaw.ZIP_WEIGHTS_ARE_ARRAY),
    ),
    "bytes after it": (PLAIN + b"rubbish", ("unsafe", Flaw.ZIP_BYTES_AFTER)),
    "a pickle after it": (PLAIN + HOSTILE, ("unsafe", Flaw.ZIP_BYTES_AFTER)),
    "a comment": (PLAIN[:-2] + b"\x03\0abc", ("unsafe", Flaw.ZIP_BYTES_AFTER)),
    "two archives": (PLAIN + PLAIN, ("unsafe", Flaw.ZIP_DIRECTORY_ELSEWHERE)),
    "bytes before the directory": (
        PLAIN[:-22].replace(b"PK\x01\x02", b"junkPK\x01\x02", 1) + PLAIN[-22:],
        ("unsafe", Flaw.ZIP_DIRECTORY_ELSEWHERE),
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
        ("unsafe", Flaw.ZIP_DIRECTORY_HOLDS_MORE),
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
        ("damaged", Flaw.ZIP_DIRECTORY_DAMAGED),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_odd_archive_is_refused(name: str, tmp_path: Path) -> None:
    data, flaw = REFUSED[name]
    assert problem(tmp_path, data) == flaw


def test_a_member_that_the_directory_does_not_tell_of_is_noticed(tmp_path: Path) -> None:
    for hidden in (HOSTILE, b"x"):
        data = archived({"x/data.pkl": SOUND, "x/zzz": hidden, "x/version": b"3"})
        begin = data.find(b"PK\x01\x02")
        second = data.find(b"PK\x01\x02", begin + 4)
        third = data.find(b"PK\x01\x02", second + 4)
        cut = data[:second] + data[third:-22]
        length = len(cut) - begin
        end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 2, 2, length, begin, 0)
        assert problem(tmp_path, cut + end) == ("unsafe", Flaw.ZIP_UNTOLD_BYTES_BEFORE)


def test_a_last_member_that_the_directory_does_not_tell_of_is_noticed(tmp_path: Path) -> None:
    data = archived({"x/data.pkl": SOUND, "x/zzz": HOSTILE})
    begin = data.find(b"PK\x01\x02")
    second = data.find(b"PK\x01\x02", begin + 4)
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, second - begin, begin, 0)
    assert problem(tmp_path, data[:second] + end) == ("unsafe", Flaw.ZIP_UNTOLD_BYTES)


def test_an_archive_written_in_one_go_is_sound(tmp_path: Path) -> None:
    pickled, tensors = dumped({"a": Tensor()})
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as made:
        made.writestr("x/data.pkl", pickled)
        made.writestr("x/data/0", tensors["0"].weights)
    assert problem(tmp_path, bytes(pipe.data)) == ()


def test_an_archive_of_64_bits_is_sound(tmp_path: Path) -> None:
    out = io.BytesIO()
    pickled, tensors = dumped({"a": Tensor()})
    with zipfile.ZipFile(out, "w") as made:
        for name, content in (("x/data.pkl", pickled), ("x/data/0", tensors["0"].weights)):
            with made.open(name, "w", force_zip64=True) as member:
                member.write(content)
    plain = out.getvalue()
    assert problem(tmp_path, plain) == ()
    begin, end = plain.find(b"PK\x01\x02"), len(plain) - 22
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 2, 2, end - begin, begin)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    wide = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert problem(tmp_path, plain[:end] + record + locator + wide) == ()
    other = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, end - begin, begin, 0)
    differing = plain[:end] + record + locator + other
    assert problem(tmp_path, differing) == ("unsafe", Flaw.ZIP_TWO_DIRECTORIES)


@pytest.mark.faults
def test_ten_thousand_members_take_seconds(tmp_path: Path) -> None:
    data = zipped({str(i): Tensor(1) for i in range(10_000)})
    begin = time.process_time()
    assert problem(tmp_path, data) == ()
    assert time.process_time() - begin < 20


def read(data: bytes, *, any_case: bool = True) -> Said:
    """What is said of an archive, whatever it is for."""
    try:
        archive.members(io.BytesIO(data), len(data), any_case=any_case)
    except Refused as refused:
        return said(refused.finding)
    return ()


def made(*names: str, compressed: bool = False, content: bytes = b"x" * 500) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if compressed else 0) as into:
        for name in names:
            into.writestr(zipfile.ZipInfo(name) if name.endswith("/") else name, content)
    return out.getvalue()


def folder(name: str, content: bytes = b"") -> bytes:
    return made(name, content=content)


TWICE = ("unsafe", Flaw.ZIP_MEMBER_TWICE)
TWINS = {
    "composed": ("x/e\u0301", "x/\u00e9"),
    "ligature": ("x/\ufb01le", "x/file"),
    "a dot behind": ("x/a", "x/a."),
    "a space behind": ("x/a", "x/a "),
    "a folder's space": ("x/a", "x /a"),
    "two slashes": ("x/a", "x//a"),
    "a part that is a dot": ("x/a", "x/./a"),
    "a dot in front": ("x/a", "./x/a"),
    "a folder": ("x/a", "x/a/"),
}


@pytest.mark.parametrize("name", TWINS)
def test_two_names_that_a_disk_takes_for_one_are_refused(name: str) -> None:
    data = made(*TWINS[name], content=b"")
    assert read(data) == TWICE
    assert read(data, any_case=False) == TWICE


def test_case_counts_only_for_who_looks_at_it() -> None:
    for names in (("x/W", "x/w"), ("x/\u1e9e", "x/ss")):
        assert read(made(*names)) == TWICE
        assert read(made(*names), any_case=False) == ()
    assert read(made("v1. /a", "v1/b", "v1/c.", "\u00e9/x")) == ()


def patched(data: bytes, mark: bytes, at: int, value: bytes) -> bytes:
    place = data.find(mark) + at
    return data[:place] + value + data[place + len(value) :]


def with_extra(extra: bytes, **told: int) -> bytes:
    """An archive whose one entry has this extra field; `told` replaces numbers of the entry."""
    name, content = b"a", b"x" * 500
    crc = zlib.crc32(content)
    numbers = {"packed": 500, "size": 500, "offset": 0, "flags": 0, **told}
    front = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 33, crc, 500, 500, 1, 0)
    entry = struct.pack(
        "<4s6H3I5H2I",
        *(b"PK\1\2", 20, 20, numbers["flags"], 0, 0, 33, crc, numbers["packed"]),
        *(numbers["size"], 1, len(extra), 0, 0, 0, 0, numbers["offset"]),
    )
    begin, length = 31 + 500, 47 + len(extra)
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, length, begin, 0)
    return front + name + content + entry + name + extra + end


ALL = 0xFFFFFFFF
EXTRAS = {
    "none": (with_extra(b""), ()),
    "of another kind": (with_extra(struct.pack("<HH5s", 0x5455, 5, b"time.")), ()),
    "zeros to align": (with_extra(b"\0" * 7), ()),
    "64 bits": (with_extra(struct.pack("<HHQ", 1, 8, 500), size=ALL), ()),
    "three of 64 bits": (
        with_extra(struct.pack("<HHQQQ", 1, 24, 500, 500, 0), size=ALL, packed=ALL, offset=ALL),
        (),
    ),
    "64 bits that nobody asks for": (
        with_extra(struct.pack("<HHQ", 1, 8, 7)),
        ("unsafe", Flaw.ZIP_MEMBER_CONTRADICTS),
    ),
    "more than asked for": (
        with_extra(struct.pack("<HHQQ", 1, 16, 500, 7), size=ALL),
        ("unsafe", Flaw.ZIP_MEMBER_CONTRADICTS),
    ),
    "fewer than asked for": (
        with_extra(struct.pack("<HHQ", 1, 8, 500), size=ALL, packed=ALL),
        ("unsafe", Flaw.ZIP_MEMBER_CONTRADICTS),
    ),
    "64 bits twice": (
        with_extra(struct.pack("<HHQ", 1, 8, 500) * 2, size=ALL),
        ("unsafe", Flaw.ZIP_MEMBER_CONTRADICTS),
    ),
    "64 bits missing": (with_extra(b"", size=ALL), ("unsafe", Flaw.ZIP_MEMBER_CONTRADICTS)),
    "a second name": (
        with_extra(struct.pack("<HHBI3s", 0x7075, 8, 1, 0, b"b/c")),
        ("unsafe", Flaw.ZIP_MEMBER_SECOND_NAME),
    ),
    "cut": (
        with_extra(struct.pack("<HH", 0x5455, 9) + b"time"),
        ("unsafe", Flaw.ZIP_MEMBER_EXTRA_DAMAGED),
    ),
    "half a field": (with_extra(b"\1\2"), ("unsafe", Flaw.ZIP_MEMBER_EXTRA_DAMAGED)),
    "patched data": (with_extra(b"", flags=0x20), ("unsafe", Flaw.ZIP_MEMBER_FLAGS)),
    "names hidden": (with_extra(b"", flags=0x2000), ("unsafe", Flaw.ZIP_MEMBER_ENCRYPTED)),
    "another size": (with_extra(b"", size=501), ("unsafe", Flaw.ZIP_MEMBER_SIZE)),
    "other sizes": (with_extra(b"", size=499, packed=499), ("unsafe", Flaw.ZIP_MEMBER_CONTRADICTS)),
}


@pytest.mark.parametrize("name", EXTRAS)
def test_what_an_entry_tells_has_one_meaning(name: str) -> None:
    data, flaw = EXTRAS[name]
    assert read(data) == flaw


PACKED = made("a", compressed=True)
ODD = {
    "another sum in front": (
        patched(made("a"), b"PK\3\4", 14, b"abcd"),
        ("unsafe", Flaw.ZIP_MEMBER_CONTRADICTS),
    ),
    "another size in front": (
        patched(made("a"), b"PK\3\4", 22, b"\1"),
        ("unsafe", Flaw.ZIP_MEMBER_CONTRADICTS),
    ),
    "nothing in front": (
        patched(made("a"), b"PK\3\4", 14, b"\0" * 12),
        ("unsafe", Flaw.ZIP_MEMBER_CONTRADICTS),
    ),
    "another name's letters": (
        patched(made("\u00e9"), b"PK\3\4", 7, b"\0"),
        ("unsafe", Flaw.ZIP_MEMBER_CONTRADICTS),
    ),
    "letters of DOS": (
        made("\u00e9").replace(b"\0\x08\0\0", b"\0\0\0\0"),
        ("unsafe", Flaw.ZIP_MEMBER_NAME_ODD),
    ),
    "no letters": (
        made("\u00e9").replace(b"\xc3\xa9", b"\xff\xa9"),
        ("unsafe", Flaw.ZIP_MEMBER_NAME_ODD),
    ),
    "a name of thousands of letters": (made("a" * 2000), ("unsafe", Flaw.ZIP_MEMBER_NAME_LONG)),
    "a folder with content": (folder("a/", b"x"), ("unsafe", Flaw.ZIP_FOLDER_WITH_CONTENT)),
    "a pipe": (with_member("x/a", mode=0o010644), ("unsafe", Flaw.ZIP_MEMBER_LINK)),
    "a device": (with_member("x/a", mode=0o020644), ("unsafe", Flaw.ZIP_MEMBER_LINK)),
}


@pytest.mark.parametrize("name", ODD)
def test_what_stands_in_front_tells_the_same(name: str) -> None:
    data, flaw = ODD[name]
    assert read(data) == flaw


def test_what_stands_behind_tells_the_same() -> None:
    data = PIPED
    assert read(data) == ()
    place = data.find(b"PK\7\x08")
    for at in range(16):
        assert read(data[: place + at] + b"\x99" + data[place + at + 1 :])
    end = len(data) - 22
    begin = struct.unpack_from("<I", data, end + 16)[0]
    for cut in (1, 4, 12):
        assert read(data[: begin - cut] + data[begin:])
    bare = bytearray(data[:place] + data[place + 4 :])
    struct.pack_into("<I", bare, end - 4 + 16, begin - 4)
    assert read(bytes(bare)) == ()


class Pipe(io.RawIOBase):
    """A stream that can't go back, so that sizes follow the content, as torch writes them."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.data += data
        return len(data)


def piped(*names: str) -> bytes:
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as into:
        for name in names:
            into.writestr(name, b"x" * 500)
    return bytes(pipe.data)


PIPED = piped("a")


def content(data: bytes, limit: int = 10_000) -> bytes:
    stream = io.BytesIO(data)
    member = archive.members(stream, len(data))[0]
    opened, length = archive.opened(stream, member, limit)
    return opened.read(length)


def test_a_packed_member_ends_where_it_says() -> None:
    assert content(PACKED) == b"x" * 500
    assert content(PACKED, 100) == b"x" * 100
    begin = struct.unpack_from("<I", PACKED, len(PACKED) - 6)[0]
    longer = bytearray(PACKED[:begin] + b"hidden" + PACKED[begin:])
    packed = struct.unpack_from("<I", PACKED, 18)[0] + 6
    struct.pack_into("<I", longer, 18, packed)
    struct.pack_into("<I", longer, begin + 6 + 20, packed)
    struct.pack_into("<I", longer, len(longer) - 6, begin + 6)
    with pytest.raises(Refused, match=Flaw.ZIP_MEMBER_SIZE):
        content(bytes(longer))
    for size in (499, 501):
        other = PACKED.replace(struct.pack("<I", 500), struct.pack("<I", size))
        with pytest.raises(Refused, match=Flaw.ZIP_MEMBER_SIZE):
            content(other)


def test_only_what_unpacks_to_gigabytes_is_a_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    data = made("a", compressed=True, content=b"\0" * 1_000_000)
    assert read(data) == ()
    monkeypatch.setattr(archive, "UNPACKED_FREE", 900_000)
    assert read(data) == ("unsafe", Flaw.ZIP_UNPACKS_TO_TOO_MUCH)


def test_folders_are_no_members() -> None:
    for packed in (False, True):  # Java packs nothing to two bytes
        data = made("a/", "b/", content=b"", compressed=packed)
        assert archive.members(io.BytesIO(data), len(data)) == []


@given(st.data())
def test_with_any_byte_changed_an_archive_tells_python_the_same_or_is_refused(
    data: st.DataObject,
) -> None:
    sample = data.draw(st.sampled_from([PLAIN, PIPED, PACKED, piped("a", "b"), with_extra(b"")]))
    changed = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(sample) - 1))
        changed[place] = data.draw(st.integers(0, 255))
    if read(bytes(changed)):
        return
    found = archive.members(io.BytesIO(changed), len(changed))
    with zipfile.ZipFile(io.BytesIO(changed)) as opened:
        told = [(info.filename, info.file_size) for info in opened.infolist()]
        assert sorted(told) == sorted((member.name, member.size) for member in found)
        for info in opened.infolist():
            place = next(member.start for member in found if member.name == info.filename)
            with opened.open(info):
                assert place == info.header_offset + 30 + len(info.filename) + len(
                    changed[info.header_offset + 28 : info.header_offset + 30].strip(b"\0")
                )


@pytest.mark.faults
def test_a_directory_of_many_or_long_names_costs_little() -> None:
    random_ = random.Random(4)
    many = made(*(f"x/{i}" for i in range(20_000)), content=b"")
    long = made(*(f"{i}" + "\ufdfa" * 300 for i in range(5000)), content=b"")
    wide = piped(*(random_.randbytes(16).hex() for _ in range(5000)))
    for data in (many, long, wide):
        begin = time.process_time()
        assert read(data) == ()
        assert time.process_time() - begin < 1 + len(data) / 1e6
