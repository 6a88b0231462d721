"""Any report there can be, in every format: what its readers expect, and nothing that commands."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comfyfix.outcomes import Came, Outcome
from comfyfix.records import FileFact, Model, Reason, Receipt, Record, Reference, to_json
from comfyfix.screen import words
from comfyfix.screen.results import faults, markdown, page, shape
from comfyfix.stages.reports.results import ModelResult, RefusedValue, Report, Use, WorkflowResult
from comfyfix.stages.values.refused import Refusal
from comfyfix.why import Why
from tests.unit.test_results import bill_of, suites_of

ROOT = Path("/w")
PIECES = [
    "<script>x</script>", "<img src=x onerror=y>", "&lt;", "&#60;b>", "]]>", "<!--", "--><b>", "`",
    "``` x", "|", "\\|", "[a](javascript:x)", "<https://x.example>", "https://x.example/a", "# x",
    "\n# x", "\r\n- x", "::error::x", "%0A", "##[x]", "@someone", "\x00", "\x1b[2J", "\u202e",
    "\ufffe", "\U0010ffff", "{}", "{0}", "{name}", "%s", "../../x", "C:\\x",
    "javascript:x", "data:text/html,x", "a\u0301", "\u212a", "", " ", "'\"", "ï»¿",
]  # fmt: skip
_TEXT = (
    st.sampled_from(PIECES)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.lists(st.sampled_from(PIECES), max_size=3).map("".join)
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Any text; and a short name, as that of a report is made of those of all it draws from."""
    return draw(_TEXT)


TEXT = texts()
MAYBE = st.none() | TEXT
SIZE = st.none() | st.integers(0, 1 << 60)
DIGEST = st.none() | st.sampled_from(["0" * 64, "ab" * 32])
FILE = st.builds("/{}/{}".format, TEXT, TEXT).map(lambda path: path.replace("\0", "0"))
URL = TEXT | st.builds("https://{}/{}".format, TEXT, TEXT)
LINE = st.none() | st.integers(1, 1 << 31)
MODEL = st.builds(Model, folder=st.none() | TEXT, path=TEXT)
TOLD = TEXT | st.integers(-9, 1 << 60) | st.lists(TEXT, max_size=2).map(tuple)
_REASON = st.builds(
    Reason,
    st.sampled_from([*Why]).map(str) | TEXT | st.just("} {0} {x"),
    st.dictionaries(st.sampled_from(["path", "name", "size", "template", "self"]) | TEXT, TOLD),
)


@st.composite
def reasons(draw: st.DrawFn) -> Reason:
    """Any reason, and a short name."""
    return draw(_REASON)


REASON = reasons()
USE = st.builds(Use, workflow=TEXT, node_id=TEXT, node_type=TEXT, input=TEXT, value=TEXT, line=LINE)
REFERENCE = st.builds(
    Reference,
    workflow=TEXT, node_id=TEXT, node_type=TEXT, input=TEXT, value=TEXT, name=TEXT, path=TEXT,
    folder=MAYBE, endings=st.lists(TEXT, max_size=2).map(tuple),
)  # fmt: skip
RECORD = st.builds(
    Record,
    source=st.sampled_from(["huggingface", "civitai", "store", "lock"]) | TEXT,
    where=TEXT, url=URL, local=TEXT, repo=TEXT, commit=TEXT, path=TEXT, name=TEXT, publisher=TEXT,
    licence=TEXT | st.sampled_from(["mit", "apache-2.0", "MIT OR x", "other"]), base_model=TEXT,
    size=SIZE, sha256=DIGEST, evidence=st.lists(REASON, max_size=2).map(tuple),
    number=st.integers(1, 2000), model=MODEL, destination=TEXT, store=TEXT,
    files=st.lists(
        st.builds(FileFact, path=TEXT, url=URL, size=st.integers(0, 1 << 50), sha256=DIGEST),
        max_size=2,
    ).map(tuple),
)  # fmt: skip
RECEIPT = st.builds(
    Receipt, model=TEXT, path=TEXT, size=st.integers(0, 1 << 50), sha256=DIGEST.map(str),
    mtime_ns=st.integers(0, 1 << 60), at=TEXT,
)  # fmt: skip
RESULT = st.builds(
    ModelResult,
    model=MODEL, status=st.sampled_from(["ok", "unverified", "missing", "failed"]),
    outcome=st.sampled_from([*Outcome]).map(str) | TEXT, reason=st.none() | REASON,
    number=LINE, task=TEXT, size=SIZE, sha256=DIGEST, record=st.none() | RECORD,
    receipt=st.none() | RECEIPT, came=st.none() | st.sampled_from([*Came]),
    uses=st.lists(USE, max_size=2).map(tuple),
)  # fmt: skip
REFUSED = st.builds(RefusedValue, refusal=st.builds(Refusal, REFERENCE, MAYBE), use=USE)


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """A report whose workflows name models of it, and others."""
    models = draw(st.lists(RESULT, max_size=4, unique_by=lambda result: result.model.key))
    named = TEXT | st.sampled_from([result.model.key for result in models] or [""])
    flow = st.builds(
        WorkflowResult, workflow=TEXT, file=FILE,
        models=st.lists(named, max_size=3).map(tuple), problem=st.none() | REASON, line=LINE,
        refused=st.lists(REFUSED, max_size=2).map(tuple),
    )  # fmt: skip
    flows = draw(st.lists(flow, max_size=3, unique_by=lambda flow: flow.workflow))
    return Report(models=tuple(models), workflows=tuple(flows))


