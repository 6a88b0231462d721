"""OpenModelDB: which of its files counts, and what its list may hold."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix.comfyui.store import folders
from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.errors import SourceDown
from comfyfix.net.answer import Answer
from comfyfix.net.http import Web
from comfyfix.providers.openmodeldb import Resource
from comfyfix.records import Candidate, Hint, Model, Rejected, because
from comfyfix.screen import words
from comfyfix.settings.manifest import Endpoints, Manifest
from comfyfix.sources import openmodeldb
from comfyfix.sources.base import Blocked, Finding, Services, Wanted
from comfyfix.stages.search import unresolved
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


PAGES = (
    "https://www.mediafire.com/file/abc/4x_HarborSharp.pth",
    "https://mega.nz/file/x#k",
    "https://u.pcloud.link/publink/show?code=x",
    "https://drive.proton.me/urls/x#k",
    "https://icedrive.net/s/x",
    "https://1fichier.com/?x",
)


def test_a_page_in_between_is_told_and_the_next_address_asked(services: Services, hub: Hub) -> None:
    hub.add("maker/upscalers", [NAME])
    hub.add_upscaler("harbor", [*PAGES, f"{PLACE}/{NAME}"], DATA)
    (*between, found) = find(services)
    assert isinstance(found, Candidate)
    page = because(Why.PAGE_IN_BETWEEN)
    told = [(b.where, b.reason) for b in between if isinstance(b, Rejected)]
    assert told == [(place, page) for place in PAGES]


def test_what_only_a_browser_gets_is_told_with_its_place(services: Services, hub: Hub) -> None:
    gone, packed = f"{PLACE}/gone/{NAME}", "https://github.com/a/b/releases/download/1/all.zip"
    hub.add("maker/upscalers", [])
    hub.add_upscaler("4x_HarborSharp", [gone, *PAGES[:2], packed], DATA)
    asked = replace(WANTED, destination="/models/upscale_models/x.pth")
    lost = [f for f in find(services, asked) if isinstance(f, Rejected)]
    assert [f.where for f in lost] == [gone, *PAGES[:2], packed]
    told = unresolved.not_found(asked, lost).reason
    assert told.why == Why.ONLY_BY_HAND
    assert told.told["places"] == (*PAGES[:2], packed)
    assert "/models/upscale_models/x.pth" in words.worded(told).next_step
    assert "allow_hosts" not in words.worded(told).next_step


def test_users_know_older_files_by_names_that_the_list_does_not_tell(
    services: Services, hub: Hub
) -> None:
    """The names that OpenModelDB's repository keeps beside its list."""
    hub.add("maker/upscalers", []).files["x.pth"] = DATA
    hub.add_upscaler("4x-NMKD-Siax-CX", [f"{PLACE}/x.pth"], DATA)
    users = Wanted(model=Model(folder="upscale_models", path="4x_NMKD-Siax_200k.pth"))
    (found,) = find(services, users)
    assert isinstance(found, Candidate)
    assert found.name == "4x_NMKD-Siax_200k.pth"
    hub.upscalers["4x-NMKD-Siax-CX"]["resources"][0]["type"] = "onnx"
    assert find(replace(services), users) == [], "it is no name of an .onnx"


