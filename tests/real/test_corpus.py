"""The labelled corpus: what is found in real workflows, against what people say is in them."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from comfyfix.stages.needs.scan import scan_file

Key = tuple[str, str, str | None]
LEAST = 0.99


def labels(corpus: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (corpus / name).read_text().splitlines()]


@pytest.mark.parametrize("source", ["official", "community"])
def test_references_of_real_workflows(corpus: Path, source: str) -> None:
    """Scored on (workflow, name, folder)."""
    rows = [
        row
        for row in labels(corpus, "gold.jsonl")
        if (row["source"] == "official") is (source == "official")
    ]
    want: dict[Key, bool] = defaultdict(bool)
    optional: set[tuple[str, str]] = set()
    for row in rows:
        if row["optional"]:
            optional.add((row["workflow"], row["name"]))
        else:
            want[row["workflow"], row["name"], row["folder"]] |= row["active"]
    found: dict[Key, bool] = defaultdict(bool)
    for workflow in sorted({row["workflow"] for row in rows}):
        scanned = scan_file(str(corpus / "workflows" / workflow), workflow)
        assert not scanned.problem
        for reference in scanned.references:
            if not reference.optional and (workflow, reference.name) not in optional:
                found[workflow, reference.name, reference.folder] |= reference.active
    right = set(want) & set(found)
    assert len(right) > 100
    assert len(right) / len(found) >= LEAST, sorted(set(found) - right, key=str)[:10]
    assert len(right) / len(want) >= LEAST, sorted(set(want) - right, key=str)[:10]
    active = [key for key in right if want[key] == found[key]]
    assert len(active) / len(right) >= LEAST


def test_every_hand_written_edge_case(corpus: Path) -> None:
    want = {(r["workflow"], r["name"], r["folder"]): r for r in labels(corpus, "gold_edge.jsonl")}
    found = {}
    for path in sorted((corpus / "workflows" / "edge").iterdir()):
        for reference in scan_file(str(path), f"edge/{path.name}").references:
            found[reference.workflow, reference.name, reference.folder] = reference.active
    # A row that its own switch turns off is labelled apart.
    assert found == {key: r["active"] and r.get("enabled", True) for key, r in want.items()}


def test_what_is_no_model_is_not_found(corpus: Path) -> None:
    wrong = []
    every = labels(corpus, "negatives.jsonl") + labels(corpus, "negatives_edge.jsonl")
    rows = [r for r in every if not r.get("also_in_gold")]
    for row in rows:
        path = corpus / "workflows" / row["workflow"]
        names = {r.name for r in scan_file(str(path), row["workflow"]).references if not r.optional}
        value = str(row.get("value", row.get("name")))
        if value.replace("\\", "/").rpartition("/")[2] in names:
            wrong.append((row["workflow"], value))
    assert wrong == []
