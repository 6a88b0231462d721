"""The results as files: after each run and by `doit report`, and what a CI shows of them."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from comfyfix import templates
from comfyfix.demo.hub import Hub
from comfyfix.screen.results import shape
from comfyfix.screen.words import t
from comfyfix.tasks.run import publishing
from comfyfix.tasks.run.reporter import Reporter
from tests.inprocess import InProcess
from tests.rig import FOLDS, ui_workflow

RIFE, GONE = ("upscale_models", "rife49.pth"), ("loras", "nobody_has_it_7.safetensors")
FILES = {"report.json", "junit.xml", "report.md", "report.html", "sbom.cdx.json"}


@pytest.fixture
def mixed(inprocess: InProcess, hub: Hub) -> InProcess:
    """One model can be had, one can't, one is there; one value is refused, one file is broken."""
    graph = ui_workflow([RIFE, GONE, ("vae", "there.pth")])
    (inprocess.workflows / "clip.json").write_text(json.dumps(graph, indent=2))
    api = {"7": {"class_type": "VAELoader", "inputs": {"vae_name": "./there.pth"}}}
    (inprocess.workflows / "odd.json").write_text(json.dumps(api, indent=2))
    (inprocess.workflows / "broken.json").write_text('{"nodes": [\n  {"id": }')
    inprocess.put("vae", "there.pth")
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    return inprocess


def report(site: InProcess, name: str = "report.json") -> Any:
    data = (site.output / "report" / name).read_text(encoding="utf-8")
    return json.loads(data) if name.endswith(".json") else data


def ages(site: InProcess) -> dict[str, int]:
    folder = site.output / "report"
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_run_leaves_what_has_become_of_everything(mixed: InProcess) -> None:
    done = mixed.run()
    assert done.code == 1, done
    assert ages(mixed).keys() == FILES
    told = report(mixed)
    assert (told["version"], told["good"]) == (1, False)
    assert told["counts"] == {
        "models": 3, "ok": 1, "unverified": 1, "missing": 0, "failed": 1,
        "workflows": 3, "ready": 0, "fetched": 1, "fetched_by_others": 0, "copied": 0, "linked": 0,
        "there_before": 1,
    }  # fmt: skip
    models = {model["model"]: model for model in told["models"]}
    rife = models["upscale_models/rife49.pth"]
    assert (rife["status"], rife["source"]) == ("ok", "huggingface")
    assert rife["repo"] == "AlexWortega/RIFE"
    assert re.fullmatch(r"[0-9a-f]{64}", rife["sha256"])
    gone = models["loras/nobody_has_it_7.safetensors"]
    assert (gone["status"], gone["outcome"]) == ("failed", "not found")
    assert gone["reason"]["message"]
    assert [use["node_id"] for use in gone["uses"]] == ["2"]
    status = {flow["workflow"]: flow["status"] for flow in told["workflows"]}
    assert status == {
        "clip.json": "lacks models", "odd.json": "not ready", "broken.json": "unreadable",
    }  # fmt: skip


def test_lines_are_those_of_the_nodes(mixed: InProcess) -> None:
    mixed.run()
    told = report(mixed)
    [gone] = [model for model in told["models"] if model["status"] == "failed"]
    lines = (mixed.workflows / "clip.json").read_text().splitlines()
    assert lines[gone["uses"][0]["line"] - 1].strip() == '"id": 2,'
    flows = {flow["workflow"]: flow for flow in told["workflows"]}
    [value] = flows["odd.json"]["refused"]
    lines = (mixed.workflows / "odd.json").read_text().splitlines()
    assert lines[value["line"] - 1].strip() == '"7": {'
    assert value["instead"] == "there.pth"
    assert flows["broken.json"]["line"] == 2
    assert flows["broken.json"]["file"] == "ComfyUI/user/default/workflows/broken.json"


