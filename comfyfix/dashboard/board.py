"""How a run stands, from what it has told: bounded, whatever the lines say.

Rows are replaced as a whole, so that what is handed out stays as it is. All texts are made
printable here; the page shows them as texts besides.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from comfyfix.dashboard.chart import BYTES_MAX, Chart
from comfyfix.disk.files import printable
from comfyfix.screen.results.shape import ReportFile
from comfyfix.state import journal

MODELS_MAX = 20_000
FLOWS_MAX = 5_000
TEXT_MAX = 600
"""Letters of one text."""
CHOICES_MAX = 24
ADDRESS_MAX = 2000
"""Letters of an address; a longer one is left out."""

State = Literal[
    "open", "searching", "waiting", "downloading", "verifying", "arrived",
    "ok", "unverified", "missing", "failed",
]  # fmt: skip
Standing = Literal["lacks models", "complete", "ready", "not ready", "unreadable"]
Course = Literal["none", "running", "ended", "stopped", "gone"]
_THERE = ("arrived", "ok", "unverified")
_JUDGED: dict[str, State] = {"ok": "ok", "unverified": "unverified"}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A model. `why` it failed, and what is the `next` step; sizes in bytes.

    `choices` are the files that it may be, where it is uncertain.
    """

    n: int
    name: str
    folder: str = ""
    batch: int = 0
    task: str = ""
    size: int | None = None
    arrived: int = 0
    state: State = "open"
    said: str = ""
    why: str = ""
    next: str = ""
    choices: tuple[journal.Choice, ...] = ()


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow: how many of the models that it needs are there."""

    n: int
    name: str
    there: int = 0
    needs: int = 0
    state: Standing = "lacks models"


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The run as a whole. `at`, `ended`: seconds since 1970, 0 while there is none."""

    state: Course = "none"
    run: str = ""
    control: str = ""
    at: float = 0.0
    ended: float = 0.0
    total: int = 0
    code: int = 0


