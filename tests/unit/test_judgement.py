"""Which of several findings wins, and what speaks against one: held against rules one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from comfyfix.comfyui.store import folders
from comfyfix.errors import ModelProblem, NameRefused, RegionBlocked, SourceDown
from comfyfix.file_names import read
from comfyfix.net.http import Web
from comfyfix.outcomes import Outcome
from comfyfix.providers.huggingface.answers import HubItem, Listing
from comfyfix.records import Candidate, Hint, Model, Rejected, because
from comfyfix.settings.manifest import Manifest, PicklePolicy, Search, Verify
from comfyfix.settings.overrides import Override
from comfyfix.sources.base import Blocked, Doubtful, Finding, Services, Wanted
from comfyfix.sources.trust import rules
from comfyfix.sources.trust.rules import Holder
from comfyfix.stages.needs.work import Pending, Planned
from comfyfix.stages.search import demand, unresolved
from comfyfix.stages.search import resolve as resolve_stage
from comfyfix.stages.search.resolve import resolve
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
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *sources: Any,
    pickle: PicklePolicy = "scan",
    model: Model = MODEL,
    **planned: Any,
) -> Any:
    """The record that comes of these sources."""
    (tmp_path / "models").mkdir(exist_ok=True)
    services = Services(
        manifest=Manifest(
            comfyui=str(tmp_path),
            search=Search(sources=("one", "two")),
            verify=Verify(pickle=pickle),
        ),
        folders=folders.read(tmp_path, [], None),
        layout=Layout(tmp_path / "output"),
        web=Web({}, direct=True),
        tokens={},
    )
    monkeypatch.setattr(resolve_stage, "chosen", lambda _: sources)
    absent: dict[str, Any] = {"location": f"/nowhere/{NAME}", "pending": Pending.ABSENT}
    return resolve(Planned(model=model, number=1, task="x", **absent, **planned), services)


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


def test_of_mirrors_the_open_one_comes_first_then_the_most_used_then_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mirror(where: str, popularity: int, *, gated: bool = False) -> Candidate:
        made = candidate(where, ONE)
        return msgspec.structs.replace(made, popularity=popularity, gated=gated)

    said = [
        mirror("one/locked", 900, gated=True), mirror("one/c", 5), mirror("one/b", 70),
        mirror("one/a", 70),
    ]  # fmt: skip
    assert found(tmp_path, monkeypatch, Scripted("one", tuple(said))).where == "one/a"
    locked = Scripted("one", tuple(said[:1]))
    assert found(tmp_path, monkeypatch, locked, sure(OTHER)).where == "one/locked"


@dataclass(frozen=True)
class Down:
    """A source that could not be asked."""

    NAME: str = "one"
    DECISIVE: bool = False

    def find(self, wanted: Wanted, services: Services) -> Iterator[Finding]:  # noqa: ARG002
        yield Rejected(source=self.NAME, where="one/x", reason=because(Why.NO_SIZE))
        raise SourceDown(Why.SERVICE_UNASKED, host="one.example", cause=because(Why.ANSWER_LATE))


class Region(Down):
    """A source that is not open where the user is."""

    def find(self, wanted: Wanted, services: Services) -> Iterator[Finding]:  # noqa: ARG002
        yield from ()
        raise RegionBlocked(Why.CIVITAI_REGION)


UNASKED = because(Why.SERVICE_UNASKED, host="one.example", cause=because(Why.ANSWER_LATE))


def test_a_source_that_was_not_asked_is_logged_told_and_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = found(tmp_path, monkeypatch, Down(), sure(ONE))
    reason = because(Why.NOT_ASKED, problem=UNASKED)
    said = Rejected(source="one", where="one/x", reason=because(Why.NO_SIZE))
    assert record.asked == ""
    assert record.rejected == (said, Rejected(source="one", where="", reason=reason))
    (line,) = (tmp_path / "output" / "log" / "search_history.log").read_text().splitlines()
    logged = json.loads(line)
    assert (logged["source"], logged["query"]) == ("one", NAME)
    assert json.loads(logged["answer"]) == msgspec.to_builtins(reason)


def test_the_source_that_says_which_file_is_meant_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceDown) as caught:
        found(tmp_path, monkeypatch, Down(DECISIVE=True), sure(ONE))
    assert (caught.value.reason, caught.value.asked) == (UNASKED, ("one",))


def test_what_a_user_can_change_is_told_where_nothing_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceDown) as down:
        found(tmp_path, monkeypatch, Down(), doubted(ONE))
    assert down.value.reason == UNASKED
    assert down.value.rejected[-1].where == "one/doubted: https://hub.example/one/doubted"
    with pytest.raises(RegionBlocked):
        found(tmp_path, monkeypatch, Down(), Region())


def test_no_source_is_asked_for_a_pickle_where_pickles_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(folder="loras", path="harbor.ckpt")
    with pytest.raises(NameRefused) as caught:
        found(tmp_path, monkeypatch, sure(ONE), pickle="refuse", model=model)
    assert caught.value.asked == ()
    assert found(tmp_path, monkeypatch, sure(ONE), pickle="refuse").sha256 == ONE


def test_where_the_user_names_the_place_no_other_source_may_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = (Rejected(source="workflow", where="one/x", reason=because(Why.NO_SIZE)),)
    monkeypatch.setattr(resolve_stage, "workflow", Scripted("workflow", said))
    for override in (Override(url="https://hub.example/x"), Override(repo="a/b", path="c")):
        monkeypatch.setattr(demand, "place", lambda _: "")
        with pytest.raises(ModelProblem) as caught:
            found(tmp_path, monkeypatch, sure(ONE), override=override)
        assert (caught.value.asked, caught.value.rejected) == (("workflow",), said)
        told = unresolved.users_place_fails(planned(override=override), list(said))
        assert caught.value.reason == told.reason
    assert found(tmp_path, monkeypatch, sure(ONE), override=Override(folder="x")).sha256 == ONE


def test_a_doubt_alone_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelProblem) as caught:
        found(tmp_path, monkeypatch, doubted(ONE))
    assert caught.value.outcome is Outcome.UNCERTAIN


LIKELY: dict[str, Any] = {"hints": (Hint(name=NAME, url="https://hub.example/x", sha256=ONE),)}


def test_of_the_authors_addresses_the_one_with_the_old_bytes_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, old = candidate("one/new", OTHER), candidate("one/old", ONE)
    record = found(tmp_path, monkeypatch, Scripted("one", (new, old), DECISIVE=True), **LIKELY)
    assert (record.where, record.note) == ("one/old", None)
    both = (new, candidate("one/newer", "c" * 64))
    record = found(tmp_path, monkeypatch, Scripted("one", both, DECISIVE=True), **LIKELY)
    assert (record.where, record.note) == ("one/new", because(Why.REPLACED_SINCE))


def locked(where: str, sha256: str | None) -> Scripted:
    problem = ModelProblem(Outcome.TOKEN_NEEDED, Why.NOT_FOUND_LISTED, name=NAME)
    behind = msgspec.structs.replace(candidate(where, ONE), sha256=sha256)
    return Scripted(where.partition("/")[0], (Blocked(behind, problem),), DECISIVE=True)


def test_of_a_locked_file_only_the_equal_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(tmp_path, monkeypatch, locked("one/a", ONE), sure(ONE)).where == "two/sure"
    for sha256, hints in ((ONE, {}), (None, {}), (None, LIKELY)):
        with pytest.raises(ModelProblem) as caught:
            found(tmp_path, monkeypatch, locked("one/a", sha256), sure(OTHER), **hints)
        assert caught.value.outcome is Outcome.TOKEN_NEEDED
        assert caught.value.behind is not None
        assert caught.value.behind.where == "one/a"
    assert found(tmp_path, monkeypatch, locked("one/a", None), sure(ONE), **LIKELY).where == (
        "two/sure"
    )


def planned(**more: Any) -> Planned:
    return Planned(
        model=MODEL, number=1, task="x", location=f"/nowhere/{NAME}", pending=Pending.ABSENT, **more
    )


def fails(**verify: Any) -> Manifest:
    return Manifest(comfyui="/ComfyUI", verify=Verify(workflow_hash="fail", **verify))


@pytest.mark.parametrize(
    ("override", "strict"),
    [
        (None, True), (Override(folder="loras"), True), (Override(sha256=ONE), False),
        (Override(url="https://hub.example/x"), False),
    ],
)  # fmt: skip
def test_the_hash_of_a_workflow_binds_where_the_user_says_so_and_names_no_file(
    override: Override | None, strict: bool
) -> None:
    made = planned(override=override, **LIKELY)
    assert demand.is_strict(made, fails()) is strict
    assert not demand.is_strict(made, Manifest(comfyui="/ComfyUI"))
    assert not demand.is_strict(planned(override=override), fails())


def test_a_record_is_used_again_while_the_user_wants_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = found(tmp_path, monkeypatch, sure(ONE))
    plain = Manifest(comfyui="/ComfyUI")
    other = msgspec.structs.replace(record, sha256=OTHER)
    assert demand.still_wanted(record, planned(), plain)
    for changed, made, manifest in (
        (msgspec.structs.replace(record, destination="/elsewhere"), planned(), plain),
        (record, planned(override=Override(url="https://hub.example/x")), plain),
        (record, planned(override=Override(sha256=OTHER)), plain),
        (other, planned(**LIKELY), fails()),
    ):
        assert not demand.still_wanted(changed, made, manifest)
    assert demand.still_wanted(record, planned(override=Override(sha256=ONE)), plain)
    assert demand.still_wanted(record, planned(override=Override(folder="x")), plain)
    assert demand.still_wanted(record, planned(**LIKELY), fails())
    assert demand.still_wanted(other, planned(**LIKELY), plain)


def test_the_hash_that_is_told_is_held_against_what_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = msgspec.structs.replace(candidate("one/a", ONE), sha256=None)
    source = Scripted("one", (unknown,), DECISIVE=True)
    monkeypatch.setattr(resolve_stage, "judge", lambda finding, *_: finding)
    for made, sha256 in (
        ({}, None), (LIKELY, None), ({"override": Override(sha256=OTHER)}, OTHER),
    ):  # fmt: skip
        assert found(tmp_path, monkeypatch, source, **made).sha256 == sha256


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


BAIT: dict[str, Any] = {"name": "harbor_light_fp8.safetensors", "title": "harbor-light-fp8"}


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


def points_of(why: Why, *holders: Holder, name: str = NAME, **more: Any) -> str:
    """The points that one rule gives; empty if it gives none."""
    _, given = rules.weigh(read(name), holders, "loras", alone=bool(more.get("alone")))
    return next((str(reason.told["points"]) for reason in given if reason.why == why), "")


def test_each_rule_gives_its_points() -> None:
    used = rules.USED
    assert points_of(Why.RULE_MUCH_USED, held("a/b", downloads=used)) == "+0.5"
    assert points_of(Why.RULE_MUCH_USED, held("a/b", downloads=used - 1)) == ""
    assert points_of(Why.RULE_SEVERAL_PUBLISHERS, *(held(f"{o}/x") for o in "a")) == ""
    assert points_of(Why.RULE_SEVERAL_PUBLISHERS, *(held(f"{o}/x") for o in "aab")) == "+1"
    assert points_of(Why.RULE_SEVERAL_PUBLISHERS, *(held(f"{o}/x") for o in "abcd")) == "+2"
    assert points_of(Why.RULE_FOLDER, held("a/b", "loras/x"), held("a/b", "vae/x")) == "+1"
    assert points_of(Why.RULE_FOLDER, held("a/b", "vae/x")) == "-1"
    assert points_of(Why.RULE_ALONE, held("a/b"), alone=True) == "+1"
    assert points_of(Why.RULE_IMITATOR, held("Comfy-0rg/x"), held("kijaii/x")) == "-4"
    assert points_of(Why.RULE_KNOWN_PUBLISHER, held("Comfy-0rg/x"), held("Kijai/x")) == "+2"
    name = BAIT["name"]
    assert points_of(Why.RULE_BAIT, held("a/harbor-light-fp8"), name=name) == "-5"
    assert points_of(Why.RULE_BAIT, held("a/harbor-light-fp8"), name=name, alone=True) == ""
    assert points_of(Why.RULE_BAIT, held("a/harbor-light"), name="harbor_light.pt") == ""


@pytest.mark.parametrize(
    ("title", "points"),
    [("harbor-light", "+2"), ("my-harbor", "+1"), ("lora-x", ""), ("x", f"-{rules.STRANGE:g}")],
)
def test_a_repository_speaks_by_the_words_it_shares(title: str, points: str) -> None:
    assert points_of(Why.RULE_REPOSITORY, held(f"a/{title}")) == points


def test_of_one_telling_word_a_repository_says_less() -> None:
    told = points_of(Why.RULE_REPOSITORY, held("a/harbor"), name="harbor.safetensors")
    assert told == "+1"


def test_one_known_publisher_or_two_others_vouch_for_a_content() -> None:
    assert not rules.vouched([held("a/x"), held("a/y")])
    assert rules.vouched([held("a/x"), held("b/y")])
    assert rules.vouched([held("Comfy-Org/x")])
    assert not rules.vouched([held("a/x"), held("Comfy-0rg/x")]), "an imitator is nobody"