def test_the_schema_is_shipped_and_holds(mixed: InProcess) -> None:
    shipped = templates.text("report.schema.json")
    assert shape.schema().decode() == shipped, "write templates/report.schema.json anew"
    assert mixed.run("report", "--schema").out == shipped
    told = json.loads(mixed.run("report", "--schema", "--json").out)
    assert told == {"version": 1, "schema": json.loads(shipped)}
    jsonschema = pytest.importorskip("jsonschema", reason="a test dependency is not installed")
    checker = jsonschema.Draft202012Validator(json.loads(shipped))
    mixed.run()
    checker.validate(report(mixed))
    assert not checker.is_valid({**report(mixed), "version": 2})


def test_junit_has_a_suite_per_workflow_and_a_case_per_model(mixed: InProcess) -> None:
    mixed.run()
    root = ElementTree.fromstring(report(mixed, "junit.xml"))
    assert (root.tag, root.get("failures"), root.get("errors")) == ("testsuites", "2", "1")
    suites = {suite.get("name"): suite for suite in root}
    assert suites.keys() == {"clip.json", "odd.json", "broken.json"}
    assert (suites["clip.json"].get("tests"), suites["clip.json"].get("failures")) == ("3", "1")
    [failed] = suites["clip.json"].findall("testcase[failure]")
    assert failed.get("name") == "loras/nobody_has_it_7.safetensors"
    [error] = suites["broken.json"].findall("testcase/error")
    assert error.get("type") == "unreadable"


