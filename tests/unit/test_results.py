"""The formats of the results: whatever names and reasons hold, each is what its readers expect."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix.records import Model, Record, Reference, because, to_json
from comfyfix.screen.results import faults, junit, markdown, sbom, shape, sheet
from comfyfix.stages.reports.results import ModelResult, RefusedValue, Report, Use, WorkflowResult
from comfyfix.stages.values.refused import Refusal
from comfyfix.state.pieces import whole
from comfyfix.why import Why

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12) | st.sampled_from(
    ["]]>", "<script>", "|", "\x00", "::error::x", "%0A", "\ufffe", "`", "a,b:c", "\n\n# x"]
)


def suites_of(report: Report) -> bytes:
    return whole(junit.form(sheet.of(report, Path("/w"))))


def bill_of(report: Report) -> bytes:
    return whole(sbom.form(sheet.of(report, Path("/w"))))


def of(name: str, told: str, *, good: bool) -> Report:
    """A report in which everything is called so."""
    use = Use(workflow=name, node_id=told, node_type=name, input=told, value=name, line=3)
    reference = Reference(
        workflow=name, node_id=told, node_type=name, input=told, value=name, name=name, path=name,
        folder="loras",
    )  # fmt: skip
    model = Model(folder="loras", path=name)
    record = Record(
        source="huggingface", where=told, url=f"https://h.example/{told}", repo="o/n", commit=told,
        publisher=told, licence=told, base_model=told, number=1, model=model, destination="/d",
        store="/s",
    )  # fmt: skip
    result = ModelResult(
        model=model,
        status="ok" if good else "failed",
        outcome="done",
        reason=None if good else because(Why.SYSTEM_SAYS, error=told),
        record=record,
        sha256="0" * 64,
        uses=(use,),
    )
    value = RefusedValue(refusal=Refusal(reference, told), use=use)
    broken = because(Why.JSON_BROKEN, line=2, column=1, error=told)
    flows = (
        WorkflowResult(workflow=name, file=f"/w/{name}", models=(model.key,), refused=(value,)),
        WorkflowResult(workflow=f"{name}~", file=f"/w/{name}~", problem=broken, line=2),
    )
    return Report(models=(result,), workflows=flows)


@given(TEXT, TEXT, st.booleans())
@settings(max_examples=150)
def test_every_format_can_be_read_whatever_is_in_it(name: str, told: str, good: bool) -> None:
    report, root = of(name, told, good=good), Path("/w")
    shaped = json.loads(to_json(shape.shaped(report, root)))
    assert shaped["models"][0]["path"] == name
    suites = ElementTree.fromstring(suites_of(report))
    assert len(suites.findall("testsuite/testcase")) == 3
    assert len(suites.findall("testsuite/testcase/failure")) == 2 - good
    text = markdown.markdown(report).decode()
    assert "<script" not in text
    assert sum(line.startswith("# ") for line in text.splitlines()) == 1
    materials = json.loads(bill_of(report))
    kinds = [component["type"] for component in materials["components"]]
    assert kinds.count("machine-learning-model") == good
    found = list(faults.faults(report, root))
    assert len(found) == 3 - good
    for fault in found:
        line = faults.annotation(fault)
        assert line.startswith("::error ")
        assert line.isprintable()
        assert line.count("::") >= 2
    assert len(json.loads(faults.quality(report, root))) == 3 - good


@pytest.mark.parametrize(("one", "other"), [("a\nb", "a\\nb"), ("x" * 1001, "x" * 1002)])
def test_what_looks_the_same_is_two_in_the_bill_of_materials(one: str, other: str) -> None:
    both = [of(name, "t", good=True) for name in (one, other)]
    report = Report(
        models=tuple(model for each in both for model in each.models),
        workflows=tuple(flow for each in both for flow in each.workflows),
    )
    refs = [component["bom-ref"] for component in json.loads(bill_of(report))["components"]]
    assert len(set(refs)) == len(refs) == 6


def test_the_same_state_gives_the_same_bytes() -> None:
    first, second = of("a", "b", good=True), of("a", "b", good=True)
    assert bill_of(first) == bill_of(second)
    assert suites_of(first) == suites_of(second)


@pytest.mark.parametrize("told", ["[", "%", "mit", "a b", "\x00", "é/é@1"])
def test_the_bill_of_materials_is_valid_whatever_is_in_it(told: str) -> None:
    pytest.importorskip("cyclonedx", reason="a test dependency is not installed")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    made = bill_of(of(told, told, good=True)).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(made) is None
