"""The Hub or Civitai answers a question in every way that it should not: each is told in words."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from comfyfix.demo.civitai_versions import CivitaiVersion
from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.demo.shelf import Repository
from tests.faults.api_ways import LIMIT, WAYS, Act, Way, honestly
from tests.faults.many import RAW, Run, require_told, run, shared
from tests.faults.raw import Ask, Raw, Step, whole
from tests.rig import Site

pytestmark = pytest.mark.faults
PROGRAM = (
    sys.executable,
    "-c",
    "from comfyfix.net import exchange, http; exchange.TIMEOUT = (2.0, 2.0);"
    "http.Web.__init__.__kwdefaults__['seconds'] = 20.0;"
    "from doit.__main__ import main; raise SystemExit(main())",
)
HONEST = "honest.safetensors"
SERVICES = ("hub", "civitai")


def name_of(service: str, way: str) -> str:
    """A file name for a way."""
    return f"{service}_{re.sub('[^a-z0-9]+', '_', way.lower()).strip('_')}.safetensors"


def make(root: Path, ways: dict[str, Way]) -> Run:
    """Ask both services about a model for every way, all in one run, and about an honest one."""
    honest = Repository("someone/honest")
    honest.files.grow(HONEST)
    path = "/api/models/someone/honest/revision/main"
    urls = {HONEST: f"https://huggingface.co/someone/honest/resolve/main/{HONEST}"}
    right = {path: json.dumps(honest.describe(blobs=True)).encode()}
    acts: dict[str, Act] = {path: honestly}
    for number, (service, way) in enumerate((s, w) for s in SERVICES for w in ways):
        name = name_of(service, way)
        if service == "hub":
            repository = Repository(f"someone/{number}")
            repository.files.grow(name)
            path, told = (
                f"/api/models/someone/{number}/revision/main",
                repository.describe(blobs=True),
            )
            urls[name] = f"https://huggingface.co/someone/{number}/resolve/main/{name}"
        else:
            version = CivitaiVersion(9, "Model", "LORA", number, "v1", number, name, file_for(name))
            path, told = f"/api/v1/model-versions/{number}", version.describe()
            urls[name] = f"https://civitai.com/api/download/models/{number}?fileId={number}"
        right[path], acts[path] = json.dumps(told).encode(), ways[way].act

    def answer(ask: Ask) -> Iterator[Step]:
        if ask.path.startswith("/api/download/"):
            return iter((whole(b"", f"Location: {ask.base}/away", status="307 Go"),))
        path = ask.path.partition("?")[0]
        if path.endswith(f"/{HONEST}"):
            return iter((whole(file_for(HONEST)),))
        return acts[path](ask, right[path])

    with Raw(answer) as bad, Hub() as hub:
        site = Site(root, hub)
        site.workflow("w.json", *(("loras", name) for name in urls), urls=urls)
        site.manifest(
            endpoints={"huggingface": bad.url, "civitai": bad.url},
            search={"sources": ["workflow"], "parallel": 40},
        )
        return run(site, PROGRAM)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """How the run over all ways has ended."""
    return shared(tmp_path_factory, "api", lambda root: make(root, WAYS))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("service", SERVICES)
def test_a_misbehaving_api_is_told_in_words(ended: Run, service: str, way: str) -> None:
    require_told(ended, name_of(service, way), WAYS[way].says)


def test_what_answers_well_comes_all_the_same(ended: Run) -> None:
    assert ended.of(HONEST) == {f"loras/{HONEST}": sha256(file_for(HONEST))}
    assert ended.told(HONEST) == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_limit_for_a_year_is_told_in_words(tmp_path: Path, service: str) -> None:
    """In a run of its own, since nobody else is asked there any more."""
    name = "429, used up for a year"
    require_told(make(tmp_path, {name: LIMIT}), name_of(service, name), LIMIT.says)


def test_nothing_raw_is_said(ended: Run) -> None:
    assert "Traceback" not in ended.said
    assert not RAW.search(ended.said)
