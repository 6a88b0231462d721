"""`report.html`: all of the report is on it, and nothing of a stranger's is more than text."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.outcomes import Came
from comfyfix.screen.results.page import page
from comfyfix.screen.results.shape import (
    Counts,
    ModelRow,
    ReportFile,
    Told,
    ValueRow,
    WorkflowRow,
)
from comfyfix.stages.reports.results import Use

NAMES = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a\u202eb\x1b[31m",
    "'\"`&",
)
VOID = {"meta", "input", "rect", "link", "img", "br"}


class Page(HTMLParser):
    """What a browser makes of a page: its elements, their attributes and texts."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inline: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(data.decode())
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("script", "style"):
            self.inline[self._open[-1]] = data
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def model(**changes: Any) -> ModelRow:
    plain: dict[str, Any] = {
        "model": "loras/a.safetensors", "folder": "loras", "path": "a.safetensors",
        "status": "ok", "outcome": "done", "came": Came.FETCHED, "reason": None, "number": 1,
        "task": "a",
        "size": 1_500_000, "sha256": "ab" * 32, "source": "huggingface", "where": "studio/a",
        "evidence": ("the name is the same",), "url": "https://huggingface.co/studio/a/resolve/1/a",
        "repo": "studio/a", "commit": "1" * 40, "licence": "mit", "publisher": "studio",
        "base_model": None, "mirror": None, "script": "download_001_a_safetensors.sh",
        "at": "2026-01-02T03:04:05Z", "uses": (use("clip.json"),),
    }  # fmt: skip
    return ModelRow(**(plain | changes))


def use(workflow: str) -> Use:
    return Use(workflow=workflow, node_id="1", node_type="L", input="x", value="a", line=None)


def report(*models: ModelRow, workflows: tuple[WorkflowRow, ...] = ()) -> ReportFile:
    states = [each.status for each in models]
    counts = Counts(
        models=len(models), ok=states.count("ok"), unverified=states.count("unverified"),
        missing=states.count("missing"), failed=states.count("failed"),
        workflows=len(workflows), ready=0, fetched=states.count("ok"), fetched_by_others=0,
        copied=0, linked=0, there_before=0,
    )  # fmt: skip
    return ReportFile(
        version=1, program="comfyfix 1", good=False, counts=counts, models=models,
        workflows=workflows,
    )  # fmt: skip


def flow(name: str, **changes: Any) -> WorkflowRow:
    plain: dict[str, Any] = {
        "workflow": name, "file": name, "status": "lacks models", "models": (), "refused": (),
        "reason": None, "line": None,
    }  # fmt: skip
    return WorkflowRow(**(plain | changes))


def test_all_that_is_known_of_a_model_is_told() -> None:
    reason = Told(why="x", message="Nobody has it", next="type `doit pin a URL`")
    bad = model(status="failed", model="vae/b.pt", path="b.pt", folder=None, reason=reason)
    shown = Page(
        page(report(model(), bad, workflows=(flow("clip.json", models=(model().model,)),)))
    )
    for told in (
        "a.safetensors", "loras", "1.5 MB", "studio/a", "mit", "ab" * 32, "ab" * 6, "clip.json",
        "the name is the same", "download_001_a_safetensors.sh", "2026-01-02 03:04",
        "Nobody has it", "doit pin a URL",
    ):  # fmt: skip
        assert told in shown.text
    assert shown.text.index("b.pt") < shown.text.index("a.safetensors"), "what failed comes first"
    [link] = {attrs["href"] for tag, attrs in shown.elements if tag == "a" and "rel" in attrs}
    assert link == model().url


def test_it_asks_the_network_for_nothing_and_runs_its_own_script_alone() -> None:
    shown = Page(page(report(model())))
    [policy] = [a["content"] or "" for _, a in shown.elements if "http-equiv" in a]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(shown.inline[kind].encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    loads = {"src", "srcset", "data", "action", "poster", "background", "style"}
    for tag, attrs in shown.elements:
        assert not loads & attrs.keys(), tag
        assert not [name for name in attrs if name.startswith("on")], tag
    assert not re.search(r"https?:|@import|url\(", shown.inline["style"] + shown.inline["script"])


def test_texts_of_strangers_stay_texts() -> None:
    plain = [tag for tag, _ in Page(page(report(hostile("x")))).elements]
    for name in NAMES:
        shown = Page(page(report(hostile(name))))
        assert [tag for tag, _ in shown.elements] == plain
        assert not {"\x1b", "\u202e"} & set("".join(shown.texts))


def hostile(name: str) -> ModelRow:
    reason = Told(why="x", message=name, next=name.replace("`", ""))
    return model(
        path=name, folder=name, where=name, licence=name, publisher=name, base_model=name,
        commit=name, script=name, task=name, evidence=(name,), url=f"javascript:{name}",
        reason=reason, uses=(use(name),),
    )  # fmt: skip


def test_texts_of_workflows_stay_texts() -> None:
    def told(name: str) -> Page:
        value = ValueRow(
            node_id=name, node_type=name, input=name, value=name, instead=name, line=1,
            message=name,
        )  # fmt: skip
        reason = Told(why="x", message=name, next="")
        each = flow(name, refused=(value,), reason=reason, models=("loras/a.safetensors",))
        return Page(page(report(model(), workflows=(each,))))

    for name in NAMES:
        assert [tag for tag, _ in told(name).elements] == [tag for tag, _ in told("x").elements]


@given(st.text(), st.text())
def test_any_address_is_a_link_to_the_web_or_a_text(scheme: str, rest: str) -> None:
    for url in (f"{scheme}:{rest}", f"https://{rest}", rest):
        shown = Page(page(report(model(url=url))))
        for tag, attrs in shown.elements:
            if tag == "a":
                assert re.match(r"https?://|https?:|#models", attrs["href"] or "")


def test_a_thousand_models_are_two_megabytes_at_most() -> None:
    flows = tuple(flow(f"workflow_{place}.json") for place in range(50))
    uses = tuple(use(each.workflow) for each in flows)
    long = "a_rather_long_name_of_a_model_as_they_are_v1.0_fp8_e4m3fn.safetensors"
    many = [model(path=f"{place}_{long}", uses=uses) for place in range(1000)]
    assert len(page(report(*many, workflows=flows))) <= 2_000_000


def test_it_is_made_of_report_json_alone() -> None:
    told = report(model(), workflows=(flow("a.json"),))
    again = msgspec.json.decode(msgspec.json.encode(told), type=ReportFile)
    assert page(again) == page(told)
