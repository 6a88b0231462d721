"""Directories and sets at the Hub: which places are looked at, and what is said of each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from comfyfix.comfyui.store import folders
from comfyfix.errors import ModelProblem
from comfyfix.file_names import loose
from comfyfix.net.http import Web
from comfyfix.net.urls.hub_address import HubFolder
from comfyfix.outcomes import Outcome
from comfyfix.providers.huggingface.answers import About, Answered, HubItem, Listing
from comfyfix.records import Candidate, Model, Reads, Reason, Reference, Rejected, because
from comfyfix.settings.manifest import Manifest, Verify
from comfyfix.sources import directories, repositories, sets
from comfyfix.sources.base import Blocked, Doubtful, Finding, Services, Wanted
from comfyfix.sources.trust import publishers, rules
from comfyfix.state.layout import Layout
from comfyfix.why import Why

ONE, OTHER = "a" * 64, "b" * 64
NAME = "moonlit-harbor"
WHOLE = ("config.json", "model.safetensors")
COMMIT = "c" * 40


@dataclass
class Shelf:
    """A Hub that has these repositories, and remembers the questions."""

    repos: dict[str, dict[str, HubItem]] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    obstacle: ModelProblem | Reason | None = None
    indexes: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, repo: str, *paths: str, digest: str = ONE, **facts: Any) -> None:
        items = {path: HubItem(size=5, blob="d" * 40) for path in paths}
        for path in paths:
            if path.endswith((".safetensors", ".bin", ".gguf")):
                items[path] = HubItem(size=50, sha256=digest, scan="safe")
        self.repos[repo] = items
        self.facts[repo] = facts

    def listing(self, repo: str) -> Listing:
        files: dict[str, tuple[str, ...]] = {}
        for path in self.repos[repo]:
            key = loose(path.rpartition("/")[2])
            files[key] = (*files.get(key, ()), path)
        return Listing(repo=repo, revision="main", files=files, **self.facts[repo])

    def search(self, query: str) -> Answered:
        self.asked.append(query)
        words = query.casefold().split()
        akin = [r for r in self.repos if all(w in r.replace("_", "-").casefold() for w in words)]
        return Answered(listings=tuple(map(self.listing, akin)))

    def full_text(self, name: str) -> list[str] | None:
        self.asked.append(f"text:{name}")
        return self.texts

    def repository(self, repo: str) -> Listing | None:
        self.asked.append(f"repository:{repo}")
        return self.listing(repo) if repo in self.repos else None

    def about(self, repo: str, revision: str) -> About | Reason:
        assert revision in ("main", COMMIT)
        if repo not in self.repos:
            return because(Why.HUB_NO_FILE)
        facts = {k: v for k, v in self.facts[repo].items() if k != "created"}
        return About(commit=COMMIT, files=self.repos[repo], **facts)

    def text(self, repo: str, revision: str, path: str) -> bytes:
        assert (repo in self.repos, revision) == (True, COMMIT)
        self.asked.append(f"read:{path}")
        return self.indexes.get(path, b"")

    def access(self, repo: str, url: str) -> ModelProblem | Reason | None:
        assert repo in self.repos
        self.asked.append(f"access:{url}")
        return self.obstacle


def services(root: Path, shelf: Shelf, **verify: Any) -> Services:
    (root / "models").mkdir(exist_ok=True)
    made = Services(
        manifest=Manifest(comfyui=str(root), verify=Verify(**verify)),
        folders=folders.read(root, [], None),
        layout=Layout(root / "output"), web=Web({}, direct=True), tokens={},
    )  # fmt: skip
    made.hub = cast("Any", shelf)
    return made


def loaded(reads: Reads = Reads.TRANSFORMERS, **more: Any) -> Reference:
    return Reference(
        workflow="w", node_id="1", node_type="N", input="i", value=NAME, name=NAME, path=NAME,
        folder="LLM", kind="directory", reads=reads, **more,
    )  # fmt: skip


def wanted(path: str = NAME, *references: Reference) -> Wanted:
    model = Model(folder="LLM", path=path)
    return Wanted(model=model, references=references or (loaded(),), is_directory=True)


def found(root: Path, shelf: Shelf, path: str = NAME) -> list[Finding]:
    return list(repositories.find(wanted(path), services(root, shelf)))


def reasons(findings: list[Finding]) -> list[str]:
    return [finding.reason.why for finding in findings if isinstance(finding, Rejected | Doubtful)]


# Which places are looked at.


@pytest.mark.parametrize(
    "path", ["maker/harbor", "models--maker--harbor", "maker--harbor", "maker_-_harbor"]
)
def test_a_name_that_is_an_id_is_asked_for_itself(tmp_path: Path, path: str) -> None:
    shelf = Shelf()
    shelf.put("maker/harbor", *WHOLE)
    shelf.put("other/harbor", *WHOLE, digest=OTHER)
    (finding,) = found(tmp_path, shelf, path)
    assert isinstance(finding, Candidate)
    assert (finding.repo, finding.commit) == ("maker/harbor", COMMIT)
    assert finding.evidence == (because(Why.LISTED_THERE, path="maker/harbor"),)
    assert shelf.asked == ["repository:maker/harbor"] + [
        a for a in shelf.asked if a.startswith("read:")
    ]


def test_what_only_looks_like_an_id_is_searched_by_its_name(tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.put(f"someone/{NAME}", *WHOLE)
    (finding,) = [f for f in found(tmp_path, shelf, f"..odd/{NAME}") if not _is_no(f)]
    assert isinstance(finding, Candidate | Doubtful)
    assert not [asked for asked in shelf.asked if asked.startswith("repository:")]
    assert found(tmp_path, shelf, f"nobody/{NAME}")
    assert f"repository:nobody/{NAME}" in shelf.asked


def test_no_more_than_owner_and_name_is_an_id(tmp_path: Path) -> None:
    shelf = Shelf()
    found(tmp_path, shelf, f"datasets/maker/{NAME}")
    assert not [asked for asked in shelf.asked if asked.startswith("repository:")]


def test_the_case_of_a_repository_says_nothing_and_a_loader_without_a_rule_chooses_none(
    tmp_path: Path,
) -> None:
    shelf = Shelf()
    shelf.put("maker/Moonlit-Harbor", *WHOLE)
    for references in ((loaded(Reads.ANY),), ()):
        asked = replace(wanted(), references=references)
        (finding,) = repositories.find(asked, services(tmp_path, shelf))
        assert isinstance(finding, Doubtful)
        assert finding.reason.why == Why.ONLY_CHOICE


def _is_no(finding: Finding) -> bool:
    return isinstance(finding, Rejected)


def test_names_that_are_akin_are_told_and_not_looked_into(tmp_path: Path) -> None:
    shelf = Shelf()
    for number in range(repositories.SHOWN + 1):
        shelf.put(f"o{number}/Moonlit_Harbor", *WHOLE)
    shelf.put("x/moonlit-harbor-next", *WHOLE)
    findings = found(tmp_path, shelf)
    assert reasons(findings) == [Why.NAME_AKIN] * repositories.SHOWN
    assert f"text:{NAME}" in shelf.asked


def test_a_folder_that_bears_the_name_is_looked_into_alone(tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.put("maker/moonlit-harbor-all", *(f"all/{NAME}/{path}" for path in WHOLE), *WHOLE)
    (finding,) = found(tmp_path, shelf)
    assert isinstance(finding, Candidate | Doubtful)
    candidate = finding.candidate if isinstance(finding, Doubtful) else finding
    assert candidate.path == f"all/{NAME}"
    assert candidate.where == f"maker/moonlit-harbor-all/all/{NAME}"
    assert candidate.url.endswith(f"/tree/{COMMIT}/all/{NAME}")
    assert {file.path for file in candidate.files} == set(WHOLE)


def test_the_full_text_is_asked_last_and_what_bears_no_such_name_is_left(tmp_path: Path) -> None:
    shelf = Shelf(texts=["gone/away", "maker/hoard", "maker/other"])
    shelf.put("maker/hoard", *(f"{NAME}/{path}" for path in WHOLE))
    shelf.put("maker/other", *WHOLE)
    (finding,) = found(tmp_path, shelf)
    assert isinstance(finding, Candidate | Doubtful)
    assert shelf.asked.index(f"text:{NAME}") > shelf.asked.index(NAME)
    shelf.asked.clear()
    shelf.put(f"maker/{NAME}", *WHOLE)
    assert found(tmp_path, shelf)
    assert f"text:{NAME}" not in shelf.asked


def test_so_many_places_are_asked_the_open_and_most_used_first(tmp_path: Path) -> None:
    shelf = Shelf()
    names = [f"o{number:02}/{NAME}" for number in range(repositories.PLACES_MAX + 1)]
    for downloads, repo in enumerate(names):
        shelf.put(repo, "config.json", downloads=downloads)
    shelf.facts[names[-1]]["gated"] = True
    rejected = [f.where for f in found(tmp_path, shelf) if isinstance(f, Rejected)]
    assert rejected == names[-2::-1]


# Which of them counts.


def test_one_content_in_several_places_is_one_and_several_are_all_told(tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.put(f"maker/{NAME}", *WHOLE, downloads=9000)
    shelf.put(f"mirror/{NAME}", *WHOLE)
    (finding,) = found(tmp_path, shelf)
    assert isinstance(finding, Candidate)
    assert finding.repo == f"maker/{NAME}"
    assert finding.evidence[0] == because(Why.LISTED_THERE, path=f"maker/{NAME}")
    assert finding.evidence[-1] == because(Why.SAME_CONTENT_IN, places=[f"mirror/{NAME}"])
    shelf.put(f"tuner/{NAME}", *WHOLE, digest=OTHER)
    findings = found(tmp_path, shelf)
    assert [f.repo for f in findings if isinstance(f, Candidate)] == [
        f"maker/{NAME}", f"tuner/{NAME}",
    ]  # fmt: skip


@pytest.mark.parametrize(("points", "counts"), [(rules.ENOUGH, True), (rules.ENOUGH - 0.5, False)])
def test_one_place_counts_from_so_many_points_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: float, counts: bool
) -> None:
    given: list[Reason] = [because(Why.RULE_NAME, points="+1")]
    monkeypatch.setattr(rules, "weigh", lambda *_, **__: (points, given))
    shelf = Shelf()
    shelf.put(f"maker/{NAME}", *WHOLE)
    (finding,) = found(tmp_path, shelf)
    if counts:
        assert isinstance(finding, Candidate)
        assert finding.evidence[1:] == (*given,)
        return
    assert isinstance(finding, Doubtful)
    assert finding.reason == because(Why.NAME_SAYS_LITTLE, rules=given)
    given.clear()
    (finding,) = found(tmp_path, shelf)
    assert isinstance(finding, Doubtful)
    assert finding.reason == because(Why.NAME_SAYS_NOTHING)


def test_where_an_imitator_alone_has_it_that_is_told(tmp_path: Path) -> None:
    known = next(name for name in publishers.known() if "o" in name)
    shelf = Shelf()
    shelf.put(f"{known.replace('o', '0', 1)}/{NAME}", *WHOLE)
    (finding,) = found(tmp_path, shelf)
    assert isinstance(finding, Rejected)
    assert finding.reason == because(Why.IMITATES, publisher=known)


# What is behind a gate.


def test_behind_a_gate_the_files_are_chosen_without_looking_into_any(tmp_path: Path) -> None:
    shelf = Shelf(obstacle=ModelProblem(Outcome.TOKEN_NEEDED, Why.NO_SIZE))
    shelf.put(f"maker/{NAME}", "a.bin", *WHOLE, gated=True)
    shelf.put(f"mirror/{NAME}", "a.bin", *WHOLE, gated=True)
    (finding,) = found(tmp_path, shelf)
    assert isinstance(finding, Blocked)
    assert finding.problem is shelf.obstacle
    assert {file.path for file in finding.candidate.files} == set(WHOLE)
    asked = [asked for asked in shelf.asked if asked.startswith(("read:", "access:"))]
    assert {a.partition(":")[0] for a in asked} == {"access"}
    assert all(a.endswith("/config.json") for a in asked)
    shelf.obstacle = because(Why.NO_SIZE)
    assert reasons(found(tmp_path, shelf)) == [Why.NO_SIZE] * 2
    shelf.obstacle = None
    (finding,) = found(tmp_path, shelf)
    assert isinstance(finding, Candidate)


# What a folder holds.

FOLDER = HubFolder(f"maker/{NAME}")


def confirmed(
    root: Path, shelf: Shelf, *references: Reference, folder: HubFolder = FOLDER,
    by_user: bool = False, **verify: Any,
) -> Finding:  # fmt: skip
    asked = wanted(NAME, *references)
    evidence = because(Why.LISTED_THERE, path="x")
    own = services(root, shelf, **verify)
    return directories.confirm(folder, "workflow", asked, own, evidence, by_user=by_user)


def test_a_repository_that_is_gone_is_told_as_the_hub_tells_it(tmp_path: Path) -> None:
    finding = confirmed(tmp_path, Shelf())
    assert finding == Rejected(
        source="workflow", where=FOLDER.where, reason=because(Why.HUB_NO_FILE)
    )


def test_of_several_models_the_user_says_which(tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.put(f"maker/{NAME}", "a.gguf", "b.gguf")
    gguf = loaded(Reads.GGUF)
    finding = confirmed(tmp_path, shelf, gguf)
    assert isinstance(finding, Doubtful)
    assert finding.reason.why == Why.SEVERAL_CHOICES
    assert str(finding.reason.told["url"]).endswith(f"/tree/{COMMIT}#a.gguf")
    asked = replace(FOLDER, choice="b.gguf")
    assert isinstance(confirmed(tmp_path, shelf, gguf, folder=asked), Doubtful)
    finding = confirmed(tmp_path, shelf, gguf, folder=asked, by_user=True)
    assert isinstance(finding, Candidate)
    assert [file.path for file in finding.files] == ["b.gguf"]
    for choice in ("", "c.gguf"):
        asked = replace(FOLDER, choice=choice)
        finding = confirmed(tmp_path, shelf, gguf, folder=asked, by_user=True)
        assert isinstance(finding, Doubtful)


def test_the_only_choice_of_a_loader_without_a_rule_is_the_users(tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.put(f"maker/{NAME}", *WHOLE)
    unknown = loaded(Reads.ANY)
    finding = confirmed(tmp_path, shelf, unknown)
    assert isinstance(finding, Doubtful)
    assert finding.reason.why == Why.ONLY_CHOICE
    assert isinstance(confirmed(tmp_path, shelf, unknown, by_user=True), Candidate)
    asked = replace(FOLDER, choice="another")
    assert isinstance(confirmed(tmp_path, shelf, unknown, folder=asked, by_user=True), Doubtful)


def test_a_choice_may_be_named_without_its_kind_where_that_is_one(tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.put(f"maker/{NAME}", "x/a.gguf", "y/a.gguf", "y/b.gguf")
    for choice, path in (("a.gguf", ""), ("x/gguf: a.gguf", "x/a.gguf"), ("b.gguf", "y/b.gguf")):
        asked = replace(FOLDER, choice=choice)
        finding = confirmed(tmp_path, shelf, loaded(Reads.ANY), folder=asked, by_user=True)
        if not path:
            assert isinstance(finding, Doubtful)
        else:
            assert isinstance(finding, Candidate)
            assert [file.url.partition(f"{COMMIT}/")[2] for file in finding.files] == [path]


def test_behind_a_gate_several_choices_are_none(tmp_path: Path) -> None:
    shelf = Shelf(obstacle=ModelProblem(Outcome.TOKEN_NEEDED, Why.NO_SIZE))
    shelf.put(f"maker/{NAME}", "a.gguf", "b.gguf", gated=True)
    finding = confirmed(tmp_path, shelf, loaded(Reads.GGUF))
    assert isinstance(finding, Blocked)
    assert finding.candidate.files == ()


def test_two_loaders_get_what_either_reads_and_one_that_can_not_is_told(tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.put(f"maker/{NAME}", *WHOLE, "tokenizer.json", "x.onnx")
    first, second = loaded(), loaded(Reads.ONNX)
    finding = confirmed(tmp_path, shelf, first, second, loaded(Reads.ANY), first)
    assert isinstance(finding, Candidate)
    assert {file.path for file in finding.files} == {*WHOLE, "tokenizer.json", "x.onnx"}
    finding = confirmed(tmp_path, shelf, first, loaded(Reads.ADAPTER))
    assert isinstance(finding, Rejected)
    assert finding.reason == because(Why.CONTENTS_NONE, kind=Reads.ADAPTER)


def test_loaders_that_read_different_places_leave_the_choice_to_the_user(tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.put("m/x", *WHOLE, *(f"{NAME}/{path}" for path in ("config.json", "x.onnx")))
    asked = HubFolder("m/x")
    both = (loaded(Reads.TRANSFORMERS), loaded(Reads.NAMED, files=("x.onnx", "config.json")))
    finding = confirmed(tmp_path, shelf, *both, folder=asked)
    assert isinstance(finding, Doubtful)
    assert finding.reason.why == Why.SEVERAL_CHOICES


def test_pickles_and_code_come_only_where_they_may(tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.put(f"maker/{NAME}", "config.json", "pytorch_model.bin", "own.py")
    finding = confirmed(tmp_path, shelf)
    assert isinstance(finding, Candidate)
    assert {file.path for file in finding.files} == {"config.json", "pytorch_model.bin"}
    assert finding.note == because(Why.CODE_LEFT_OUT, files=["own.py"])
    allowed = confirmed(tmp_path, shelf, remote_code="allow")
    assert isinstance(allowed, Candidate)
    assert {file.path for file in allowed.files} == set(shelf.repos[f"maker/{NAME}"])
    assert allowed.note is None
    no_pickle = because(Why.PICKLE_NAME_REFUSED, name="pytorch_model.bin")
    refused = confirmed(tmp_path, shelf, pickle="refuse")
    assert refused == Rejected(source="workflow", where=FOLDER.where, reason=no_pickle)
    leave, allow = (services(tmp_path, shelf, remote_code=how) for how in ("leave", "allow"))
    code = because(Why.CODE_REFUSED, name="own.py")
    assert directories.refused(allowed.files, leave) == code
    assert directories.refused(allowed.files, allow) is None
    assert directories.refused(finding.files, leave) is None
    strict = services(tmp_path, shelf, remote_code="allow", pickle="refuse")
    assert directories.refused(allowed.files, strict) == no_pickle


@pytest.mark.parametrize(
    ("scans", "whole"),
    [
        (("safe", "safe"), "safe"), (("safe", ""), ""), (("", ""), ""),
        (("suspicious", "unsafe"), "unsafe"), (("caution", "suspicious"), "suspicious"),
        (("safe", "caution"), "caution"),
    ],
)  # fmt: skip
def test_a_directory_is_as_safe_as_its_worst_file(
    tmp_path: Path, scans: tuple[str, str], whole: str
) -> None:
    shelf = Shelf()
    shelf.put(f"maker/{NAME}", *WHOLE)
    items = shelf.repos[f"maker/{NAME}"]
    for path, scan in zip(WHOLE, scans, strict=True):
        items[path] = msgspec.structs.replace(items[path], scan=scan)
    finding = confirmed(tmp_path, shelf)
    assert isinstance(finding, Candidate)
    assert finding.scan == whole
    assert finding.size == sum(item.size or 0 for item in items.values())


# Sets.

SHARDS = tuple(f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
INDEX = "model.safetensors.index.json"


def completed(root: Path, shelf: Shelf, path: str, own: str = "", **verify: Any) -> Candidate:
    candidate = Candidate(
        source="huggingface", where="m/x", name=path, repo="m/x", commit=COMMIT, path=path, url="u"
    )
    asked = Wanted(model=Model(folder="text_encoders", path=own or f"gemma/{path}"))
    return sets.completed(candidate, asked, services(root, shelf, **verify))


def test_a_shard_stands_for_its_set_the_named_one_last(tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.put("m/x", *SHARDS, INDEX, "config.json", "README.md")
    whole = completed(tmp_path, shelf, SHARDS[0])
    assert [file.path for file in whole.files] == ["config.json", INDEX, SHARDS[1], SHARDS[0]]
    assert (whole.path, whole.sha256) == ("", None)
    assert whole.url == f"https://huggingface.co/m/x/tree/{COMMIT}"
    assert f"read:{INDEX}" in shelf.asked
    nested = Shelf()
    nested.put("m/x", *(f"te/{path}" for path in SHARDS))
    whole = completed(tmp_path, nested, f"te/{SHARDS[1]}")
    assert (whole.path, {file.path for file in whole.files}) == ("te", set(SHARDS))


def test_what_widgets_name_comes_last_and_the_first_of_all_after_it(tmp_path: Path) -> None:
    three = [f"x-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    shelf = Shelf()
    shelf.put("m/x", *three)
    candidate = Candidate(
        source="huggingface", where="m/x", name=three[1], repo="m/x", commit=COMMIT, path=three[1]
    )
    widget = msgspec.structs.replace(loaded(), name=three[1])
    asked = Wanted(model=Model(folder="unet", path=three[0]), references=(widget,))
    whole = sets.completed(candidate, asked, services(tmp_path, shelf))
    assert [file.path for file in whole.files] == [three[2], three[1], three[0]]


def test_shards_get_the_names_that_the_workflow_has(tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.put("m/x", *SHARDS)
    own = "gemma/own-00001-of-00002.safetensors"
    whole = completed(tmp_path, shelf, SHARDS[0], own)
    named = [file.path for file in whole.files]
    assert named == ["own-00002-of-00002.safetensors", "own-00001-of-00002.safetensors"]
    assert [file.url.rpartition("/")[2] for file in whole.files] == [SHARDS[1], SHARDS[0]]


def test_a_set_that_its_provider_has_not_whole_is_uncertain(tmp_path: Path) -> None:
    shelf = Shelf()

    def why(path: str, **verify: Any) -> Reason:
        with pytest.raises(ModelProblem) as caught:
            completed(tmp_path, shelf, path, f"gemma/{SHARDS[0]}", **verify)
        assert caught.value.outcome is Outcome.UNCERTAIN
        return caught.value.reason

    untold = because(Why.PARTS_UNTOLD, name=SHARDS[0], url="u")
    assert why("whole.safetensors") == untold
    gone = why(SHARDS[0])
    assert gone == because(
        Why.PARTS_ABSENT, name=SHARDS[0], place="m/x", reason=because(Why.HUB_NO_FILE)
    )
    shelf.put("m/x", SHARDS[0])
    lacking = because(Why.CONTENTS_LACK, missing=SHARDS[1])
    assert why(SHARDS[0]).told["reason"] == lacking
    pickles = [path.replace("safetensors", "bin") for path in SHARDS]
    shelf.put("m/x", *pickles)
    refused = because(Why.PICKLE_NAME_REFUSED, name=pickles[0])
    assert why(pickles[0], pickle="refuse").told["reason"] == refused


def test_a_file_without_a_repository_tells_no_parts(tmp_path: Path) -> None:
    elsewhere = Candidate(source="civitai", where="page", name=SHARDS[0], path=SHARDS[0])
    asked = Wanted(model=Model(folder="text_encoders", path=f"gemma/{SHARDS[0]}"))
    with pytest.raises(ModelProblem) as caught:
        sets.completed(elsewhere, asked, services(tmp_path, Shelf()))
    assert caught.value.reason == because(Why.PARTS_UNTOLD, name=SHARDS[0], url="page")
