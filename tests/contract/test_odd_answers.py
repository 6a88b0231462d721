"""Services answer otherwise than they ever did: fields that are gone, null, or of another type.

Whatever comes of it, it is a file that is the one meant, or a reason; never another file, and
never an error of Python's.
"""

from __future__ import annotations

import copy
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix.comfyui.store import folders
from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.errors import ModelProblem
from comfyfix.net.answer import Answer
from comfyfix.net.http import Web
from comfyfix.outcomes import Outcome
from comfyfix.records import Hint, Model
from comfyfix.screen import words
from comfyfix.settings.manifest import Endpoints, Manifest, Search
from comfyfix.sources.base import Services
from comfyfix.stages.needs.work import Pending, Planned
from comfyfix.stages.search.resolve import resolve
from comfyfix.state.layout import Layout

LORA, CHECKPOINT = "moonlit_alley_style.safetensors", "harborLight_v1.safetensors"
UPSCALER = "4x-Harbor.pth"
REPO, GATED = "night-owl/moonlit-alley", "night-owl/harbor-light"
PUT: list[Any] = [
    None, "", "NewWord", [], {}, True, False, 0, -1, 1.5, 1 << 70, 1e300, ["x", None], {"a": None},
    "\u202e\x1b[2J", "../../x", "http://[", "9" * 400,
]  # fmt: skip
GONE = object()
Oddity = tuple[int, int, int]
ODDITIES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 400), st.integers(0, len(PUT))),
    min_size=1, max_size=4,
)  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a value of JSON: what holds it, and its key there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


def made_odd(value: Any, oddities: list[Oddity], nth: int) -> Any:
    """A value with something else at some places, for the nth answer."""
    holder = [copy.deepcopy(value)]
    for when, where, what in oddities:
        if when != nth:
            continue
        every = list(places(holder))
        owner, key = every[where % len(every)]
        if key == "name" and what < len(PUT) and PUT[what] and isinstance(PUT[what], str):
            continue  # of a name that reads well nobody can tell that it is not the true one
        if what < len(PUT):
            owner[key] = copy.deepcopy(PUT[what])
        elif owner is not holder:
            del owner[key]
    return holder[0]


class OddWeb(Web):
    """Answers as the hub does, each question asked there once; then made odd."""

    def __init__(self, known: dict[str, Answer], oddities: list[Oddity]) -> None:
        super().__init__({}, wait=lambda _: None, direct=True)
        self.known, self.oddities, self.asked = known, oddities, 0

    def _request(self, method: str, url: str, **options: Any) -> Answer:
        key = f"{method} {url} {options}"
        if key not in self.known:
            self.known[key] = super()._request(method, url, **options)
        answer = self.known[key]
        if "json" not in answer.headers.get("content-type", ""):
            return answer
        odd = made_odd(json.loads(answer.body), self.oddities, self.asked)
        self.asked += 1
        return msgspec.structs.replace(answer, body=json.dumps(odd).encode())


@pytest.fixture(scope="module")
def served() -> Iterator[Hub]:
    with Hub() as hub:
        hub.add(REPO, [f"loras/{LORA}", "README.md"])
        hub.add("other/alley-loras", [f"x_{LORA}"])
        hub.add(GATED, [CHECKPOINT], gated=True)
        hub.add("night-owl/upscalers", [UPSCALER])
        hub.full_text = True
        version = hub.add_civitai("Harbor Light", CHECKPOINT, type="Checkpoint")
        version.name, version.data = "V1.0", file_for(CHECKPOINT)
        name = version.describe()["files"][0]["name"]
        version.others = {
            9: (name, "Model", file_for("full.safetensors")),
            10: ("harbor.vae.safetensors", "VAE", file_for("vae.safetensors")),
        }
        version.traits = {
            version.file_id: {"size": "pruned", "fp": "fp16"}, 9: {"size": "full", "fp": "fp32"},
        }  # fmt: skip
        url = f"https://huggingface.co/night-owl/upscalers/resolve/main/{UPSCALER}"
        hub.add_upscaler("4x-Harbor", [url], file_for(UPSCALER))
        yield hub


