"""Processes that change a store and are killed: no file is lost, none is changed, each step ends.

The long ones kill real processes, on the disk, in memory and (`-m proof`, as root) on filesystems
that are made for the time of the test.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from comfyfix.disk import alone, held, swap
from comfyfix.disk.trash import trash
from comfyfix.disk.twins import twins, unfinished
from comfyfix.disk.twins.twins import Changed, Kept, Twin
from comfyfix.records import Reason, because
from comfyfix.screen.commands.storing import Collected
from comfyfix.settings import MANIFEST
from comfyfix.stages.store import gc
from comfyfix.stages.store.dedupe import Pair
from comfyfix.stages.store.gc import Unit
from comfyfix.tasks.commands import gc as gc_command
from comfyfix.tasks.run.opening import begin, begin_store
from comfyfix.tasks.store.deduping import Deduping
from comfyfix.tasks.store.in_tier import LettingGo
from comfyfix.tasks.store.needing import Needing
from comfyfix.tasks.verify import hashing
from comfyfix.why import Why
from tests.rig import Site

KILLS = 200
EACH = 20
ROUNDS, LEAST = 50, 20
"""How many processes share the pairs of a store, and how many pairs each has at least."""
AT_ONCE = 150
"""Models that one process moves before it is killed."""
SECONDS = 0.4
_CALLS = ("fsync", "mkdir", "unlink", "link", "symlink", "rename", "open", "fstat")


class Killed(BaseException):
    """The process ends here."""


def a_store(models: Path, count: int) -> dict[Path, bytes]:
    """Half of the files are equal to another; of some the mode differs."""
    made = {}
    for number in range(count):
        path = models / ("loras" if number % 2 else "vae") / f"m_{number:05d}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        made[path] = (b"%08d" % (number // 2)) * 1024
        path.write_bytes(made[path])
        path.chmod(0o640 if number % 8 == 1 else 0o644)
    return made


def wrong(made: dict[Path, bytes]) -> list[Path]:
    """What is not there, or is not what it was."""
    found = []
    for path, content in made.items():
        try:
            if path.read_bytes() != content:
                found.append(path)
        except OSError:
            found.append(path)
    return found


def left(models: Path) -> list[Path]:
    return [path for path in models.rglob(".*") if path.name.endswith((".same", ".lock"))]


def apart(paths: list[Path], made: dict[Path, bytes]) -> None:
    """Give files bytes of their own again."""
    for path in paths:
        mode = path.stat().st_mode
        fresh = path.with_name("fresh.bin")
        fresh.write_bytes(made[path])
        fresh.chmod(mode)
        fresh.replace(path)


def killed(at: int, work: Callable[[], object]) -> bool:
    """Do some work and die at a call; tell whether it came to that."""
    calls = [at]

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            calls[0] -= 1
            if calls[0] <= 0:
                raise Killed
            return real(*given, **named)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in _CALLS:
            patch.setattr(os, name, dying(getattr(os, name)))
        for name in ("exchange", "move"):
            patch.setattr(swap, name, dying(getattr(swap, name)))
        try:
            work()
        except Killed:
            return True
    return False


def join(models: Path) -> list[Reason | None]:
    """Let the file of the second folder become a name of that of the first."""
    paths = [models / "vae" / "m_00000.safetensors", models / "loras" / "m_00001.safetensors"]
    one, other = (str(path.relative_to(models)) for path in paths)
    twin = Twin((other,), held.stamp(paths[1].stat()))
    with alone.opened(models) as root:
        kept = Kept(one, held.stamp(paths[0].stat()), (twin,))
        return twins.join(root, [kept], hashing.open_file_hasher(bool), bool)[0]


def test_killed_at_any_call_a_link_is_made_or_undone(tmp_path: Path) -> None:
    for at in range(1, 200):
        models = tmp_path / str(at)
        made = a_store(models, 2)
        (models / "loras" / "m_00001.safetensors").chmod(0o644)
        died = killed(at, lambda models=models: join(models))  # type: ignore[misc]
        assert wrong(made) == [], at
        for lock in models.rglob(".*.lock"):  # this process lives, and so do its leases
            lock.unlink()
        renewed: list[Sequence[Changed]] = []
        with alone.opened(models) as root:
            for place in unfinished.left_over(models):
                told = unfinished.settle(
                    root, place, hashing.open_file_hasher(bool), renewed.append
                )
                assert told is None, at
                assert renewed, at
        assert wrong(made) == [], at
        assert left(models) == [], at
        if not died:
            assert at > 20
            return
        assert join(models) in ([None], [because(Why.GC_OTHER_NAMES)]), at
    pytest.fail("it never came to its end")


def dies(work: Callable[[Callable[[], object]], object], seconds: float) -> bool:
    """Do some work in a process that is killed so long after it has begun to change things."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            work(lambda: os.write(tell, b"x"))
            os._exit(0)
        os._exit(1)
    os.close(tell)
    os.read(told, 1)
    os.close(told)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


