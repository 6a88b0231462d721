"""What all runners meet: the provider with its limits, the lines, and the store with its leases."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from comfyfix.disk import lease
from tests.simulation.clock import Clock, Gate, Pipe, Step

MEGABYTE = 1_000_000
WINDOW_SECONDS = 300
"""In which the Hub counts requests."""
POLL_SECONDS = 1.0
"""How often a script looks whether a lease is free: `take_lock` of templates/script/lease.sh."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A collection, those who fetch it, and what they meet; rates in MB/s, times in seconds.

    `locked`: a lock file tells where each model is. `sharded`: each begins elsewhere. `mirror` is
    the rate of one, 0 without. `signed`: what another has brought counts by its signed receipt.
    `calls` to an API are needed for a search; `api` and `resolves` are how many requests a provider
    takes in five minutes from one address. `addresses`: how many all runners share; of each goes
    `line`, and `each` for one file. `write` and `read` are the store's; a core hashes `hashing`.
    A script that fetches a file takes `fetching` of a core besides, one that finds it there
    `finding`; before its first one a runner takes `starting`, and `beginning` of a core. Each
    runner has `cores`, or all of them together where they are on `one_machine`.
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
    finding: float = 0.08
    accepting: float = 0.001
    cores: float = 4
    one_machine: bool = False
    again: float = 300
    starting: float = 3
    beginning: float = 0
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
        self.there: dict[str, float] = {}
        self.waited = 0

    def close(self) -> None:
        """Let the folder go."""
        os.close(self._folder)

    def lease(self, name: str) -> ExitStack | None:
        """The lease of a file, None where another has it."""
        held = ExitStack()
        if held.enter_context(lease.held(self._folder, name)):
            return held
        held.close()
        return None

    def release(self, name: str, held: ExitStack) -> None:
        """Give a lease back."""
        held.close()
        for gate in self._waiting.pop(name, ()):
            gate.open()

    def wait(self, name: str) -> Step[ExitStack]:
        """Look once a second until the lease is free, and take it then."""
        self.waited += 1
        begun = self._clock.now
        while True:  # it may be another's by the time it is looked at
            held = self.lease(name)
            if held is not None:
                return held
            gate = Gate(self._clock)
            self._waiting.setdefault(name, []).append(gate)
            yield gate
            yield POLL_SECONDS - (self._clock.now - begun) % POLL_SECONDS


class World:
    """All of it, for one scene."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene = scene
        self.clock = clock = Clock()
        self.store = Store(clock, folder)
        self.api = Counted(clock, "api", scene.api)
        self.resolves = Counted(clock, "resolvers", scene.resolves)
        self.lines = [Pipe(clock, scene.line * MEGABYTE) for _ in range(scene.addresses)]
        self.write = Pipe(clock, scene.write * MEGABYTE)
        self.read = Pipe(clock, scene.read * MEGABYTE)
        self.mirror = Pipe(clock, scene.mirror * MEGABYTE) if scene.mirror else None
        machines = 1 if scene.one_machine else scene.runners
        self.cores = [Pipe(clock, scene.cores) for _ in range(machines)]
        self.ended: list[float] = []
        self.runs = 0
        self.brought: Counter[int] = Counter()