KNOWN: dict[str, Answer] = {}
CIVITAIS = "harborLight_v10.safetensors"
ASKED = {
    "words": (Model(folder="loras", path=LORA), "", ("huggingface",)),
    "address": (
        Model(folder="loras", path=LORA),
        f"https://huggingface.co/{REPO}/resolve/main/loras/{LORA}", ("workflow",)),
    "gate": (Model(folder="checkpoints", path=CHECKPOINT), "", ("huggingface",)),
    "civitai": (Model(folder="checkpoints", path=CIVITAIS), "", ("civitai",)),
    "version": (
        Model(folder="checkpoints", path=CIVITAIS),
        "https://civitai.com/api/download/models/7001", ("workflow",)),
    "page": (
        Model(folder="checkpoints", path=CIVITAIS),
        "https://civitai.com/models/101", ("workflow",)),
    "own": (
        Model(folder="checkpoints", path=CIVITAIS),
        "https://civitai.com/api/download/models/7001?type=Model&format=SafeTensor&size=pruned"
        "&fp=fp16", ("workflow",)),
    "upscaler": (Model(folder="upscale_models", path=UPSCALER), "", ("openmodeldb",)),
    "all": (Model(folder="checkpoints", path=CIVITAIS), "", ("huggingface", "civitai")),
}  # fmt: skip
MEANT = {LORA: LORA, CHECKPOINT: CHECKPOINT, CIVITAIS: CHECKPOINT, UPSCALER: UPSCALER}


def services(hub: Hub, web: Web, root: Path, sources: tuple[str, ...]) -> Services:
    return Services(
        manifest=Manifest(
            comfyui=str(root), search=Search(sources=sources),
            endpoints=Endpoints(huggingface=hub.url, civitai=hub.url, openmodeldb=hub.url),
        ),
        folders=folders.read(root, [], None), layout=Layout(root / "output"), web=web, tokens={},
    )  # fmt: skip


@pytest.mark.soak
@pytest.mark.parametrize("asked", ASKED)
@settings(max_examples=50)
@given(oddities=ODDITIES)
def test_no_other_file_and_no_error(
    served: Hub, tmp_path_factory: pytest.TempPathFactory, asked: str, oddities: list[Oddity]
) -> None:
    model, url, sources = ASKED[asked]
    root = tmp_path_factory.getbasetemp() / "odd"
    (root / "models").mkdir(parents=True, exist_ok=True)
    hints = (Hint(name=model.name, url=url),) if url else ()
    planned = Planned(
        model=model,
        number=1,
        task="x",
        location=f"/nowhere/{model.name}",
        pending=Pending.ABSENT,
        hints=hints,
    )
    web = OddWeb(KNOWN, oddities)
    try:
        record = resolve(planned, services(served, web, root, sources))
    except ModelProblem as problem:
        assert words.problem(problem)
        return
    msgspec.json.encode(record)
    parts = urlsplit(record.url)
    place = f"{served.url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
    try:
        with urllib.request.urlopen(place) as answer:
            given = sha256(answer.read())
    except HTTPError:
        return  # the script will be refused, too
    assert given == sha256(file_for(MEANT[model.name]))
    assert record.sha256 in (None, given)


class EmptyPages(Web):
    """Every list is empty, and has a next page at this address."""

    link = ""

    def _request(self, method: str, url: str, **_: Any) -> Answer:  # noqa: ARG002 - as its base
        return Answer(url=url, status=200, headers={"link": self.link}, body=b"[]")


@pytest.mark.parametrize(
    "link", ['<http://[>; rel="next"', "<?cursor=%ff%00>; rel=next", "<>; rel=next", "<http://[::1"]
)
def test_a_next_page_may_be_anywhere(served: Hub, tmp_path: Path, link: str) -> None:
    (tmp_path / "models").mkdir()
    web = EmptyPages({}, wait=lambda _: None, direct=True)
    web.link = link
    model = Model(folder="loras", path=LORA)
    planned = Planned(
        model=model, number=1, task="x", location=f"/nowhere/{LORA}", pending=Pending.ABSENT
    )
    with pytest.raises(ModelProblem) as problem:
        resolve(planned, services(served, web, tmp_path, ("huggingface",)))
    assert problem.value.outcome is Outcome.NOT_FOUND
