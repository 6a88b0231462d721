"""kill -9 at any moment: no partial under the final name, little fetched twice, no orphan."""

from __future__ import annotations

import random
import subprocess
import threading
from pathlib import Path

import pytest

from comfyfix.demo.hub import Hub, sha256
from comfyfix.disk.files import sha256_of
from tests.behaviour.test_script import DATA, NAME, left, script_for
from tests.faults.rig import Rig, file_of, on_disk, require_nothing_runs, running_of, wait_until
from tests.faults.server import Ask, Reply, Server
from tests.faults.shelf import Thing, halved, proper, slow
from tests.rig import Site, is_alive

pytestmark = pytest.mark.faults
KILLS = 200
MIB = 1 << 20


def test_killed_at_any_moment(site: Site, hub: Hub) -> None:
    folder = site.models / "loras"
    chance = random.Random(0)
    env = site.environment(HF_ENDPOINT=hub.url, COMFYFIX_TEST=str(site.root))
    hub.delays["file"] = 0.05
    script = script_for(site, hub)
    for _ in range(KILLS):
        with subprocess.Popen(
            ["bash", str(script)], env=env, stdout=subprocess.DEVNULL, start_new_session=True
        ) as running:
            try:
                running.wait(chance.uniform(0.0, 0.25))
            except subprocess.TimeoutExpired:
                # Half of the time the script alone, as the kernel's memory killer might.
                if chance.random() < 0.5:
                    running.kill()
                else:
                    subprocess.run(["kill", "-9", "--", f"-{running.pid}"], check=False)
        final = folder / NAME
        if final.exists():
            assert sha256_of(final) == sha256(DATA)
            if chance.random() < 0.7:
                final.unlink()
    assert site.script(script).returncode == 0
    assert sha256_of(folder / NAME) == sha256(DATA)
    assert left(folder) == [NAME]
    require_nothing_runs(site.root)


@pytest.mark.parametrize("whole_group", [True, False])
@pytest.mark.parametrize("size", [300_000, 96 * MIB], ids=["small", "large"])
def test_at_most_six_tenths_are_fetched_again(
    rig: Rig, server: Server, size: int, whole_group: bool
) -> None:
    data = file_of(size)
    case = rig.case("half", slow(data, 2e6) if size > MIB else halved(data, stall=True))
    with case.running() as script:
        if size > MIB:  # room for all of it is taken before it comes
            wait_until(lambda: server.sent() >= size // 2)
        else:  # what curl and the kernel hold back is not on the disk yet
            wait_until(lambda: on_disk(case.folder) >= size // 2 - 32_768)
        if whole_group:
            subprocess.run(["kill", "-9", "--", f"-{script.pid}"], check=False)
        else:
            script.kill()
        script.wait()
        sent = server.sent()
        done = case.run()
        again = server.sent() - sent
        assert done.returncode == 0, done.stdout
        assert case.got == sha256(data)
        assert again <= 0.6 * size, f"{again / size:.0%} were fetched again"
        assert case.left == [case.name]
    rig.require_nothing_runs()


def curls(rig: Rig) -> list[int]:
    """The downloads that go on."""
    every = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in running_of(rig.root)}
    return [pid for pid, words in every.items() if words.startswith(b"curl\0")]


@pytest.mark.parametrize("size", [300_000, 2 * MIB], ids=["at once", "later"])
def test_one_that_has_no_part_yet_is_ended_too(rig: Rig, size: int) -> None:
    """Killed while curl waits for an answer: nothing on the disk tells of that curl."""
    data, asked, answer = file_of(size), threading.Event(), threading.Event()

    def serve(ask: Ask, number: int) -> Reply:
        if number == 1:
            asked.set()
            answer.wait(60)
        return proper(data, ask)

    case = rig.case("waiting", Thing(data, serve))
    with case.running() as script:
        assert asked.wait(60)
        script.kill()
        script.wait()
        (curl,) = curls(rig)
        try:
            done = case.run()
            assert done.returncode == 0, done.stdout
            wait_until(lambda: not is_alive(curl), seconds=3)
        finally:
            answer.set()
    assert (case.got, case.left) == (sha256(data), [case.name])
