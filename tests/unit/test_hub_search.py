"""The Hub as it is on bad days: limits, empty pages, half answers, silence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from comfyfix.comfyui.store import folders
from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.errors import SourceDown, TokenRefused
from comfyfix.net import exchange
from comfyfix.net.http import Web
from comfyfix.providers.huggingface.answers import HubItem, described
from comfyfix.records import Candidate, Model, Rejected, because
from comfyfix.screen import words
from comfyfix.settings.manifest import Endpoints, Manifest
from comfyfix.sources import huggingface
from comfyfix.sources.base import Doubtful, Services, Wanted
from comfyfix.sources.trust import publishers
from comfyfix.state.layout import Layout
from comfyfix.why import Why

NAME = "harbor_light_xl.safetensors"
WANTED = Wanted(model=Model(folder="loras", path=NAME))


@pytest.fixture
def services(tmp_path: Path, hub: Hub) -> Services:
    (tmp_path / "models").mkdir()
    return Services(
        manifest=Manifest(
            comfyui=str(tmp_path), endpoints=Endpoints(huggingface=hub.url, civitai=hub.url)
        ),
        folders=folders.read(tmp_path, [], None),
        layout=Layout(tmp_path / "output"),
        web=Web({}, wait=lambda _: None, direct=True),
        tokens={},
    )


def found(services: Services, wanted: Wanted = WANTED) -> list[Candidate]:
    return [f for f in huggingface.find(wanted, services) if isinstance(f, Candidate)]


def test_empty_pages_with_a_cursor_are_not_the_end(services: Services, hub: Hub) -> None:
    hub.add("maker/harbor-light", [NAME])
    hub.empty_pages = 2
    assert [f.where for f in found(services)] == ["maker/harbor-light"]


def test_a_list_that_never_begins_is_an_empty_one(services: Services, hub: Hub) -> None:
    hub.add("maker/harbor-light", [NAME])
    hub.empty_pages, hub.quick_search = 100, False
    assert found(services) == []
    assert hub.count("GET", "/api/models?*") <= 10 * 3


def test_a_limit_that_is_used_up_is_waited_for_and_not_asked_into(
    services: Services, hub: Hub
) -> None:
    hub.add("maker/harbor-light", [NAME])
    waits: list[float] = []
    spent = {"RateLimit": '"api";r=0;t=7'}
    hub.faults.append(Fault("search *", "429", times=1, headers=spent))
    patient = replace(services, web=Web({}, wait=waits.append, direct=True))
    assert len(found(patient)) == 1
    assert waits
    assert all(7 < pause <= 8 for pause in waits)


def test_a_limit_that_opens_too_late_is_a_source_that_is_down(services: Services, hub: Hub) -> None:
    spent = {"RateLimit": '"api";r=0;t=290'}
    hub.faults.append(Fault("search *", "429", headers=spent))
    for _ in range(2):
        with pytest.raises(SourceDown):
            found(services)
    assert len(hub.seen) == 1, "the limit was asked into"


def test_silence_in_the_middle_of_an_answer_is_a_source_that_is_down(
    services: Services, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("maker/harbor-light", [NAME])
    monkeypatch.setattr(exchange, "TIMEOUT", (1.0, 0.2))
    hub.faults.append(Fault("search *", "stall"))
    with pytest.raises(SourceDown):
        found(services)
    hub.faults.clear()
    assert len(found(services)) == 1


@pytest.mark.parametrize("kind", ["404", "500", "html", "cut", "reset"])
def test_the_extras_may_fail(services: Services, hub: Hub, kind: str) -> None:
    """Quick search and full-text search are not documented: the search goes on without them."""
    hub.add("maker/harbor-light", [NAME])
    hub.faults += [Fault("full-text *", kind), Fault("quick-search *", kind)]
    assert len(found(services)) == 1


def test_a_refused_token_is_told_by_its_name(services: Services, hub: Hub) -> None:
    hub.add("maker/harbor-light", [NAME])
    hub.refused_tokens.add("hf_old")
    old = replace(services, web=Web({hub.url: "hf_old"}, wait=lambda _: None, direct=True))
    with pytest.raises(TokenRefused) as problem:
        found(old)
    assert "HF_TOKEN" in words.worded(problem.value.reason).next_step
    assert "hf_old" not in words.problem(problem.value)


def test_one_list_serves_every_model_of_a_run(services: Services, hub: Hub) -> None:
    names = [f"harbor_light_{i}xl.safetensors" for i in range(5)]
    hub.add("maker/harbor-light", names)
    assert len(found(services, Wanted(model=Model(folder="loras", path=names[0])))) == 1
    first = hub.count("GET", "*")
    for name in names[1:]:
        assert len(found(services, Wanted(model=Model(folder="loras", path=name)))) == 1
    assert hub.count("GET", "*") - first <= len(names)  # at most a full-text search each


def test_case_twins_and_versions_are_never_taken(services: Services, hub: Hub) -> None:
    stem = NAME.partition(".")[0]
    twins = [NAME.upper(), NAME.replace("_", "-"), *(
        f"{stem}{mark}.safetensors" for mark in ("-v2", "_fp8", "_fp16", "_pruned", "_inpainting")
    )]  # fmt: skip
    hub.add("maker/harbor-light-xl", twins)
    findings = list(huggingface.find(WANTED, services))
    assert not any(isinstance(f, Candidate | Doubtful) for f in findings)
    told = [f for f in findings if isinstance(f, Rejected) and because(Why.NAME_AKIN) == f.reason]
    assert len(told) == 2


def test_a_renamed_file_counts_with_the_wanted_hash_only(services: Services, hub: Hub) -> None:
    twin = NAME.replace("_", "-")
    hub.add("maker/harbor-light", [twin])
    known = replace(WANTED, sha256=sha256(file_for(twin)))
    (there,) = found(services, known)
    assert there.name == twin
    assert found(services, replace(WANTED, sha256="0" * 64)) == []


def test_the_original_is_preferred_among_mirrors_and_open_ones_among_locked(
    services: Services, hub: Hub
) -> None:
    hub.add("mirror-a/harbor-light", [NAME], downloads=40)
    hub.add("mirror-b/harbor-light", [NAME], downloads=90_000, gated=True)
    original = hub.add("maker/harbor-light", [NAME], downloads=5_000)
    original.created = "2023-01-01T00:00:00.000Z"
    (best,) = found(services)
    assert best.where == "maker/harbor-light"
    assert (
        because(Why.SAME_CONTENT_IN, places=["mirror-a/harbor-light", "mirror-b/harbor-light"])
        in best.evidence
    )


@pytest.mark.parametrize(
    "size", [True, -5, 1.5, "7", None, int("9" * 4000), (1 << 50) + 1], ids=lambda s: str(s)[:9]
)
def test_a_size_that_is_none_is_not_known(size: object) -> None:
    lfs = {"size": size, "oid": "0" * 64}
    told = described([
        {"path": "git", "size": size}, {"path": "lfs", "size": 7, "lfs": lfs},
        {"path": "empty", "size": 0}, {"path": "folder", "type": "directory"},
    ])  # fmt: skip
    assert told == {
        "git": HubItem(), "lfs": HubItem(sha256="0" * 64), "empty": HubItem(size=0)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("told", "digest"),
    [("ab" * 32, "ab" * 32), ("AB" * 32, "ab" * 32), ("a" * 63, None), ("a" * 65, None),
     ("g" * 64, None), (5, None), (None, None)],
    ids=lambda value: str(value)[:5],
)  # fmt: skip
def test_a_hash_that_is_none_is_not_known(told: object, digest: str | None) -> None:
    (item,) = described([{"path": "x", "lfs": {"oid": told}}]).values()
    assert item.sha256 == digest


@pytest.mark.parametrize("place", [0, 1, 4])
def test_publishers_of_the_family_are_looked_at_whatever_their_repositories_are_called(
    services: Services, hub: Hub, place: int
) -> None:
    name = "wan2_2_sdxl_flux_ltx_harbor.safetensors"
    everywhere = publishers.always()
    family = publishers.likely(name, name.partition(".")[0], "loras")
    author = [each for each in family if each not in everywhere][place]
    hub.add(f"{author}/odds-and-ends", [name])
    (best,) = found(services, Wanted(model=Model(folder="loras", path=name)))
    assert best.publisher == author


def test_a_word_that_few_repositories_bear_is_not_narrowed_by_the_next(
    services: Services, hub: Hub
) -> None:
    hub.add("someone/harbor-boats", ["boats.safetensors"])
    hub.add("one/light-things", [NAME])
    hub.add("two/light-things", [NAME])
    assert [f.where for f in found(services)] == ["one/light-things"]


def test_repositories_named_like_the_one_that_was_found_are_looked_into(
    services: Services, hub: Hub
) -> None:
    """A copy under the same name with other bytes: which is meant is for the user to say."""
    hub.add("Comfy-Org/seaside", [NAME])
    hub.add("copies/seaside", [NAME]).files[NAME] = b"other bytes"
    assert {f.where for f in found(services)} == {"Comfy-Org/seaside", "copies/seaside"}


def test_renamed_files_are_looked_for_where_they_are_likeliest(
    services: Services, hub: Hub
) -> None:
    twin = "light_of_the_harbor.safetensors"
    for number in range(5):
        hub.add(f"maker{number}/harbor", ["other.safetensors"], downloads=5000)
    hub.add("maker/harbor-light", [twin])
    (there,) = found(services, replace(WANTED, sha256=sha256(file_for(twin))))
    assert there.name == twin
