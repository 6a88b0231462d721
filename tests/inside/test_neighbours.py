"""What lies beside a model is the user's: whatever it is called, it is as it was after any run."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.disk.files import sha256_of
from tests.behaviour.test_script import DATA, NAME, identity, script_for
from tests.rig import Site

ENDINGS = ("part", "have", "work", "lock", "damaged", "unsafe", "tmp", "pid")
MIDDLES = (
    "", ".old", ".copy.of.mine", ".nohash", ".aa7dd20d", ".AA7DD20D.x.1", ".aa7dd20d.x.y",
    ".aa7dd20d.x_y.1", ".aa7dd20dd.x.1", ".nohash.x.-1", ".folder", "..", ".1", ".x.1", " .x.1",
)  # fmt: skip


def names(name: str) -> Iterator[str]:
    """Some hundred names that are nearly ours."""
    for before in ("", ".", "x", "-"):
        for middle in MIDDLES:
            for ending in ENDINGS:
                yield f"{before}{name}{middle}.{ending}"


def make(path: Path, number: int) -> None:
    """A file, a folder with something in it, a link or a pipe."""
    match number % 4:
        case 0:
            path.write_bytes(b"mine %d" % number)
        case 1:
            path.mkdir()
            (path / "beat").write_bytes(b"mine")
            (path / "more.txt").write_bytes(b"mine")
        case 2:
            path.symlink_to(f"nowhere{number}")
        case 3:
            os.mkfifo(path)


def seen(folder: Path, but: set[str]) -> dict[str, object]:
    """What lies in a folder, all the way down: kinds, contents, where links lead."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        kind = stat.S_IFMT(path.lstat().st_mode)
        content = path.read_bytes() if stat.S_ISREG(kind) else b""
        target = str(path.readlink()) if stat.S_ISLNK(kind) else ""
        found[str(path.relative_to(folder))] = (kind, content, target)
    return {name: what for name, what in found.items() if name not in but}


@pytest.fixture
def folder(site: Site) -> Path:
    """A model folder full of neighbours, each kind once for each name."""
    folder = site.models / "loras"
    folder.mkdir(parents=True)
    taken = {f"{NAME}.unsafe", f"{NAME}.damaged"}
    for number, name in enumerate(n for n in names(NAME) if n not in taken):
        make(folder / name, number + number // len(ENDINGS))
    return folder


def planted(folder: Path) -> None:
    """What is ours by name, and is not by kind: the owners are dead."""
    for number, name in enumerate(
        (
            f"{NAME}.{sha256(DATA)[:8]}.{identity()}.999999.part",
            f"{NAME}.nohash.{identity()}.999998.have",
            f".{NAME}.{identity()}.999997.work",
        )
    ):
        make(folder / name, 3 if number < 2 else 1)


FAULTS = {
    "it arrives": ((), 0),
    "it is torn off": ((Fault("file *", "reset"),), 15),
    "it is not there": ((Fault("file *", "404"),), 12),
    "it is another": ((Fault("file *", "flip"),), 14),
    "it stalls once": ((Fault("file *", "cut", times=1),), 0),
}


@pytest.mark.parametrize(
    "fault",
    ["it arrives", *(pytest.param(f, marks=pytest.mark.soak) for f in FAULTS if f != "it arrives")],
)
def test_neighbours_are_left_alone(site: Site, hub: Hub, folder: Path, fault: str) -> None:
    planted(folder)
    before = seen(folder, set())
    assert len(before) > 300
    faults, code = FAULTS[fault]
    hub.faults += faults
    for _ in range(2):
        done = site.script(script_for(site, hub), COMFYFIX_LOCK_WAIT="0", COMFYFIX_PAUSE="0")
        assert done.returncode == code, done.stdout
        after = seen(folder, {NAME})
        ours = {name for name in after if name not in before}
        assert {name: before[name] for name in before} == {name: after.get(name) for name in before}
        assert all(name.startswith(f"{NAME}.{sha256(DATA)[:8]}.{identity()}.") for name in ours)
    assert (folder / NAME).exists() == (code == 0)


def test_a_run_leaves_them_alone_too(site: Site, hub: Hub, folder: Path) -> None:
    before = seen(folder, set())
    site.workflow("w.json", ("loras", NAME))
    hub.add("maker/night", [NAME])
    for _ in range(2):
        done = site.doit()
        assert done.returncode == 0, done.stdout + done.stderr
        assert seen(folder, {NAME}) == before
    assert site.doit("verify").returncode == 0
    assert seen(folder, {NAME}) == before


@pytest.mark.parametrize("kind", range(4))
def test_what_is_no_lock_locks_nothing_and_stays(site: Site, hub: Hub, kind: int) -> None:
    folder = site.models / "loras"
    folder.mkdir(parents=True)
    make(folder / f".{NAME}.lock", kind)
    (folder / "elsewhere").mkdir()
    before = seen(folder, set())
    done = site.script(script_for(site, hub), COMFYFIX_LOCK_WAIT="0", COMFYFIX_LOCK_STILL="6")
    assert done.returncode == 0, done.stdout
    assert sha256_of(folder / NAME) == sha256(DATA)
    assert seen(folder, {NAME}) == before


def test_a_lock_that_is_a_link_to_a_folder_gets_nothing_inside(site: Site, hub: Hub) -> None:
    folder = site.models / "loras"
    mine = folder / "mine"
    mine.mkdir(parents=True)
    (folder / f".{NAME}.lock").symlink_to("mine")
    assert site.script(script_for(site, hub)).returncode == 0
    assert list(mine.iterdir()) == []
    assert (folder / f".{NAME}.lock").is_symlink()


def test_notes_that_are_pipes_keep_nobody_waiting(site: Site, hub: Hub) -> None:
    folder = site.models / "loras"
    owner = f"{identity()}.{os.getpid()}"
    notes = folder / f".{NAME}.{owner}.work"
    notes.mkdir(parents=True)
    for note in ("beat", "who", "work.pid"):
        os.mkfifo(notes / note)
    (folder / f".{NAME}.lock").symlink_to(owner)
    done = site.script(script_for(site, hub), COMFYFIX_LOCK_WAIT="1")
    assert done.returncode == 16
    assert f"is locked by another process: {owner}" in done.stdout
    assert f"remove {folder}/.{NAME}.lock" in done.stdout
