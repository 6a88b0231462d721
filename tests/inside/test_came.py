"""How a model came: a run claims what it has fetched, and not what others have put there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.once import Once
from comfyfix.outcomes import Came
from comfyfix.records import Attempt, Model
from comfyfix.screen.words import fixed, t
from comfyfix.script import engine
from comfyfix.state import ledger
from comfyfix.state.layout import Layout
from tests.inprocess import InProcess

NAMES = tuple(f"harbour_tide_{number}.safetensors" for number in range(4))
KEY = "the key of this store"
COUNTS = ("fetched", "fetched_by_others", "copied", "linked", "there_before")


@pytest.fixture
def site(inprocess: InProcess, hub: Hub) -> InProcess:
    hub.add("harbour/harbour_tide", NAMES)
    inprocess.workflow("w.json", *(("loras", name) for name in NAMES))
    return inprocess


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let something happen once all is planned and found, before the first script runs."""

    def happens(what: Callable[[], object]) -> None:
        done: Once[str, object] = Once()  # scripts are run side by side

        def put(*told: Any, **more: Any) -> Path | None:
            done.get("", what)
            return engine_put(*told, **more)

        engine_put = engine.put
        monkeypatch.setattr(engine, "put", put)

    return happens


def counts(site: InProcess) -> dict[str, int]:
    told = site.state("report/report.json")["counts"]
    return {name: told[name] for name in COUNTS if told[name]}


def came(site: InProcess, name: str) -> list[str | None]:
    entry = site.state("ledger.json")["models"][f"loras/{name}"]
    return [attempt["came"] for attempt in entry["attempts"]]


def test_what_another_has_put_there_meanwhile_is_not_claimed(
    site: InProcess, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    meanwhile(lambda: [site.put("loras", name) for name in NAMES[:3]])
    done = site.run()
    assert done.code == 0, done
    assert fixed("Total models: {count}", count=4) in done.out
    assert fixed("Successfully downloaded: {count}", count=1) in done.out
    assert t("Fetched by others meanwhile: {count}", count=3) in done.out
    assert done.out.count(t("✓ Fetched by another process meanwhile")) == 3
    assert counts(site) == {"fetched": 1, "fetched_by_others": 3}
    assert [came(site, name) for name in NAMES] == [[Came.OTHERS]] * 3 + [[Came.FETCHED]]
    at_rest = site.state("report/report.json")
    assert site.run("report").code == 0
    assert site.state("report/report.json") == at_rest


def test_each_run_tells_what_it_has_done_itself(
    site: InProcess, hub: Hub, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    site.workflow("v.json", ("vae", "nobody_has_it_7.safetensors"))
    site.put("loras", NAMES[2])
    meanwhile(lambda: [site.put("loras", name) for name in NAMES[:2]])
    keys = [f"loras/{name}" for name in NAMES]
    lost = "vae/nobody_has_it_7.safetensors"
    told = {"fetched": keys[3:], "fetched_by_others": keys[:2], "failed": [lost]}
    for expected in (told, {"failed": [lost]}):
        done = json.loads(site.run("--json").out)
        assert {how: names for how, names in done["runs"][""].items() if names} == expected
        assert done["reports"][""]["counts"]["fetched"] == 1, "how it stands, whoever it was"


def test_what_was_there_before_is_no_others_work(site: InProcess) -> None:
    site.put("loras", NAMES[0])
    done = site.run()
    assert done.code == 0
    assert fixed("Successfully downloaded: {count}", count=3) in done.out
    assert t("Fetched by others meanwhile: {count}", count=3) not in done.out
    assert counts(site) == {"fetched": 3, "there_before": 1}


def test_a_small_file_that_comes_at_the_first_try_is_claimed(site: InProcess, hub: Hub) -> None:
    hub.cdn = hub.url  # where its storage is at the same address
    done = site.run()
    assert done.code == 0, done
    assert counts(site) == {"fetched": 4}
    assert [came(site, name) for name in NAMES] == [[Came.FETCHED]] * 4


def test_what_lacks_only_its_record_was_there_before(site: InProcess) -> None:
    assert site.run().code == 0
    for path in (site.output / "sources").iterdir():
        path.unlink()
    done = site.run()
    assert done.code == 0
    assert fixed("Successfully downloaded: {count}", count=0) in done.out
    assert t("There already, now verified: {count}", count=4) in done.out


def test_what_is_copied_is_told_apart(site: InProcess) -> None:
    folder = site.root / "others"
    folder.mkdir()
    (folder / "x.safetensors").write_bytes(file_for(NAMES[0]))
    site.manifest(also_look_in=[str(folder)])
    assert site.run().code == 0
    assert counts(site) == {"fetched": 3, "copied": 1}
    assert came(site, NAMES[0]) == [Came.COPIED]


def test_a_directory_that_another_has_filled_is_anothers(
    inprocess: InProcess, hub: Hub, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    part = "harbour_tide-0000{}-of-00002.safetensors"
    parts = [part.format(number) for number in (1, 2)]
    hub.add("harbour/harbour_tide", parts)
    inprocess.workflow("w.json", ("diffusion_models", parts[0]))
    meanwhile(lambda: [inprocess.put("diffusion_models", name) for name in parts])
    done = inprocess.run()
    assert done.code == 0, done
    assert fixed("Successfully downloaded: {count}", count=0) in done.out
    assert counts(inprocess) == {"fetched_by_others": 1}


def test_what_another_run_of_the_project_has_told_stands(tmp_path: Path) -> None:
    layout, model = Layout(tmp_path), Model(folder="loras", path="a.safetensors")
    ledger.reserve(layout, [model])

    def note(at: str, came: Came) -> list[Came | None]:
        ledger.note(layout, model, Attempt(at=at, outcome="done", came=came), began="2026-01-02")
        return [each.came for each in ledger.load(layout).models[model.key].attempts]

    assert note("2026-01-01", Came.FETCHED) == [Came.FETCHED]
    assert note("2026-01-03", Came.OTHERS) == [Came.FETCHED, Came.OTHERS], "it was before"
    assert note("2026-01-03", Came.FETCHED)[-1:] == [Came.FETCHED]
    assert note("2026-01-04", Came.OTHERS)[-1:] == [Came.FETCHED]
