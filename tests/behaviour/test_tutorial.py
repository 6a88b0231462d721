"""The commands of `docs/first.md`, as a newcomer types them, end as the page says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from comfyfix.demo.hub import Hub
from tests.site.tutorial import NOWHERE, STEPS, TOKEN, WORKFLOWS, Tutorial


@pytest.mark.soak
def test_all_but_what_nobody_has_is_there_and_verified(tmp_path: Path, hub: Hub) -> None:
    tutorial = Tutorial(tmp_path, hub)
    for step in STEPS:
        code, said = tutorial.type(step)
        assert code == step.code, (step.typed, said)
        assert TOKEN not in said
    report = json.loads((tutorial.here / "output" / "report" / "report.json").read_bytes())
    standing = {f"{model['folder']}/{model['path']}": model for model in report["models"]}
    left = standing.pop("/".join(NOWHERE))
    assert left["outcome"] == "not found"
    assert {model["status"] for model in standing.values()} == {"ok"}
    assert len(standing) == 4
    ready = {flow["workflow"] for flow in report["workflows"] if flow["status"] == "ready"}
    assert ready == WORKFLOWS.keys() - {"old_style.json"}
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path
