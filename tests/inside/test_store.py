"""`store`: what lies in the model folders, and what it is for."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.disk.files import sha256_of
from comfyfix.screen.words import t
from comfyfix.state import hashing
from comfyfix.why import Why
from tests.inprocess import InProcess

SAME = file_for("same.safetensors")


def told(site: InProcess, *options: str) -> dict[str, Any]:
    ran = site.run("store", "--json", *options)
    assert ran.code == 0, ran
    answer: dict[str, Any] = json.loads(ran.out)
    return answer


def by_model(answer: dict[str, Any]) -> dict[str, Any]:
    return {row["model"]: row for row in answer["files"]}


def test_each_file_is_counted_once_with_what_it_is_for(inprocess: InProcess, hub: Hub) -> None:
    hub.add("maker/harbor", ["harbor.safetensors"])
    inprocess.workflow("w.json", ("loras", "harbor.safetensors"), ("vae", "v.safetensors"))
    inprocess.put("vae", "v.safetensors", SAME)
    (inprocess.models / "vae" / "again.safetensors").symlink_to("v.safetensors")
    inprocess.put("loras", "idle.safetensors", b"123")
    assert inprocess.run("run").code == 0
    answer = told(inprocess)
    sums = {row.pop("folder"): row for row in answer["folders"]}
    size = (inprocess.models / "loras" / "harbor.safetensors").stat().st_size
    assert sums["loras"] == {
        "files": 2, "bytes": size + 3, "needed": size, "not_needed": 3, "not_needed_fetched": 0,
        "duplicates": 0, "unknown_origin": 3,
    }  # fmt: skip
    assert (sums["vae"]["files"], sums["vae"]["bytes"], sums["vae"]["needed"]) == (
        2,
        len(SAME),
        len(SAME),
    )
    assert answer["all"]["bytes"] == size + 3 + len(SAME)
    files = by_model(answer)
    assert files["loras/harbor.safetensors"]["needed_by"] == ["w.json"]
    assert files["loras/harbor.safetensors"]["fetched"]
    assert files["loras/harbor.safetensors"]["last_used"]
    assert files["loras/idle.safetensors"]["needed_by"] == []


def test_equal_files_are_told_once_their_hashes_are_known(inprocess: InProcess) -> None:
    inprocess.workflow("w.json", ("loras", "a.safetensors"))
    for name in ("a", "b"):
        inprocess.put("loras", f"{name}.safetensors", SAME)
    assert told(inprocess)["all"]["duplicates"] == 0
    inprocess.run("verify", "--store")
    assert told(inprocess)["all"]["duplicates"] == len(SAME)


def test_equal_files_and_known_contents_are_told_by_hash(inprocess: InProcess, hub: Hub) -> None:
    hub.add("maker/harbor", ["harbor.safetensors"])
    inprocess.workflow("w.json", ("loras", "harbor.safetensors"))
    assert inprocess.run("run").code == 0
    content = (inprocess.models / "loras" / "harbor.safetensors").read_bytes()
    inprocess.put("vae", "copy.safetensors", content)
    inprocess.put("vae", "mine.safetensors", SAME)
    parts = [f"part-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for key in ("text_encoders", "diffusion_models"):
        for part in parts:
            inprocess.put(key, part, SAME + part.encode())
    before = told(inprocess)["all"]
    assert before["duplicates"] == 0
    answer = told(inprocess, "--hash")
    shards = sum(len(SAME + part.encode()) for part in parts)
    assert answer["all"]["duplicates"] == len(content) + shards
    assert before["unknown_origin"] - answer["all"]["unknown_origin"] == len(content)
    files = by_model(answer)
    assert files["vae/copy.safetensors"]["origin"]
    assert files["vae/mine.safetensors"]["origin"] is None
    assert told(inprocess) == answer  # it is remembered
    assert t("known by its hash") in inprocess.run("store", "--all").out
    assert inprocess.run("store", "--hash", "--jobs", "99").code == 3


def test_stopped_it_goes_on_where_it_was(
    inprocess: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        inprocess.put("loras", f"{number}.safetensors", SAME + b"%d" % number)
    inprocess.workflow("w.json", ("loras", "0.safetensors"))
    real = sha256_of
    read: list[Path] = []
    most = [2]

    def reading(path: Path, passed: Callable[[int], object]) -> str:
        if len(read) == most[0]:
            most[0] = 0
            os.kill(os.getpid(), signal.SIGINT)
        if not most[0]:
            raise hashing.Halted
        read.append(path)
        return real(path, passed)

    monkeypatch.setattr(hashing, "sha256_of", reading)
    ran = inprocess.run("store", "--hash", "--jobs", "1")
    assert ran.code == 130
    assert len(read) == 2
    most[0] = 2
    stopped = json.loads(inprocess.run("store", "--hash", "--jobs", "1", "--json").out)
    assert (stopped["exit_code"], stopped["error"]["why"]) == (130, Why.COMMAND_STOPPED)
    most[0] = 99
    assert inprocess.run("store", "--hash").code == 0
    assert len(read) == len(set(read)) == 4


def two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each file be hashed only while another one is, too."""
    both = threading.Barrier(2, timeout=30)
    real = sha256_of

    def reading(path: Path, passed: Callable[[int], object]) -> str:
        both.wait()
        return real(path, passed)

    monkeypatch.setattr(hashing, "sha256_of", reading)
    monkeypatch.setattr("comfyfix.tasks.verify.hashing.cores", lambda: 2)