class Board:
    """Takes events in, and knows what has changed since it was last asked."""

    def __init__(self) -> None:
        self.head = Head()
        self.rows: dict[int, Row] = {}
        self.flows: dict[int, Flow] = {}
        self.chart = Chart()
        self._batches: dict[int, list[int]] = {}
        self._lacking: dict[int, int] = {}
        self._users: dict[int, list[int]] = {}
        self._changed_rows: set[int] = set()
        self._changed_flows: set[int] = set()

    def take(self, event: journal.Line) -> None:
        """Take in one event."""
        match event:
            case journal.Begun():
                self.head = Head(
                    state="running", run=_text(event.run), control=_text(event.control),
                    at=event.at, total=_count(event.total),
                )  # fmt: skip
                self.chart.begin(event.at)
            case journal.Wanted():
                self._want(event)
            case journal.Workflow():
                self._flow(event)
            case journal.Arrived():
                self._arrived(event)
            case journal.Verifying():
                for n in self._batches.get(_count(event.batch), ()):
                    if self.rows[n].state == "arrived":
                        self._put(self.rows[n], state="verifying")
            case journal.Ended():
                state: Course = "stopped" if event.stopped else "ended"
                self.ended(state, event.at, event.code)
            case _:
                row_of = self.rows.get(event.n)
                if row_of is not None:
                    self._of_model(row_of, event)

    def ended(self, state: Course, at: float, code: int) -> None:
        """The run is over: what was at work is not any more."""
        self.head = msgspec.structs.replace(self.head, state=state, ended=at, code=code)
        for row in list(self.rows.values()):
            if row.state in ("searching", "waiting", "downloading"):
                self._put(row, state="open")
            elif row.state == "verifying":
                self._put(row, state="arrived")

    def reported(self, report: ReportFile) -> None:
        """Show what the report says of all models, where no run is at work."""
        batches = {(row.folder, row.name): row.batch for row in self.rows.values()}
        self.rows.clear()
        self.flows.clear()
        self._batches.clear()
        self._lacking.clear()
        self._users.clear()
        for n, model in enumerate(report.models[:MODELS_MAX]):
            folder, name = _text(model.folder or ""), _text(model.path)
            self.rows[n] = Row(
                n=n, name=name, folder=folder, batch=batches.get((folder, name), 0),
                task=_text(f"download:{model.task}" if model.task else ""),
                size=None if model.size is None else _count(model.size),
                arrived=_count(model.size or 0) if model.status in _THERE else 0,
                state=model.status, said=_text(model.where or ""),
                why=_text(model.reason.message if model.reason else ""),
                next=_text(model.reason.next if model.reason else ""),
            )  # fmt: skip
        states = {model.model: model.status for model in report.models}
        for n, flow in enumerate(report.workflows[:FLOWS_MAX]):
            there = sum(states.get(key) in _THERE for key in flow.models)
            self.flows[n] = Flow(
                n=n, name=_text(flow.workflow), there=there, needs=len(flow.models),
                state=flow.status,
            )  # fmt: skip

    def changes(self) -> tuple[list[Row], list[Flow]]:
        """The rows and workflows that have changed since this was last asked."""
        rows = [self.rows[n] for n in sorted(self._changed_rows) if n in self.rows]
        flows = [self.flows[n] for n in sorted(self._changed_flows) if n in self.flows]
        self._changed_rows.clear()
        self._changed_flows.clear()
        return rows, flows

    def _want(self, event: journal.Wanted) -> None:
        if 0 <= event.n < MODELS_MAX and event.n not in self.rows:
            self._batches.setdefault(_count(event.batch), []).append(event.n)
            self.rows[event.n] = Row(
                n=event.n, name=_text(event.name), folder=_text(event.folder),
                batch=_count(event.batch), task=_text(event.task),
                size=None if event.size is None else _count(event.size),
            )  # fmt: skip
            self._changed_rows.add(event.n)

    def _flow(self, event: journal.Workflow) -> None:
        n = len(self.flows)
        if n < FLOWS_MAX:
            lacks = frozenset(event.lacks)
            for model in lacks:
                self._users.setdefault(model, []).append(n)
            there = sum(m in self.rows and self.rows[m].state in _THERE for m in lacks)
            self.flows[n] = Flow(n=n, name=_text(event.name), needs=_count(event.needs))
            self._count_flow(n, len(lacks) - there)

    def _count_flow(self, n: int, lacking: int) -> None:
        """So many of the models that a workflow lacks are not there by now."""
        self._lacking[n] = lacking
        flow = self.flows[n]
        state: Standing = "lacks models" if lacking else "complete"
        there = max(0, flow.needs - lacking)
        self.flows[n] = msgspec.structs.replace(flow, there=there, state=state)
        self._changed_flows.add(n)

    def _arrived(self, event: journal.Arrived) -> None:
        for n, size in event.bytes.items():
            row = self.rows.get(n)
            if row is not None:
                arrived = _count(size)
                self.chart.add(event.at, arrived - row.arrived)
                self._put(row, arrived=arrived)

    def _of_model(self, row: Row, event: journal.Line) -> None:
        match event:
            case journal.Expected():
                self._put(row, size=_count(event.size))
            case journal.Doing():
                size = row.size if event.size is None else _count(event.size)
                self._put(row, state=event.phase, size=size, arrived=_count(event.have))
            case journal.Said():
                self._put(row, said=_text(event.text))
            case journal.Failed():
                why, step = _text(event.what), _text(event.next)
                self._put(row, state="failed", why=why, next=step, choices=())
            case journal.Choices():
                choices = filter(None, map(_choice, event.found[:CHOICES_MAX]))
                self._put(row, choices=tuple(choices))
            case journal.Settled(good=True):
                size = row.size or row.arrived
                if row.state == "downloading":
                    self.chart.add(event.at, size - row.arrived)
                self._put(row, state="arrived", arrived=size, why="", next="", choices=())
            case journal.Settled():
                self._put(row, state="failed")
            case journal.Judged():
                self._judge(row, event)
            case _:
                pass

    def _judge(self, row: Row, event: journal.Judged) -> None:
        if row.state == "failed" and event.status == "missing":
            return  # why it did not arrive has been told
        state = _JUDGED.get(event.status, "failed")
        self._put(row, state=state, why="" if state == "ok" else _text(event.what))

    def _put(self, row: Row, **changes: object) -> None:
        new = msgspec.structs.replace(row, **changes)
        self.rows[row.n] = new
        self._changed_rows.add(row.n)
        arrivals = (new.state in _THERE) - (row.state in _THERE)
        if arrivals:
            for n in self._users.get(row.n, ()):
                self._count_flow(n, self._lacking[n] - arrivals)


def _text(text: str) -> str:
    return printable(text, TEXT_MAX)


def _choice(choice: journal.Choice) -> journal.Choice | None:
    """One whose address can be named, with a page that can be opened or none."""
    if not _is_address(choice.url):
        return None
    opens = _is_address(choice.page) and choice.page.startswith("https://")
    return msgspec.structs.replace(
        choice,
        where=_text(choice.where),
        about=_text(choice.about),
        page=choice.page if opens else "",
    )


def _is_address(text: str) -> bool:
    return text.isascii() and text.isprintable() and 0 < len(text) <= ADDRESS_MAX


def _count(number: int) -> int:
    return min(max(0, number), BYTES_MAX)
