"""doit's own options, and `ignore`: each does what doit's users know it for."""

from __future__ import annotations

import json
import os

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.screen.run import summary
from comfyfix.screen.words import fixed, t
from tests.inprocess import InProcess

RIFE = ("upscale_models", "rife49.pth")
VAE = ("vae", "soft_vae.safetensors")
TASK = "download:rife49"


@pytest.fixture
def two(inprocess: InProcess, hub: Hub) -> InProcess:
    inprocess.workflow("clip.json", RIFE, VAE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.add("a/soft-vae", ["soft_vae.safetensors"])
    return inprocess


def test_always_does_all_of_it_and_fetches_nothing_twice(two: InProcess, hub: Hub) -> None:
    assert two.run("-n", "2").code == 0
    before, receipts = hub.count("GET", "/cdn/*"), two.state("downloaded_models.json")
    done = two.run("-a")
    assert done.code == 0, done
    for line in (
        fixed("Total models: {count}", count=2),
        fixed("Successfully downloaded: {count}", count=0),
        t("There already, now verified: {count}", count=2),
    ):
        assert line in done.out
    assert t("✓ It was there already") in done.out
    assert hub.count("GET", "/cdn/*") == before
    assert two.state("downloaded_models.json") == receipts


def test_fail_fast_begins_nothing_more_after_a_failure(two: InProcess, hub: Hub) -> None:
    del hub.repositories["AlexWortega/RIFE"]
    assert two.run("-n", "0", "--fail-fast").code == 1
    assert two.files() == {}
    assert two.run("-n", "0").code == 1
    assert list(two.files()) == ["/".join(VAE)]


def test_always_finds_bytes_that_have_rotted_and_brings_them_anew(two: InProcess) -> None:
    two.manifest(verify={"identity": "mtime"})
    assert two.run("-n", "0").code == 0
    path, whole = two.models / "/".join(RIFE), file_for("rife49.pth")
    info = path.stat()
    path.write_bytes(bytes([whole[0]]) + bytes([whole[1] ^ 1]) + whole[2:])
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert two.run("list", "-q").out == "", "it looks as it was"
    done = two.run("-a", TASK)
    assert done.code == 0, done
    assert path.read_bytes() == whole
    assert fixed("Successfully downloaded: {count}", count=1) in done.out


@pytest.mark.parametrize("reporter", ["comfyfix", "console", "executed-only", "zero", "error-only"])
def test_all_lines_go_into_the_file_that_is_named(two: InProcess, reporter: str) -> None:
    out = two.root / "out.txt"
    chosen = () if reporter == "comfyfix" else ("-r", reporter)
    done = two.run(*chosen, "-o", str(out))
    assert (done.code, done.out) == (0, "")
    told = out.read_text()
    quiet = reporter in ("zero", "error-only")
    assert (fixed("Executing download: ") in told) is not quiet
    assert (fixed("SUMMARY") in told) is (reporter == "comfyfix")
    assert ("report.html" in told) is (reporter == "comfyfix")


def test_what_is_ignored_is_no_failure_and_is_named_where_it_bites(two: InProcess) -> None:
    told = summary.ignored(TASK)
    assert two.run("ignore", "rife49.pth").code == 0, "by the name of the file as well"
    assert told in two.run("list").out
    assert told in two.run("info", TASK).out
    done = two.run()
    assert done.code == 0, done
    assert told in done.out
    assert t("Ignored: {count}", count=1) in done.out
    assert set(two.files()) == {"/".join(VAE)}
    assert two.state("verified/batch_001.json")["failed"] == []
    again = two.run("forget", TASK)
    assert again.code == 0
    assert told not in two.run("list").out
    assert two.run().code == 0
    assert "/".join(RIFE) in two.files()


def test_json_counts_what_is_ignored(two: InProcess) -> None:
    two.run("ignore", TASK)
    assert two.run("-r", "json", "-o", str(two.root / "out.json")).code == 0
    told = json.loads((two.root / "out.json").read_text())
    results = {task["name"]: task["result"] for task in told["tasks"]}
    assert results[TASK] == "ignore"
    assert results["download:soft_vae"] == results["verify:001"] == "success"


@pytest.mark.parametrize("parallel", [("-n", "0"), ("-n", "1"), ("-n", "3", "-P", "process")])
def test_however_many_run_at_once(two: InProcess, parallel: tuple[str, ...]) -> None:
    done = two.run(*parallel)
    assert done.code == 0, done
    assert len(two.files()) == 2


def test_the_first_failure_ends_a_run_that_is_to_stop_there(two: InProcess, hub: Hub) -> None:
    hub.repositories.clear()
    done = two.run("--no-continue", "-n", "0")
    assert done.code == 1
    assert fixed("Failed searches: {count}", count=1) in done.out
