"""What a small file's script is answered by a run: where it is, room, hash and form."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.script.inside import NOT_TOLD, Inside
from tests.inprocess import InProcess
from tests.unit.hostile_pickles import P2, call
from tests.unit.torchlike import zipped

NAME = "harbour_tide_0.safetensors"
REPO = "harbour/harbour_tide"


@pytest.fixture
def site(inprocess: InProcess, hub: Hub) -> InProcess:
    hub.add(REPO, [NAME])
    hub.cdn = hub.url  # its storage is at the same address, so the first try gets there
    inprocess.workflow("w.json", ("loras", NAME))
    return inprocess


def left(site: InProcess) -> list[str]:
    return sorted(path.name for path in (site.models / "loras").iterdir())


def programs(site: InProcess, tmp_path: Path, *hidden: str) -> str:
    """A PATH on which these programs only note that they were called."""
    folder = tmp_path / "noted"
    folder.mkdir()
    for name in hidden:
        program = folder / name
        program.write_text(f"#!/bin/sh\necho {name} >>{tmp_path}/called\nexit 1\n")
        program.chmod(0o755)
    return f"{folder}{os.pathsep}{site.environment()['PATH']}"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the kernel tells nothing")
def test_a_run_answers_what_else_needs_programs(site: InProcess, tmp_path: Path) -> None:
    path = programs(site, tmp_path, "pwd", "df", "sync", "sha256sum", "openssl", "shasum")
    done = site.run(PATH=path)
    assert done.code == 0, done
    assert not (tmp_path / "called").exists()
    assert site.files() == {f"loras/{NAME}": sha256(file_for(NAME))}
    assert left(site) == [NAME]


def test_wrong_bytes_get_no_name(site: InProcess, hub: Hub) -> None:
    hub.faults.append(Fault(f"file {REPO}/{NAME}", "flip"))
    assert site.run().code == 1
    assert left(site) == []


def test_what_is_of_another_kind_gets_no_name(site: InProcess, hub: Hub) -> None:
    hub.repositories[REPO].files[NAME] = zipped(data=P2 + call("os.system") + b".")
    assert site.run().code == 1
    assert NAME not in left(site)


def test_no_room_is_told_before_anything_is_asked(site: InProcess, hub: Hub) -> None:
    assert site.run("plan").code == 0
    site.manifest(download={"reserve": "900TB"})
    hub.seen.clear()
    assert site.run().code == 1
    assert not [seen for seen in hub.seen if "/resolve/" in seen.path]
    assert "loras" not in os.listdir(site.models) or left(site) == []


@pytest.fixture
def child(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder that a process is in, and the process."""
    folder = tmp_path / "real" / "loras"
    folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    with subprocess.Popen(["cat"], cwd=tmp_path / "link" / "loras", stdin=subprocess.PIPE) as cat:
        yield folder, str(cat.pid)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the kernel tells nothing")
def test_only_the_folder_of_the_script_is_looked_into(child: tuple[Path, str]) -> None:
    folder, pid = child
    (folder / "a.part").write_bytes(b"ours")
    inside = Inside()
    assert inside.where(pid) == str(folder.resolve())
    moved = folder.with_name("moved")
    folder.rename(moved)  # somebody puts another in its place
    folder.mkdir()
    (folder / "a.part").write_bytes(b"theirs")
    with inside.settled("a.part") as (digest, path, info):
        assert digest == sha256(b"ours")
        assert path.read_bytes() == b"ours"
        assert info.st_ino == (moved / "a.part").stat().st_ino
    assert inside.where(pid) == str(moved.resolve())
    told = os.statvfs(moved)
    assert abs(int(inside.room()) * 1024 - told.f_bavail * told.f_frsize) < 1 << 30
    inside.close()
    inside.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the kernel tells nothing")
def test_links_pipes_and_other_folders_are_not_read(child: tuple[Path, str]) -> None:
    folder, pid = child
    (folder / "secret").write_text("x")
    (folder / "link").symlink_to("secret")
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe")
    inside = Inside()
    inside.where(pid)
    for name in ("link", "pipe", "sub", "../loras/secret", "absent", ""):
        with pytest.raises(OSError), inside.settled(name):
            pass
    inside.close()


@pytest.mark.parametrize("pid", ["", "x", "-1", "1/../self", "99999999999", "²"])
def test_a_process_that_is_none_is_told_nothing(pid: str) -> None:
    inside = Inside()
    assert (inside.where(pid), inside.room()) == (NOT_TOLD, NOT_TOLD)
    with pytest.raises(OSError), inside.settled("a"):
        pass


def test_a_folder_whose_name_does_not_fit_into_a_line_is_not_told(tmp_path: Path) -> None:
    odd = tmp_path / "a\nb"
    odd.mkdir()
    with subprocess.Popen(["cat"], cwd=odd, stdin=subprocess.PIPE) as cat:
        assert Inside().where(str(cat.pid)) == NOT_TOLD
