"""The table of what we take for granted of services that are not ours."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

TABLE = Path(__file__).resolve().parents[2] / "docs" / "provider-facts.md"
KINDS = {"recorded", "source code", "documentation", "assumed"}
ASSUMED_MAX = 5


def rows() -> list[list[str]]:
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def test_each_fact_names_its_module_its_kind_and_where_it_is_from() -> None:
    assert len(rows()) > 20
    for row in rows():
        assert len(row) == 4, row
        assert all(row), row
        assert find_spec(row[1]) is not None, row
        assert row[2] in KINDS, row


def test_few_facts_are_assumed() -> None:
    assert sum(row[2] == "assumed" for row in rows()) <= ASSUMED_MAX


def test_each_client_of_a_service_has_its_facts() -> None:
    told = {".".join(row[1].split(".")[:3]) for row in rows()}
    assert {f"comfyfix.providers.{n}" for n in ("civitai", "huggingface", "openmodeldb")} <= told