def test_the_bill_of_materials_is_valid_and_of_what_is_there(mixed: InProcess) -> None:
    mixed.run()
    told = report(mixed, "sbom.cdx.json")
    models = [c for c in told["components"] if c["type"] == "machine-learning-model"]
    assert {model["name"] for model in models} == {"rife49.pth", "there.pth"}
    [rife] = [model for model in models if model["name"] == "rife49.pth"]
    assert rife["purl"].startswith("pkg:huggingface/AlexWortega/RIFE@")
    assert rife["hashes"][0]["alg"] == "SHA-256"
    refs = {component["bom-ref"] for component in told["components"]} | {"workflows"}
    links = {ref for each in told["dependencies"] for ref in each.get("dependsOn", [])}
    assert links <= refs
    pytest.importorskip("cyclonedx", reason="a test dependency is not installed")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    data = (mixed.output / "report" / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(data) is None


def test_what_has_not_changed_is_not_written_and_what_has_is(mixed: InProcess) -> None:
    mixed.run()
    (mixed.workflows / "broken.json").unlink()
    for name in ("clip.json", "odd.json"):
        graph = ui_workflow([RIFE, ("vae", "there.pth")])
        (mixed.workflows / name).write_text(json.dumps(graph))
    assert mixed.run().code == 0
    assert report(mixed)["good"] is True
    before = ages(mixed)
    for command in ((), (), ("report",)):
        assert mixed.run(*command).code == 0
        same = {name: age for name, age in ages(mixed).items() if name != "report.json"}
        assert same.items() <= before.items()
    mixed.workflow("more.json", ("vae", "there.pth"))
    assert mixed.run().code == 0
    assert len(report(mixed)["workflows"]) == 3


def test_report_tells_the_same_without_a_run(mixed: InProcess) -> None:
    done = mixed.run("report")
    assert done.code == 0, done
    assert "broken.json" in done.err
    states = {model["model"]: model["status"] for model in report(mixed)["models"]}
    assert states == {
        "upscale_models/rife49.pth": "missing", "loras/nobody_has_it_7.safetensors": "missing",
        "vae/there.pth": "unverified",
    }  # fmt: skip
    assert mixed.run("report", "--check").code == 1
    mixed.run()
    after = report(mixed)
    assert json.loads(mixed.run("report", "--json").out) == after
    assert mixed.run("report", "clip.json").code == 3


def test_github_gets_annotations_at_nodes_and_a_summary(mixed: InProcess, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    env = {
        "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_WORKSPACE": str(mixed.root),
    }  # fmt: skip
    done = mixed.run(**env)
    lines = done.out.splitlines()
    errors = [line for line in lines if line.startswith("::error ")]
    below = "ComfyUI/user/default/workflows"
    places = {re.sub(r"^::error file=(.*),line=(\d+),title=.*", r"\1 \2", line) for line in errors}
    clip = (mixed.workflows / "clip.json").read_text().splitlines()
    second = next(n for n, line in enumerate(clip, 1) if '"id": 2' in line)
    assert places == {
        f"{below}/clip.json {second}",
        f"{below}/odd.json 2",
        f"{below}/broken.json 2",
    }
    opened = [line for line in lines if line.startswith(("::group::", "::endgroup::"))]
    assert [line[:7] for line in opened] == ["::group", "::endgr"]
    told = summary.read_text()
    assert told.startswith("before\n# comfyfix")
    assert "broken\\.json" not in told
    for name in ("broken.json", "nobody\\_has\\_it\\_7.safetensors", "odd.json"):
        assert name in told
    assert t("Workflows that can't be read:") in done.out


def test_a_place_is_told_from_the_workspace_by_whatever_way(
    mixed: InProcess, tmp_path: Path
) -> None:
    """A runner may know it by a link; and a name with two dots leads nowhere."""
    (tmp_path / "link").symlink_to(mixed.root)
    (mixed.workflows / "broken.json").rename(mixed.root / "..broken.json")
    mixed.manifest(workflows=["..broken.json"])
    done = mixed.run(GITHUB_ACTIONS="true", GITHUB_WORKSPACE=str(tmp_path / "link"))
    assert "::error file=..broken.json,line=2,title" in done.out


@pytest.mark.parametrize(
    "service", ["GITHUB_ACTIONS", pytest.param("GITLAB_CI", marks=pytest.mark.soak)]
)
def test_a_fold_is_closed_where_an_error_ends_the_run(
    mixed: InProcess, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(Reporter, "complete_run", broken)
    done = mixed.run(**{service: "true"})
    assert done.code == 3, done
    opens, closes = FOLDS[service]
    (opened,), (closed,) = opens.finditer(done.out), closes.finditer(done.out)
    assert opened.start() < closed.start()


def test_a_run_with_nothing_to_do_closes_no_group(inprocess: InProcess, tmp_path: Path) -> None:
    inprocess.workflow("w.json", ("vae", "there.pth"))
    inprocess.put("vae", "there.pth")
    summary = tmp_path / "summary.md"
    done = inprocess.run(GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
    assert done.code == 0
    assert "group" not in done.out
    assert "there.pth" in summary.read_text()


def test_gitlab_gets_a_section_and_a_report_of_quality(mixed: InProcess) -> None:
    done = mixed.run(GITLAB_CI="true", CI_PROJECT_DIR=str(mixed.root))
    assert re.search(r"\x1b\[0Ksection_start:\d+:comfyfix\[collapsed=true\]\r\x1b\[0K", done.out)
    assert done.out.count("section_end:") == 1
    rows = report(mixed, "gl-code-quality-report.json")
    assert {row["severity"] for row in rows} == {"blocker", "major"}
    assert len({row["fingerprint"] for row in rows}) == len(rows) == 3
    below = "ComfyUI/user/default/workflows"
    assert {row["location"]["path"] for row in rows} == {
        f"{below}/{name}.json" for name in ("clip", "odd", "broken")
    }
    assert all(row["location"]["lines"]["begin"] >= 1 for row in rows)


def test_a_report_that_can_not_be_written_fails_no_run(
    inprocess: InProcess, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    inprocess.workflow("w.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    (inprocess.output / "report" / "junit.xml").mkdir(parents=True)
    assert inprocess.run().code == 0
    assert (inprocess.output / "report" / "junit.xml.damaged").is_dir()
    assert ages(inprocess).keys() >= FILES

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(publishing, "write_if_changed", full)
    inprocess.workflow("w.json", RIFE, ("vae", "there.pth"))
    inprocess.put("vae", "there.pth")
    done = inprocess.run()
    assert done.code == 0, done
    assert os.strerror(errno.ENOSPC) in done.err
    assert "Traceback" not in done.err


def test_doits_own_json_stands_alone(mixed: InProcess) -> None:
    done = mixed.run("-r", "json", GITHUB_ACTIONS="true")
    assert json.loads(done.out)["tasks"]
    done = mixed.run("--json")
    told = json.loads(done.out)
    assert (told["exit_code"], told["good"]) == (1, False)
    assert told["reports"] == {"": report(mixed)}
    assert "nobody_has_it_7" in done.err


def test_the_page_is_shown_in_the_users_browser(mixed: InProcess, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1 ${{HF_TOKEN-none}}" >"{seen}"\n')
    browser.chmod(0o755)
    done = mixed.run("report", "--open", BROWSER=f"{browser} %s", HF_TOKEN="hf_" + "q" * 34)
    assert done.code == 0, done
    page = mixed.output / "report" / "report.html"
    assert seen.read_text() == f"{page.absolute().as_uri()} none\n"


def test_a_browser_that_is_not_there_is_told(mixed: InProcess) -> None:
    done = mixed.run("report", "--open", BROWSER="/nowhere/browser %s", PATH="/nowhere")
    page = mixed.output / "report" / "report.html"
    assert done.code == 1
    assert t("no browser could be started: open {page} yourself", page=page) in done.err


@pytest.mark.parametrize("change", ["nothing", "gone", "altered", "result", "cache"])
def test_a_report_is_made_again_where_it_would_be_another(
    mixed: InProcess, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    mixed.run()
    folder = mixed.output / "report"
    monkeypatch.setattr("comfyfix.screen.results.page.form", lambda _sheet: b"made again")
    if change == "gone":
        (folder / "report.md").unlink()
    elif change == "altered":
        (folder / "report.md").write_text("mine")
    elif change == "result":
        mixed.workflow("more.json", ("vae", "more.pth"))
    elif change == "cache":
        (mixed.output / ".cache" / "rendered.json").write_text("{}")
    mixed.run()
    again = (folder / "report.html").read_bytes() == b"made again"
    assert again is (change != "nothing")
    assert (folder / "report.md").read_text() != "mine"


def test_a_report_of_the_very_moment_of_a_change_is_made_again(
    inprocess: InProcess, hub: Hub
) -> None:
    """On a disk with coarse times the change may have come after the report."""
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    inprocess.workflow("w.json", RIFE)
    assert inprocess.run().code == 0
    path = inprocess.output / "report" / "report.json"
    told = path.read_bytes()
    path.write_text("{}")
    moment = path.stat().st_mtime_ns + 60 * 10**9  # after all else that this run writes
    for each in (path, inprocess.output / "ledger.json"):
        os.utime(each, ns=(moment, moment))
    assert inprocess.run().code == 0
    assert path.read_bytes() == told


@pytest.mark.parametrize("spoiled", ["report.html", "report.json", "../.cache/pieces.json"])
def test_nothing_of_an_altered_file_comes_into_the_next_report(
    mixed: InProcess, spoiled: str
) -> None:
    mixed.run()
    path = mixed.output / "report" / spoiled
    path.write_bytes(path.read_bytes().replace(b"a", b"\xc3\xa9"))
    mixed.workflow("more.json", ("vae", "more.pth"))
    mixed.run()
    made = {each.name: each.read_bytes() for each in (mixed.output / "report").iterdir()}
    shutil.rmtree(mixed.output / "report")
    mixed.run("report")
    assert made == {each.name: each.read_bytes() for each in (mixed.output / "report").iterdir()}
