"""What is told of a cluster without one: no extra, no certificate; and what workers may answer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from comfyfix import __version__
from comfyfix.cluster import worker
from comfyfix.demo.hub import Hub
from comfyfix.outcomes import Outcome
from comfyfix.screen.words import t
from comfyfix.tasks import each
from comfyfix.why import Why
from tests.inprocess import InProcess

NAME = "harbor_light.safetensors"


@pytest.fixture
def one(inprocess: InProcess, hub: Hub) -> InProcess:
    """One model to bring."""
    inprocess.workflow("w.json", ("loras", NAME))
    hub.add("maker/harbor_light", [NAME])
    return inprocess


def outcomes(site: InProcess) -> set[str]:
    return {model["outcome"] for model in site.state("report/report.json")["models"]}


def test_without_the_extra_it_is_told_what_to_install(
    one: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    one.manifest(cluster="tls://scheduler:8786")
    done = one.run()
    assert done.code == 1
    assert "comfyfix[cluster]" in done.out
    assert outcomes(one) == {Outcome.TOOL_MISSING}


def test_without_certificates_nobody_is_asked(one: InProcess) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed: uv sync has it")
    one.manifest(cluster="tls://scheduler:8786")
    done = one.run()
    assert done.code == 1
    assert t("no certificate is named for it") in done.out
    one.manifest(cluster={"address": "tls://scheduler:8786", "ca": "a", "cert": "b", "key": "c"})
    done = one.run()
    assert done.code == 1
    assert "No such file" in done.out
    assert not list((one.models / ".comfyfix").glob(".*")), "nothing was shown to anybody"


def test_offline_nothing_is_sent(one: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    assert one.run().code == 0
    (one.models / "loras" / NAME).unlink()
    monkeypatch.setitem(sys.modules, "distributed", None)
    one.manifest(cluster="tls://scheduler:8786")
    done = one.run(COMFYFIX_OFFLINE="1")
    assert done.code == 1
    assert "comfyfix[cluster]" not in done.out


def test_a_store_shows_which_version_asks(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    assert worker.unfit(str(seen)) == Why.CLUSTER_STORE_UNSEEN
    seen.mkdir()
    assert worker.unfit(str(seen)) == Why.CLUSTER_STORE_UNSEEN
    seen.rmdir()
    for text, why in (
        (f"{__version__}\n", ""),
        (f"{__version__}0\n", Why.CLUSTER_VERSION_DIFFERS),
        ("", Why.CLUSTER_VERSION_DIFFERS),
    ):
        seen.write_text(text)
        assert worker.unfit(str(seen)) == why


def test_who_is_of_another_version_or_has_no_disk_writes_nothing(tmp_path: Path) -> None:
    settings = json.dumps({"store": str(tmp_path / "store")})
    assert worker.every(f"# 99\n{settings}", "") == (worker.UNFIT, Why.CLUSTER_VERSION_DIFFERS)
    told = worker.every(f"# {__version__}\n{settings}", "")
    assert told == (worker.UNFIT, Why.CLUSTER_STORE_UNSEEN)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "models"),
    [
        ('[["loras/a", "ok", 3, "00", ""]]', ["loras/a"]),
        ("[]", []), ("", []), ("{", []), ("{}", []), ("7", []), ("[7]", []), ("[[]]", []),
        ('[["loras/a", "ok", "3", "00", ""]]', []), ('[["loras/a", "ok"]]', []),
    ],
)  # fmt: skip
def test_rows_of_a_worker_are_read_as_such_or_not_at_all(text: str, models: list[str]) -> None:
    assert [row.model for row in each._rows(text)] == models


def test_a_report_becomes_rows(one: InProcess) -> None:
    assert one.run().code == 0
    rows: list[Any] = json.loads(worker.results(one.output / "report" / "report.json"))
    ((model, status, size, sha256, message),) = rows
    assert (model, status, message) == (f"loras/{NAME}", "ok", "")
    assert size == (one.models / "loras" / NAME).stat().st_size
    assert len(sha256) == 64
    assert each._rows(json.dumps(rows))[0].model == model
    assert worker.results(one.output / "none.json") == "[]"
