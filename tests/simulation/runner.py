"""A runner: `doit` with its threads, its slots and its scripts, as they behave to the outside.

Which model comes when, how long a limit is kept to, and whether a lease is had is told by the code
of the program itself; what this says again in its own words is the order of steps of a task
(`tasks/downloads/actions.py`), of a request (`net/http.py`) and of a script
(`templates/script/main.sh`).
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from comfyfix.net.http import TRIES, WAIT_MAX
from comfyfix.net.limits import UsedUp, backoff, retry_after
from comfyfix.settings import shard
from comfyfix.stages.needs.work import Plan, Planned
from comfyfix.tasks.face.inside_doit import THREADS_MAX
from tests.simulation.clock import Gate, Places, Step
from tests.simulation.world import MEGABYTE, World

UNEVEN = (0.5, 1.5)
"""Between which parts of its usual time a step takes."""
API, FILES = "https://huggingface.co/api/models", "https://huggingface.co/a/b/resolve/main/c"


def order(plan: Plan, number: int, scene_runners: int) -> list[Planned]:
    """The models in the order in which a job takes them: that of its default tasks."""
    told = shard.of({shard.VARIABLE: f"{number}/{scene_runners}"})
    batches = shard.turned(told, list(plan.batches.items()))
    return [planned for _, members in batches for planned in members]


class Runner:
    """One job."""

    def __init__(
        self, world: World, number: int, models: Sequence[Planned], sizes: Mapping[str, int]
    ) -> None:
        scene = world.scene
        self.world, self.scene, self.number, self.sizes = world, scene, number, sizes
        self.address = number % scene.addresses
        self.cores = world.cores[number % len(world.cores)]
        self.left: deque[Planned] = deque(models)
        self.used_up = UsedUp(lambda: world.clock.now)
        self.slots = Places(world.clock, scene.parallel)
        self.searches = Places(world.clock, scene.searches)
        self.at_work = 0
        self.began = 0.0

    def run(self) -> Step[None]:
        """Run again and again until no model is left; what was there before is not looked at."""
        clock = self.world.clock
        yield self._cpu(self.scene.starting)
        while True:
            self.began, self.failed, self.refused = clock.now, deque[Planned](), False
            self.world.runs += 1
            threads = min(THREADS_MAX, len(self.left))
            self.at_work = threads
            self.over = Places(clock, 0)
            for _ in range(threads):
                clock.start(self._thread())
            for _ in range(threads):
                yield from self.over.take()
            self.left.extendleft(reversed(self.failed))
            if not self.left:
                break
            yield self.scene.again
        yield self._cpu(self.scene.ending)
        self.world.ended.append(clock.now)

    def _thread(self) -> Step[None]:
        while self.left and not self.refused:
            planned = self.left.popleft()
            there = self.world.store.there.get(planned.location)
            if there is not None and there < self.began:
                continue
            if not self.scene.locked:
                yield from self.searches.take()
                found = yield from self._search()
                self.searches.leave()
                if not found:  # and so it is with all that would be asked now
                    self.failed.append(planned)
                    self.refused = True
                    break
            yield from self._bring(planned)
        self.over.leave()

    def _cpu(self, seconds: float) -> Gate:
        """Take so many seconds of a core, more or less: no two scripts take the same."""
        return self.cores.put(seconds * random.uniform(*UNEVEN))

    def _search(self) -> Step[bool]:
        for _ in range(self.scene.calls):
            if not (yield from self._ask()):
                return False
        return True

    def _ask(self) -> Step[bool]:
        """One request to the API, as `Web` makes it."""
        for attempt in range(1, TRIES + 1):
            left = self.used_up.left(API)
            if left > WAIT_MAX:
                return False
            if left > 0:
                yield left
            status, headers = self.world.api.ask(self.address)
            yield self.scene.latency
            self.used_up.note(API, headers)
            if status != HTTPStatus.TOO_MANY_REQUESTS:
                return True
            pause = retry_after(headers, backoff(attempt))
            if attempt == TRIES or pause > WAIT_MAX:
                return False
            yield pause
        return False

    def _bring(self, planned: Planned) -> Step[None]:
        """Bring a model in one of the slots, or take what another has brought.

        Who waits for another gives his slot up, and needs none for what that one has brought. Two
        may begin at the same time: then a script finds that another has the lease.
        """
        store, place = self.world.store, planned.location
        name = f"{planned.number}"
        yield from self.slots.take()
        held = None
        if place not in store.there and store.is_free(name):
            yield self._cpu(self.scene.fetching)
            held = store.lease(name) if place not in store.there else None
        if held is not None:
            yield from self._fetch(planned)
            store.there[place] = self.world.clock.now
            self.world.brought[self.number] += 1
            store.release(name, held)
            self.slots.leave()
            return
        self.slots.leave()
        if place not in store.there:
            yield from store.wait(name)
        yield from self._look(planned)

    def _look(self, planned: Planned) -> Step[None]:
        """See that a file which another has brought is right: by its receipt, or its bytes."""
        scene = self.scene
        if scene.signed:
            yield self._cpu(scene.finding)
            return
        size = self.sizes[planned.location]
        read = self.world.read.put(size)
        yield self._cpu(scene.finding + size / scene.hashing / MEGABYTE)
        yield read

    def _fetch(self, planned: Planned) -> Step[None]:
        scene, world = self.scene, self.world
        size = self.sizes[planned.location]
        if world.mirror is None:
            while world.resolves.ask(self.address)[0] != HTTPStatus.OK:
                yield world.resolves.opens_in
        line = world.mirror or world.lines[self.address]
        hashed = size / scene.hashing / MEGABYTE  # along with what comes
        yield from (line.put(size), world.write.put(size), self.cores.put(hashed))
