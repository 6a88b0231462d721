"""One suite that every source passes: what it finds is confirmed, what it can't ask it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from comfyfix.comfyui.store import folders
from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.errors import RegionBlocked, SourceDown
from comfyfix.net import reach
from comfyfix.net.http import Web
from comfyfix.outcomes import Outcome
from comfyfix.records import Candidate, Hint, Model, Rejected, because
from comfyfix.screen import words
from comfyfix.settings.manifest import SOURCES, Download, Endpoints, Manifest, Qwen
from comfyfix.sources import ALL, catalog, civitai, huggingface, openmodeldb, store, workflow
from comfyfix.sources.base import Blocked, Doubtful, Services, Source, Wanted, logged
from comfyfix.sources.qwen import source as qwen
from comfyfix.state.layout import Layout
from comfyfix.why import Why

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
    pinned: str = "/resolve/"


def _hub_knows(hub: Hub, models: Path) -> None:
    hub.add(REPO, [f"loras/{NAME}", "README.md"])
    candidate = {"source": "huggingface", "repo": REPO, "path": f"loras/{NAME}"}
    hub.answers[NAME] = "```json\n" + json.dumps({"candidates": [candidate]}) + "\n```"


def _store_knows(hub: Hub, models: Path) -> None:
    path = models / "checkpoints" / NAME.upper().replace(".SAFETENSORS", ".safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(DATA)


def _civitai_knows(hub: Hub, models: Path) -> None:
    hub.add_civitai("Moonlit Alley Style", NAME)


def _catalog_knows(hub: Hub, models: Path) -> None:
    hub.add(REPO, [f"loras/{NAME}"])
    listed = {"filename": NAME, "url": URL, "type": "lora", "save_path": "default"}
    path = models.parent / "custom_nodes" / "comfyui-manager" / "model-list.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"models": [listed, {"filename": "x", "url": "a/b"}]}))


def _openmodeldb_knows(hub: Hub, models: Path) -> None:
    hub.add(REPO, [f"loras/{NAME}"])
    hub.add_upscaler("moonlit-alley", [URL], DATA)


PLAIN = Wanted(model=Model(folder="loras", path=f"styles/{NAME}"))
UPSCALER = Wanted(model=Model(folder="upscale_models", path=NAME))
HINTED = Wanted(model=PLAIN.model, hints=(Hint(name=NAME, url=URL),))
CASES = {
    "store": Case(
        store, _store_knows, Wanted(model=PLAIN.model, sha256=sha256(DATA)), remote=False
    ),
    "workflow": Case(workflow, _hub_knows, HINTED),
    "catalog": Case(catalog, _catalog_knows, PLAIN),
    "huggingface": Case(huggingface, _hub_knows, PLAIN),
    "civitai": Case(
        civitai, _civitai_knows, PLAIN, pinned="/api/download/models/7001?fileId=90001"
    ),
    "openmodeldb": Case(openmodeldb, _openmodeldb_knows, UPSCALER),
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
            endpoints=Endpoints(huggingface=hub.url, civitai=hub.url, openmodeldb=hub.url),
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
        assert case.pinned in found.url
        assert found.url.startswith(("https://huggingface.co/", "https://civitai.com/"))
        if REPO in hub.repositories:
            assert f"/resolve/{hub.repositories[REPO].commit}/" in found.url
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


PARTS = ("search", "repository", "resolve", "qwen", "civitai", "openmodeldb")


@pytest.mark.parametrize(
    "kind",
    [
        "cut",
        "503",
        "html",
        *(pytest.param(k, marks=pytest.mark.soak) for k in ("reset", "500", "429")),
    ],
)
def test_a_provider_that_fails_is_down_and_not_ignorant(
    case: Case,
    services: Services,
    hub: Hub,
    models: Path,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not case.remote:
        pytest.skip("the store has no provider to fail")
    monkeypatch.setattr(reach, "HELD_SECONDS", 0.0)  # pages alone mean that nothing is reached
    case.knows(hub, models)
    hub.faults += [Fault(f"{what} *", kind) for what in PARTS]
    with pytest.raises(SourceDown) as problem:
        candidates(case, services)
    assert words.worded(problem.value.reason).next_step
    hub.faults.clear()
    assert len(candidates(case, services)) == 1, "the failure was kept"


def test_a_short_failure_is_sat_out(case: Case, services: Services, hub: Hub, models: Path) -> None:
    case.knows(hub, models)
    if case.source is qwen:
        pytest.skip("Qwen is asked once; the provider behind it is covered by the others")
    hub.faults += [Fault(f"{what} *", "503", times=2) for what in PARTS]
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


@pytest.mark.parametrize("text", ["I think it is on the Hub.", "{", '{"candidates": "all"}'])
def test_an_answer_of_another_form_is_no_candidate(services: Services, hub: Hub, text: str) -> None:
    hub.answers[NAME] = text
    assert candidates(CASES["qwen"], services) == []


@pytest.mark.parametrize(
    ("access", "problem"),
    [
        ("login", Outcome.TOKEN_NEEDED),
        ("early", Outcome.EARLY_ACCESS),
        ("archived", Outcome.ARCHIVED),
    ],
)
def test_what_civitai_does_not_give_is_told_before_any_download(
    services: Services, hub: Hub, access: str, problem: Outcome
) -> None:
    hub.add_civitai("Moonlit Alley Style", NAME).access = access
    anonymous = replace(services, web=Web({}, wait=lambda _: None, direct=True))
    (found,) = [f for f in civitai.find(PLAIN, anonymous) if not isinstance(f, Rejected)]
    assert isinstance(found, Blocked)
    assert found.problem.outcome is problem
    assert words.worded(found.problem.reason).next_step


def test_civitai_in_a_blocked_region_is_its_own_outcome(services: Services, hub: Hub) -> None:
    hub.add_civitai("Moonlit Alley Style", NAME).access = "region"
    with pytest.raises(RegionBlocked):
        list(civitai.find(PLAIN, services))


@pytest.mark.parametrize("scan", ["Pending", "Danger", "Error"])
def test_what_civitais_scan_did_not_pass_is_refused(
    services: Services, hub: Hub, scan: str
) -> None:
    hub.add_civitai("Moonlit Alley Style", NAME).scan = scan
    (found,) = civitai.find(PLAIN, services)
    assert isinstance(found, Rejected)
    scanned = because(Why.CIVITAI_SCAN, told=f"{scan!r} (pickleScanResult)")
    pending = because(Why.CIVITAI_UNSCANNED)
    assert found.reason == (pending if scan == "Pending" else scanned)


def test_the_log_keeps_what_came_of_each_finding() -> None:
    found = Candidate(
        source="s", where="w", name=NAME, url=URL, size=5, sha256="a" * 64, evidence=()
    )
    reason = because(Why.NO_SIZE)
    problem = RegionBlocked(Why.NO_SIZE)
    assert [
        logged(finding)
        for finding in (
            found,
            Doubtful(found, reason),
            Rejected(source="s", where="w", reason=reason),
            Blocked(found, problem),
        )
    ] == [
        {"found": URL, "size": 5, "sha256": "a" * 64},
        {"doubtful": reason},
        {"rejected": reason},
        {"blocked": problem.reason},
    ]


def test_civitai_by_hash_finds_a_file_of_another_name(services: Services, hub: Hub) -> None:
    hub.add_civitai("Something Else Altogether", "renamed.safetensors").data = DATA
    wanted = Wanted(model=PLAIN.model, sha256=sha256(DATA))
    (found,) = civitai.find(wanted, services)
    assert isinstance(found, Candidate)
    assert found.sha256 == sha256(DATA)


def test_a_size_that_civitai_rounds_is_not_taken_for_exact(services: Services, hub: Hub) -> None:
    hub.add_civitai("Moonlit Alley Style", NAME).rounded = True
    (found,) = civitai.find(PLAIN, services)
    assert isinstance(found, Candidate)
    assert found.size != len(DATA)
    assert not found.size_exact


def test_the_official_templates_are_a_catalogue(services: Services, hub: Hub) -> None:
    url = "https://huggingface.co/Comfy-Org/sigclip_vision_384/resolve/main/"
    name = "sigclip_vision_patch14_384.safetensors"
    hub.add_url(url + name)
    wanted = Wanted(model=Model(folder="clip_vision", path=name))
    found = [f for f in catalog.find(wanted, services) if isinstance(f, Candidate)]
    assert {candidate.where for candidate in found} == {"Comfy-Org/sigclip_vision_384"}
    elsewhere = Wanted(model=Model(folder="loras", path=name))
    assert not [f for f in catalog.find(elsewhere, services) if isinstance(f, Candidate)]


def test_a_generic_name_is_not_searched(services: Services, hub: Hub) -> None:
    hub.add("someone/model", ["model.safetensors"])
    wanted = Wanted(model=Model(folder="loras", path="model.safetensors"))
    findings = list(huggingface.find(wanted, services))
    assert not any(isinstance(finding, Candidate) for finding in findings)
    assert hub.seen == []