class _Said:
    """A service that answers with one value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def get(self, url: str, *_: Any, **__: Any) -> Answer:
        return Answer(url=url, status=200, headers={}, body=json.dumps(self.value).encode())


class _Shelf(_Said):
    """A list, and files elsewhere: the size by address."""

    def __init__(self, value: Any, sizes: dict[str, int]) -> None:
        super().__init__(value)
        self.sizes, self.asked = sizes, list[str]()

    def probe(self, url: str) -> Answer:
        self.asked.append(url)
        size = self.sizes.get(url)
        if size is None:
            return Answer(url=url, status=404, headers={}, body=b"")
        kind = "text/html" if "/tag/" in url or "/tree/" in url else "application/octet-stream"
        told = {"content-length": str(size), "content-type": kind}
        return Answer(url=url, status=200, headers=told, body=b"")


BUCKET = "https://objectstorage.us-phoenix-1.oraclecloud.com/n/ax6ygfvpvzka/b/open-modeldb-files/o"


@pytest.mark.parametrize(
    ("told", "file"),
    [
        (f"{BUCKET}/x.pth", f"{BUCKET}/x.pth"),
        ("https://f002.backblazeb2.com/file/ESRGAN/_RELEASE/x.pth", ""),
        ("https://raw.githubusercontent.com/a/b/main/x.pth", ""),
        ("https://github.com/a/b/blob/main/d/x.pth", "https://github.com/a/b/raw/main/d/x.pth"),
        ("https://github.com/a/b/releases/tag/v1", f"https://github.com/a/b/releases/download/v1/{NAME}"),
        ("https://github.com/a/b/tree/main/d#part", f"https://github.com/a/b/raw/main/d/{NAME}"),
    ],
)  # fmt: skip
def test_its_addresses_lead_to_files(tmp_path: Path, told: str, file: str) -> None:
    (tmp_path / "models").mkdir()
    model = {"resources": [{"type": "pth", "size": 7, "sha256": "a" * 64, "urls": [told]}]}
    shelf = _Shelf({NAME.removesuffix(".pth"): model}, {file or told: 7, told: 900})
    if not file or file == told:
        shelf.sizes = {told: 7}
    services = Services(
        manifest=Manifest(comfyui=str(tmp_path)),
        folders=folders.read(tmp_path, [], None),
        layout=Layout(tmp_path / "output"),
        web=shelf,  # type: ignore[arg-type]  # only get() and probe() are called
        tokens={},
    )
    found = [f for f in find(services) if isinstance(f, Candidate)]
    assert [f.url for f in found] == [file or told]
    assert (found[0].size, found[0].sha256) == (7, "a" * 64)


def test_what_is_published_there_must_be_the_databases_file(services: Services, hub: Hub) -> None:
    hub.add("maker/upscalers", []).files[NAME] = file_for("another.pth")
    hub.add_upscaler("4x_HarborSharp", [f"{PLACE}/{NAME}"], DATA)
    (found,) = find(services)
    assert isinstance(found, Rejected)
    assert found.where == f"{PLACE}/{NAME}"
    assert found.reason == because(Why.DATABASE_OTHER_FILE)


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


ADDRESSES = tuple(f"https://github.com/a/b/raw/main/{name}.pth" for name in "xyz")


@pytest.mark.parametrize(
    ("comes", "asked", "ends"),
    [
        ({}, 3, None), ({"x": "found"}, 1, "found"), ({"y": "found"}, 2, "found"),
        ({"x": "down"}, 3, "down"), ({"x": "down", "z": "found"}, 3, "found"),
    ],
)  # fmt: skip
def test_the_first_address_that_leads_to_the_file_counts_and_none_is_down_unsaid(
    comes: dict[str, str], asked: int, ends: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Resource(model="k", names=frozenset({"h.pth"}), urls=ADDRESSES, size=5, sha256="a" * 64)
    down = SourceDown(Why.SERVICE_UNASKED, host="x", cause=because(Why.ANSWER_LATE))
    seen: list[str] = []

    def confirm(hint: Hint, source: str, _: object) -> Finding:
        seen.append(hint.url)
        said = comes.get(hint.url[-5])
        if said == "down":
            raise down
        if said == "found":
            return Candidate(source=source, where=hint.url, name="h.pth", url=hint.url, size=5)
        return Rejected(source=source, where=hint.url, reason=because(Why.NO_SIZE))

    monkeypatch.setattr(openmodeldb, "confirm_url", confirm)
    services = SimpleNamespace(
        openmodeldb=SimpleNamespace(files=lambda: [made]), log_search=lambda *_: None
    )
    wanted = Wanted(model=Model(folder="upscale_models", path="h.pth"))
    found: list[Finding] = []
    if ends == "down":
        with pytest.raises(SourceDown) as caught:
            found.extend(openmodeldb.find(wanted, cast("Any", services)))
        assert caught.value is down
    else:
        found.extend(openmodeldb.find(wanted, cast("Any", services)))
    assert seen == list(ADDRESSES[:asked])
    good = [one for one in found if isinstance(one, Candidate)]
    assert len(good) == (ends == "found")
    assert all(one.sha256 == "a" * 64 for one in good), "the database says which file it is"
