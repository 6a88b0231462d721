"""A place among the downloads is for those that download: who waits for another gives it up."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.demo.hub import Hub
from comfyfix.disk import json_file
from comfyfix.process import Children
from comfyfix.records import Record
from comfyfix.screen.words import sentence, t
from comfyfix.script.channel import Message
from comfyfix.stages.download import fetch as fetch_stage
from comfyfix.stages.download.slots import Slot, Slots
from comfyfix.stages.download.talk import Talk
from comfyfix.state import receipts
from comfyfix.tasks.run import opening, running
from tests.faults.rig import wait_until
from tests.inprocess import InProcess

NAME = "harbor_light.safetensors"
LONG = 10  # seconds that nothing here takes
WAITS = r"""
told="$COMFYFIX_ASK"
printf '%s\x1fwaiting\x1fit is being fetched by another\n' "$told"
until [ -e "$GO" ]; do sleep 0.02; done
printf '%s\x1fwaited\n' "$told"
read -r answer
[ "$answer" = 0 ]
"""


@pytest.fixture
def one(inprocess: InProcess, hub: Hub) -> InProcess:
    """One model to bring, with one place for it."""
    inprocess.workflow("w.json", ("loras", NAME))
    inprocess.manifest(download={"parallel": 1})
    hub.add("maker/harbor_light", [NAME])
    return inprocess


def test_who_waits_for_another_process_gives_its_place_up_and_takes_it_again(
    one: InProcess, tmp_path: Path
) -> None:
    assert one.run().code == 0
    record = json_file.read(next((one.output / "sources").glob("001_*.json")), Record)
    assert record is not None
    script, go, asked = tmp_path / "waits.sh", tmp_path / "go", Event()
    script.write_text(WAITS)

    def hear(said: str | Message) -> None:
        if isinstance(said, Message) and said.kind == "waited":
            asked.set()

    slots = Slots(1)
    slot, other = Slot(slots), Slot(slots)
    slot.take()
    with ThreadPoolExecutor(1) as pool, slot:
        try:
            talk = Talk.about(record, hear, slot, pickle="scan", words=sentence)
            here = fetch_stage.Here(Children(), one.environment(GO=str(go)))
            running = pool.submit(fetch_stage.fetch, record, script, talk, here, signs=False)
            assert other.take(LONG), "it waits, and keeps others from downloading"
            go.touch()
            assert asked.wait(LONG)
            with pytest.raises(TimeoutError):  # it does not go on while another has the place
                running.result(timeout=0.2)
            other.leave()
            assert running.result(timeout=LONG).model == f"loras/{NAME}"
            assert not other.take(0), "it has its slot again"
        finally:
            go.touch()
            other.leave()
    assert other.take(0)


def test_a_slot_is_taken_once_and_given_back_once() -> None:
    slots = Slots(2)
    one, two, three = (Slot(slots) for _ in range(3))
    with one:
        assert one.take()
        assert one.take(), "it is had already"
        assert two.take(0)
        assert not three.take(0)
        one.leave()
        one.leave()
        assert three.take(0)
    assert not one.take(0), "what was left before is not given back again"


@given(st.lists(st.tuples(st.sampled_from(["take", "leave"]), st.integers(0, 5)), max_size=40))
def test_slots_go_to_who_came_first_and_never_to_more_than_there_are(
    steps: list[tuple[str, int]],
) -> None:
    slots, came = Slots(2), list[int]()
    each = [Slot(slots) for _ in range(6)]
    for step, number in steps:
        if step == "leave":
            each[number].leave()
            came = [other for other in came if other != number]
        else:
            each[number].take(0)
            came += [number] * (number not in came)
        assert [other for other in came if each[other].take(0)] == came[:2]


def test_a_download_holds_one_of_the_places_of_its_run(
    one: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fetch_stage.fetch
    seen: list[tuple[bool, bool]] = []
    runs: list[running.Run] = []

    class Kept(running.Run):
        def __post_init__(self) -> None:
            super().__post_init__()
            runs.append(self)

    monkeypatch.setattr(opening, "Run", Kept)

    def fetch(record: Record, script: Path, talk: Talk, *rest: Any, **named: Any) -> object:
        (run,) = runs
        with Slot(run.downloads) as other:
            free = other.take(0)
            talk.slot.leave()
            left = other.take(0)
        talk.slot.take()
        seen.append((free, left))
        return real(record, script, talk, *rest, **named)

    monkeypatch.setattr(fetch_stage, "fetch", fetch)
    done = one.run()
    assert done.code == 0, done
    assert seen == [(False, True)]


def test_what_others_bring_is_taken_while_every_slot_is_had(
    one: InProcess, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {NAME, "harbor_bell.safetensors"}
    one.workflow("w.json", *(("loras", name) for name in names))
    hub.add("maker/harbor_light", [*names])
    real = fetch_stage.fetch
    begun: list[str] = []

    def kept() -> Mapping[str, object]:
        return receipts.load(one.project().layout)

    def fetch(record: Record, *arguments: Any, **named: Any) -> object:
        begun.append(record.model.path)
        if len(begun) == 1:
            (other,) = names - {*begun}
            one.put("loras", other)
            wait_until(lambda: f"loras/{other}" in kept(), seconds=LONG)
        return real(record, *arguments, **named)

    monkeypatch.setattr(fetch_stage, "fetch", fetch)
    done = one.run()
    assert done.code == 0, done
    assert len(begun) == 1, "the other needs no script"
    assert done.out.count(t("✓ Fetched by another process meanwhile")) == 1
