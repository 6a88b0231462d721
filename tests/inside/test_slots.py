"""A place among the downloads is for those that download: who waits for another gives it up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Semaphore
from typing import Any

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.disk import json_file
from comfyfix.process import Children
from comfyfix.records import Record
from comfyfix.screen.words import sentence
from comfyfix.script.channel import Told
from comfyfix.stages import fetch as fetch_stage
from comfyfix.stages.talk import Slot
from comfyfix.tasks import running
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

    def hear(said: str | Told) -> None:
        if isinstance(said, Told) and said.kind == "waited":
            asked.set()

    places = Semaphore(1)
    slot = Slot(places)
    env = one.environment(GO=str(go))
    with ThreadPoolExecutor(1) as pool, slot:
        try:
            running = pool.submit(
                fetch_stage.fetch,
                record,
                script,
                Children(),
                env,
                hear,
                slot=slot,
                pickle="scan",
                words=sentence,
                signs=False,
            )
            assert places.acquire(timeout=LONG), "it waits, and keeps others from downloading"
            go.touch()
            assert asked.wait(LONG)
            with pytest.raises(TimeoutError):  # it does not go on while another has the place
                running.result(timeout=0.2)
            places.release()
            assert running.result(timeout=LONG).model == f"loras/{NAME}"
            assert not places.acquire(blocking=False), "it has its place again"
        finally:
            go.touch()
            places.release()
    assert places.acquire(blocking=False)


def test_a_place_is_taken_once_and_given_back_once() -> None:
    places = Semaphore(2)
    with Slot(places) as slot:
        slot.take()
        assert places.acquire(blocking=False)
        slot.leave()
        slot.leave()
        assert places.acquire(blocking=False)
        assert not places.acquire(blocking=False)
    assert not places.acquire(blocking=False), "what was left before is not given back again"


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

    monkeypatch.setattr(running, "Run", Kept)

    def fetch(*arguments: Any, slot: Slot, **named: Any) -> object:
        (run,) = runs
        free = run.downloads.acquire(blocking=False)
        slot.leave()
        left = run.downloads.acquire(blocking=False)
        run.downloads.release()
        slot.take()
        seen.append((free, left))
        return real(*arguments, slot=slot, **named)

    monkeypatch.setattr(fetch_stage, "fetch", fetch)
    done = one.run()
    assert done.code == 0, done
    assert seen == [(False, True)]
