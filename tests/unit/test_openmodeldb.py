"""OpenModelDB: which of its files counts, and what its list may hold."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix.comfyui.store import folders
from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.errors import SourceDown
from comfyfix.net.answer import Answer
from comfyfix.net.http import Web
from comfyfix.records import Candidate, Model, Rejected, because
from comfyfix.settings.manifest import Endpoints, Manifest
from comfyfix.sources import openmodeldb
from comfyfix.sources.base import Blocked, Finding, Services, Wanted
from comfyfix.state.layout import Layout
from comfyfix.why import Why

NAME = "4x_HarborSharp.pth"
DATA = file_for(NAME)
WANTED = Wanted(model=Model(folder="upscale_models", path=NAME))
PLACE = "https://huggingface.co/maker/upscalers/resolve/main"


@pytest.fixture
def services(tmp_path: Path, hub: Hub) -> Services:
    (tmp_path / "models").mkdir()
    places = Endpoints(huggingface=hub.url, civitai=hub.url, openmodeldb=hub.url)
    return Services(
        manifest=Manifest(comfyui=str(tmp_path), endpoints=places),
        folders=folders.read(tmp_path, [], None),
        layout=Layout(tmp_path / "output"),
        web=Web({}, wait=lambda _: None, direct=True),
        tokens={},
    )


def find(services: Services, wanted: Wanted = WANTED) -> list[Finding]:
    return list(openmodeldb.find(wanted, services))


def test_its_own_name_for_a_file_of_another_name_counts(services: Services, hub: Hub) -> None:
    hub.add("maker/upscalers", []).files["x/net_g.pth"] = DATA
    hub.add_upscaler("4x_HarborSharp", [f"{PLACE}/x/net_g.pth"], DATA)
    (found,) = find(services)
    assert isinstance(found, Candidate)
    assert (found.name, found.renamed, found.sha256) == (NAME, True, sha256(DATA))
    assert (found.publisher, found.licence) == ("demo-author", "CC-BY-4.0")


def test_a_page_in_between_is_skipped_for_the_next_address(services: Services, hub: Hub) -> None:
    hub.add("maker/upscalers", [NAME])
    pages = ["https://www.mediafire.com/file/abc/4x_HarborSharp.pth", "https://mega.nz/file/x#k"]
    hub.add_upscaler("harbor", [*pages, f"{PLACE}/{NAME}"], DATA)
    (found,) = find(services)
    assert isinstance(found, Candidate)
    hub.upscalers["harbor"]["resources"][0]["urls"] = [f"{PLACE}/gone/{NAME}", *pages]
    (lost,) = find(replace(services))
    assert isinstance(lost, Rejected)
    between = because(Why.PAGE_IN_BETWEEN)
    reasons = {
        f"{PLACE}/gone/{NAME}": because(Why.HUB_NO_FILE),
        "www.mediafire.com": between,
        "mega.nz": between,
    }
    places = [because(Why.AT_PLACE, place=p, reason=r) for p, r in reasons.items()]
    assert lost.reason == because(Why.AT_PLACES, places=places)


def test_what_is_published_there_must_be_the_databases_file(services: Services, hub: Hub) -> None:
    hub.add("maker/upscalers", []).files[NAME] = file_for("another.pth")
    hub.add_upscaler("4x_HarborSharp", [f"{PLACE}/{NAME}"], DATA)
    (found,) = find(services)
    assert isinstance(found, Rejected)
    reason = because(Why.DATABASE_OTHER_FILE)
    place = because(Why.AT_PLACE, place=f"{PLACE}/{NAME}", reason=reason)
    assert found.reason == because(Why.AT_PLACES, places=[place])


def test_a_hash_finds_it_under_any_name(services: Services, hub: Hub) -> None:
    hub.add("maker/upscalers", []).files["unlike.pth"] = DATA
    hub.add_upscaler("something-else", [f"{PLACE}/unlike.pth"], DATA)
    assert find(services) == []
    wanted = Wanted(model=WANTED.model, sha256=sha256(DATA))
    (found,) = find(services, wanted)
    assert isinstance(found, Candidate)
    assert found.name == "unlike.pth"


def test_two_contents_of_a_name_are_both_told(services: Services, hub: Hub) -> None:
    for owner in ("maker", "other"):
        data = file_for(NAME, seed=owner)
        hub.add(f"{owner}/upscalers", []).files[NAME] = data
        place = PLACE.replace("maker", owner)
        hub.add_upscaler(f"by-{owner}", [f"{place}/{NAME}"], data)
    assert len({f.sha256 for f in find(services) if isinstance(f, Candidate)}) == 2


def test_a_twin_in_case_is_shown_and_not_taken(services: Services, hub: Hub) -> None:
    hub.add("maker/upscalers", [NAME.lower()])
    hub.add_upscaler("x", [f"{PLACE}/{NAME.lower()}"], DATA)
    (found,) = find(services)
    assert isinstance(found, Rejected)
    assert found.reason == because(Why.NAME_AKIN)


def test_a_gated_place_is_told_before_any_download(services: Services, hub: Hub) -> None:
    hub.add("maker/upscalers", [NAME], gated=True)
    hub.add_upscaler("x", [f"{PLACE}/{NAME}"], DATA)
    (found,) = find(services)
    assert isinstance(found, Blocked)
    assert found.candidate.sha256 == sha256(DATA)


def test_other_folders_are_not_asked_for(services: Services, hub: Hub) -> None:
    (told,) = find(services, Wanted(model=Model(folder="loras", path=NAME)))
    assert isinstance(told, Rejected)
    assert hub.seen == []


def test_the_list_is_asked_for_once_a_run(services: Services, hub: Hub) -> None:
    hub.add_upscaler("x", [f"{PLACE}/{NAME}"], DATA)
    find(services)
    find(services)
    assert hub.count("GET", "/api/v1/models.json") == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("ab" * 32),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["x", "name", "resources", "size", "sha256", "urls", "type", "author"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


class _Said:
    """A service that answers with one value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def get(self, url: str, *_: Any, **__: Any) -> Answer:
        return Answer(url=url, status=200, headers={}, body=json.dumps(self.value).encode())


@settings(max_examples=150)
@given(JSON)
def test_any_list_at_all_is_read_or_refused(tmp_path_factory: Any, value: Any) -> None:
    root = tmp_path_factory.getbasetemp()
    (root / "models").mkdir(exist_ok=True)
    services = Services(
        manifest=Manifest(comfyui=str(root)),
        folders=folders.read(root, [], None),
        layout=Layout(root / "output"),
        web=_Said(value),  # type: ignore[arg-type]  # only get() is called
        tokens={},
    )
    with contextlib.suppress(SourceDown):
        list(openmodeldb.find(WANTED, services))
