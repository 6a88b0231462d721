"""What counts as the wanted file, finding by finding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from comfyfix.comfyui.store import folders
from comfyfix.errors import ModelProblem
from comfyfix.net.http import Web
from comfyfix.outcomes import Outcome
from comfyfix.records import Candidate, Hint, Model, Reason, Rejected, because
from comfyfix.settings.manifest import Manifest, Verify
from comfyfix.sources import huggingface, workflow
from comfyfix.sources.base import Blocked, Services, Source, Wanted
from comfyfix.sources.trust.judge import UNSCANNED, judge
from comfyfix.state.layout import Layout
from comfyfix.why import Why

NAME = "harbor_light.safetensors"
ONE, OTHER = "a" * 64, "b" * 64
FOUND = Candidate(
    source="huggingface", where="a/b", name=NAME, url="https://hub.example/a/b", size=5, sha256=ONE
)
PLAIN = Wanted(model=Model(folder="loras", path=NAME))
LIKELY = Wanted(
    model=PLAIN.model, hints=(Hint(name=NAME, url="https://hub.example/x", sha256=ONE),)
)
CERTAIN = Wanted(model=PLAIN.model, sha256=ONE)


def judged(
    tmp_path: Path,
    finding: Any,
    wanted: Wanted = PLAIN,
    source: Source = huggingface,
    pickle: Any = "scan",
) -> Any:
    (tmp_path / "models").mkdir(exist_ok=True)
    services = Services(
        manifest=Manifest(comfyui=str(tmp_path), verify=Verify(pickle=pickle)),
        folders=folders.read(tmp_path, [], None),
        layout=Layout(tmp_path / "output"),
        web=Web({}, direct=True),
        tokens={},
    )
    return judge(finding, wanted, source, services)


REFUSED: list[tuple[dict[str, Any], Wanted, Source, Reason]] = [
    ({"sha256": OTHER}, CERTAIN, huggingface, because(Why.HASH_NOT_WANTED)),
    ({"sha256": OTHER}, CERTAIN, workflow, because(Why.HASH_NOT_WANTED)),
    ({"sha256": OTHER}, LIKELY, huggingface, because(Why.HASH_NOT_TOLD)),
    ({"name": "x.pth"}, PLAIN, huggingface, because(Why.NAME_OTHER, name="x.pth")),
    ({"size": None}, PLAIN, huggingface, because(Why.NO_SIZE)),
    ({"size": 0}, PLAIN, workflow, because(Why.NO_SIZE)),
    ({"sha256": None}, PLAIN, huggingface, because(Why.NO_SHA256)),
    ({"scan": "unsafe"}, PLAIN, huggingface, because(Why.SCAN_FLAGS, scan="unsafe")),
    ({"scan": "unsafe"}, PLAIN, workflow, because(Why.SCAN_FLAGS, scan="unsafe")),
]


@pytest.mark.parametrize(("change", "wanted", "source", "reason"), REFUSED)
def test_what_does_not_count_is_told_with_its_reason(
    tmp_path: Path, change: dict[str, Any], wanted: Wanted, source: Source, reason: Reason
) -> None:
    told = judged(tmp_path, msgspec.structs.replace(FOUND, **change), wanted, source)
    assert told == Rejected(source="huggingface", where="a/b", reason=reason)


COUNTS: list[tuple[dict[str, Any], Wanted, Source, bool]] = [
    ({}, PLAIN, huggingface, False),
    ({}, CERTAIN, huggingface, False),
    ({"name": "x.pth"}, LIKELY, huggingface, True),
    ({"name": "x.pth"}, PLAIN, workflow, True),
    ({"sha256": None}, PLAIN, workflow, False),
    ({"sha256": OTHER}, LIKELY, workflow, False),
    ({"sha256": None}, CERTAIN, workflow, False),
    ({"renamed": True}, PLAIN, huggingface, True),
    ({"scan": "safe"}, PLAIN, huggingface, False),
    *(({"scan": each}, PLAIN, huggingface, False) for each in UNSCANNED),
]


@pytest.mark.parametrize(("change", "wanted", "source", "renamed"), COUNTS)
def test_what_counts_is_as_it_was_found(
    tmp_path: Path, change: dict[str, Any], wanted: Wanted, source: Source, renamed: bool
) -> None:
    finding = msgspec.structs.replace(FOUND, **change)
    told = judged(tmp_path, finding, wanted, source)
    assert told == msgspec.structs.replace(finding, renamed=renamed)


@pytest.mark.parametrize("level", ["caution", "suspicious", "a level of next year"])
def test_a_level_between_is_told(tmp_path: Path, level: str) -> None:
    told = judged(tmp_path, msgspec.structs.replace(FOUND, scan=level))
    assert told.note == because(Why.SCAN_SAYS, scan=level)


def test_a_flagged_file_counts_where_pickles_are_allowed_and_bears_a_note(tmp_path: Path) -> None:
    told = judged(tmp_path, msgspec.structs.replace(FOUND, scan="unsafe"), pickle="allow")
    assert told.note == because(Why.SCAN_SAYS, scan="unsafe")


@pytest.mark.parametrize("fits", [True, False])
def test_a_locked_file_is_worth_a_token_only_if_it_could_count(tmp_path: Path, fits: bool) -> None:
    problem = ModelProblem(Outcome.TOKEN_NEEDED, Why.NOT_FOUND_LISTED, name=NAME)
    locked = Blocked(FOUND if fits else msgspec.structs.replace(FOUND, name="x.pth"), problem)
    told = judged(tmp_path, locked)
    reason = because(Why.NAME_OTHER, name="x.pth")
    refused = Rejected(source="huggingface", where="a/b", reason=reason)
    assert told == (locked if fits else refused)


def test_what_is_refused_already_is_handed_on(tmp_path: Path) -> None:
    refused = Rejected(source="x", where="y", reason=because(Why.NO_SIZE))
    assert judged(tmp_path, refused) is refused
