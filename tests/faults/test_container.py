"""A container whose first process asks nobody how it ended: the killed stay zombies for ever.

Every kill is followed by a run in the same container. It must take nobody who is dead for one at
work, and leave nothing beside the model, whether it has to fetch it or finds it there.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.disk.files import sha256_of
from comfyfix.screen.words import t
from tests.behaviour.test_script import NAME, left
from tests.faults import asks_nobody
from tests.faults.rig import on_disk, wait_until
from tests.rig import PROGRAM, Site

pytestmark = pytest.mark.faults
KILLS = 12  # for each size
SECONDS = 30  # a script believes for 60 that who is on another machine, and silent, lives
APART = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


class Container:
    """Starts programs below a first process of our own."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._first = subprocess.Popen(
            [*APART, sys.executable, asks_nobody.__file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def close(self) -> None:
        """End it, and with it all that runs inside."""
        self._first.kill()
        self._first.communicate()

    def _order(self, do: str, **order: object) -> dict[str, Any]:
        assert self._first.stdin is not None
        assert self._first.stdout is not None
        self._first.stdin.write(json.dumps({"do": do, **order}) + "\n")
        self._first.stdin.flush()
        answer: dict[str, Any] = json.loads(self._first.stdout.readline())
        return answer

    def start(self, *argv: str, **extra: str) -> None:
        """Start a program in the site's folder."""
        env = self._site.environment(**extra)
        self._order("start", argv=argv, cwd=str(self._site.root), env=env)

    def wait(self, seconds: float | None = None) -> tuple[int | None, str]:
        """How the newest program has ended, and what it has said; no code if it runs on."""
        answer = self._order("wait", seconds=seconds)
        return answer["code"], answer["said"]

    def kill(self, *, everything: bool) -> None:
        """kill -9: the newest program alone, or all that runs in the container."""
        self._order("kill", all=everything)

    @property
    def zombies(self) -> int:
        """How many have ended and were never asked how."""
        return int(self._order("zombies")["count"])


@pytest.fixture
def container(site: Site) -> Iterator[Container]:
    if not shutil.which("unshare"):
        pytest.skip("unshare is not installed")
    tried = subprocess.run([*APART, "true"], capture_output=True, check=False, text=True)
    if tried.returncode:
        pytest.skip(f"a container is not permitted: {tried.stderr.strip()}")
    made = Container(site)
    yield made
    made.close()


@pytest.mark.parametrize("size", [300_000, 3_000_000], ids=["at once", "with notes"])
def test_killed_where_nobody_asks(site: Site, hub: Hub, container: Container, size: int) -> None:
    chance, data, folder = random.Random(size), file_for(NAME, size=size), site.models / "loras"
    final, aside = folder / NAME, site.root / "aside"
    hub.add("someone/train", []).files[NAME] = data
    site.workflow("w.json", ("loras", NAME))
    site.manifest(verify={"identity": "mtime"})  # it stays the same when it is moved to and fro
    assert site.doit().returncode == 0
    (script,) = site.output.glob("download_*.sh")
    littered = 0
    for number in range(KILLS):
        # In turn: the script by hand, then a run that fetches; a run; the script, then the model is
        # brought back, and a run has nothing to do.
        by_hand, there = number % 3 != 1, number % 3 == 2
        everything = chance.random() < 0.5
        final.replace(aside)
        hub.rate = size / 0.6
        before = container.zombies
        container.start(*(("bash", str(script)) if by_hand else PROGRAM), HF_ENDPOINT=hub.url)
        if chance.random() < 0.7:
            enough = int(size * chance.uniform(0.01, 0.8))
            wait_until(lambda enough=enough: on_disk(folder) >= enough)  # type: ignore[misc]
        else:
            container.wait(chance.uniform(0.0, 0.3 if by_hand else 1.2))
        container.kill(everything=everything)
        assert container.zombies > before
        littered += bool(set(left(folder)) - {NAME})
        hub.rate = 0.0
        if there:
            aside.replace(final)
        container.start(*PROGRAM)
        code, said = container.wait(SECONDS)
        assert code == 0, said or "it waits for the dead"
        assert (t("Nothing to do") in said) or not there, said
        assert not (everything and "Waiting: " in said), said
        assert "Traceback" not in said
        assert sha256_of(final) == sha256(data)
        assert left(folder) == [NAME]
        assert not list(site.output.rglob("*.tmp"))
    assert littered >= KILLS // 3
    assert container.zombies >= KILLS