class Moments:
    """When to kill: at any moment of the work, however long that takes on this machine."""

    def __init__(self, chance: random.Random) -> None:
        self._chance, self._span = chance, SECONDS

    def dies(self, work: Callable[[Callable[[], object]], None]) -> bool:
        """Kill a process at its work; tells whether it was still at it."""
        killed = dies(work, self._chance.uniform(0, self._span))
        self._span *= 1.2 if killed else 0.7
        return killed


def dedupe_under_kills(site: Site, count: int, kills: int) -> dict[str, int]:
    """Kill processes that dedupe a store, each at some of its pairs; returns what was seen.

    Who was done before does not count. What they were at is looked at after each kill and once more
    when it was settled, all files when all pairs have had their turn and at the end.
    """
    chance = random.Random(5)
    moments = Moments(chance)
    made = a_store(site.models, count)
    manifest = site.root / MANIFEST
    seen = {"killed": 0, "unfinished": 0, "lost or changed": 0, "not settled": 0}
    turns: list[list[Pair]] = []
    lying: set[Path] = set()
    for number in itertools.takewhile(lambda _: seen["killed"] < kills, itertools.count()):
        if not turns:
            print(number, seen, flush=True)
            apart([path for path in made if path.stat().st_nlink > 1], made)
            pairs = Deduping(begin_store(manifest)).find().planned
            chance.shuffle(pairs)
            each = max(LEAST, len(pairs) // ROUNDS)
            turns = [pairs[at : at + each] for at in range(0, len(pairs), each)]
        some = turns.pop()
        paths = {Path(path) for pair in some for path in (pair.kept.path, pair.other.path)}
        touched = {path: made[path] for path in paths}

        def work(begun: Callable[[], object], some: Sequence[Pair] = some) -> None:
            one = Deduping(begin_store(manifest))
            begun()
            one.share(some)

        seen["killed"] += moments.dies(work)
        seen["lost or changed"] += len(wrong(touched))
        seen["unfinished"] += not lying.issuperset(left(site.models))
        again = Deduping(begin_store(manifest))
        seen["not settled"] += len(again.settle())
        lying = set(left(site.models))  # leases of the dead, until somebody wants theirs
        seen["not settled"] += sum(path.name.endswith(".same") for path in lying)
        seen["lost or changed"] += len(wrong(touched if turns else made))
    whole = Deduping(begin_store(manifest))
    _, failed = whole.share(whole.find().planned)
    seen["not settled"] += len(failed)
    seen["lost or changed"] += len(wrong(made))
    return seen


def gc_under_kills(site: Site, count: int, kills: int) -> dict[str, int]:
    """Kill processes that move to the trash; returns what was seen.

    It is looked at as above, all files after every twentieth time.
    """
    chance = random.Random(6)
    moments = Moments(chance)
    made = a_store(site.models, count)
    needed = [path for path in made if chance.random() < 0.2]
    names = [(path.parent.name, path.name) for path in needed]
    for number in range(0, len(names), 20):
        site.workflow(f"w{number:05d}.json", *names[number : number + 20])
    run = begin(site.root / MANIFEST)
    needing = Needing([run])
    known, units = needing.units(run)
    chosen = gc.removable(units, everything=True)
    assert len(chosen) == len(made) - len(needed)
    must = {path: made[path] for path in needed}
    seen = {"killed": 0, "unfinished": 0, "lost or changed": 0, "not settled": 0}
    bin_ = site.models / ".comfyfix" / "trash"
    for number in itertools.takewhile(lambda _: seen["killed"] < kills, itertools.count()):
        some = chance.sample(chosen, min(len(chosen), AT_ONCE))
        touched = {Path(unit.path): made[Path(unit.path)] for unit in some}

        def work(begun: Callable[[], object], some: Sequence[Unit] = some) -> None:
            with trash.opened(site.models, make=True) as opened:
                assert opened
                begun()
                gc_command._move(opened, known, needing, Collected("moved", some), LettingGo())

        seen["killed"] += moments.dies(work)
        seen["lost or changed"] += len(wrong(must if number % EACH == 0 else {}))
        seen["unfinished"] += any(not _whole(folder) for folder in bin_.iterdir())
        with trash.opened(site.models) as opened:
            assert opened
            entries = opened.entries()
            there = {str(path) for path in touched if path.exists()}
            gone = {f"{site.models}/{item.place}" for one in entries for item in one.items}
            seen["not settled"] += len(there & gone) + len(touched) - len(there | gone)
            seen["not settled"] += sum(bool(places) for _, places in opened.restore(entries))
        seen["lost or changed"] += len(wrong(made if number % EACH == EACH - 1 else touched))
        if number % EACH == EACH - 1:
            print(number + 1, seen, flush=True)
    seen["lost or changed"] += len(wrong(made))
    return seen


def _whole(folder: Path) -> bool:
    """Tell whether all that a note names is beside it."""
    names = {path.name for path in folder.iterdir()}
    with contextlib.suppress(OSError, ValueError):
        return len(names) == (folder / "entry.json").read_text().count('"kept"') + 1
    return False


WAYS: dict[str, Callable[[Site, int, int], dict[str, int]]] = {
    "dedupe": dedupe_under_kills, "gc": gc_under_kills,
}  # fmt: skip


def require(seen: dict[str, int], kills: int) -> None:
    print(seen)
    assert seen["lost or changed"] == seen["not settled"] == 0, seen
    assert seen["killed"] == kills, seen
    assert seen["unfinished"] > kills // 20, seen


@pytest.mark.soak
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", ["disk", "memory"])
def test_two_hundred_kills(
    tmp_path: Path, way: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "site"
    memory = Path("/dev/shm")  # noqa: S108 - a filesystem in memory
    if where == "memory":
        if not os.access(memory, os.W_OK):
            pytest.skip("no filesystem in memory")
        root = memory / f"comfyfix-{os.getpid()}"
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    root.mkdir()
    try:
        site = Site(root)
        monkeypatch.chdir(root)
        require(WAYS[way](site, 200, KILLS), KILLS)
    finally:
        shutil.rmtree(root)


@pytest.fixture(params=["ext4", "xfs", "btrfs"])
def mounted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A filesystem of this kind; it needs root."""
    kind = request.param
    make = shutil.which(f"mkfs.{kind}")
    if os.geteuid() != 0 or make is None:
        pytest.skip(f"needs root and mkfs.{kind}")
    image, place = tmp_path / "image", tmp_path / "mounted"
    place.mkdir()
    with image.open("wb") as out:
        out.truncate(2 << 30)
    subprocess.run([make, "-q", *(["-F"] if kind == "ext4" else ["-f"]), image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, place], check=False).returncode:
        pytest.skip(f"{kind} can't be mounted here")
    try:
        yield place
    finally:
        os.chdir("/")
        subprocess.run(["umount", place], check=True)
        image.unlink()


@pytest.mark.proof
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("way", WAYS)
def test_ten_thousand_files_and_two_hundred_kills(
    mounted: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    root = mounted / "site"
    root.mkdir()
    site = Site(root)
    monkeypatch.chdir(root)
    require(WAYS[way](site, 10_000, KILLS), KILLS)
