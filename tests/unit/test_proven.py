"""What may be written into a workflow for everyone: addresses that say nothing but the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyfix.comfyui.store import folders
from comfyfix.demo.hub import sha256
from comfyfix.errors import SourceDown
from comfyfix.net.http import Web
from comfyfix.outcomes import Outcome
from comfyfix.records import Candidate, Model, Reason, Record, Reference, Rejected, because
from comfyfix.settings.manifest import Manifest
from comfyfix.sources import workflow
from comfyfix.sources.base import Blocked, Doubtful, Finding, Services
from comfyfix.stages.addresses import addressed
from comfyfix.stages.addresses.addressed import Records
from comfyfix.stages.addresses.proven import Proofs
from comfyfix.stages.needs.hints import Hints
from comfyfix.stages.needs.work import Planned, Present
from comfyfix.state.layout import Layout
from comfyfix.state.receipts import of_file
from comfyfix.why import Why

ONE = "a" * 64
HUB = "https://huggingface.co/o/n/resolve/main/x.pt"
CIVITAI = "https://civitai.com/api/download/models/7"
FOUND = Candidate(source="workflow", where="o/n", name="x.pt", url=HUB, size=5, sha256=ONE)


@pytest.fixture
def proofs(tmp_path: Path) -> Proofs:
    (tmp_path / "models").mkdir()
    services = Services(
        manifest=Manifest(comfyui=str(tmp_path)), folders=folders.read(tmp_path, [], None),
        layout=Layout(tmp_path / "output"), web=Web({}, direct=True), tokens={},
    )  # fmt: skip
    return Proofs(Records(services, Hints([]), bool))


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        (HUB, True), (f"{HUB}?download=true", True), (f"{HUB}?download=1", False),
        (f"{HUB}?token=x", False), (f"{HUB}?download=true&x", False), (f"{HUB}?x=", False),
        (CIVITAI, True), (f"{CIVITAI}?type=Model&format=SafeTensor", True),
        (f"{CIVITAI}?type=Model", True), (f"{CIVITAI}?token=x", False),
        ("https://civitai.com/models/5?modelVersionId=7", True),
        ("https://github.com/o/n/releases/download/v1/x.pt", True),
        ("https://github.com/o/n/releases/download/v1/x.pt?x=1", False),
        ("https://files.example.org/x.pt", None), ("https://files.example.org/x.pt?k=1", False),
        ("http://127.0.0.1/x.pt", False), ("https://[x", False), ("x.pt", False), ("", False),
    ],
)  # fmt: skip
def test_an_address_is_clean_where_it_tells_the_file_alone(
    proofs: Proofs, url: str, clean: bool | None
) -> None:
    assert proofs._is_clean(url) is clean


PROBLEM = SourceDown(Why.SERVICE_UNASKED, host="x", cause=because(Why.ANSWER_LATE))


@pytest.mark.parametrize(
    ("finding", "sha256"),
    [
        (FOUND, ONE), (Blocked(FOUND, PROBLEM), ONE), (Doubtful(FOUND, because(Why.NO_SIZE)), ONE),
        (Rejected(source="x", where="y", reason=because(Why.NO_SIZE)), ""),
    ],
)  # fmt: skip
def test_an_address_leads_to_what_its_provider_says(
    proofs: Proofs, finding: Finding, sha256: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def confirm(hint: object, source: str, services: Services) -> Finding:
        assert services is proofs.records.services
        asked.append((hint.name, hint.url))  # type: ignore[attr-defined]
        return finding

    monkeypatch.setattr(workflow, "confirm_url", confirm)
    assert proofs.leads("x.pt", HUB) == sha256
    assert proofs.leads("x.pt", f"{HUB}?token=x") == ""
    assert proofs.leads("x.pt", 5) == ""
    assert proofs.leads("x.pt", "https://files.example.org/x.pt") is None
    assert asked == [("x.pt", HUB)]


def test_what_can_not_be_asked_is_told(proofs: Proofs, monkeypatch: pytest.MonkeyPatch) -> None:
    def confirm(*_: object) -> Finding:
        raise PROBLEM

    monkeypatch.setattr(workflow, "confirm_url", confirm)
    told = proofs.leads("x.pt", HUB)
    assert isinstance(told, Reason)
    assert told.why == Why.SERVICE_UNASKED
    assert PROBLEM.outcome is Outcome.SOURCE_DOWN


def test_what_lies_here_is_no_address_and_switched_off_nodes_count() -> None:
    manifest = addressed.searching(Manifest(comfyui="/x"))
    assert "store" not in manifest.search.sources
    assert "huggingface" in manifest.search.sources
    assert manifest.include.inactive


@pytest.mark.parametrize("known", [True, False])
def test_a_file_whose_hash_is_known_is_not_hashed_and_the_search_is_for_it(
    proofs: Proofs, tmp_path: Path, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(folder="loras", path="x.pt")
    path = tmp_path / "models" / "x.pt"
    path.write_bytes(b"x")
    told = of_file(model, path, ONE, script="", verified=True)
    reference = Reference(
        workflow="w", node_id="1", node_type="LoraLoader", input="lora_name", value="x.pt",
        name="x.pt", path="x.pt", folder="loras",
    )  # fmt: skip
    item = Present(
        model=model, location=str(path), size=1, mtime_ns=1, receipt=told if known else None,
        references=(reference,),
    )  # fmt: skip
    hashed: list[str] = []
    sought: list[str] = []

    def search(planned: Planned, _: Services) -> Record:
        assert planned.receipt is not None
        sought.append(planned.receipt.sha256)
        raise PROBLEM

    monkeypatch.setattr(addressed, "resolve", search)
    asked = Proofs(Records(proofs.records.services, Hints([]), hashed.append))
    assert asked.of(item) == PROBLEM.reason
    assert hashed == ([] if known else ["x.pt"])
    assert sought == [ONE if known else sha256(b"x")]
