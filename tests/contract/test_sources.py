"""One suite that every source passes: what it finds is confirmed, what it can't ask it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from comfyfix.comfyui import folders
from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.errors import SourceDown
from comfyfix.http import Web
from comfyfix.layout import Layout
from comfyfix.manifest import SOURCES, Download, Endpoints, Manifest, Qwen
from comfyfix.records import Candidate, Hint, Model
from comfyfix.sources import ALL, huggingface, qwen, store, workflow
from comfyfix.sources.base import Services, Source, Wanted

NAME = "moonlit_alley_style.safetensors"
REPO = "night-owl/moonlit-alley"
DATA = file_for(NAME)
URL = f"https://huggingface.co/{REPO}/resolve/main/loras/{NAME}"


@dataclass
class Case:
    """How to make one source know the file, and what a wanted model looks like to it."""

    source: Source
    knows: Callable[[Hub, Path], None]
    wanted: Wanted
    remote: bool = True


def _hub_knows(hub: Hub, models: Path) -> None:
    hub.add(REPO, [f"loras/{NAME}", "README.md"])
    candidate = {"source": "huggingface", "repo": REPO, "path": f"loras/{NAME}"}
    hub.answers[NAME] = "```json\n" + json.dumps({"candidates": [candidate]}) + "\n```"


def _store_knows(hub: Hub, models: Path) -> None:
    path = models / "checkpoints" / NAME.upper().replace(".SAFETENSORS", ".safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(DATA)


PLAIN = Wanted(model=Model(folder="loras", path=f"styles/{NAME}"))
HINTED = Wanted(model=PLAIN.model, hints=(Hint(name=NAME, url=URL),))
CASES = {
    "store": Case(
        store, _store_knows, Wanted(model=PLAIN.model, sha256=sha256(DATA)), remote=False
    ),
    "workflow": Case(workflow, _hub_knows, HINTED),
    "huggingface": Case(huggingface, _hub_knows, PLAIN),
    "qwen": Case(qwen, _hub_knows, PLAIN),
}


def test_every_source_has_a_case() -> None:
    assert [source.NAME for source in ALL] == list(CASES)
    assert set(CASES) <= set(SOURCES)


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    value: Case = request.param
    return value


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "ComfyUI" / "models").mkdir(parents=True)
    return tmp_path / "ComfyUI" / "models"


@pytest.fixture
def services(models: Path, hub: Hub) -> Services:
    waits: list[float] = []
    return Services(
        manifest=Manifest(
            comfyui=str(models.parent),
            endpoints=Endpoints(huggingface=hub.url),
            qwen=Qwen(base_url=f"{hub.url}/v1", model="q", seconds=5),
            download=Download(allow_hosts=()),
        ),
        folders=folders.read(models.parent, [], None),
        layout=Layout(models.parent.parent / "output"),
        web=Web({hub.url: "hf_canary"}, wait=waits.append, direct=True),
        tokens={"huggingface": "hf_canary"},
    )


def candidates(case: Case, services: Services) -> list[Candidate]:
    found = case.source.find(case.wanted, services)
    return [finding for finding in found if isinstance(finding, Candidate)]


def test_it_finds_the_file_confirmed_and_pinned(
    case: Case, services: Services, hub: Hub, models: Path
) -> None:
    case.knows(hub, models)
    (found,) = candidates(case, services)
    assert found.source == case.source.NAME
    assert found.size == len(DATA)
    assert found.sha256 == sha256(DATA)
    assert found.evidence
    if case.remote:
        assert found.name == NAME
        assert f"/resolve/{hub.repositories[REPO].commit}/" in found.url
        assert found.url.startswith("https://huggingface.co/")
    else:
        assert Path(found.local).read_bytes() == DATA


def test_what_it_does_not_know_it_does_not_offer(case: Case, services: Services, hub: Hub) -> None:
    hub.add("night-owl/other", ["loras/moonlit_alley_style_v2.safetensors"])
    assert candidates(case, services) == []


def test_every_question_is_logged_without_secrets(
    case: Case, services: Services, hub: Hub, models: Path
) -> None:
    case.knows(hub, models)
    candidates(case, services)
    lines = services.layout.search_log.read_text().splitlines()
    assert lines
    for line in map(json.loads, lines):
        assert line["model"] == case.wanted.model.key
        assert line["source"] == case.source.NAME
    logs = "".join(path.read_text() for path in services.layout.search_log.parent.iterdir())
    assert "hf_canary" not in logs


@pytest.mark.parametrize("kind", ["reset", "500", "503", "429", "html"])
def test_a_provider_that_fails_is_down_and_not_ignorant(
    case: Case, services: Services, hub: Hub, models: Path, kind: str
) -> None:
    if not case.remote:
        pytest.skip("the store has no provider to fail")
    case.knows(hub, models)
    hub.faults += [Fault("search *", kind), Fault("resolve *", kind), Fault("qwen *", kind)]
    with pytest.raises(SourceDown) as problem:
        candidates(case, services)
    assert problem.value.next_step
    hub.faults.clear()
    assert len(candidates(case, services)) == 1, "the failure was kept"


def test_a_short_failure_is_sat_out(case: Case, services: Services, hub: Hub, models: Path) -> None:
    case.knows(hub, models)
    if case.source is qwen:
        pytest.skip("Qwen is asked once; the provider behind it is covered by the others")
    hub.faults += [Fault("search *", "503", times=2), Fault("resolve *", "503", times=2)]
    assert len(candidates(case, services)) == 1


HOSTILE = [
    {"source": "huggingface", "repo": "../../etc", "path": "passwd"},
    {"source": "huggingface", "repo": REPO, "path": "../../../secrets"},
    {"source": "huggingface", "repo": f"{REPO}?x=", "path": NAME},
    {"source": "huggingface", "repo": "night-owl/invented", "path": NAME},
    {"source": "url", "url": "http://169.254.169.254/latest/meta-data"},
    {"source": "url", "url": "https://evil.example/x.safetensors"},
    {"source": "url", "url": "file:///etc/passwd"},
    {"source": "url", "url": f"https://huggingface.co@evil.example/{NAME}"},
    {"source": "shell", "url": "rm -rf /"},
]


@pytest.mark.parametrize("proposal", HOSTILE, ids=lambda p: str(list(p.values())[1])[:30])
def test_what_qwen_makes_up_is_rejected(
    services: Services, hub: Hub, proposal: dict[str, str]
) -> None:
    hub.answers[NAME] = json.dumps({"candidates": [proposal], "reason": "trust me"})
    assert candidates(CASES["qwen"], services) == []


@pytest.mark.parametrize("text", ["", "I think it is on the Hub.", "{", '{"candidates": "all"}'])
def test_an_answer_of_another_form_is_no_candidate(services: Services, hub: Hub, text: str) -> None:
    hub.answers[NAME] = text
    assert candidates(CASES["qwen"], services) == []


def test_a_generic_name_is_not_searched(services: Services, hub: Hub) -> None:
    hub.add("someone/model", ["model.safetensors"])
    wanted = Wanted(model=Model(folder="loras", path="model.safetensors"))
    findings = list(huggingface.find(wanted, services))
    assert not any(isinstance(finding, Candidate) for finding in findings)
    assert hub.seen == []
