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


def weighed(owner: str) -> tuple[float, set[str]]:
    """Points and rules of one content that one publisher has."""
    listing = Listing(repo=f"{owner}/harbor-light", revision="main", files={}, downloads=5)
    holder = Holder(listing, NAME, HubItem(size=5, sha256=ONE))
    points, given = rules.weigh(read(NAME), [holder], "loras", alone=False)
    return points, {reason.why for reason in given}


def test_a_name_made_to_be_taken_for_a_publishers_speaks_against_its_file() -> None:
    stranger, _ = weighed("night-owl")
    imitator, given = weighed("Comfy-0rg")
    known, _ = weighed("Comfy-Org")
    assert Why.RULE_IMITATOR in given
    assert imitator <= stranger - rules.ENOUGH, "it could count all the same"
    assert imitator < rules.ENOUGH <= stranger
    assert known == stranger + 2
