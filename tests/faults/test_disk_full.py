"""The disk is full: a status of its own, known before the first byte where the size is known."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from comfyfix.demo.hub import Hub, sha256
from tests.faults.rig import Case, Rig, file_of, on_disk
from tests.faults.server import Ask, Reply, Server
from tests.faults.shelf import Thing, proper
from tests.faults.world import apart, small_disk
from tests.rig import Site

pytestmark = pytest.mark.faults
MIB = 1 << 20
FULL = 13
LARGE, HALF = file_of(30 * MIB), file_of(12 * MIB)


@pytest.fixture
def on_small_disk(rig: Rig, server: Server, tmp_path: Path) -> Callable[..., None]:
    """Give a function cases whose folders lie on a disk of 20 MB, in a world of its own.

    The server must live there too, so it is one made in that world.
    """

    def run(work: Callable[[Server], None]) -> None:
        def inside() -> None:
            small_disk(tmp_path / "disk", "20m")
            with Server(rig.shelf) as near:
                work(near)

        apart(inside, tmp_path / "world")

    return run


def on_it(rig: Rig, key: str, thing: Thing, near: Server, **changes: object) -> Case:
    folder = rig.root / "disk" / "loras"
    made = rig.case(key, thing, destination=str(folder / f"{key}.safetensors"),
                    name=f"{key}.safetensors", **changes)  # fmt: skip
    env = made.env | {"HF_ENDPOINT": near.url}
    return Case(made.script, folder, env, f"{key}.safetensors")


def test_known_before_the_first_byte(rig: Rig, on_small_disk: Callable[..., None]) -> None:
    def work(near: Server) -> None:
        case = on_it(rig, "large", Thing(LARGE), near)
        done = case.run()
        assert done.returncode == FULL, done.stdout
        assert near.sent() == 0
        assert near.count("/cdn/") == 0
        assert case.left == []

    on_small_disk(work)


def test_the_reserve_is_never_touched(rig: Rig, on_small_disk: Callable[..., None]) -> None:
    def work(near: Server) -> None:
        case = on_it(rig, "half", Thing(HALF), near, reserve=12 * MIB)
        assert case.run().returncode == FULL
        assert near.count("/cdn/") == 0
        assert case.left == []
        assert on_it(rig, "half", Thing(HALF), near, reserve=4 * MIB).run().returncode == 0
        assert case.got == sha256(HALF)

    on_small_disk(work)


@pytest.mark.parametrize("told", [True, False], ids=["length told", "length not told"])
def test_full_in_the_middle(rig: Rig, on_small_disk: Callable[..., None], told: bool) -> None:
    """No size is known to the script: it ends with 13, and the next run finds room again."""

    def serve(ask: Ask, number: int) -> Reply:
        reply = proper(LARGE, ask)
        if told:
            return reply
        return Reply(200, LARGE, {"Content-Length": "", "Connection": "close"}, cut=len(LARGE))

    def work(near: Server) -> None:
        case = on_it(rig, "large", Thing(LARGE, serve), near, size=None)
        assert case.run().returncode == FULL
        assert case.got is None
        case.run()
        assert on_disk(case.folder) <= 20 * MIB
        small = on_it(rig, "large", Thing(HALF), near)
        done = small.run()
        assert done.returncode == 0, done.stdout  # what was left is used or cleared away
        assert small.left == [small.name]

    on_small_disk(work)


@pytest.mark.parametrize("inodes", [2, 3, 4, 5, 6])
def test_a_disk_without_room_for_another_file_is_full(
    rig: Rig, server: Server, tmp_path: Path, inodes: int
) -> None:
    """There are bytes enough, but no inodes: the root, the folder, the lock, our notes."""

    def inside() -> None:
        small_disk(tmp_path / "disk", f"20m,nr_inodes={inodes}")
        with Server(rig.shelf) as near:
            case = on_it(rig, "half", Thing(HALF), near)
            done = case.run()
            assert done.returncode == FULL, done.stdout
            assert case.got is None

    apart(inside, tmp_path / "world")


def test_two_that_fit_alone_but_not_together(rig: Rig, on_small_disk: Callable[..., None]) -> None:
    """One arrives; the other ends with 13 and leaves nothing but what the next run uses."""

    def slow(ask: Ask, number: int) -> Reply:
        reply = proper(HALF, ask)
        return Reply(reply.status, reply.body, reply.headers, rate=6e6)

    def work(near: Server) -> None:
        cases = [on_it(rig, key, Thing(HALF, slow), near) for key in ("one", "two")]
        both = [
            subprocess.Popen(["bash", str(case.script)], env=case.env, stdout=subprocess.DEVNULL)
            for case in cases
        ]
        codes = sorted(process.wait(120) for process in both)
        assert FULL in codes
        assert set(codes) <= {0, FULL}
        assert all(case.got in (None, sha256(HALF)) for case in cases)
        for case in cases:  # with the disk to itself each of them arrives
            for other in cases:
                other.final.unlink(missing_ok=True)
            done = case.run()
            assert done.returncode == 0, f"{case.left} {done.stdout}"
            assert case.got == sha256(HALF)
        assert cases[-1].left == [cases[-1].name]

    on_small_disk(work)


def test_doit_tells_it_and_the_others_arrive(tmp_path: Path) -> None:
    """In a whole run too: the large one is named with its reason, a small one arrives."""

    def work() -> None:
        with Hub() as hub:
            root = tmp_path / "site"
            root.mkdir()
            small_disk(root, "20m")
            site = Site(root, hub)
            hub.add("maker/harbor_light", ["harbor_light.safetensors"])
            hub.add("maker/large_light", []).files["large_light.safetensors"] = LARGE
            site.workflow("w.json", ("loras", "harbor_light.safetensors"),
                          ("loras", "large_light.safetensors"))  # fmt: skip
            done = site.doit()
            assert done.returncode == 1, done.stdout
            assert "Not enough space" in done.stdout
            assert set(site.files()) == {"loras/harbor_light.safetensors"}
            assert hub.count("GET", "/cdn/*large_light*") == 0

    apart(work, tmp_path / "world")
