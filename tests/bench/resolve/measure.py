"""Look up names in the world with the real search, and say how each answer ended."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from comfyfix.comfyui.store import folders
from comfyfix.errors import ModelProblem
from comfyfix.file_names import read
from comfyfix.net.http import Web
from comfyfix.outcomes import Outcome as Outcomes
from comfyfix.records import Model
from comfyfix.screen import words
from comfyfix.settings.manifest import Endpoints, Manifest, Qwen, Search
from comfyfix.sources.base import Services
from comfyfix.stages.needs.work import Pending, Planned
from comfyfix.stages.search.resolve import resolve
from comfyfix.state.layout import Layout
from tests.bench.resolve.world import Wish, World


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one search ended, and its requests.

    right, uncertain, absent (not found), WRONG; or lucky: the file that was published first, but
    another one bears the name, and the search did not see it.
    """

    wish: Wish
    ended: str
    requests: int
    determinable: bool
    shares: bool
    held_out: bool
    why: str = ""


def services_for(world: World, root: Path, *, ladder: bool = False) -> Services:
    """Services of a fresh run whose only source is the Hub, or with the whole `ladder`."""
    url = world.hub.url
    return Services(
        manifest=Manifest(
            comfyui=str(root),
            endpoints=Endpoints(huggingface=url, civitai=url, openmodeldb=url),
            search=Search() if ladder else Search(sources=("huggingface",)),
            qwen=Qwen(base_url=f"{url}/v1", model="q") if ladder else Qwen(),
        ),
        folders=folders.read(root, [], None),
        layout=Layout(root / "output"),
        web=Web({}, wait=lambda _: None, direct=True),
        tokens={},
    )


def measure(world: World, wishes: Iterable[Wish], *, together: bool = False) -> list[Outcome]:
    """Look each name up in a run of its own, or all in one run."""
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "models").mkdir()
        services = services_for(world, Path(folder))
        for wish in wishes:
            if not together:
                services = services_for(world, Path(folder))
            outcomes.append(_one(world, wish, services))
    return outcomes


def _one(world: World, wish: Wish, services: Services) -> Outcome:
    before = len(world.hub.seen)
    model = Model(folder=wish.folder, path=wish.name)
    planned = Planned(
        model=model, number=1, task="x", location=f"/nowhere/{wish.name}", pending=Pending.ABSENT
    )
    why = ""
    try:
        record = resolve(planned, services)
    except ModelProblem as problem:
        ends = {Outcomes.UNCERTAIN: "uncertain", Outcomes.NOT_FOUND: "absent"}
        ended, why = ends[problem.outcome], words.problem(problem)
    else:
        meant = world.meant.get(wish.name) == record.sha256
        ended = ("right" if world.determinable(wish.name) else "lucky") if meant else "WRONG"
        why = f"{record.where} {record.evidence}"
    repos = world.places.get(wish.name, [])
    return Outcome(
        wish=wish,
        ended=ended,
        requests=len(world.hub.seen) - before,
        determinable=world.determinable(wish.name),
        shares=any(_shares(wish.name, repo) for repo in repos),
        held_out=held_out(wish.name),
        why=why,
    )


def held_out(name: str) -> bool:
    """Half of all names are never looked at while rules are tuned."""
    return sha256(name.encode()).digest()[0] % 2 == 1


def _shares(name: str, repo: str) -> bool:
    words = read(name)
    return words.in_repository(repo) > 0
