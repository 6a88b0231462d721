"""The lock file: written, obeyed, kept true, and never believed more than its rules allow."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.records import Reason, because
from comfyfix.screen.words import sentence, t
from comfyfix.settings import lockfile
from comfyfix.settings.overrides import LOCK_FILE
from comfyfix.sources.base import Services
from comfyfix.state.hashing import FileChanged
from comfyfix.why import Why
from tests.inprocess import InProcess, Ran

REPO = "harbour/harbour_lamps"
NAMES = (
    "harbour_lamp_one.safetensors",
    "harbour_lamp_two.safetensors",
    "harbour_lamp_x.safetensors",
)

PROGRAM = (sys.executable, "-c", "from comfyfix.tasks.declare import program; program.main()")
OURS = file_for("ours_alone.safetensors", seed="ours")


@pytest.fixture
def site(inprocess: InProcess, hub: Hub) -> InProcess:
    hub.add(REPO, NAMES)
    inprocess.workflow("w.json", *(("loras", name) for name in NAMES))
    inprocess.manifest(search={"sources": ["store", "workflow", "huggingface", "civitai"]})
    return inprocess


def path(site: InProcess) -> Path:
    return site.root / LOCK_FILE


def entries(site: InProcess) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(path(site).read_text())["models"]
    return found


def edit(site: InProcess, number: int = 0, **changed: Any) -> None:
    value = yaml.safe_load(path(site).read_text())
    value["models"][number].update(changed)
    path(site).write_text(yaml.safe_dump(value))


def locked(site: InProcess, hub: Hub) -> None:
    assert site.run("lock").code == 0
    hub.seen.clear()


def searches(hub: Hub) -> list[str]:
    told = [seen.path for seen in hub.seen if "/api/" in seen.path]
    return [path for path in told if "/download/" not in path and "-cache/" not in path]


def fetched(site: InProcess) -> dict[str, str]:
    return {p.name: sha256(p.read_bytes()) for p in (site.models / "loras").glob("*.safetensors")}


def refused(ran: Ran) -> str:
    assert ran.code == 3
    assert "Traceback" not in ran.err
    return ran.err


def test_what_is_locked_is_fetched_without_a_search(site: InProcess, hub: Hub) -> None:
    assert site.run("lock").code == 0
    told = entries(site)
    assert [one["path"] for one in told] == sorted(NAMES)
    commit = hub.repositories[REPO].commit
    for one in told:
        assert one["folder"] == "loras"
        assert one["url"] == f"https://huggingface.co/{REPO}/resolve/{commit}/{one['path']}"
        assert one["sha256"] == sha256(file_for(one["path"]))
        assert one["size"] == len(file_for(one["path"]))
        assert one["source"] == "huggingface"
    assert str(site.root) not in path(site).read_text()
    hub.seen.clear()
    for mode in ("--frozen", "--locked", "--locked"):
        assert site.run(mode).code == 0
        assert searches(hub) == []
    assert fetched(site) == {name: sha256(file_for(name)) for name in NAMES}


def test_another_place_and_another_store_get_the_same_bytes_by_the_same_lock(
    site: InProcess, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert site.run().code == 0
    locked(site, hub)
    assert site.run("lock").code == 0
    text = path(site).read_bytes()
    other = InProcess(tmp_path / "else where" / "b", hub, monkeypatch, capsys)
    other.workflow("deeper/w.json", *(("loras", name) for name in NAMES))
    store = tmp_path / "shared store"
    store.mkdir()
    other.manifest(store=str(store))
    path(other).write_bytes(text)
    hub.seen.clear()
    assert other.run("--locked").code == 0
    assert searches(hub) == []
    for name in NAMES:
        assert (store / "loras" / name).read_bytes() == (site.models / "loras" / name).read_bytes()
    assert path(other).read_bytes() == text


def test_the_newest_of_a_repository_is_not_what_was_locked(site: InProcess, hub: Hub) -> None:
    locked(site, hub)
    old = sha256(hub.repositories[REPO].files[NAMES[0]])
    hub.repositories[REPO].push({NAMES[0]: file_for(NAMES[0], seed="newer")})
    ran = site.run("lock", "--check")
    assert ran.code == 1
    assert NAMES[0] in ran.out
    assert hub.repositories[REPO].commit in ran.out
    assert NAMES[1] not in ran.out
    assert site.run("lock").code == 0, "what is locked stays"
    assert entries(site)[0]["sha256"] == old
    dry = site.run("lock", "--upgrade", "--dry-run", NAMES[0])
    assert dry.code == 0
    assert "sha256" in dry.out
    assert entries(site)[0]["sha256"] == old
    assert site.run("lock", "--upgrade", NAMES[0]).code == 0
    assert entries(site)[0]["sha256"] == sha256(file_for(NAMES[0], seed="newer"))
    assert site.run("lock", "--check").code == 0


@pytest.mark.parametrize("gone", ["file", "repository", "gated"])
def test_a_check_tells_what_is_not_there_any_more(site: InProcess, hub: Hub, gone: str) -> None:
    locked(site, hub)
    if gone == "file":
        hub.repositories[REPO].push({NAMES[0]: None})
    elif gone == "repository":
        del hub.repositories[REPO]
    else:
        hub.repositories[REPO].gated = True
    ran = site.run("lock", "--check", "--json")
    assert ran.code == 1
    drift = {one["model"]: one["drift"] for one in json.loads(ran.out)["models"]}
    assert drift[f"loras/{NAMES[0]}"]
    if gone == "file":
        assert drift[f"loras/{NAMES[1]}"] is None


def test_an_upgrade_that_finds_nothing_leaves_what_is_locked(site: InProcess, hub: Hub) -> None:
    locked(site, hub)
    before = path(site).read_bytes()
    hub.faults.append(Fault("*", "503"))
    ran = site.run("lock", "--upgrade")
    assert ran.code == 1
    assert path(site).read_bytes() == before
    hub.faults.clear()
    hub.repositories[REPO].push({NAMES[0]: None, NAMES[1]: file_for(NAMES[1], seed="newer")})
    told = json.loads(site.run("lock", "--upgrade", "--json").out)
    assert [row["model"] for row in told["left"]] == [f"loras/{NAMES[0]}"]
    assert told["removed"] == []
    hashes = {one["path"]: one["sha256"] for one in entries(site)}
    assert hashes[NAMES[0]] == sha256(file_for(NAMES[0]))
    assert hashes[NAMES[1]] == sha256(file_for(NAMES[1], seed="newer"))


def test_where_nobody_can_be_asked_nothing_is_said_of_sources(site: InProcess, hub: Hub) -> None:
    """A file that is here would be locked by its hash alone for good."""
    site.put("loras", NAMES[0])
    hub.faults.append(Fault("*", "503"))
    told = json.loads(site.run("lock", "--json").out)
    assert told["added"] == []
    assert {row["model"] for row in told["left"]} == {f"loras/{name}" for name in NAMES}
    hub.faults.clear()
    assert site.run("lock").code == 0
    assert all(one["url"] for one in entries(site))
    hub.faults.append(Fault("*", "503"))
    assert site.run("lock", "--upgrade").code == 1
    assert all(one["url"] for one in entries(site))


@pytest.mark.parametrize("variable", ["COMFYFIX_LOCKED", "COMFYFIX_FROZEN", "COMFYFIX_OFFLINE"])
def test_a_switch_is_on_or_off_and_nothing_else(site: InProcess, hub: Hub, variable: str) -> None:
    for told in ("y", "enabled", "2", "1 "):
        assert variable in refused(site.run(**{variable: told}))
    assert hub.seen == []
    assert site.run("list", **{variable: "False"}).code == 0


def test_a_provider_that_can_not_be_asked_is_no_drift(site: InProcess, hub: Hub) -> None:
    locked(site, hub)
    hub.faults.append(Fault("*", "503"))
    rows = json.loads(site.run("lock", "--check", "--json").out)["models"]
    assert {row["why"] for row in rows} == {Why.DRIFT_UNASKED}
    ran = site.run("lock", "--check")
    assert ran.code == 1
    assert "--upgrade" not in ran.out, "there is nothing to upgrade to"


def test_a_run_keeps_the_lock_true(site: InProcess, hub: Hub) -> None:
    locked(site, hub)
    hub.add("harbour/buoy_bell", ["buoy_bell.safetensors"])
    site.workflow("w.json", ("loras", NAMES[0]), ("loras", "buoy_bell.safetensors"))
    before = path(site).read_bytes()
    assert site.run(CI="1").code == 0
    assert path(site).read_bytes() == before, "never where CI is set"
    site.workflow("broken.json").write_text("{")
    assert site.run().code == 1
    assert len(entries(site)) == 4, "what a workflow that can't be read needs is not known"
    (site.workflows / "broken.json").unlink()
    assert site.run().code == 0
    assert [one["path"] for one in entries(site)] == ["buoy_bell.safetensors", NAMES[0]]
    assert {one["verdict"] for one in entries(site)} == {"ok"}
    assert site.run("--locked").code == 0


def test_without_a_lock_a_run_writes_none(site: InProcess) -> None:
    assert site.run().code == 0
    assert not path(site).exists()
    for option in ("--locked", "--frozen"):
        assert str(path(site)) in refused(site.run(option))
    assert str(path(site)) in refused(site.run("lock", "--check"))


@pytest.mark.parametrize("way", [{"COMFYFIX_LOCKED": "1"}, {}])
def test_locked_is_an_error_where_lock_and_workflows_disagree(
    site: InProcess, hub: Hub, way: dict[str, str]
) -> None:
    locked(site, hub)
    site.workflow("w.json", ("loras", NAMES[0]), ("loras", "unheard_of.safetensors"))
    ran = site.run(*([] if way else ["--locked"]), **way)
    told = refused(ran)
    assert "unheard_of.safetensors" in told
    assert NAMES[1] in told
    assert NAMES[0] not in told
    assert hub.seen == []
    assert fetched(site) == {}


def test_frozen_reads_no_workflow(site: InProcess, hub: Hub) -> None:
    locked(site, hub)
    for file in site.workflows.iterdir():
        file.unlink()
    (site.workflows / "broken.json").write_text("{")
    assert site.run("--frozen").code == 0
    assert sorted(fetched(site)) == sorted(NAMES)
    before = path(site).read_bytes()
    assert site.run("list", "--frozen").code == 0
    assert refused(site.run("--frozen", "workflow=w.json"))
    assert path(site).read_bytes() == before


def test_what_the_user_says_counts_before_the_lock(site: InProcess, hub: Hub) -> None:
    locked(site, hub)
    hub.add("harbour/mine", ["other.safetensors"])
    url = "https://huggingface.co/harbour/mine/resolve/main/other.safetensors"
    site.manifest(models={NAMES[0]: {"url": url}})
    assert NAMES[0] in refused(site.run("--locked"))
    assert site.run().code == 0
    assert fetched(site)[NAMES[0]] == sha256(file_for("other.safetensors"))
    assert entries(site)[0]["sha256"] == sha256(file_for("other.safetensors"))
    assert NAMES[0] in refused(site.run("--locked")), "the manifest has the last word"


def test_a_file_of_another_content_fails_with_both_hashes(site: InProcess, hub: Hub) -> None:
    assert site.run().code == 0
    locked(site, hub)
    other = sha256(b"other")
    edit(site, 0, sha256=other)
    ran = site.run("--frozen")
    assert ran.code == 1
    assert other in ran.out
    assert sha256(file_for(NAMES[0])) in ran.out
    assert fetched(site)[NAMES[0]] == sha256(file_for(NAMES[0])), "it is not ours to replace"
    site.put("loras", NAMES[1], file_for("something.safetensors"))
    ran = site.run("verify", "--frozen")
    assert ran.code == 1


@pytest.mark.parametrize("receipts", ["own", "trust"])
def test_a_file_that_came_without_us_is_held_against_the_lock(
    site: InProcess, hub: Hub, receipts: str
) -> None:
    locked(site, hub)
    site.manifest(verify={"receipts": receipts})
    for name in NAMES:
        site.put("loras", name)
    assert site.run("--frozen").code == 0
    site.put("loras", NAMES[0], file_for("something.safetensors"))
    ran = site.run("--frozen")
    assert ran.code == 1
    assert sha256(file_for(NAMES[0])) in ran.out
    assert sha256(file_for("something.safetensors")) in ran.out
    assert hub.seen == []


def test_bytes_that_do_not_match_are_not_taken(site: InProcess, hub: Hub) -> None:
    locked(site, hub)
    edit(site, 0, sha256=sha256(b"no such bytes"))
    ran = site.run("--frozen")
    assert ran.code == 1
    assert sorted(fetched(site)) == sorted(NAMES[1:])
    for told in (
        sha256(b"no such bytes"),
        sha256(file_for(NAMES[0])),
        f"--upgrade loras/{NAMES[0]}",
    ):
        assert told in ran.out, "both hashes, and what helps"


def test_what_is_gone_is_not_searched_elsewhere(site: InProcess, hub: Hub) -> None:
    locked(site, hub)
    hub.faults.append(Fault(f"file *{NAMES[0]}", "404"))
    hub.faults.append(Fault(f"resolve *{NAMES[0]}", "404"))
    ran = site.run("--locked")
    assert ran.code == 1
    assert f"--upgrade loras/{NAMES[0]}" in ran.out
    assert searches(hub) == []


@pytest.mark.soak
@pytest.mark.parametrize(
    "url",
    [
        "http://huggingface.example/x.safetensors", "https://evil.example/x.safetensors",
        "https://127.0.0.1/x.safetensors", "file:///etc/passwd", "https://user@github.com/x",
        "-o/tmp/x", "https://huggingface.co/../../x", "$(touch /tmp/x)",
    ],
)  # fmt: skip
def test_an_address_obeys_the_rules_of_a_workflows(site: InProcess, hub: Hub, url: str) -> None:
    locked(site, hub)
    edit(site, 0, url=url)
    ran = site.run("--frozen")
    assert ran.code == 1
    assert "Traceback" not in ran.out + ran.err
    assert NAMES[0] not in fetched(site)
    assert sorted(fetched(site)) == sorted(NAMES[1:])


@pytest.mark.parametrize(
    ("folder", "where"),
    [
        ("loras", "../x.safetensors"), ("loras", "/etc/x.safetensors"), ("..", "x.safetensors"),
        ("loras", "a/../../x.safetensors"), ("loras/..", "x.safetensors"), ("", "x.safetensors"),
        ("loras", "a\\..\\..\\x.safetensors"), ("loras", "\x1b[2Jx.safetensors"), ("loras", ""),
        ("loras", ".hidden.safetensors"),
    ],
)  # fmt: skip
def test_no_place_is_outside_the_store(site: InProcess, hub: Hub, folder: str, where: str) -> None:
    locked(site, hub)
    edit(site, 0, folder=folder, path=where)
    ran = site.run("--frozen")
    assert ran.code == 1
    assert "Traceback" not in ran.out + ran.err
    assert "\x1b[2J" not in ran.out + ran.err
    assert t("run `doit lock`").replace("doit", "comfyfix") in ran.out, "no node has it"
    files = set(site.root.rglob("*x.safetensors")) - set(site.root.rglob("*_x.safetensors"))
    assert files == set()
    assert sorted(fetched(site)) == sorted(NAMES[1:])


def test_a_private_model_is_locked_by_its_hash_alone(site: InProcess, hub: Hub) -> None:
    site.workflow("w.json", ("loras", "ours_alone.safetensors"))
    site.put("loras", "ours_alone.safetensors", OURS)
    assert site.run("lock").code == 0
    assert entries(site) == [
        {
            "folder": "loras",
            "path": "ours_alone.safetensors",
            "size": len(OURS),
            "sha256": sha256(OURS),
        }
    ]
    assert site.run("lock", "--upgrade").code == 0
    assert len(entries(site)) == 1
    assert site.run("list", "--locked").code == 0
    (site.models / "loras" / "ours_alone.safetensors").unlink()
    ran = site.run("--frozen")
    assert ran.code == 1
    assert sha256(OURS) in ran.out
    site.put("vae", "elsewhere.safetensors", OURS)
    assert site.run("lock", "--check").code == 0
    assert site.run("--frozen").code == 0, "it is found in the store by its hash"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError(errno.EACCES, "no"), because(Why.SYSTEM_SAYS, error="no")),
        (FileChanged(), because(Why.FILE_CHANGES)),
    ],
)
def test_a_model_that_can_not_be_read_is_left_with_its_reason(
    site: InProcess, hub: Hub, error: OSError, reason: Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.workflow("w.json", ("loras", "ours_alone.safetensors"))
    site.put("loras", "ours_alone.safetensors", OURS)

    def unreadable(*_: object) -> str:
        raise error

    monkeypatch.setattr(Services, "hash_of", unreadable)
    ran = site.run("lock")
    assert (ran.code, ran.err.count("Traceback")) == (1, 0)
    assert sentence(reason) in ran.out
    assert entries(site) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("version: 1\nmodels:\n- folder: loras\n  path: x\n  size: 1\n  sha256: abc\n", 6),
        ("version: 1\nmodels:\n- folder: loras\n  path: x\n  size: -1\n  sha256: " + "a" * 64, 5),
        ("version: 1\nmodels:\n- folder: loras\n", 3),
        ("version: 1\nmodels: 7\n", 2),
        ("version: one\nmodels: []\n", 1),
        ("models: []\n", 1),
        ("[1, 2]\n", 1),
        ("", 1),
        ("version: 1\nmodels:\n<<<<<<< ours\n- folder: a\n", 4),
        ("version: 1\nmodels: &a []\nx: *a\n", 2),
        ("version: 1\nmore: true\nmodels: []\n", 2),
    ],
)
def test_a_broken_lock_is_told_with_its_line(site: InProcess, text: str, line: int) -> None:
    path(site).write_text(text)
    told = refused(site.run("list"))
    assert LOCK_FILE in told
    assert t("line {line}", line=line) in told


def test_a_lock_of_a_newer_program_is_left_to_it(site: InProcess) -> None:
    path(site).write_text("version: 2\nwhatever: {}\n")
    assert LOCK_FILE in refused(site.run())
    assert path(site).read_text().startswith("version: 2")


def test_two_entries_of_one_model_are_refused(site: InProcess, hub: Hub) -> None:
    locked(site, hub)
    value = yaml.safe_load(path(site).read_text())
    value["models"].append({**value["models"][0]})
    path(site).write_text(yaml.safe_dump(value))
    assert NAMES[0] in refused(site.run("list"))


def test_a_lock_that_changes_while_it_is_searched_is_left_alone(
    site: InProcess, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked(site, hub)
    site.workflow("w.json", ("loras", NAMES[0]))
    real = lockfile.change

    def late(*arguments: Any) -> None:
        edit(site, 0, licence="mit")
        real(*arguments)

    monkeypatch.setattr(lockfile, "change", late)
    refused(site.run("lock"))
    assert entries(site)[0]["licence"] == "mit"
    assert len(entries(site)) == 3


def test_of_two_that_lock_at_once_both_are_right(
    site: InProcess, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = lockfile.change
    inner: list[Ran] = []

    def late(*arguments: Any) -> None:
        monkeypatch.setattr(lockfile, "change", real)
        done = site.doit("lock", program=PROGRAM)
        inner.append(Ran(done.returncode, done.stdout, done.stderr))
        real(*arguments)

    monkeypatch.setattr(lockfile, "change", late)
    assert site.run("lock").code == 0
    assert inner[0].code == 0, inner
    assert [one["path"] for one in entries(site)] == sorted(NAMES)


def test_a_full_disk_leaves_the_lock_as_it_was(
    site: InProcess, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked(site, hub)
    before = path(site).read_bytes()
    site.workflow("w.json", ("loras", NAMES[0]))

    def full(where: Path, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(where))

    monkeypatch.setattr(lockfile, "write_atomic", full)
    told = refused(site.run("lock"))
    assert os.strerror(errno.ENOSPC) in told
    assert LOCK_FILE in told
    ran = site.run()
    assert ran.code == 0, "the models are there all the same"
    assert os.strerror(errno.ENOSPC) in ran.err
    assert path(site).read_bytes() == before


@pytest.mark.parametrize("variable", ["COMFYFIX_LOCKED", "COMFYFIX_FROZEN"])
def test_lock_writes_nothing_where_that_is_forbidden(
    site: InProcess, hub: Hub, variable: str
) -> None:
    locked(site, hub)
    before = path(site).read_bytes()
    assert variable in refused(site.run("lock", "--upgrade", **{variable: "1"}))
    assert path(site).read_bytes() == before
    assert site.run("lock", "--check", **{variable: "1"}).code == 0


def test_a_model_that_is_nowhere_leaves_the_lock_incomplete(site: InProcess) -> None:
    site.workflow("w.json", ("loras", NAMES[0]), ("loras", "nowhere_at_all.safetensors"))
    ran = site.run("lock")
    assert ran.code == 1
    assert "nowhere_at_all.safetensors" in ran.out
    assert [one["path"] for one in entries(site)] == [NAMES[0]]
    told = json.loads(site.run("lock", "--json").out)
    assert [one["model"] for one in told["left"]] == ["loras/nowhere_at_all.safetensors"]


def test_a_lock_that_says_what_is_so_is_written_byte_for_byte_again(
    site: InProcess, hub: Hub
) -> None:
    locked(site, hub)
    before = path(site).read_bytes()
    path(site).unlink()
    assert site.run("lock").code == 0
    assert path(site).read_bytes() == before


@pytest.mark.soak
@settings(max_examples=25, deadline=None, suppress_health_check=[*HealthCheck])
@given(data=st.data())
def test_no_edit_by_hand_brings_other_bytes_another_host_or_another_place(
    site: InProcess, hub: Hub, data: st.DataObject
) -> None:
    shutil.rmtree(site.output, ignore_errors=True)
    shutil.rmtree(site.models)
    site.models.mkdir()
    path(site).unlink(missing_ok=True)
    locked(site, hub)
    digest = sha256(file_for(NAMES[0]))
    commit = hub.repositories[REPO].commit
    home = f"https://huggingface.co/{REPO}/resolve/{commit}"
    bad_urls = [
        f"{home}/{NAMES[1]}", f"{home}/../x", "https://evil.example/x", hub.url,
        f"{hub.url}/{REPO}/resolve/main/{NAMES[0]}", "http://huggingface.co/a/b", "https://[::1]/x",
        "https://huggingface.co.evil.example/a/b/resolve/main/c",
    ]  # fmt: skip
    names = [
        "../a.safetensors", "/etc/a.safetensors", "a/b.safetensors", "~/a.safetensors",
        "a.safetensors/", "CON.safetensors",
    ]  # fmt: skip
    ended = st.text(max_size=20).map(lambda name: f"{name}.safetensors")
    folders = ["..", "vae", "loras/../..", "~", "/etc", "custom_nodes"]
    urls, paths = st.sampled_from(bad_urls) | st.text(max_size=40), st.sampled_from(names) | ended
    digests = st.sampled_from(["0" * 64, digest, digest[:-1] + "0", sha256(b"")])
    sizes = st.sampled_from([1, 7, len(file_for(NAMES[0])), 1 << 40])
    part = st.fixed_dictionaries(
        {"path": paths, "url": urls | st.just(f"{home}/{NAMES[0]}"), "size": sizes},
        optional={"sha256": digests, "blob": st.sampled_from(["", "0" * 40])},
    )
    edits = {
        "sha256": digests,
        "size": sizes,
        "url": urls,
        "path": paths,
        "folder": st.sampled_from(folders),
        "by_name": st.booleans(),
        "gated": st.booleans(),
        "source": st.text(max_size=9),
        "verdict": st.sampled_from(["", "ok", "unverified"]),
    }
    changed = data.draw(st.fixed_dictionaries({}, optional=edits))
    if data.draw(st.booleans()):
        changed |= {"files": data.draw(st.lists(part, max_size=3)), "sha256": None}
    edit(site, 0, **changed)
    ran = site.run("--frozen")
    assert ran.code in (0, 1, 3)
    assert "Traceback" not in ran.out + ran.err
    every = entries(site) if ran.code != 3 else []
    known = {told.get("sha256") for one in every for told in (one, *one.get("files", ()))}
    inside = {p for p in site.models.rglob("*") if p.is_file() and ".comfyfix" not in p.parts}
    for file in {*site.root.rglob("*.safetensors"), *site.root.rglob("*.safetensors/*")}:
        assert file in inside or file.is_dir(), file
        assert file.is_dir() or sha256(file.read_bytes()) in known, changed
    for told in (site.output / "sources").glob("*.json"):
        record = json.loads(told.read_bytes())
        places = [record["url"], *(part["url"] for part in record.get("files", ()))]
        assert {urlsplit(place).hostname for place in places} <= {"huggingface.co"}, changed


WHOLE = {
    "config.json": b'{"model_type": "florence2"}',
    "tokenizer.json": b'{"version": "1.0"}',
    "model.safetensors": file_for("model.safetensors", seed="florence"),
    "modeling_florence2.py": b"print('code')",
}
READ = ("config.json", "model.safetensors", "tokenizer.json")


@pytest.fixture
def whole(site: InProcess, hub: Hub) -> Path:
    """A project that needs a directory; the place of that."""
    hub.add("lantern/Florence-2-lantern", ()).files.update(WHOLE)
    value = "Florence-2-lantern"
    node = {"class_type": "Florence2ModelLoader", "inputs": {"model": value}}
    (site.workflows / "w.json").write_text(json.dumps({"1": node}))
    return site.models / "LLM" / value


def test_a_directory_is_locked_file_by_file(site: InProcess, hub: Hub, whole: Path) -> None:
    locked(site, hub)
    (entry,) = entries(site)
    assert "sha256" not in entry
    assert [file["path"] for file in entry["files"]] == sorted(READ)
    assert all(file.get("sha256") or file.get("blob") for file in entry["files"])
    for mode in ("--frozen", "--locked"):
        assert site.run(mode).code == 0
    assert searches(hub) == []
    assert {p.name: p.read_bytes() for p in whole.iterdir()} == {n: WHOLE[n] for n in READ}
    assert site.run("lock", "--check").code == 0
    hub.repositories["lantern/Florence-2-lantern"].push({"config.json": b"{}"})
    assert site.run("lock", "--check").code == 1
    assert site.run("--locked").code == 0


def test_a_directory_of_other_bytes_than_locked_is_told_and_left(
    site: InProcess, hub: Hub, whole: Path
) -> None:
    locked(site, hub)
    whole.mkdir(parents=True)
    other = WHOLE["model.safetensors"][:-1] + b"!"
    for name in READ:
        (whole / name).write_bytes(WHOLE[name])
    (whole / "model.safetensors").write_bytes(other)
    assert site.run("--frozen").code == 1
    assert (whole / "model.safetensors").read_bytes() == other
    (whole / "model.safetensors").write_bytes(WHOLE["model.safetensors"])
    assert site.run("--frozen").code == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"path": "../config.json"}, {"path": "/etc/config.json"}, {"path": "CONFIG.json"},
        {"path": "model.safetensors"}, {"url": "https://evil.example/config.json"},
        {"path": "modeling.py"}, {"sha256": "0" * 64, "blob": ""}, {"path": "a\x1b.json"},
    ],
)  # fmt: skip
def test_no_file_of_a_directory_is_other_or_elsewhere_than_locked(
    site: InProcess, hub: Hub, whole: Path, changed: dict[str, str]
) -> None:
    locked(site, hub)
    value = yaml.safe_load(path(site).read_text())
    value["models"][0]["files"][0].update(changed)
    if changed == {"path": "CONFIG.json"}:
        value["models"][0]["files"][1]["path"] = "config.JSON"
    path(site).write_text(yaml.safe_dump(value))
    ran = site.run("--frozen")
    assert ran.code == 1
    assert "Traceback" not in ran.out + ran.err
    assert not whole.exists()
    assert not list(site.root.rglob("modeling.py"))


def test_a_file_that_is_locked_as_a_directory_is_refused(
    site: InProcess, hub: Hub, whole: Path
) -> None:
    locked(site, hub)
    (entry,) = entries(site)
    changed = {"path": NAMES[0], "folder": "loras", "files": entry["files"]}
    site.workflow("w.json", ("loras", NAMES[0]))
    edit(site, 0, **changed)
    ran = site.run()
    assert ran.code == 1
    assert "Traceback" not in ran.out + ran.err
    assert fetched(site) == {}


def test_a_directory_that_came_without_us_is_locked_if_it_is_what_was_found(
    site: InProcess, hub: Hub, whole: Path
) -> None:
    whole.mkdir(parents=True)
    for name in READ:
        (whole / name).write_bytes(WHOLE[name])
    (whole / "model.safetensors").write_bytes(file_for("model.safetensors", seed="another"))
    ran = site.run("lock")
    assert ran.code == 1
    assert "lantern/Florence-2-lantern" in ran.out
    assert entries(site) == []
    (whole / "model.safetensors").write_bytes(WHOLE["model.safetensors"])
    assert site.run("lock").code == 0
    assert [file["path"] for file in entries(site)[0]["files"]] == sorted(READ)
    assert site.run("--locked").code == 0


@pytest.mark.parametrize("there", ["", "new", "deep/er"])
@pytest.mark.parametrize("fetched", [False, True])
def test_what_a_node_finds_by_its_name_is_locked_alike_wherever_it_lies(
    site: InProcess, hub: Hub, there: str, fetched: bool
) -> None:
    stem = NAMES[0].removesuffix(".safetensors")
    graph = {"1": {"class_type": "LoraTagLoader", "inputs": {"text": f"<lora:{stem}:1>"}}}
    (site.workflows / "w.json").write_text(json.dumps(graph))
    if there:
        site.put("loras", f"{there}/{NAMES[0]}")
    elif fetched:
        assert site.run().code == 0
    locked(site, hub)
    (entry,) = entries(site)
    assert (entry["folder"], entry["path"], entry["by_name"]) == ("loras", NAMES[0], True)
    assert entry["sha256"] == sha256(file_for(NAMES[0]))
    for mode in ("--locked", "--frozen"):
        assert site.run(mode).code == 0
    assert searches(hub) == []
    place = f"{there}/{NAMES[0]}".removeprefix("/")
    assert site.files() == {f"loras/{place}": sha256(file_for(NAMES[0]))}
    assert site.run("lock", "--upgrade", NAMES[0]).code == 0
    assert [(one["path"], one["sha256"]) for one in entries(site)] == [
        (NAMES[0], sha256(file_for(NAMES[0])))
    ]


def test_of_several_names_that_a_node_takes_the_locked_one_is_fetched(
    site: InProcess, hub: Hub
) -> None:
    hub.add(REPO, ["harbour_soul.pt"])
    graph = {"1": {"class_type": "CLIPTextEncode", "inputs": {"text": "embedding:harbour_soul"}}}
    (site.workflows / "w.json").write_text(json.dumps(graph))
    there = site.put("embeddings", "harbour_soul.pt")
    locked(site, hub)
    (entry,) = entries(site)
    assert entry["path"] == "harbour_soul.pt"
    assert site.run("--locked").code == 0
    there.unlink()
    shutil.rmtree(site.output)
    for mode in ("--locked", "--frozen"):
        assert site.run(mode).code == 0
        assert site.files() == {"embeddings/harbour_soul.pt": entry["sha256"]}
    assert searches(hub) == []
    there.rename(there.with_name("harbour_soul.bin"))
    assert LOCK_FILE in refused(site.run("--locked")), "that is not the file that is locked"


FLAG = "unsafe"


def test_what_its_provider_flags_is_not_locked(site: InProcess, hub: Hub) -> None:
    hub.repositories[REPO].flagged[NAMES[0]] = FLAG
    ran = site.run("lock")
    assert ran.code == 1
    assert FLAG in ran.out
    assert [one["path"] for one in entries(site)] == sorted(NAMES[1:])


def test_what_is_flagged_once_it_is_locked_is_looked_into_and_told_by_a_check(
    site: InProcess, hub: Hub
) -> None:
    locked(site, hub)
    hub.repositories[REPO].flagged[NAMES[0]] = FLAG
    told = json.loads(site.run("plan", "--frozen", "--json").out)
    assert {row["source"] for row in told["models"]} == {"lock"}
    assert site.run("--frozen").code == 0
    assert searches(hub) == [], (
        "nobody is asked: the bytes are what was locked, and are looked into"
    )
    assert sorted(fetched(site)) == sorted(NAMES)
    ran = site.run("lock", "--check", "--json")
    assert ran.code == 1
    drift = {one["model"]: one["drift"] for one in json.loads(ran.out)["models"]}
    assert FLAG in str(drift[f"loras/{NAMES[0]}"])
    assert drift[f"loras/{NAMES[1]}"] is None
    site.manifest(verify={"pickle": "allow"})
    assert site.run("lock", "--check").code == 0


def test_a_directory_that_asks_for_agreement_now_is_told_by_a_check(
    site: InProcess, hub: Hub, whole: Path
) -> None:
    locked(site, hub)
    hub.repositories["lantern/Florence-2-lantern"].gated = True
    ran = site.run("lock", "--check", "--json")
    (told,) = json.loads(ran.out)["models"]
    assert (ran.code, told["drift"]) == (1, sentence(because(Why.DRIFT_AGREEMENT)))
    edit(site, gated=True)
    assert site.run("lock", "--check").code == 0, "it did when it was locked"


def test_a_directory_one_of_whose_files_is_longer_is_told_by_a_check(
    site: InProcess, hub: Hub, whole: Path
) -> None:
    locked(site, hub)
    (entry,) = entries(site)
    files = [file | {"size": file["size"] + 1} for file in entry["files"][:1]]
    edit(site, files=[*files, *entry["files"][1:]])
    (model,) = json.loads(site.run("lock", "--check", "--json").out)["models"]
    assert model["drift"] == sentence(because(Why.DRIFT_FILE, name=files[0]["path"]))


def test_a_directory_whose_file_is_locked_twice_is_refused(
    site: InProcess, hub: Hub, whole: Path
) -> None:
    locked(site, hub)
    (entry,) = entries(site)
    edit(site, files=[*entry["files"], dict(entry["files"][0])])
    ran = site.run("--locked")
    assert ran.code == 1
    twice = because(Why.KEY_TWICE, name=entry["files"][0]["path"])
    assert sentence(twice) in ran.out
    assert not whole.exists()


def test_a_directory_whose_file_is_flagged_is_told_by_a_check(
    site: InProcess, hub: Hub, whole: Path
) -> None:
    locked(site, hub)
    hub.repositories["lantern/Florence-2-lantern"].flagged["model.safetensors"] = FLAG
    ran = site.run("lock", "--check")
    assert ran.code == 1
    assert FLAG in ran.out


@pytest.mark.parametrize("part", ["directory", "file"])
def test_an_address_that_breaks_a_rule_is_told_by_a_check(
    site: InProcess, hub: Hub, whole: Path, part: str
) -> None:
    """Somebody has edited the lock file: no one is asked at such an address."""
    locked(site, hub)
    address = "https://huggingface.co/lantern/..%2Fx/resolve/main/config.json"
    (entry,) = entries(site)
    files = [file | {"url": address} for file in entry["files"]]
    edit(site, **({"files": files} if part == "file" else {"url": address}))
    ran = site.run("lock", "--check", "--json")
    (told,) = json.loads(ran.out)["models"]
    rule = because(Why.NO_REPOSITORY_ID)
    refused = because(Why.ADDRESS_REFUSED, address="lantern/../x", cause=rule)
    assert (ran.code, told["drift"]) == (1, sentence(because(Why.DRIFT_GONE, cause=refused)))


def test_a_locked_file_that_runs_code_never_gets_its_name(site: InProcess, hub: Hub) -> None:
    name = "harbour_trap.pt"
    trap = hub.add("harbour/harbour_trap", [name])
    trap.files[name] = b"cos\nsystem\n(S'true'\ntR."
    site.workflow("w.json", ("upscale_models", name))
    locked(site, hub)
    assert entries(site)[0]["sha256"] == sha256(trap.files[name])
    assert site.run("--frozen").code == 1
    assert [p.name for p in (site.models / "upscale_models").iterdir()] == [f"{name}.unsafe"]


def test_what_civitai_flags_once_it_is_locked_is_told_by_a_check(site: InProcess, hub: Hub) -> None:
    name = "moonlit_alley_style.safetensors"
    version = hub.add_civitai("Moonlit Alley Style", name)
    site.workflow("w.json", ("loras", name))
    locked(site, hub)
    assert entries(site)[0]["source"] == "civitai"
    version.scan = "Danger"
    (told,) = json.loads(site.run("lock", "--check", "--json").out)["models"]
    assert told["drift"] == sentence(
        because(
            Why.DRIFT_FLAGGED, cause=because(Why.CIVITAI_SCAN, told="'Danger' (pickleScanResult)")
        )
    )
    assert site.run("--frozen").code == 0


@pytest.mark.parametrize("key", ["", "a key of the store"])
def test_a_frozen_run_of_what_is_there_asks_nobody_and_writes_only_output(
    site: InProcess, hub: Hub, key: str
) -> None:
    def stamps() -> dict[Path, tuple[int, int]]:
        found = (p for p in site.root.rglob("*") if site.output not in (p, *p.parents))
        return {p: (p.lstat().st_mtime_ns, p.lstat().st_size) for p in found}

    with_key = {"COMFYFIX_STORE_KEY": key} if key else {}
    locked(site, hub)
    assert site.run("--frozen", **with_key).code == 0
    hub.seen.clear()
    shutil.rmtree(site.output)
    before = stamps()
    if not key:  # without one the receipts are kept anew, once
        assert site.run("--frozen").code == 0
        before = stamps()
    for _ in range(2):
        assert site.run("--frozen", **with_key).code == 0
        assert hub.seen == []
        assert stamps() == before


def test_a_directory_that_another_has_brought_is_there_as_it_was_locked(
    site: InProcess, hub: Hub, whole: Path
) -> None:
    with_key = {"COMFYFIX_STORE_KEY": "a key of the store"}
    locked(site, hub)
    assert site.run("--locked", **with_key).code == 0
    shutil.rmtree(site.output)
    ran = site.run("--locked", **with_key)
    assert ran.code == 0, ran.err
    assert searches(hub) == []
