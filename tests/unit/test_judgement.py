"""Which of several findings wins, and what speaks against one: held against rules one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from comfyfix.comfyui.store import folders
from comfyfix.errors import ModelProblem
from comfyfix.file_names import read
from comfyfix.net.http import Web
from comfyfix.outcomes import Outcome
from comfyfix.providers.huggingface.answers import HubItem, Listing
from comfyfix.records import Candidate, Hint, Model, Rejected, because
from comfyfix.settings.manifest import Manifest, Search
from comfyfix.sources.base import Doubtful, Finding, Services, Wanted
from comfyfix.sources.trust import rules
from comfyfix.sources.trust.rules import Holder
from comfyfix.stages import resolve as resolve_stage
from comfyfix.stages import unresolved
from comfyfix.stages.resolve import resolve
from comfyfix.stages.work import Pending, Planned
from comfyfix.state.layout import Layout
from comfyfix.why import Why

NAME = "harbor_light.safetensors"
MODEL = Model(folder="loras", path=NAME)
ONE, OTHER = "a" * 64, "b" * 64


@dataclass(frozen=True)
class Scripted:
    """A source that says what it was told to say."""

    NAME: str
    findings: tuple[Finding, ...]
    DECISIVE: bool = False

    def find(self, wanted: Wanted, services: Services) -> Iterator[Finding]:  # noqa: ARG002
        yield from self.findings


def candidate(where: str, sha256: str) -> Candidate:
    return Candidate(
        source=where.partition("/")[0], where=where, name=NAME, url=f"https://hub.example/{where}",
        size=5, sha256=sha256,
    )  # fmt: skip


def found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *sources: Scripted, **planned: Any
) -> Any:
    """The record that comes of these sources."""
    (tmp_path / "models").mkdir()
    services = Services(
        manifest=Manifest(comfyui=str(tmp_path), search=Search(sources=("one", "two"))),
        folders=folders.read(tmp_path, [], None),
        layout=Layout(tmp_path / "output"),
        web=Web({}, direct=True),
        tokens={},
    )
    monkeypatch.setattr(resolve_stage, "chosen", lambda _: sources)
    return resolve(
        Planned(MODEL, 1, "x", f"/nowhere/{NAME}", Pending.ABSENT, (), **planned), services
    )


def doubted(sha256: str) -> Scripted:
    doubt = Doubtful(candidate("one/doubted", sha256), because(Why.NAME_SAYS_NOTHING))
    return Scripted("one", (doubt,))


def sure(sha256: str) -> Scripted:
    return Scripted("two", (candidate("two/sure", sha256),))


def test_another_content_that_was_doubted_before_makes_a_sure_one_uncertain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelProblem) as caught:
        found(tmp_path, monkeypatch, doubted(OTHER), sure(ONE))
    assert caught.value.outcome is Outcome.UNCERTAIN
    places = [f"two/sure ({ONE[:8]})", f"one/doubted ({OTHER[:8]})"]
    assert caught.value.reason == because(Why.SEVERAL_CONTENTS, name=NAME, source="", places=places)
    assert caught.value.asked == ("one", "two")


def test_the_same_content_that_was_doubted_before_is_no_rival(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = found(tmp_path, monkeypatch, doubted(ONE), sure(ONE))
    assert (record.where, record.sha256) == ("two/sure", ONE)


def test_a_hash_of_the_workflow_settles_which_of_two_rivals_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hints = (Hint(name=NAME, url="https://hub.example/x", sha256=ONE),)
    record = found(tmp_path, monkeypatch, doubted(OTHER), sure(ONE), hints=hints)
    assert record.sha256 == ONE


def test_two_contents_of_one_source_are_uncertain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Scripted("one", (candidate("one/a", ONE), candidate("one/b", OTHER)))
    with pytest.raises(ModelProblem) as caught:
        found(tmp_path, monkeypatch, both)
    assert caught.value.reason.why == Why.SEVERAL_IN_SOURCE
    told = [r.reason for r in caught.value.rejected]
    assert told == [because(Why.ONE_OF_SEVERAL, size=5, sha256=s[:12]) for s in (ONE, OTHER)]


def test_a_place_on_a_host_that_is_not_listed_is_told_with_its_host() -> None:
    rule = because(Why.HOST_NOT_LISTED, host="files.example.org")
    refused = Rejected(source="workflow", where="https://files.example.org/x", reason=rule)
    problem = unresolved.not_found(Wanted(model=MODEL), [refused])
    assert problem.outcome is Outcome.HOST_REFUSED
    assert problem.reason == because(
        Why.ONLY_PLACE_REFUSED, name=NAME, place=refused.where, host="files.example.org"
    )


def test_what_the_store_has_and_whole_sources_are_no_reasons() -> None:
    said = [
        Rejected(source="store", where="/models/x", reason=because(Why.HASH_UNKNOWN)),
        Rejected(source="openmodeldb", where="", reason=because(Why.DATABASE_UPSCALERS_ONLY)),
    ]
    problem = unresolved.not_found(Wanted(model=MODEL), said)
    assert problem.reason == because(Why.NOT_FOUND_LISTED, name=NAME)


def held(repo: str, path: str = NAME, downloads: int = 5, **more: Any) -> Holder:
    """One place of one content."""
    listing = Listing(repo=repo, revision="main", files={}, downloads=downloads, **more)
    return Holder(listing, path, HubItem(size=5, sha256=ONE))


def weighed(
    *owners: str, name: str = NAME, title: str = "harbor-light", **more: Any
) -> tuple[float, set[str]]:
    """Points and rules of one content that these publishers have."""
    holders = [held(f"{owner}/{title}", name, **more) for owner in owners]
    points, given = rules.weigh(read(name), holders, "loras", alone=False)
    return points, {reason.why for reason in given}


def test_a_name_made_to_be_taken_for_a_publishers_speaks_against_its_file() -> None:
    stranger, _ = weighed("night-owl")
    imitator, given = weighed("Comfy-0rg")
    known, _ = weighed("Comfy-Org")
    assert Why.RULE_IMITATOR in given
    assert imitator <= stranger - rules.ENOUGH, "it could count all the same"
    assert imitator < rules.ENOUGH <= stranger
    assert known == stranger + 2


@pytest.mark.parametrize(
    ("word", "points"),
    [("ab", 0.5), ("abc", 1.0), ("harborx", 1.0), ("harborxy", 1.5), ("harborxyz", 1.5)],
)
def test_a_longer_word_says_more(word: str, points: float) -> None:
    assert rules.says(read(f"{word}.safetensors")) == points


def test_a_name_says_so_much_at_most() -> None:
    words = "moonlit harbor lanterns fishermen reflections"
    assert rules.says(read(f"{words}_fp8_v2_rank64.safetensors".replace(" ", "_"))) == 4.0


BAIT = {"name": "harbor_light_fp8.safetensors", "title": "harbor-light-fp8"}


@pytest.mark.parametrize(
    ("owners", "downloads", "is_bait"),
    [
        (("night-owl",), rules.USED - 1, True),
        (("night-owl",), rules.USED, False),
        (("night-owl", "harbour-master"), 5, False),
        (("Comfy-Org",), 5, False),
    ],
)
def test_a_little_used_repository_named_after_the_file_is_bait(
    owners: tuple[str, ...], downloads: int, is_bait: bool
) -> None:
    points, given = weighed(*owners, **BAIT, downloads=downloads)
    assert (Why.RULE_BAIT in given) is is_bait
    assert (points < rules.ENOUGH) is is_bait
    assert Why.RULE_BAIT not in weighed(*owners, name=BAIT["name"])[1], "a maker's is not"


@pytest.mark.parametrize(
    ("path", "folder", "fits"),
    [
        ("loras/x.pth", "loras", 1), ("a/lora/b/x.pth", "loras", 1), ("vae/x.pth", "loras", -1),
        ("x.pth", "loras", 0), ("odds/x.pth", "loras", 0), ("loras/x.pth", None, 0),
        ("loras/x.pth", "ultralytics", 0), ("transformer/x.pth", "diffusion_models", 1),
    ],
)  # fmt: skip
def test_the_directory_of_a_path_speaks_for_its_folder(
    path: str, folder: str | None, fits: int
) -> None:
    assert rules.fit(path, folder) == fits


def test_the_place_that_looks_like_the_original_comes_first() -> None:
    old, new = {"created": "2023-01-01"}, {"created": "2025-01-01"}
    ordered = [
        held("maker/b", downloads=900, **old),
        held("Comfy-Org/c", downloads=500, **new),
        held("mirror/a", downloads=990, **new),
        held("mirror/a", "z.pth", downloads=980, **new),
        held("locked/a", downloads=90_000, gated=True, **old),
    ]
    assert rules.by_origin(ordered[::-1]) == ordered


def test_a_repository_that_names_the_kind_of_file_is_less_strange() -> None:
    named, _ = weighed("night-owl", title="my-loras")
    strange, _ = weighed("night-owl", title="odds-and-ends")
    assert named == strange + rules.STRANGE
