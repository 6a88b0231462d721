"""The table of what we take for granted of services that are not ours."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "provider-facts.md"
CLIENTS = ("providers", "comfyui/manifests", "nearby")
OF_OURS = {  # modules there that take nothing for granted of a service
    "comfyfix.comfyui.manifests.read", "comfyfix.comfyui.manifests.listing",
    "comfyfix.nearby.leads", "comfyfix.nearby.lending",
}  # fmt: skip
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
        assert (ROOT / row[1]).is_file() or find_spec(row[1]) is not None, row
        assert row[2] in KINDS, row


def test_few_facts_are_assumed() -> None:
    assert sum(row[2] == "assumed" for row in rows()) <= ASSUMED_MAX


def test_each_client_of_a_service_has_its_facts() -> None:
    files = [path for part in CLIENTS for path in (ROOT / "comfyfix" / part).rglob("*.py")]
    named = {".".join(p.relative_to(ROOT).with_suffix("").parts) for p in files}
    clients = {name for name in named if not name.endswith("__init__")}
    assert clients - OF_OURS <= {row[1] for row in rows()}
    assert clients >= OF_OURS
