"""What is told of a cluster without one: no extra, no certificate; and what workers may answer."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from comfyfix import __version__
from comfyfix.cluster import worker
from comfyfix.demo.hub import Hub
from comfyfix.outcomes import Outcome
from comfyfix.screen.words import t
from comfyfix.tasks.run import each
from comfyfix.why import Why
from tests.faults.authority import certificate
from tests.inprocess import InProcess

NAME = "harbor_light.safetensors"
ROW = {"model": "loras/a", "status": "ok", "size": 3, "sha256": "00", "message": ""}


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


def unfit(version: str, seen: Path) -> str:
    try:
        worker.require_fit(version, str(seen))
    except worker.Unfit as why:
        return str(why.args[0])
    return ""


def test_who_sees_the_store_and_is_of_this_version_is_fit(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    assert unfit(__version__, seen) == Why.CLUSTER_STORE_UNSEEN
    seen.touch()
    assert unfit(__version__, seen) == unfit(__version__, tmp_path) == ""
    for other in (f"{__version__}0", "", "99"):
        assert unfit(other, seen) == Why.CLUSTER_VERSION_DIFFERS
    assert unfit(__version__, seen / "below") == Why.CLUSTER_STORE_UNSEEN


def test_a_store_that_is_mounted_read_only_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = os.statvfs_result((1, 1, 1, 1, 1, 1, 1, 1, os.ST_RDONLY, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: flags)
    assert unfit(__version__, tmp_path) == Why.CLUSTER_STORE_READ_ONLY


def test_who_is_of_another_version_or_has_no_disk_writes_nothing(tmp_path: Path) -> None:
    settings = json.dumps({"store": str(tmp_path / "store")})
    for text, why in (
        (f"# 99\n{settings}", Why.CLUSTER_VERSION_DIFFERS),
        (worker.headed(settings), Why.CLUSTER_STORE_UNSEEN),
    ):
        with pytest.raises(worker.Unfit, match=why.value):
            worker.every(text, "")
    assert list(tmp_path.iterdir()) == []


BAD_FILES = {
    "none": "No such file",
    "folder": "Is a directory",
    "pipe": t("it is not a regular file"),
    "text": t("it holds no certificate and no key, as PEM writes them"),
    "locked": t("it is locked by a passphrase, which nobody can be asked for here"),
    "cut": "",
}


@pytest.mark.parametrize(
    ("key", "what"),
    [("ca", "none"), ("cert", "folder"), ("key", "pipe"), ("ca", "text"), ("key", "locked"),
     ("key", "cut"), ("ca", "cut")],
)  # fmt: skip
def test_a_file_of_certificates_that_is_none_is_named(
    one: InProcess, tmp_path: Path, key: str, what: str
) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed: uv sync has it")
    made = certificate(tmp_path / "keys", "IP:127.0.0.1")
    files = {"ca": str(made.authority), "cert": str(made.chain), "key": str(made.key)}
    bad = tmp_path / f"bad-{what}"
    texts = {"text": "x", "cut": "-----BEGIN ", "locked": "-----BEGIN ENCRYPTED PRIVATE KEY-----"}
    if what in texts:
        bad.write_text(texts[what])
    elif what != "none":
        {"folder": os.mkdir, "pipe": os.mkfifo}[what](bad)
    one.manifest(cluster={"address": "tls://127.0.0.1:9", **files, key: str(bad)})
    done = one.run()
    assert done.code == 1
    assert "tls://127.0.0.1:9" in done.out
    assert f"{bad}: {BAD_FILES[what]}" in done.out or (what == "cut" and str(bad) in done.out)


@pytest.mark.parametrize(
    ("text", "models"),
    [
        (json.dumps([ROW]), ["loras/a"]),
        ("[]", []), ("", []), ("{", []), ("{}", []), ("7", []), ("[7]", []), ("[[]]", []),
        (json.dumps([ROW | {"size": "3"}]), []), ('[{"model": "loras/a"}]', []),
    ],
)  # fmt: skip
def test_rows_of_a_worker_are_read_as_such_or_not_at_all(text: str, models: list[str]) -> None:
    assert [row.model for row in each._rows(text)] == models


def test_a_report_becomes_rows(one: InProcess) -> None:
    assert one.run().code == 0
    rows: list[Any] = json.loads(worker.results(one.output / "report" / "report.json"))
    size = (one.models / "loras" / NAME).stat().st_size
    told = {"model": f"loras/{NAME}", "status": "ok", "size": size, "message": ""}
    assert rows == [told | {"sha256": rows[0]["sha256"]}]
    assert len(rows[0]["sha256"]) == 64
    assert each._rows(json.dumps(rows))[0].model == f"loras/{NAME}"
    assert worker.results(one.output / "none.json") == "[]"


def test_of_a_workers_models_those_that_are_not_right_are_told() -> None:
    rows = [
        {"model": model, "status": status, "size": 5, "sha256": "a", "message": message}
        for model, status, message in (
            ("loras/good.pt", "ok", ""),
            ("loras/unhashed.pt", "unverified", "no hash is published"),
            ("loras/harmed.pt", "damaged", "it ends early"),
            ("loras/gone.pt", "missing", ""),
        )
    ]
    models = each._rows(json.dumps(rows))
    lines = each.WorkerFile(worker="anna", good=False, models=models).lines
    assert len(lines) == 3
    assert t("{model}: {why}", model="loras/harmed.pt", why="it ends early") in lines[1]
    assert t("{model}: {why}", model="loras/gone.pt", why="missing") in lines[2]
    (line,) = each.WorkerFile(worker="anna", good=True, models=models[:2]).lines
    assert line == t("✓ Worker {name}: {count:models} there and right", name="anna", count=2)
