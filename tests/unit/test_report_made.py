"""How a model and a workflow stand, as the plan, the ledger, the receipts and a run have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from comfyfix.errors import ModelProblem
from comfyfix.outcomes import Came, Outcome
from comfyfix.records import Attempt, FileFact, Model, Receipt, Record, Reference, Verdict, because
from comfyfix.stages.needs.scan import ScannedFile
from comfyfix.stages.needs.work import Pending, Plan, Planned, Present
from comfyfix.stages.reports import results
from comfyfix.stages.reports.results import History, ModelResult, Report
from comfyfix.stages.values.refused import Refusal
from comfyfix.state.layout import Layout
from comfyfix.state.ledger import Entry
from comfyfix.why import Why

MODEL = Model(folder="loras", path="a.safetensors")
NO_ROOM, ABSENT = because(Why.NO_ROOM_KEPT), because(Why.FILE_ABSENT)


def reference(workflow: str = "w.json") -> Reference:
    return Reference(
        workflow=workflow, node_id="7", node_type="LoraLoader", input="lora_name",
        value=MODEL.path, name=MODEL.path, path=MODEL.path, folder="loras",
    )  # fmt: skip


def planned(pending: Any = None, **more: Any) -> Planned:
    return Planned(
        model=MODEL, number=3, task="a", location="/m/loras/a.safetensors", pending=pending,
        references=(reference(),), **more,
    )  # fmt: skip


def receipt(size: int = 5, *, verified: bool = True, model: str = MODEL.key) -> Receipt:
    return Receipt(
        model=model, path="/m/x", size=size, sha256="5" * 64, mtime_ns=1, at="", verified=verified
    )


def record(**more: Any) -> Record:
    return Record(
        number=3, model=MODEL, destination="/m/loras/a.safetensors", store="/m",
        source="huggingface", where="o/n", size=7, sha256="7" * 64, **more,
    )  # fmt: skip


def verdict(status: Any) -> Verdict:
    return Verdict(model=MODEL.key, filename="a", path="/m/a", status=status, reason=ABSENT)


def made(
    *models: Planned | Present,
    entries: dict[str, Entry] | None = None,
    receipts: dict[str, Receipt] | None = None,
    verdicts: dict[str, Verdict] | None = None,
    scanned: tuple[ScannedFile, ...] = (),
    refusals: tuple[Refusal, ...] = (),
) -> Report:
    plan = Plan(
        tuple(m for m in models if isinstance(m, Planned)),
        tuple(m for m in models if isinstance(m, Present)),
        {"w.json": (MODEL.key,)},
        (),
    )
    history = History(Layout(Path("/nowhere")), verdicts or {})
    history.__dict__ |= {"entries": entries or {}, "receipts": receipts or {}}
    return results.make(plan, scanned, refusals, history)


def one(*models: Planned | Present, **known: Any) -> ModelResult:
    (result,) = made(*models, **known).models
    return result


def tried(outcome: str) -> dict[str, Entry]:
    first = Attempt(at="1", outcome=Outcome.NOT_FOUND)
    newest = Attempt(at="2", outcome=outcome, reason=NO_ROOM)
    return {MODEL.key: Entry(number=3, task="a", attempts=(first, newest))}


def test_what_is_settled_is_told_by_its_receipt() -> None:
    result = one(planned(receipt=receipt(), record=record()))
    assert (result.status, result.outcome, result.reason) == ("ok", "done", None)
    assert (result.size, result.sha256, result.came) == (5, "5" * 64, Came.THERE)
    assert (result.number, result.task, result.receipt) == (3, "a", receipt())
    assert result.good
    last = Attempt(at="", outcome=Outcome.DONE, came=Came.LINKED)
    assert one(planned(last=last, receipt=receipt())).came is Came.LINKED
    result = one(planned(record=record(), reserved=False))
    assert (result.size, result.sha256, result.number) == (7, "7" * 64, None)
    assert one(planned(receipt=receipt(verified=False))).status == "unverified"
    assert one(planned()).size is None


def test_a_directory_is_as_sure_as_the_least_of_its_files() -> None:
    files = tuple(FileFact(path=name, url="u", size=1) for name in ("x.json", "y.json"))
    whole = planned(record=record(files=files), is_directory=True, receipt=receipt(verified=False))
    keys = [member.model.key for member in record(files=files).members]
    sure = {key: receipt(model=key) for key in keys}
    assert one(whole, receipts=sure).status == "ok"
    assert one(whole, receipts=dict(list(sure.items())[:1])).status == "ok"
    unsure = {**sure, keys[1]: receipt(verified=False, model=keys[1])}
    assert one(whole, receipts=unsure).status == "unverified"


def test_why_a_model_is_not_there_is_told_by_who_knows_best() -> None:
    problem = ModelProblem(Outcome.NAME_REFUSED, Why.STOPPED)
    absent = planned(Pending.ABSENT, receipt=receipt(), record=record())
    result = one(absent)
    assert (result.status, result.outcome, result.reason) == ("missing", "absent", None)
    assert (result.receipt, result.came, result.good) == (None, None, False)
    assert (result.size, result.sha256) == (7, "7" * 64), "what it would be"
    for known, outcome, reason in (
        ({"entries": tried(Outcome.DISK_FULL)}, Outcome.DISK_FULL, NO_ROOM),
        ({"entries": tried(Outcome.DISK_FULL), "verdicts": {MODEL.key: verdict("wrong")}},
         "wrong", ABSENT),
        ({"entries": tried(Outcome.DISK_FULL), "verdicts": {MODEL.key: verdict("missing")}},
         Outcome.DISK_FULL, NO_ROOM),
    ):  # fmt: skip
        result = one(absent, **known)
        assert (result.status, result.outcome, result.reason) == ("failed", outcome, reason)
    assert one(absent, entries=tried(Outcome.DONE)).status == "missing"
    assert one(absent, entries={MODEL.key: Entry(number=3, task="a")}).status == "missing"
    result = one(planned(Pending.ABSENT, problem=problem), entries=tried(Outcome.DISK_FULL))
    assert (result.outcome, result.reason) == (Outcome.NAME_REFUSED, problem.reason)


def test_what_was_there_before_us_is_told_by_its_receipt_and_verdict() -> None:
    present = Present(
        model=MODEL,
        location="/m/loras/a.safetensors",
        size=9,
        mtime_ns=1,
        references=(reference(),),
    )  # fmt: skip
    result = one(present)
    assert (result.status, result.outcome, result.came) == ("unverified", "done", Came.THERE)
    assert (result.size, result.sha256, result.number) == (9, None, None)
    result = one(present, receipts={MODEL.key: receipt()})
    assert (result.status, result.sha256) == ("ok", "5" * 64)
    stores = msgspec.structs.replace(present, receipt=receipt(verified=False))
    assert one(stores).status == "unverified"
    assert one(stores, receipts={MODEL.key: receipt()}).status == "ok", "our own knows better"
    known = {"verdicts": {MODEL.key: verdict("damaged")}, "receipts": {MODEL.key: receipt()}}
    result = one(present, **known)
    assert (result.status, result.outcome, result.reason) == ("failed", "damaged", ABSENT)
    assert result.came is None
    assert one(present, verdicts={MODEL.key: verdict("unverified")}).status == "unverified"


@pytest.fixture
def workflow(tmp_path: Path) -> ScannedFile:
    path = tmp_path / "w.json"
    path.write_text('{\n "7": {"class_type": "LoraLoader",\n "inputs": {}}\n}')
    return ScannedFile(workflow="w.json", path=str(path))


def test_lines_are_told_of_what_somebody_is_to_look_at(workflow: ScannedFile) -> None:
    present = Present(model=MODEL, location="/m/a", size=9, mtime_ns=1, references=(reference(),))
    for model, known, line in (
        (planned(Pending.ABSENT), {}, 2),
        (planned(), {}, None),
        (present, {}, None),
        (present, {"verdicts": {MODEL.key: verdict("damaged")}}, 2),
    ):
        (use,) = one(model, scanned=(workflow,), **known).uses
        assert (use.workflow, use.node_id, use.line) == ("w.json", "7", line)
    report = made(planned(), scanned=(workflow,), refusals=(Refusal(reference(), None),))
    assert report.workflows[0].refused[0].use.line == 2


def test_a_workflow_is_ready_once_nothing_is_left_to_be_done(workflow: ScannedFile) -> None:
    broken = ScannedFile(
        workflow="x.json", path="/x", problem=because(Why.JSON_BROKEN, line=4, column=1)
    )
    no_workflow = ScannedFile(workflow="y.json", path="/y", is_workflow=False)
    report = made(planned(), scanned=(workflow, no_workflow))
    assert [flow.workflow for flow in report.workflows] == ["w.json"]
    assert report.of(report.workflows[0]) == list(report.models)
    assert report.is_ready(report.workflows[0])
    assert report.good
    for known in ({"refusals": (Refusal(reference(), "b"),)}, {"scanned": (workflow, broken)}):
        worse = made(planned(), **{"scanned": (workflow,), **known})  # type: ignore[arg-type]
        assert not worse.good
    assert [flow.line for flow in worse.workflows] == [None, 4]
    assert [worse.is_ready(flow) for flow in worse.workflows] == [True, False]
    lacking = made(planned(Pending.ABSENT), scanned=(workflow,))
    assert not lacking.is_ready(lacking.workflows[0])
    assert not made(planned(Pending.ABSENT)).good
