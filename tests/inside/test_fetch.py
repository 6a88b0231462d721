"""What a script may say and leave, and what comes of it: a receipt, or a problem and its cause."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.disk import json_file
from comfyfix.errors import ModelProblem
from comfyfix.outcomes import Outcome
from comfyfix.process import Children
from comfyfix.records import Reason, Receipt, Record, because
from comfyfix.screen.words import sentence
from comfyfix.stages.download import fetch as fetch_stage
from comfyfix.stages.download.slots import Slot, Slots
from comfyfix.stages.download.talk import Talk
from comfyfix.why import Why
from tests.inprocess import InProcess

NAME = "harbor_light.safetensors"
ASKS = r"""
printf '%s\x1flook\x1f%s\n' "$COMFYFIX_ASK" "$LOOK_AT"
read -r -t 20 answer
printf '%s\x1ffail\x1f\x1f%s\x1f\n' "$COMFYFIX_ASK" "$answer"
exit 1
"""


@pytest.fixture
def record(inprocess: InProcess, hub: Hub) -> Record:
    """What is known of a model that is there, its scripts gone."""
    inprocess.workflow("w.json", ("loras", NAME))
    hub.add("maker/harbor_light", [NAME])
    assert inprocess.run().code == 0
    found = json_file.read(next((inprocess.output / "sources").iterdir()), Record)
    assert found is not None
    return found


def fetch(site: InProcess, record: Record, text: str, *, signs: bool, **extra: str) -> Receipt:
    """Run another script in the place of the record's own."""
    script = site.root / "script.sh"
    script.write_text(text)
    slot, here = Slot(Slots()), fetch_stage.Here(Children(), site.environment(**extra))
    talk = Talk.about(record, lambda _: None, slot, pickle="scan", words=sentence)
    return fetch_stage.fetch(record, script, talk, here, signs=signs)


def reason(site: InProcess, record: Record, text: str, **extra: str) -> Reason | str:
    with pytest.raises(ModelProblem) as caught:
        fetch(site, record, text, signs=False, **extra)
    return caught.value.reason


@pytest.mark.parametrize(
    ("text", "why", "code"),
    [("exit 3", Why.SCRIPT_ENDED, 3), ("kill -9 $$", Why.SCRIPT_KILLED, 9)],
)
def test_a_script_that_tells_nothing_is_told_by_its_end(
    inprocess: InProcess, record: Record, text: str, why: Why, code: int
) -> None:
    assert reason(inprocess, record, text) == because(why, script="script.sh", code=code)


@pytest.mark.parametrize("signs", [False, True])
def test_what_a_script_has_not_asked_about_is_hashed_before_it_is_signed(
    inprocess: InProcess, record: Record, signs: bool
) -> None:
    assert fetch(inprocess, record, "exit 0", signs=signs).sha256 == record.sha256
    Path(record.destination).write_bytes(file_for("another.safetensors"))
    if signs:
        with pytest.raises(ModelProblem) as caught:
            fetch(inprocess, record, "exit 0", signs=True)
        assert caught.value.outcome is Outcome.WRONG_CONTENT
    else:
        assert fetch(inprocess, record, "exit 0", signs=False).sha256 == record.sha256


def test_a_file_that_is_gone_after_its_script_is_told(inprocess: InProcess, record: Record) -> None:
    told = reason(inprocess, record, f"rm '{record.destination}'")
    assert isinstance(told, Reason)
    assert told.why == Why.FILE_VANISHED


@pytest.mark.parametrize(
    ("name", "data", "answer"),
    [
        (f"{NAME}.part", file_for(NAME), "0"),
        (f"{NAME}.part", b"<!DOCTYPE html><html>Sign in</html>", "5 "),
        ("another.part", file_for(NAME), "1"),
        (f"{NAME}.gone", None, "1"),
    ],
)
def test_a_script_is_answered_about_what_lies_beside_its_file_alone(
    inprocess: InProcess, record: Record, name: str, data: bytes | None, answer: str
) -> None:
    path = Path(record.destination).with_name(name)
    if data is not None:
        path.write_bytes(data)
    told = reason(inprocess, record, ASKS, LOOK_AT=str(path))
    assert isinstance(told, Reason)
    assert str(told.told["what"]).startswith(answer)


def test_a_file_of_no_published_hash_is_hashed_here(inprocess: InProcess, record: Record) -> None:
    unknown = msgspec.structs.replace(record, sha256=None)
    made = fetch(inprocess, unknown, "exit 0", signs=True)
    assert (made.sha256, made.verified) == (sha256(file_for(NAME)), False)