@pytest.mark.parametrize("command", [("dedupe",), ("store", "--hash")])
def test_each_processor_hashes_a_file(
    inprocess: InProcess, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    inprocess.workflow("w.json", ("loras", "a.safetensors"))
    for name in ("a", "b"):
        inprocess.put("loras", f"{name}.safetensors", SAME)
    two_at_a_time(monkeypatch)
    assert inprocess.run(*command).code == 0


def test_each_processor_hashes_a_file_of_what_another_checkout_has_fetched(
    inprocess: InProcess, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{name}.safetensors" for name in ("autumn_grain", "winter_light")]
    for name in names:
        hub.add(f"maker/{name}", [name])
    inprocess.workflow("w.json", *(("loras", name) for name in names))
    assert inprocess.run("run").code == 0
    shutil.rmtree(inprocess.root / "output")
    two_at_a_time(monkeypatch)
    assert inprocess.run("run").code == 0


def test_the_biggest_file_is_hashed_first(
    inprocess: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    inprocess.workflow("w.json", ("loras", "a.safetensors"))
    for name, size in (("a", 3), ("b", 1), ("c", 4), ("d", 2)):
        inprocess.put("loras", f"{name}.safetensors", SAME + bytes(size))
    real = sha256_of
    read: list[str] = []

    def reading(path: Path, passed: Callable[[int], object]) -> str:
        read.append(path.stem)
        return real(path, passed)

    monkeypatch.setattr(hashing, "sha256_of", reading)
    assert inprocess.run("store", "--hash", "--jobs", "1").code == 0
    assert read == ["c", "a", "d", "b"], "at the end no processor is left alone with a big one"


def test_it_is_told_also_where_a_workflow_cannot_be_read(inprocess: InProcess) -> None:
    inprocess.put("loras", "a.safetensors")
    inprocess.workflow("w.json", ("loras", "a.safetensors"))
    (inprocess.workflows / "x.json").write_text("{")
    answer = told(inprocess)
    assert len(answer["doubts"]) == 1
    assert by_model(answer)["loras/a.safetensors"]["needed_by"] == ["w.json"]


def test_when_it_was_read_counts_where_that_is_newer(inprocess: InProcess) -> None:
    path = inprocess.put("loras", "a.safetensors")
    inprocess.workflow("w.json", ("loras", "a.safetensors"))
    os.utime(path, (1_000_000_000, 900_000_000))
    assert by_model(told(inprocess))["loras/a.safetensors"]["last_used"] == "2001-09-09T01:46:40Z"
    os.utime(path, (800_000_000, 900_000_000))
    assert by_model(told(inprocess))["loras/a.safetensors"]["last_used"] == ""


def test_the_tables(inprocess: InProcess) -> None:
    inprocess.workflow("w.json", ("loras", "a.safetensors"))
    inprocess.put("loras", "a.safetensors")
    inprocess.put("loras", "odd\nname.safetensors")
    assert "loras" in inprocess.run("store").out
    rows = inprocess.run("store", "--all").out.splitlines()
    assert len(rows) == 3
    assert any(row.endswith("w.json") for row in rows)
    assert t("unknown") in rows[1]
    assert inprocess.run("store", "name").code == 3
