"""What a run tells of itself while it works."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.demo.hub import Hub
from comfyfix.state import journal
from comfyfix.state.layout import Layout
from tests.inprocess import InProcess


def told(site: InProcess) -> list[journal.Line]:
    path = journal.journals(site.project().layout)[0]
    events = [journal.read_line(line) for line in path.read_bytes().splitlines()]
    assert None not in events
    return [event for event in events if event is not None]


@pytest.fixture
def site(inprocess: InProcess, hub: Hub) -> InProcess:
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    inprocess.workflow("w.json", ("upscale_models", "rife49.pth"), ("loras", "nobodys.safetensors"))
    return inprocess


def test_a_run_tells_what_becomes_of_each_model(site: InProcess) -> None:
    assert site.run().code == 1
    events = told(site)
    assert isinstance(events[0], journal.Begun)
    assert events[0].total == 2
    names = {e.n: e.name for e in events if isinstance(e, journal.Wanted)}
    assert sorted(names.values()) == ["nobodys.safetensors", "rife49.pth"]
    flow = next(e for e in events if isinstance(e, journal.Workflow) and e.name == "w.json")
    assert (flow.name, set(flow.lacks), flow.needs) == ("w.json", set(names), 2)
    settled = {names[e.n]: e.good for e in events if isinstance(e, journal.Settled)}
    assert settled == {"rife49.pth": True, "nobodys.safetensors": False}
    [failed] = [e for e in events if isinstance(e, journal.Failed)]
    assert failed.what
    assert failed.next
    [judged] = [e for e in events if isinstance(e, journal.Judged) and e.status == "ok"]
    assert names[judged.n] == "rife49.pth"
    assert events[-1] == msgspec.structs.replace(
        events[-1], code=1, stopped=False, done=1, failed=1
    )
    assert isinstance(events[-1], journal.Ended)


def test_a_run_holds_its_journal_while_it_lives(site: InProcess, hub: Hub) -> None:
    layout = site.project().layout
    held: list[bool] = []
    hub.on_request = lambda _: held.append(journal.is_held(journal.journals(layout)[0]))
    site.run()
    assert held
    assert all(held)
    assert not journal.is_held(journal.journals(layout)[0])


def test_a_run_with_nothing_to_do_has_no_journal(site: InProcess) -> None:
    site.workflow("w.json", ("upscale_models", "rife49.pth"))
    assert site.run().code == 0
    assert site.run().code == 0
    assert len(journal.journals(site.project().layout)) == 1


def test_a_journal_is_bounded_and_old_ones_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path)
    monkeypatch.setattr(journal, "BYTES_MAX", 1000)
    for second in range(journal.KEPT + 5):
        written = journal.Journal(layout)
        written.begin(f"20260102_0304{second:02d}", [journal.Begun(total=1)])
        for n in range(100):
            written.tell(journal.Settled(n=n, good=True))
        written.end(journal.Ended())
    paths = journal.journals(layout)
    assert len(paths) == journal.KEPT
    assert paths[0].name == layout.run_events(f"20260102_0304{journal.KEPT + 4}").name
    assert all(path.stat().st_size <= 1000 for path in paths)


@given(st.binary() | st.text().map(str.encode))
def test_no_line_is_taken_for_what_it_is_not(line: bytes) -> None:
    event = journal.read_line(line)
    assert event is None or isinstance(event, msgspec.Struct)
