"""A Hub to search in: real repositories and names, thousands in their style, and confusable ones.

Content is a seed: the same seed is the same file. Real names that several repositories hold are
one content, but for names that say nothing (`model.safetensors`), which differ everywhere.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from urllib.parse import unquote

from comfyfix.comfyui.store.keys import folder_key
from comfyfix.comfyui.workflows import read as workflow
from comfyfix.demo.hub import Hub, Repository
from comfyfix.file_names import loose
from tests.bench.resolve import style

CORPUS = Path(__file__).resolve().parents[4] / "shared" / "corpus" / "urls.jsonl"
_URL = re.compile(
    r"https://(?:huggingface\.co|hf\.co)/([^/]+/[^/]+)/(?:resolve|blob)/[^/]+/([^?]+)"
)
_SAYS_NOTHING = re.compile(
    r"^(diffusion_pytorch_model|model|pytorch_model|pytorch_lora_weights|lora|ip-adapter|"
    r"adapter_model)([._-]?(fp16|fp32|bf16|\d+-of-\d+))?\.\w+$"
)


@dataclass(frozen=True, slots=True)
class Wish:
    """A name to be looked up, with its folder, and where it came from."""

    name: str
    folder: str | None
    origin: str
    family: str = ""


@dataclass(slots=True)
class World:
    """The repositories by id, the wishes, and which contents bear each name."""

    hub: Hub
    wishes: dict[str, Wish] = field(default_factory=dict)
    random: random.Random = field(default_factory=random.Random)
    contents: dict[str, set[str]] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)
    meant: dict[str, str] = field(default_factory=dict)  # the content that was published first

    def put(self, repo: str, path: str, seed: str = "", *, downloads: int | None = None) -> None:
        """Add one file; a repository is made when its first file comes."""
        entry = self.hub.repositories.get(repo)
        if entry is None:
            entry = self.hub.repositories[repo] = Repository(repo)
            use = 10 ** self.random.uniform(0.5, 4.5) if downloads is None else downloads
            entry.downloads = int(use)
            entry.created = f"{self.random.randint(2022, 2026)}-0{self.random.randint(1, 9)}-01"
            entry.licence = self.random.choice(["apache-2.0", "mit", "openrail", "other"])
            for extra in ("README.md", "config.json", ".gitattributes"):
                entry.files.grow(extra, f"{repo}/{extra}")
        if path in entry.files:
            return
        name = path.rpartition("/")[2]
        if not seed and _SAYS_NOTHING.match(name):
            seed = f"{repo}/{path}"
        entry.files.grow(path, seed)
        digest = entry.files.summary(path)[0]
        self.contents.setdefault(name, set()).add(digest)
        self.meant.setdefault(name, digest)
        self.places.setdefault(name, []).append(repo)

    def wish(self, name: str, folder: str | None, origin: str, family: str = "") -> None:
        """Ask for a name, once."""
        self.wishes.setdefault(name, Wish(name, folder, origin, family or family_of(name)))

    def determinable(self, name: str) -> bool:
        """Tell whether exactly one content bears the name."""
        return len(self.contents.get(name, ())) == 1


def build(hub: Hub, *, corpus: bool = True, generated: int = 3000, seed: int = 20) -> World:
    """Load the hub; another seed makes other names and other confusions. Takes seconds."""
    world = World(hub, random=random.Random(seed))
    for repo, paths in _known().items():
        for path in paths:
            world.put(repo, path, downloads=int(10 ** world.random.uniform(3, 6)))
            world.wish(path.rpartition("/")[2], style.folder_of(path), "known")
    for name, folder, url in _real(corpus):
        match = _URL.match(url)
        if match is None:
            continue
        path = unquote(match.group(2))
        world.put(match.group(1), path, downloads=int(10 ** world.random.uniform(3, 6)))
        if path.rpartition("/")[2] == name:
            world.wish(name, folder, "templates" if folder else "corpus")
    style.publish(world, generated)
    style.confuse(world)
    return world


def _known() -> dict[str, list[str]]:
    value: dict[str, list[str]] = json.loads(Path(__file__).with_name("known.json").read_bytes())
    return value


def _real(corpus: bool) -> Iterator[tuple[str, str | None, str]]:
    """Name, folder and URL: of the official templates, then of the labelled collection."""
    package = resources.files("comfyui_workflow_templates_json").joinpath("templates")
    for entry in sorted(package.iterdir(), key=lambda e: e.name):
        if not entry.name.endswith(".json"):
            continue
        try:
            hints = workflow.parse(entry.read_bytes()).hints
        except workflow.NotAWorkflow:
            continue
        for hint in hints:
            yield hint.name, folder_key(hint.folder or "") or None, hint.url
    if corpus and CORPUS.is_file():
        for line in CORPUS.read_text().splitlines():
            row = json.loads(line)
            yield row["name"], None, row["url"]


def family_of(name: str) -> str:
    """The family that a name speaks of, for the table."""
    stem = f"_{loose(name)}"
    for family, beginnings in style.FAMILIES.items():
        if any(f"_{beginning}" in stem for beginning in beginnings):
            return family
    return "other"
