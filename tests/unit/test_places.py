"""The Hub's search, question by question: what is asked next, and when it is enough."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from comfyfix.comfyui.store import folders
from comfyfix.file_names import read
from comfyfix.net.http import Web
from comfyfix.providers.huggingface import hub as real_hub
from comfyfix.providers.huggingface.answers import Answered, HubItem, Listing
from comfyfix.records import Candidate, Model, Rejected, because
from comfyfix.settings.manifest import Manifest
from comfyfix.sources import huggingface
from comfyfix.sources.base import Doubtful, Finding, Services, Wanted
from comfyfix.sources.places import HOLDERS_MAX, Places
from comfyfix.sources.qwen.rules import _elsewhere, _is_enough
from comfyfix.sources.trust import publishers, rules
from comfyfix.sources.trust.rules import Holder
from comfyfix.state.layout import Layout
from comfyfix.why import Why

ONE, OTHER = "a" * 64, "b" * 64
NAME = "moonlit_harbor.safetensors"


def listing(repo: str, *paths: str, **more: Any) -> Listing:
    files: dict[str, tuple[str, ...]] = {}
    for path in paths:
        key = read(path.rpartition("/")[2]).stem + "_safetensors"
        files[key] = (*files.get(key, ()), path)
    return Listing(repo=repo, revision="main", files=files, **more)


@dataclass
class Told:
    """A Hub that answers what it was told to, and remembers the questions."""

    searches: dict[str, Answered] = field(default_factory=dict)
    holds: dict[str, str | None] = field(default_factory=dict)
    texts: list[str] | None = None
    quickly: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    described: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def search(self, words: str, limit: int = 0) -> Answered:
        return self._answer(f"{words}/most" if limit == real_hub.MOST else words)

    def of_publisher(self, author: str) -> Answered:
        return self._answer(f"author:{author}")

    def _answer(self, query: str) -> Answered:
        self.asked.append(query)
        return self.searches.get(query, Answered(listings=()))

    def full_text(self, name: str) -> list[str] | None:
        self.asked.append(f"text:{name}")
        return self.texts

    def quick(self, text: str) -> list[str]:
        self.asked.append(f"quick:{text}")
        return self.quickly

    def repository(self, repo: str) -> Listing | None:
        self.asked.append(f"repository:{repo}")
        return listing(repo, NAME) if repo in self.holds else None

    def details(self, repo: str, revision: str, paths: tuple[str, ...]) -> dict[str, HubItem]:
        assert revision == "main"
        self.described.append((repo, paths))
        known = {path: self.holds.get(f"{repo}/{path}", self.holds.get(repo)) for path in paths}
        return {path: HubItem(size=5, sha256=digest) for path, digest in known.items()}


def services(root: Path, hub: Told) -> Services:
    (root / "models").mkdir(exist_ok=True)
    made = Services(
        manifest=Manifest(comfyui=str(root)), folders=folders.read(root, [], None),
        layout=Layout(root / "output"), web=Web({}, direct=True), tokens={},
    )  # fmt: skip
    made.hub = cast("Any", hub)
    return made


def wanted(sha256: str | None = None, name: str = NAME, folder: str | None = "loras") -> Wanted:
    return Wanted(model=Model(folder=folder, path=name), sha256=sha256)


def places(root: Path, hub: Told, *listed: Listing, sha256: str | None = None) -> Places:
    made = Places(wanted(sha256), services(root, hub), read(NAME))
    made.add(listed)
    return made


STRANGER = "night-owl/moonlit-harbor"


@pytest.mark.parametrize(
    ("holds", "sha256", "alone", "settled"),
    [
        ({}, None, False, False),
        ({STRANGER: ONE}, None, False, False),  # he can give his repository any name
        ({STRANGER: ONE}, None, True, True),
        ({STRANGER: ONE, "b/moonlit-harbor": ONE}, None, False, True),
        ({STRANGER: ONE, "b/moonlit-harbor": OTHER}, None, False, True),
        ({STRANGER: None}, None, True, False),
        ({STRANGER: ONE}, ONE, False, True),
        ({STRANGER: ONE, "b/moonlit-harbor": OTHER}, "c" * 64, False, False),
    ],
)
def test_more_is_asked_until_the_answer_can_not_change(
    tmp_path: Path, holds: dict[str, str | None], sha256: str | None, alone: bool, settled: bool
) -> None:
    listed = [listing(repo, NAME) for repo in holds]
    made = places(tmp_path, Told(holds=holds), *listed, sha256=sha256)
    made.alone = alone
    assert made.settled() is settled


ENOUGH = [(rules.ENOUGH, True), (rules.ENOUGH - 0.5, False)]


@pytest.mark.parametrize(("points", "enough"), ENOUGH)
def test_one_content_counts_from_so_many_points_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: float, enough: bool
) -> None:
    given = [because(Why.RULE_ALONE, points="+1")]
    monkeypatch.setattr(rules, "weigh", lambda *_, **__: (points, given))
    made = places(tmp_path, Told(holds={STRANGER: ONE}), listing(STRANGER, NAME))
    made.alone = True
    assert made.settled() is enough
    (found,) = made.findings()
    assert isinstance(found, Candidate if enough else Doubtful)
    if isinstance(found, Doubtful):
        assert found.reason == because(Why.NAME_SAYS_LITTLE, rules=given)
        monkeypatch.setattr(rules, "weigh", lambda *_, **__: (0.0, []))
        (found,) = made.findings()
        assert isinstance(found, Doubtful)
        assert found.reason == because(Why.NAME_SAYS_NOTHING)
    certain = places(tmp_path, Told(holds={STRANGER: ONE}), listing(STRANGER, NAME), sha256=ONE)
    (found,) = certain.findings()
    assert isinstance(found, Candidate)


def test_where_an_imitator_alone_has_it_that_is_told(tmp_path: Path) -> None:
    repo = "Comfy-0rg/moonlit-harbor"
    (found,) = places(tmp_path, Told(holds={repo: ONE}), listing(repo, NAME)).findings()
    reason = because(Why.IMITATES, publisher="Comfy-Org")
    assert found == Rejected(source="huggingface", where=repo, reason=reason)


def test_of_each_content_the_best_place_with_the_others_and_what_has_no_hash(
    tmp_path: Path,
) -> None:
    repos = {"a/x": ONE, "b/x": ONE, "c/x": OTHER, "d/x": None}
    listed = [listing(repo, f"loras/{NAME}", downloads=9 - n) for n, repo in enumerate(repos)]
    made = places(tmp_path, Told(holds=repos), *listed)
    one, other, bare = made.findings()
    assert isinstance(one, Candidate)
    assert isinstance(other, Candidate)
    assert (one.where, one.sha256, one.popularity, one.path) == ("a/x", ONE, 9, f"loras/{NAME}")
    assert one.evidence[0] == because(Why.LISTED_THERE, path=f"loras/{NAME}")
    assert one.evidence[-1] == because(Why.SAME_CONTENT_IN, places=["b/x"])
    assert (other.where, other.sha256) == ("c/x", OTHER)
    assert all(reason.why != Why.SAME_CONTENT_IN for reason in other.evidence)
    none = because(Why.NO_SHA256)
    assert bare == Rejected(source="huggingface", where=f"d/x/loras/{NAME}", reason=none)


def test_the_most_used_open_places_are_described_and_each_once(tmp_path: Path) -> None:
    listed = [
        listing(f"o/{n:02d}", NAME, downloads=n, gated=n == 99)
        for n in (99, *range(HOLDERS_MAX + 2))
    ]
    hub = Told()
    made = places(tmp_path, hub, *listed, listing("z/other", "other.safetensors", downloads=999))
    made.holders()
    made.add([listing("o/00", "changed.safetensors")])
    assert len(made.holders()) == HOLDERS_MAX
    seen = [repo for repo, _ in hub.described]
    assert seen == [f"o/{n:02d}" for n in range(HOLDERS_MAX + 1, 1, -1)]


def test_names_that_are_akin_are_told(tmp_path: Path) -> None:
    other = "a/Moonlit-Harbor.safetensors"
    told = list(places(tmp_path, Told(), listing("o/n", NAME, other)).near())
    where = f"o/n/{other}"
    assert told == [Rejected(source="huggingface", where=where, reason=because(Why.NAME_AKIN))]


def test_a_file_of_another_name_counts_by_its_hash_alone(tmp_path: Path) -> None:
    holds = {"o/b/y.safetensors": ONE, "o/b/x.safetensors": OTHER}
    listed = listing("o/b", "x.safetensors", "y.safetensors", "y.pth")
    hub = Told(holds=dict(holds))
    (found,) = places(tmp_path, hub, listed, sha256=ONE).findings()
    assert isinstance(found, Candidate)
    assert (found.name, found.evidence[-1]) == ("y.safetensors", because(Why.HASH_WANTED))
    assert hub.described == [("o/b", ("x.safetensors", "y.safetensors"))]
    assert list(places(tmp_path, Told(), listed, sha256="c" * 64).findings()) == []


def ladder(
    root: Path, hub: Told, name: str = NAME, folder: str | None = "loras", **more: Any
) -> list[Finding]:
    return list(huggingface.find(wanted(name=name, folder=folder, **more), services(root, hub)))


EVERYWHERE = [f"author:{author}" for author in publishers.always()]


def test_nothing_is_left_unasked_where_nothing_is_found(tmp_path: Path) -> None:
    hub = Told(texts=["o/unknown"], quickly=["o/quick"])
    assert ladder(tmp_path, hub) == []
    family = [a for a in publishers.likely(NAME, "moonlit_harbor", "loras")
              if a not in publishers.always()]  # fmt: skip
    authors = [f"author:{author}" for author in family]
    assert hub.asked == [
        "moonlit", *EVERYWHERE, *authors[:1], f"text:{NAME}", "repository:o/unknown",
        "harbor", *authors[1:5], "quick:moonlit", "repository:o/quick",
        "lora/most", "model/most", "comfyui/most",
    ]  # fmt: skip
    logged = [
        json.loads(line) for line in Layout(tmp_path / "output").search_log.read_text().splitlines()
    ]
    assert [line["query"] for line in logged if line["query"].startswith(("te", "qu"))] == [
        f"text:{NAME}", "quick:moonlit",
    ]  # fmt: skip
    assert json.loads(logged[-1]["answer"]) == {"count": 0, "repositories": []}


def test_a_word_that_too_many_bear_is_narrowed_by_the_next(tmp_path: Path) -> None:
    hub = Told(searches={"moonlit": Answered(listings=(), whole=False)})
    ladder(tmp_path, hub)
    assert "moonlit harbor" in hub.asked
    assert "harbor" not in hub.asked


def test_short_words_are_not_searched_alone(tmp_path: Path) -> None:
    hub = Told()
    ladder(tmp_path, hub, name="lantern_fishermen_abc_ab_RealHarbor.safetensors", folder=None)
    said = [query for query in hub.asked if ":" not in query]
    assert said[:2] == ["lantern", "fishermen"]
    assert "abc" in said
    assert "ab" not in said
    assert said[-3:] == ["lora/most", "model/most", "comfyui/most"]
    hub = Told()
    ladder(tmp_path, hub, name="ab_v2.safetensors", folder=None)
    assert hub.asked[0] == "ab v2"
    assert hub.asked.count("ab v2") == 1


def test_it_ends_with_the_first_answer_that_is_enough_and_looks_for_its_copies(
    tmp_path: Path,
) -> None:
    hub = Told(texts=["o/moonlit-harbor"], holds={"o/moonlit-harbor": ONE})
    (found,) = ladder(tmp_path, hub)
    assert isinstance(found, Candidate)
    assert found.where == "o/moonlit-harbor"
    assert hub.asked[-2:] == [f"text:{NAME}", "repository:o/moonlit-harbor"], "moonlit was asked"
    hub = Told(texts=["o/night"], holds={"o/night": ONE})
    ladder(tmp_path, hub)
    assert hub.asked[-1] == "night"


def test_as_many_hits_as_are_told_may_hide_another(tmp_path: Path) -> None:
    for many, alone in ((real_hub.HITS - 1, True), (real_hub.HITS, False)):
        hub = Told(texts=["o/moonlit-harbor"] * many, holds={"o/moonlit-harbor": ONE})
        (found,) = ladder(tmp_path, hub)
        told = found.evidence if isinstance(found, Candidate) else ()
        assert (because(Why.RULE_ALONE, points="+1") in told) is alone


def test_a_generic_name_is_searched_only_for_a_hash(tmp_path: Path) -> None:
    hub = Told()
    reason = because(Why.NAME_TOO_COMMON)
    name = "model.safetensors"
    told = [Rejected(source="huggingface", where=name, reason=reason)]
    assert ladder(tmp_path, hub, name=name) == told
    assert hub.asked == []
    assert ladder(tmp_path, hub, name=name, sha256=ONE) == []
    assert hub.asked


HARBORS = "model-00001-of-00002.safetensors"


@pytest.mark.parametrize(
    ("path", "sha256", "first"),
    [
        (f"moonlit-harbor/{HARBORS}", None, "moonlit-harbor"),
        (f"deep/moonlit-harbor/{HARBORS}", None, "moonlit-harbor"),
        (f"moonlit-harbor/{HARBORS}", ONE, "of 00001"),  # its hash tells it wherever it is
        ("moonlit-harbor/lantern-00001-of-00002.safetensors", None, "lantern"),
        (f"model/{HARBORS}", None, "of 00001"),
        (HARBORS, None, "of 00001"),
        ("moonlit-harbor/model.safetensors", None, ""),  # no part of a set
    ],
)
def test_a_part_whose_name_says_nothing_is_searched_by_its_folder(
    tmp_path: Path, path: str, sha256: str | None, first: str
) -> None:
    hub = Told()
    ladder(tmp_path, hub, name=path, sha256=sha256)
    assert (hub.asked or [""])[0] == first


def test_only_repositories_that_are_called_as_the_folder_count_then(tmp_path: Path) -> None:
    listed = [listing(f"o/{title}", HARBORS) for title in ("Moonlit_Harbor", "moonlit-harbor-2")]
    hub = Told(searches={"moonlit-harbor": Answered(listings=tuple(listed))})
    ladder(tmp_path, hub, name=f"moonlit-harbor/{HARBORS}")
    assert {repo for repo, _ in hub.described} == {"o/Moonlit_Harbor"}


def held(path: str) -> Holder:
    return Holder(listing("o/n", path), path, HubItem(size=5, sha256=ONE))


TELLING = "moonlit_harbor.safetensors"
LITTLE = "harbor.safetensors"


@pytest.mark.parametrize(
    ("points", "name", "paths", "enough"),
    [
        (rules.ENOUGH + 1, LITTLE, ["x"], True),
        (rules.ENOUGH + 0.5, LITTLE, ["x"], False),
        (rules.ENOUGH - rules.STRANGE, TELLING, ["x"], True),
        (rules.ENOUGH - rules.STRANGE - 0.5, TELLING, ["x"], False),
        (9.0, TELLING, ["vae/x"], False),
        (9.0, TELLING, ["vae/x", "loras/x"], True),
        (9.0, TELLING, ["vae/x", "x"], True),
    ],
)
def test_a_lone_proposal_counts_by_its_name_or_by_much_else(
    points: float, name: str, paths: list[str], enough: bool
) -> None:
    assert _is_enough(points, read(name), [held(path) for path in paths], "loras") is enough


@pytest.mark.parametrize(
    ("name", "page", "counts"),
    [
        (TELLING, "Moonlit Harbor (Civitai 7)", True),
        (TELLING, "Night (Civitai 7)", False),
        ("ab.safetensors", "AB (Civitai 7)", False),
    ],
)
def test_a_page_of_civitai_speaks_for_its_file_by_its_name(
    name: str, page: str, counts: bool
) -> None:
    words = read(name)
    found = Candidate(source="qwen", where=page, name=name, size=5, sha256=ONE)
    told = _elsewhere(found, words)
    if not counts:
        assert told == Doubtful(found, because(Why.QWEN_PAGE_SAYS_LITTLE))
        return
    said = because(Why.RULE_NAME, points=f"{rules.says(words):+g}")
    evidence = (said, because(Why.QWEN_PAGE_NAMED))
    assert told == msgspec.structs.replace(found, evidence=evidence)
