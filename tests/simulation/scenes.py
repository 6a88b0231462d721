"""Scenes: what is simulated, and what comes of it."""

from __future__ import annotations

import random
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from comfyfix.records import Reference
from comfyfix.settings import MANIFEST
from comfyfix.setup import read_setup
from comfyfix.stages.needs.scan import ScannedFile
from comfyfix.stages.needs.work import Plan
from comfyfix.stages.plan import plan as plan_stage
from comfyfix.state.trust import Trust
from tests.rig import Site
from tests.simulation.runner import Runner, order
from tests.simulation.world import MEGABYTE, Scene, World

SEED = 7
SIZES = ((0.62, 0.2), (0.28, 2.0), (0.10, 8.0))
"""How many of a collection are so large, in GB: LoRAs, parts of models, whole models."""
DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a scene: seconds until all files were there, and until every runner had ended.

    `busy` is the share of that time in which something was fully used; `there` how many files
    were there when; `ended` is None where the days were over before.
    """

    scene: Scene
    there_after: float | None
    ended: float | None
    busy: dict[str, float]
    waited: int
    refused: int
    runs: int
    brought: list[int]
    there: list[float]


def planned(models: int) -> Plan:
    """The plan of a collection of which nothing is there, as the program makes it."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        setup = read_setup(site.root / MANIFEST, bool)
        files = [_workflow(number, models) for number in range(0, models, 2)]
        return plan_stage.make(setup.manifest, setup.folders, files, setup.layout, Trust())


def _workflow(number: int, models: int) -> ScannedFile:
    name = f"w{number:05d}.json"
    return ScannedFile(
        path=f"/{name}",
        workflow=name,
        references=tuple(_reference(name, each) for each in range(number, min(number + 2, models))),
    )


def _reference(workflow: str, number: int) -> Reference:
    name = f"model_{number:05d}.safetensors"
    return Reference(
        workflow=workflow,
        node_id=str(number),
        node_type="LoraLoaderModelOnly",
        input="lora_name",
        value=name,
        name=name,
        path=name,
        folder="loras",
    )


def sizes(plan: Plan, scene: Scene) -> dict[str, int]:
    """How large each file is."""
    if scene.size:
        return {each.location: int(scene.size * MEGABYTE) for each in plan.models}
    chosen = random.Random(SEED)
    weights = [share for share, _ in SIZES]
    kinds = chosen.choices([size for _, size in SIZES], weights, k=len(plan.models))
    return {
        each.location: int(size * 1000 * MEGABYTE * chosen.uniform(0.5, 1.5))
        for each, size in zip(plan.models, kinds, strict=True)
    }


def play(scene: Scene, plan: Plan) -> Outcome:
    """Let a scene happen."""
    random.seed(SEED)  # what the program itself throws dice for
    with tempfile.TemporaryDirectory() as folder:
        world = World(scene, Path(folder))
        told = sizes(plan, scene)
        for number in range(scene.runners):
            mine = number if scene.sharded else 0
            models = order(plan, mine, scene.runners)
            world.clock.start(Runner(world, number, models, told).run())
        world.clock.run(until=scene.days * DAY)
        world.store.close()
    there = sorted(world.store.there.values())
    all_there = len(there) == len(plan.models)
    all_ended = len(world.ended) == scene.runners
    end = max(world.ended) if all_ended else world.clock.now
    return Outcome(
        scene=scene,
        there_after=there[-1] if all_there else None,
        ended=end if all_ended else None,
        busy=_busy(world, end),
        waited=world.store.waited,
        refused=world.api.refused,
        runs=world.runs,
        brought=[world.brought[number] for number in range(scene.runners)],
        there=there,
    )


def _busy(world: World, seconds: float) -> dict[str, float]:
    pipes = {
        "line": world.lines,
        "store, written": [world.write],
        "store, read": [world.read],
        "cores": world.cores,
        "mirror": [world.mirror] if world.mirror else [],
    }
    asked = {} if world.scene.locked else {"api": world.api.busy(world.scene.addresses, seconds)}
    return asked | {
        name: min(1.0, statistics.mean(pipe.busy for pipe in some) / seconds)
        for name, some in pipes.items()
        if some
    }
