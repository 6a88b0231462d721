"""What all runners meet: the provider with its limits, the lines, and the store with its leases."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from comfyfix.disk.lease import lease
from comfyfix.tasks.downloads.meanwhile import POLL_LONGEST, POLL_SECONDS
from tests.simulation.clock import Clock, Gate, Shared, Step

MEGABYTE = 1_000_000
WINDOW_SECONDS = 300
"""In which the Hub counts requests."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A collection, those who fetch it, and what they meet; rates in MB/s, times in seconds.

    `locked`: a lock file tells where each model is. `sharded`: each begins elsewhere. `mirror` is
    the rate of one, 0 without. `signed`: what another has brought counts by its signed receipt.
    `calls` to an API are needed for a search; `api` and `resolves` are how many requests a provider
    takes in five minutes from one address. `addresses`: how many all runners share; of each goes
    `line`, and `each` for one file. `write` and `read` are the store's; a core hashes `hashing`.
    A file that is fetched takes `fetching` of a core besides, one that another has brought
    `finding`; before its first one a runner takes `starting`, and after its last `ending`. Each has
    `cores`, or all of them together where they are on `one_machine`.
    """

    name: str
    models: int = 20_000
    runners: int = 64
    locked: bool = False
    sharded: bool = False
    signed: bool = False
    mirror: float = 0
    parallel: int = 3
    searches: int = 6
    calls: int = 2
    latency: float = 0.2
    api: int = 500
    resolves: int = 3_000
    addresses: int = 1
    line: float = 500
    each: float = 200
    write: float = 1_000
    read: float = 2_000
    hashing: float = 1_000
    fetching: float = 0.15
    finding: float = 0.01
    cores: float = 4
    one_machine: bool = False
    again: float = 300
    starting: float = 3
    ending: float = 1
    size: float = 0  # of each file, in MB; 0: as files of such collections are
    days: float = 14


class Counted:
    """A limit of so many requests in five minutes, for each address."""

    def __init__(self, clock: Clock, name: str, most: int) -> None:
        self._clock, self._name, self._most = clock, name, most
        self._used: Counter[tuple[int, int]] = Counter()
        self.refused = self.taken = 0

    def busy(self, addresses: int, seconds: float) -> float:
        """Which part of all that could be asked in this time was asked."""
        windows = max(1.0, seconds / WINDOW_SECONDS)
        return min(1.0, self.taken / (self._most * addresses * windows))

    @property
    def opens_in(self) -> float:
        """Seconds until a new window begins."""
        return WINDOW_SECONDS - self._clock.now % WINDOW_SECONDS

    def ask(self, address: int) -> tuple[int, dict[str, str]]:
        """Answer a request: its status, and what the Hub tells of the limit."""
        window = int(self._clock.now // WINDOW_SECONDS)
        left = self._most - self._used[address, window]
        opens = int(self.opens_in) + 1
        if left > 0:
            self._used[address, window] += 1
            self.taken += 1
        self.refused += left <= 0
        told = {"ratelimit": f'"{self._name}";r={max(0, left - 1)};t={opens}'}
        return (200 if left > 0 else 429), told


class Store:
    """The files that are there, and since when; each has the lease that scripts take, on a disk."""

    def __init__(self, clock: Clock, folder: Path) -> None:
        self._clock = clock
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._waiting: dict[str, list[Gate]] = {}
        self._held: set[str] = set()
        self.there: dict[str, float] = {}
        self.waited = 0

    def close(self) -> None:
        """Let the folder go."""
        os.close(self._folder)

    def lease(self, name: str) -> ExitStack | None:
        """The lease of a file, None where another has it."""
        held = ExitStack()
        if held.enter_context(lease.held(self._folder, name)):
            self._held.add(name)
            return held
        held.close()
        return None

    def release(self, name: str, held: ExitStack) -> None:
        """Give a lease back."""
        held.close()
        self._held.discard(name)
        for gate in self._waiting.pop(name, ()):
            gate.open()

    def is_free(self, name: str) -> bool:
        """Tell whether nobody has the lease of a file."""
        return name not in self._held

    def wait(self, name: str) -> Step[None]:
        """Look again and again until the lease is free."""
        self.waited += 1
        begun = self._clock.now
        if name in self._held:
            gate = Gate(self._clock)
            self._waiting.setdefault(name, []).append(gate)
            yield gate
        yield until_looked(self._clock.now - begun)


def until_looked(waited: float) -> float:
    """Seconds until who has waited so long looks again: see `tasks/downloads/meanwhile.py`."""
    looked, pause = 0.0, POLL_SECONDS
    while looked <= waited and pause < POLL_LONGEST:
        looked, pause = looked + pause, min(2 * pause, POLL_LONGEST)
    if looked > waited:
        return looked - waited
    return POLL_LONGEST - (waited - looked) % POLL_LONGEST


class World:
    """All of it, for one scene."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene = scene
        self.clock = clock = Clock()
        self.store = Store(clock, folder)
        self.api = Counted(clock, "api", scene.api)
        self.resolves = Counted(clock, "resolvers", scene.resolves)
        each = scene.each * MEGABYTE
        self.lines = [Shared(clock, scene.line * MEGABYTE, each) for _ in range(scene.addresses)]
        self.mirror = Shared(clock, scene.mirror * MEGABYTE, each) if scene.mirror else None
        self.write = Shared(clock, scene.write * MEGABYTE)
        self.read = Shared(clock, scene.read * MEGABYTE)
        machines = 1 if scene.one_machine else scene.runners
        self.cores = [Shared(clock, scene.cores, 1) for _ in range(machines)]
        self.ended: list[float] = []
        self.runs = 0
        self.brought: Counter[int] = Counter()
