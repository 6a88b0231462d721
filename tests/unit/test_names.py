"""Names from outside: which may become files, how they are shown, and how files are written."""

from __future__ import annotations

import os
import resource
import unicodedata
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.disk.files import printable, quarantine, relative_name, write_atomic, write_if_changed
from comfyfix.errors import NameRefused
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.why import Why

HOSTILE = [
    "", " ", "\t", ".", "..", "./", "../", "/", "\\", "//", "~",
    # out of the folder
    "../x.pth", "..\\x.pth", "a/../x.pth", "a/../../x.pth", "a\\..\\..\\x.pth", "a/..", "a/./x.pth",
    "a//x.pth", "a/x.pth/", "x.pth\\", "./x.pth", ".../x.pth", ".. /x.pth", "a/.. /x.pth",
    "../" * 40 + "etc/passwd", "..%2f..%2fx.pth", "....//x.pth", "a/" * 16 + "x.pth",
    # from the root, of a drive, of a share, of a user
    "/etc/passwd", "//etc/passwd", "\\windows\\x.pth", "C:\\x.pth", "C:/x.pth", "c:x.pth",
    "\\\\server\\share\\x.pth", "//server/share/x.pth", "\\\\?\\C:\\x.pth", "\\\\.\\PhysicalDrive0",
    "file:///etc/passwd", "https://huggingface.co/x.pth", "~/x.pth", "~root/x.pth", "a/~x.pth",
    # devices and streams
    "CON", "con.pth", "Nul.safetensors", "a/AUX.pth", "PRN.tar.gz", "COM1", "lpt9.pth",
    "com\u00b9.pth", "COM0.pth", "x.pth:stream", "x.pth::$DATA", ".pth:x",
    # control characters, and those that only seem to be absent
    "x.pth\0", "a\0/../x.pth", "\0", "x\n.pth", "x.pth\n", "x\r.pth", "\x1b[2Jx.pth", "x\x7f.pth",
    "x\x08.pth", "x\u202egnp.pth", "\u2066x.pth", "x\u200e.pth", "x\u200f.pth", "\u202ax\u202c.pth",
    "\ud800.pth", "x\udcff.pth", "a/\udfffx.pth", "x\ufffd.pth",
    # what shells, commands and filesystems read in another way
    "-rf.pth", "--output=x.pth", "a/-x.pth", "x*.pth", "x?.pth", "x<y.pth", "x>y.pth", "x|y.pth",
    'x".pth', "x.pth.", "x.pth ", " x.pth", "a /x.pth", "a./x.pth", "a/ x.pth", "x.pth\u00a0",
    "\u3000x.pth", ".hidden.pth", ".git/config", "a/.ssh/x.pth", ".comfyfix/receipts/x.pth",
    "a" * 257, "a" * 256, "\u00e9" * 128, "a/" + "b" * 252 + ".pth",
]  # fmt: skip
LEGITIMATE = {
    "x.safetensors": "x.safetensors",
    "SDXL\\foo.safetensors": "SDXL/foo.safetensors",
    "SDXL/sub\\foo.safetensors": "SDXL/sub/foo.safetensors",
    "my model (v2) [fp8].safetensors": "my model (v2) [fp8].safetensors",
    "模型/日本語 ñ é.safetensors": "模型/日本語 ñ é.safetensors",
    "v1.5..final.safetensors": "v1.5..final.safetensors",
    "auxiliary.pth": "auxiliary.pth",
    "console/com10.pth": "console/com10.pth",
    "a-b~c.pth": "a-b~c.pth",
    "%2e%2e%2fx.pth": "%2e%2e%2fx.pth",
    "$(id)`id`;&'.pth": "$(id)`id`;&'.pth",
    "a/" * 15 + "x.pth": "a/" * 15 + "x.pth",
    "a" * 255: "a" * 255,
}
PIECES = st.sampled_from(
    [
        "..",
        ".",
        "/",
        "\\",
        "a",
        "b.pth",
        " ",
        "~",
        "-",
        "C:",
        "con",
        "\0",
        "\n",
        "x/",
        "\u202e",
        "é",
    ]
) | st.text(st.characters(), max_size=3)
ANY = st.text(st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"]))


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
def test_a_hostile_name_is_refused(value: str) -> None:
    with pytest.raises(NameRefused) as caught:
        relative_name(value)
    assert caught.value.reason.why.startswith("name_")
    assert caught.value.reason.told["name"] == value


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (" ", Why.NAME_EMPTY),
        ("x\u202egnp.pth", Why.NAME_CHARACTER),
        ("\\etc\\x.pth", Why.NAME_ABSOLUTE),
        ("a/../x.pth", Why.NAME_DOTS),
        ("a/-x.pth", Why.NAME_START),
        ("a/x.pth.", Why.NAME_EDGE),
        ("a/AUX.pth", Why.NAME_DEVICE),
        ("a/.ssh/x.pth", Why.NAME_HIDDEN),
        ("a/" * 16 + "x.pth", Why.NAME_DEEP),
        ("a" * 256, Why.NAME_LONG),
    ],
    ids=str,
)
def test_a_refusal_tells_the_rule_that_was_broken(value: str, why: Why) -> None:
    with pytest.raises(NameRefused) as caught:
        relative_name(value)
    assert caught.value.reason.why == why