class Tags(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.links: list[str] = []
        self.commands: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.count[tag] += 1
        told = dict(attrs)
        self.links += [str(told[name]) for name in ("href", "src", "action") if name in told]
        self.commands += [name for name in told if name.startswith("on")]


@functools.cache
def schema() -> Any:
    """What `report.json` is held against."""
    jsonschema = pytest.importorskip("jsonschema", reason="a test dependency is not installed")
    return jsonschema.Draft202012Validator(json.loads(shape.schema()))


def all_hold(report: Report) -> None:
    """Hold every format against what its readers take."""
    shaped = shape.shaped(report, ROOT)
    schema().validate(json.loads(to_json(shaped)))
    suites = ElementTree.fromstring(suites_of(report))
    assert suites.tag == "testsuites"
    cases = suites.findall("testsuite/testcase")
    assert int(suites.get("tests", "")) == len(cases)
    holds_as_markdown(markdown.markdown(report).decode(), report)
    tags = Tags(page.page(shaped).decode())
    least = Tags(page.page(shape.shaped(Report(), ROOT)).decode())
    assert tags.count["script"] == least.count["script"]
    assert not tags.commands
    assert tags.count["img"] == least.count["img"]
    assert all(link.startswith(("https://", "http://", "#", "data:image/")) for link in tags.links)
    for fault in faults.faults(report, ROOT):
        line = faults.annotation(fault)
        assert line.startswith(("::error ", "::error::"))
        assert line.isprintable()
    assert isinstance(json.loads(faults.quality(report, ROOT)), list)


def holds_as_markdown(text: str, report: Report) -> None:
    """No HTML, no heading and no row but ours."""
    assert not re.search(r"(?<!\\)<[A-Za-z/!?]", text)
    lines = text.split("\n")
    assert sum(line.startswith("# ") for line in lines) == 1
    rows = sum(line.startswith("| ") for line in lines)
    good = sum(result.good for result in report.models)
    bad = len(report.models) - good
    assert rows == good + bad + 2 * (bool(good) + bool(bad)), "with two of a heading"
    widths = {5: good + 2, 4: bad + 2}
    assert all(
        len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) - 1 in widths
        for line in lines
        if line.startswith("|")
    )


@given(reports())
@settings(max_examples=6, deadline=None, suppress_health_check=[*HealthCheck])
def test_any_report_is_valid_in_every_format(report: Report) -> None:
    all_hold(report)


@given(REASON)
def test_any_reason_is_told(reason: Reason) -> None:
    assert all(isinstance(part, str) for part in words.worded(reason))


@pytest.mark.soak
@given(reports())
@settings(max_examples=5, deadline=None, suppress_health_check=[*HealthCheck])
def test_any_bill_of_materials_is_valid(report: Report) -> None:
    pytest.importorskip("cyclonedx", reason="a test dependency is not installed")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    made = bill_of(report).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(made) is None
    components = json.loads(made).get("components", [])
    refs = [each["bom-ref"] for each in components]
    assert len(set(refs)) == len(refs)
    assert json.loads(made) == json.loads(bill_of(report))
