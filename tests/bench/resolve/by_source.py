"""Each source with names that only it knows, asked through the whole ladder."""

from __future__ import annotations

import json
import random
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from comfyfix.demo.civitai_names import filenamize
from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.errors import ModelProblem
from comfyfix.records import Hint, Model
from comfyfix.sources.base import Services
from comfyfix.stages.needs.work import Pending, Planned
from comfyfix.stages.search.resolve import resolve
from tests.bench.resolve.measure import services_for
from tests.bench.resolve.style import ADJECTIVES, NOUNS
from tests.bench.resolve.world import World

COUNT = 40
HUB = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class Asked:
    """One name, the source that knows it, and the file that is meant; None where none may count."""

    source: str
    model: Model
    meant: str | None
    hints: tuple[Hint, ...] = ()


def publish(world: World) -> list[Asked]:
    """Put the names where only one source knows them."""
    rng = random.Random(7)
    makers = (_embedded, _on_civitai, _on_openmodeldb, _told_by_qwen)
    return [asked for make in makers for asked in make(world.hub, rng)]


def _titles(rng: random.Random, tag: str) -> Iterator[tuple[str, str]]:
    pairs = [(one, two) for one in ADJECTIVES for two in NOUNS]
    yield from ((one, f"{two}{tag}") for one, two in rng.sample(pairs, COUNT))


def _embedded(hub: Hub, rng: random.Random) -> Iterator[Asked]:
    for one, two in _titles(rng, "em"):
        name = f"{one}_{two}.safetensors"
        hub.add(f"{one}ware/releases", []).files[f"files/{name}"] = data = file_for(name)
        url = f"{HUB}/{one}ware/releases/blob/main/files/{name}"
        hints = (Hint(name=name, url=url),)
        yield Asked("workflow", Model(folder="loras", path=name), sha256(data), hints)


def _on_civitai(hub: Hub, rng: random.Random) -> Iterator[Asked]:
    for number, (one, two) in enumerate(_titles(rng, "civ")):
        title, label = f"{one.title()} {two.title()}", f"V{rng.randint(1, 9)}.0 (baked)"
        is_lora = number % 2 == 0
        file = f"{one}_{two}_{number}.safetensors"
        version = hub.add_civitai(title, file, type="LORA" if is_lora else "Checkpoint")
        version.name, version.data = label, file_for(file, seed=title)
        name = file if is_lora else f"{filenamize(title)}_{filenamize(label)}.safetensors"
        twin = hub.add_civitai(f"{title} Remix", f"{one}_{two}_{number}_v2.safetensors")
        twin.type = version.type
        folder = "loras" if is_lora else "checkpoints"
        meant: str | None = sha256(version.data)
        if number % 8 == 0:  # another model of the same words has a file of the name: none counts
            other = hub.add_civitai(title, file)
            other.data, meant = file_for(file, seed="other"), None
        yield Asked("civitai", Model(folder=folder, path=name), meant)


def _on_openmodeldb(hub: Hub, rng: random.Random) -> Iterator[Asked]:
    for number, (one, two) in enumerate(_titles(rng, "up")):
        key = f"4x-{one.title()}{two.title()}"
        repo, path = f"{one}lab/weights", f"{number}/net_g.pth"
        hub.add(repo, []).files[path] = data = file_for(path, seed=key)
        hub.add_upscaler(key, [f"{HUB}/{repo}/resolve/main/{path}"], data)
        yield Asked("openmodeldb", Model(folder="upscale_models", path=f"{key}.pth"), sha256(data))


def _told_by_qwen(hub: Hub, rng: random.Random) -> Iterator[Asked]:
    """Half of its answers are right, the others name what is not there or whom to mistake."""
    for number, (one, two) in enumerate(_titles(rng, "qw")):
        name = f"{one}_{two}_style.safetensors"
        honest = number % 2 == 0
        repo = f"person{number}/odds-and-ends" if honest else "Comfy-0rg/odds-and-ends"
        path = f"x/{name}"
        hub.add(repo, []).files[path] = data = file_for(name, seed=repo)
        place = {"source": "huggingface", "repo": repo, "path": path}
        hub.answers[name] = json.dumps({"candidates": [place]})
        meant = sha256(data) if honest else None
        yield Asked("qwen", Model(folder="loras", path=name), meant)


def main(world: World) -> None:
    """Print a row per source."""
    rows: dict[str, list[tuple[str, int]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "models").mkdir()
        for asked in publish(world):
            services = services_for(world, Path(folder), ladder=True)
            before = len(world.hub.seen)
            ended = _ended(asked, services)
            rows.setdefault(asked.source, []).append((ended, len(world.hub.seen) - before))
    print("\nby source, each with names that only it knows, the whole ladder asked")
    print(f"{'':14} names  right  none (rightly)  missed  wrong   requests (median)")
    for source, ends in rows.items():
        count = Counter(ended for ended, _ in ends)
        middle = statistics.median(requests for _, requests in ends)
        print(
            f"{source:14} {len(ends):5}  {count['right']:5}  {count['none']:14}  "
            f"{count['missed']:6}  {count['WRONG']:5}   {middle:g}"
        )


def _ended(asked: Asked, services: Services) -> str:
    path = asked.model.path
    planned = Planned(
        model=asked.model,
        number=1,
        task="x",
        location=f"/nowhere/{path}",
        pending=Pending.ABSENT,
        hints=asked.hints,
    )
    try:
        record = resolve(planned, services)
    except ModelProblem:
        return "missed" if asked.meant else "none"
    return "right" if record.sha256 == asked.meant else "WRONG"