def test_there_are_enough_hostile_names() -> None:
    assert len(set(HOSTILE)) >= 60


@pytest.mark.parametrize(("value", "name"), LEGITIMATE.items())
def test_a_legitimate_name_becomes_a_path_with_forward_slashes(value: str, name: str) -> None:
    assert relative_name(value) == name


@given(st.lists(PIECES, max_size=8).map("".join))
def test_what_is_accepted_stays_inside_its_folder_on_every_system(value: str) -> None:
    try:
        name = relative_name(value)
    except NameRefused:
        return
    assert os.path.normpath(f"/models/loras/{name}") == f"/models/loras/{name}"
    windows = PureWindowsPath("M:/loras") / name
    assert windows.as_posix() == f"M:/loras/{name}"
    assert os.fsencode(name)


def test_a_refusal_shows_the_name_without_its_control_characters() -> None:
    with pytest.raises(NameRefused) as caught:
        relative_name("a\x1b[2J\u202eb")
    refused = because(Why.NAME_REFUSED_AT, **caught.value.reason.told, cause=caught.value.reason)
    assert "a\\x1b[2J\\u202eb" in words.sentence(refused)
    assert words.sentence(refused).isprintable()


@pytest.mark.parametrize("c", list("\x85\x9b\u061c\u2028\u2029\u200b\ufeff\u00ad"), ids=ascii)
def test_a_name_that_hides_in_a_terminal_is_refused(c: str) -> None:
    with pytest.raises(NameRefused):
        relative_name(f"a{c}b.pth")


@pytest.mark.parametrize("value", ["CONIN$", "conout$.pth", "CON .pth", "a/nul .safetensors"])
def test_the_other_windows_devices_are_refused_too(value: str) -> None:
    with pytest.raises(NameRefused):
        relative_name(value)


@given(ANY)
def test_printable_text_holds_no_control_character(text: str) -> None:
    shown = printable(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def test_printable_keeps_what_people_write_and_cuts_what_is_long() -> None:
    assert printable('C:\\Größe "x" <模型> | ?*') == 'C:\\Größe "x" <模型> | ?*'
    assert printable("\x1b\n\ud800\u202e") == r"\x1b\n\ud800\u202e"
    assert printable("a" * 500) == "a" * 120 + "…"
    assert printable("\0" * 9, limit=8) == "\\x00\\x00…"


def test_quarantine_never_overwrites(tmp_path: Path) -> None:
    for count in range(3):
        (tmp_path / "x.pth").write_text(f"{count}")
        quarantine(tmp_path / "x.pth", "damaged")
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {"x.pth.damaged": "0", "x.pth.damaged.1": "1", "x.pth.damaged.2": "2"}


def test_quarantine_moves_a_link_and_not_its_target(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("shared")
    (tmp_path / "x.pth").symlink_to("target")
    (tmp_path / "x.pth.wrong").symlink_to("nowhere")
    assert quarantine(tmp_path / "x.pth", "wrong") == tmp_path / "x.pth.wrong.1"
    assert (tmp_path / "x.pth.wrong.1").readlink() == Path("target")
    assert (tmp_path / "x.pth.wrong").readlink() == Path("nowhere")
    assert (tmp_path / "target").read_text() == "shared"


def test_quarantine_of_nothing_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        quarantine(tmp_path / "x.pth", "damaged")
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_in_the_middle_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_atomic(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_atomic(path, b"n" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"state.json": b"old"}


def test_a_folder_in_the_place_of_a_file_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "x").touch()
    write_atomic(tmp_path / "taken", b"new")
    assert (tmp_path / "taken").read_bytes() == b"new"
    assert (tmp_path / "taken.damaged" / "x").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"taken", "taken.damaged"}


@pytest.mark.parametrize("name", ["x", "a/b/c.json", "a" * 255, "\U0001f600" * 63])
def test_a_write_makes_folders_and_has_the_usual_permissions(name: str, tmp_path: Path) -> None:
    write_atomic(tmp_path / name, b"\0\xff")
    write_atomic(tmp_path / "run.sh", b"", mode=0o777)
    (tmp_path / "usual").touch()
    assert (tmp_path / name).read_bytes() == b"\0\xff"
    assert (tmp_path / name).stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert os.access(tmp_path / "run.sh", os.X_OK)


def test_an_unchanged_file_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_if_changed(path, b"one")
    before = path.stat()
    write_if_changed(path, b"one")
    assert path.stat() == before
    write_if_changed(path, b"two")
    assert path.read_bytes() == b"two"
