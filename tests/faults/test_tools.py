"""Scripts with other tools than GNU's: busybox's, as on small Linux machines and in containers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from comfyfix.demo.hub import sha256
from tests.faults.rig import Rig, file_of, wait_until
from tests.faults.server import Server
from tests.faults.shelf import Thing, halved, proper, slow

pytestmark = pytest.mark.faults
MIB = 1 << 20
OUR_OWN = ("bash", "curl")  # what a script says that it needs


@pytest.fixture
def tools(tmp_path: Path) -> str:
    """A PATH with busybox's tools, and bash and curl."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is not installed")
    folder = tmp_path / "tools"
    folder.mkdir()
    known = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout
    for name in known.split():
        (folder / name).symlink_to(busybox)
    for name in OUR_OWN:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(shutil.which(name) or "")
    return str(folder)


@pytest.mark.parametrize("size", [300_000, 2 * MIB, 96 * MIB], ids=["small", "medium", "large"])
@pytest.mark.parametrize("hashed", [True, False])
def test_the_file_arrives(rig: Rig, tools: str, size: int, hashed: bool) -> None:
    data = file_of(size)
    changes = {} if hashed else {"sha256": None}
    case = rig.case("bare", halved(data), **changes)
    done = case.run(PATH=tools)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (case.got, case.left) == (sha256(data), [case.name])
    assert done.stderr == ""
    rig.require_nothing_runs()


def test_one_that_was_killed_goes_on(rig: Rig, server: Server, tools: str) -> None:
    data = file_of(96 * MIB)
    case = rig.case("bare", slow(data, 2e6))
    with case.running(PATH=tools) as script:
        wait_until(lambda: server.sent() >= len(data) // 2)
        subprocess.run(["kill", "-9", "--", f"-{script.pid}"], check=False)
        script.wait()
    before = server.sent()
    done = case.run(PATH=tools)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (case.got, case.left) == (sha256(data), [case.name])
    assert server.sent() - before <= 0.6 * len(data)
    rig.require_nothing_runs()


@pytest.mark.parametrize("size", [300_000, 2 * MIB], ids=["small", "medium"])
def test_wrong_bytes_get_no_name(rig: Rig, tools: str, size: int) -> None:
    other = file_of(size, seed="lie")
    case = rig.case("wrong", Thing(file_of(size), lambda ask, _: proper(other, ask)))
    done = case.run(PATH=tools)
    assert done.returncode == 14, done.stdout + done.stderr
    assert case.left == []
