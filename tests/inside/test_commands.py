"""What a user types, and what comes back: commands, exit codes, lines, files."""

from __future__ import annotations

import json
import re
import shutil
import stat
from collections import Counter

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.disk.files import FETCHED_NAME_BYTES_MAX
from comfyfix.outcomes import Outcome
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.commands.checking import counts
from comfyfix.screen.words import fixed, t
from comfyfix.settings.overrides import LOCK_FILE
from comfyfix.stages.needs.work import Pending
from comfyfix.state import hashing
from comfyfix.tasks.face.marks import AS_KEPT
from comfyfix.why import Why
from tests.inprocess import InProcess
from tests.rig import Site

RIFE = ("upscale_models", "rife49.pth")
VAE = ("vae", "soft_vae.safetensors")


def test_the_files_that_one_model_leaves(site: Site, hub: Hub) -> None:
    site.workflow("clip.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert fixed("Download scripts created: {count}", count=1) in done.stdout
    assert site.files() == {"upscale_models/rife49.pth": sha256(file_for("rife49.pth"))}
    record = site.state("sources/001_rife49_pth.json")
    commit = hub.repositories["AlexWortega/RIFE"].commit
    url = f"https://huggingface.co/AlexWortega/RIFE/resolve/{commit}/rife49.pth"
    assert record["url"] == url
    assert record["version"] == 1
    assert record["size"] == len(file_for("rife49.pth"))
    script = site.output / "download_001_rife49_pth.sh"
    assert script.stat().st_mode & stat.S_IXUSR
    assert hub.url not in script.read_text()
    assert (site.output / "download_counter.txt").read_text() == "1\n"
    batch = site.state("verified/batch_001.json")
    assert [(v["filename"], v["status"], v["exists"]) for v in batch["verified"]] == [
        ("rife49.pth", "ok", True)
    ]
    assert batch["failed"] == []
    (receipt,) = site.state("downloaded_models.json")["models"].values()
    assert receipt["script"] == "download_001_rife49_pth.sh"
    assert (site.models / ".comfyfix").is_dir()
    searches = (site.output / "log" / "search_history.log").read_text().splitlines()
    assert any(json.loads(line)["source"] == "huggingface" for line in searches)


def test_one_model_one_workflow_one_batch(site: Site, hub: Hub) -> None:
    site.workflow("portrait.json", VAE)
    site.workflow("clip.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.add("someone/soft_vae", ["soft_vae.safetensors"])
    assert site.doit("download:rife49").returncode == 0
    assert set(site.files()) == {"upscale_models/rife49.pth"}
    assert site.doit("workflow:portrait").returncode == 0
    assert set(site.files()) == {"upscale_models/rife49.pth", "vae/soft_vae.safetensors"}
    assert not (site.output / "verified").exists()
    done = site.doit("verify:001")
    assert done.returncode == 0
    assert fixed("Verifying batch 001 (2 models)") in done.stdout
    assert t("Nothing to do") in site.doit().stdout


def test_a_workflow_that_the_manifest_does_not_list(site: Site, hub: Hub) -> None:
    site.workflow("clip.json", RIFE)
    elsewhere = site.workflow("../../other/extra.json", VAE)
    hub.add("someone/soft_vae", ["soft_vae.safetensors"])
    done = site.doit(f"workflow={elsewhere}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(site.files()) == {"vae/soft_vae.safetensors"}
    missing = site.doit("workflow=nowhere.json")
    assert missing.returncode == 3
    assert "nowhere.json" in missing.stderr


def test_an_empty_file_is_no_model_to_scan_either(site: Site) -> None:
    site.workflow("clip.json", VAE)
    site.put("vae", "soft_vae.safetensors", b"")
    [row] = json.loads(site.doit("scan", "--json").stdout)["references"]
    assert row["present"] is False
    assert site.doit("scan", "--check").returncode == 1
    site.put("vae", "soft_vae.safetensors", b"weights")
    assert site.doit("scan", "--check").returncode == 0


def test_list_shows_what_is_pending_and_why(site: Site) -> None:
    site.workflow("clip.json", RIFE, VAE)
    site.put("vae", "soft_vae.safetensors", b"")
    done = site.doit("list")
    assert done.returncode == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0][:2] == [t("NO"), t("TASK")]
    assert rows[1][:3] == ["(001)", "download:rife49", "upscale_models"], "no run has reserved it"
    assert len(rows) == 3
    assert rows[1][4:-1] != rows[2][4:-1], "it says why"
    assert site.doit("list", "-q").stdout == "download:rife49\ndownload:soft_vae\n"
    every = site.doit("list", "--all", "--status").stdout
    assert "R download:rife49" in every
    assert "verify:001" in every
    assert "workflow:clip" in every
    info = site.doit("info", "download:rife49")
    assert "sources/001_rife49_pth.json" in info.stdout
    assert "rife49.pth" in info.stdout


def test_list_says_so_when_nothing_is_pending(site: Site) -> None:
    site.workflow("clip.json", RIFE)
    site.put(*RIFE)
    assert site.doit("list", "-q").stdout == ""
    assert t("Nothing is pending") in site.doit("list").stdout


def test_numbers_and_names_are_kept_when_workflows_come_and_go(site: Site, hub: Hub) -> None:
    site.workflow("m.json", VAE)
    assert site.doit().returncode == 1
    site.workflow("a.json", RIFE)
    assert site.pending() == ["download:soft_vae", "download:rife49"]
    assert site.doit().returncode == 1
    missing = site.state("missing_models.json")["models"]
    assert [(m["model"], m["number"]) for m in missing] == [
        ("soft_vae.safetensors", 1),
        ("rife49.pth", 2),
    ]
    (site.workflows / "m.json").unlink()
    assert site.pending() == ["download:rife49"]
    site.workflow("m.json", VAE)
    assert site.pending() == ["download:soft_vae", "download:rife49"]
    hub.add("someone/soft_vae", ["soft_vae.safetensors"])
    assert site.doit("download:soft_vae").returncode == 0
    missing = site.state("missing_models.json")["models"]
    assert [m["model"] for m in missing] == ["rife49.pth"], "what is missing now"


def test_one_name_in_two_folders_is_two_models(site: Site, hub: Hub) -> None:
    site.workflow(
        "two.json", ("checkpoints", "flux.safetensors"), ("diffusion_models", "flux.safetensors")
    )
    assert site.pending() == ["download:flux", "download:flux-diffusion_models"]


def test_json_reporter_is_json_alone_and_tells_the_truth(site: Site, hub: Hub) -> None:
    site.workflow("clip.json", RIFE, VAE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    done = site.doit("-r", "json")
    assert done.returncode == 1
    results = {task["name"]: task["result"] for task in json.loads(done.stdout)["tasks"]}
    assert results["download:rife49"] == "success"
    assert results["download:soft_vae"] == "fail"
    assert results["verify:001"] == "fail"


def test_a_failed_search_is_never_cached(site: Site, hub: Hub) -> None:
    site.workflow("clip.json", RIFE)
    first = site.doit()
    assert first.returncode == 1
    assert fixed("Failed searches: {count}", count=1) in first.stdout
    assert fixed("Models not found:") in first.stdout
    assert t("Next:") in first.stdout
    assert "`comfyfix pin rife49.pth URL`" in first.stdout
    assert not list((site.output).glob("sources/*"))
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    assert site.doit().returncode == 0
    (entry,) = site.state("ledger.json")["models"].values()
    assert [attempt["outcome"] for attempt in entry["attempts"]] == ["not found", "done"]


def test_a_batch_is_verified_also_when_some_of_it_failed(site: Site, hub: Hub) -> None:
    site.workflow("many.json", *[("loras", f"style{i}.safetensors") for i in range(7)])
    for i in (0, 1, 2, 4, 5, 6):
        hub.add(f"someone/style{i}", [f"style{i}.safetensors"])
    done = site.doit()
    assert done.returncode == 1
    assert fixed("Verifying batch 001 (6 models)") in done.stdout
    assert fixed("Verifying batch 002 (1 model)") in done.stdout
    batch = site.state("verified/batch_001.json")
    assert len(batch["verified"]) == 5
    (failed,) = batch["failed"]
    assert failed["filename"] == "style3.safetensors"
    assert failed["status"] == "missing"
    assert failed["exists"] is False
    # What did not arrive is told once, and not as a file that was looked at.
    assert t("  ! Not there, as told above: {count:models}", count=1) in done.stdout
    assert "style3.safetensors: missing" not in done.stdout


def test_nothing_is_verified_where_nothing_arrived(site: Site) -> None:
    site.workflow("w.json", ("vae", "nobody_has_it.pt"), ("vae", "nor_this.pt"))
    done = site.doit()
    assert done.returncode == 1
    assert fixed("Verifying batch 001 (2 models)") not in done.stdout
    batch = site.state("verified/batch_001.json")
    assert [each["status"] for each in batch["failed"]] == ["missing", "missing"]


def test_doit_verify_moves_damage_aside_and_never_downloads(site: Site, hub: Hub) -> None:
    site.workflow("clip.json", RIFE, VAE, ("loras", "cut.safetensors"))
    site.put(*RIFE)
    site.put(*VAE, b"<!DOCTYPE html><html>Sign in</html>")
    site.put("loras", "cut.safetensors", file_for("cut.safetensors")[:-1])
    done = site.doit("verify")
    assert done.returncode == 1
    assert counts(Counter(unverified=1, damaged=2)) in done.stdout
    assert done.stdout.count("✗ damaged ") == 2
    assert hub.seen == []
    assert set(site.files()) == {
        "upscale_models/rife49.pth",
        "vae/soft_vae.safetensors.damaged",
        "loras/cut.safetensors.damaged",
    }
    assert site.pending() == ["download:cut", "download:soft_vae"]
    assert site.doit("verify", "rife49.pth").returncode == 0
    assert site.doit("verify", "nothing").returncode == 3


def test_doit_finds_a_changed_file_by_its_receipt(site: Site, hub: Hub) -> None:
    site.workflow("clip.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    assert site.doit().returncode == 0
    site.put(*RIFE, file_for("an impostor of equal form.pth"))
    assert site.pending() == ["download:rife49"]
    done = site.doit()
    assert done.returncode == 0
    assert "Moved a wrong file aside" in done.stdout
    assert site.files()["upscale_models/rife49.pth"] == sha256(file_for("rife49.pth"))
    assert "upscale_models/rife49.pth.damaged" in site.files()


def test_touching_a_file_costs_a_hash_and_no_download(site: Site, hub: Hub) -> None:
    site.workflow("clip.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    assert site.doit().returncode == 0
    before = hub.count("GET", "/cdn/*")
    (site.models / "upscale_models" / "rife49.pth").touch()
    assert site.doit().returncode == 0
    assert hub.count("GET", "/cdn/*") == before
    assert site.pending() == []


def test_a_source_that_changed_takes_the_next_number(site: Site, hub: Hub) -> None:
    site.workflow("clip.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.faults.append(Fault("file *", "reset"))
    assert site.doit().returncode == 1
    old = (site.output / "download_001_rife49_pth.sh").read_bytes()
    hub.faults.clear()
    hub.repositories.clear()
    hub.add("other/rife-models", ["rife49.pth"])
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert (site.output / "download_001_rife49_pth.sh").read_bytes() == old
    assert (site.output / "download_002_rife49_pth.sh").exists()
    assert site.doit("info", "download:rife49").stdout.count("002_rife49_pth") == 2
    assert t("Nothing to do") in site.doit().stdout


def test_what_was_found_a_moment_ago_is_not_searched_again(site: Site, hub: Hub) -> None:
    site.workflow("clip.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.faults.append(Fault("file *", "404"))
    done = site.doit()
    assert done.returncode == 1, done.stdout
    again = t("! {what}; searching again", what="").partition(";")[2]
    assert again.strip() not in done.stdout
    assert not list((site.output / "sources").iterdir()), "a record that leads nowhere"


def test_a_search_that_finds_the_same_again_ends_it(site: Site, hub: Hub) -> None:
    site.workflow("clip.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    assert site.doit("plan").returncode == 0
    hub.faults.append(Fault("file *", "404"))
    done = site.doit()
    assert done.returncode == 1, done.stdout
    again = t("! {what}; searching again", what="").partition(";")[2]
    assert again.strip() in done.stdout
    assert [path.name for path in site.output.glob("*.sh")] == ["download_001_rife49_pth.sh"]
    assert not list((site.output / "sources").iterdir())


@pytest.mark.parametrize(
    ("fault", "code", "records"),
    [("", 0, ["002_rife49_pth.json"]), ("404", 1, []), ("500", 1, ["002_rife49_pth.json"])],
)
def test_what_has_gone_is_brought_from_where_it_is_now(
    site: Site, hub: Hub, fault: str, code: int, records: list[str]
) -> None:
    """Of an address that leads nowhere either no record is left."""
    site.workflow("clip.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    assert site.doit("plan").returncode == 0
    hub.repositories.clear()
    hub.add("other/rife-models", ["rife49.pth"])
    if fault:
        hub.faults.append(Fault("file other/*", fault, times=99))
    done = site.doit()
    assert done.returncode == code, done.stdout
    assert done.stdout.count(t("! {what}; searching again", what="").partition(";")[2]) == 1
    scripts = sorted(path.name for path in site.output.glob("*.sh"))
    assert scripts == ["download_001_rife49_pth.sh", "download_002_rife49_pth.sh"]
    assert [path.name for path in (site.output / "sources").iterdir()] == records
    assert list(site.files()) == ([] if code else ["upscale_models/rife49.pth"])


def test_licences_are_told_of_what_was_downloaded_alone(site: Site, hub: Hub) -> None:
    site.workflow("clip.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    line = t("Licences of what was downloaded: {licences}", licences="").partition(":")[0]
    there, wanted = site.put("checkpoints", RIFE[1]), site.models / RIFE[0] / RIFE[1]
    assert line not in site.doit().stdout
    assert wanted.samefile(there)
    there.unlink()
    wanted.unlink()
    shutil.rmtree(site.output)
    assert line in site.doit().stdout


def test_doits_memory_is_not_shown(site: Site) -> None:
    site.workflow("clip.json", RIFE)
    done = site.doit("dumpdb")
    assert (done.returncode, done.stdout) == (3, "")
    assert words.sentence(because(Why.DUMPDB_REFUSED)) in done.stderr


def test_info_is_of_one_task(site: Site) -> None:
    site.workflow("clip.json", RIFE)
    for names in ((), ("download:rife49", "verify:001")):
        done = site.doit("info", *names)
        assert (done.returncode, done.stdout) == (3, "")
        assert words.sentence(because(Why.INFO_NEEDS_NAME)) in done.stderr


def test_verify_of_one_model_says_nothing_of_others(site: Site) -> None:
    site.workflow("clip.json", RIFE, ("loras", "../outside.safetensors"))
    site.put(*RIFE)
    done = site.doit("verify")
    assert done.returncode == 1
    assert "outside.safetensors" in done.stdout
    done = site.doit("verify", "rife49.pth")
    assert done.returncode == 0, done.stdout
    assert "outside.safetensors" not in done.stdout
    done = site.doit("verify", "outside.safetensors")
    assert done.returncode == 1
    assert "rife49.pth" not in done.stdout


@pytest.mark.parametrize("command", [("verify",), ("store",), ("verify", "--store")])
def test_more_processors_than_jobs_are_no_mistake(
    site: Site, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(hashing, "cores", lambda: 192)
    site.workflow("w.json", ("loras", "harbor.safetensors"))
    site.put("loras", "harbor.safetensors")
    assert site.doit(*command).returncode == 0


@pytest.mark.parametrize(("jobs", "code"), [("-1", 3), ("65", 3), ("64", 0), ("1", 0)])
def test_some_files_are_hashed_at_a_time(site: Site, jobs: str, code: int) -> None:
    site.workflow("clip.json", RIFE)
    site.put(*RIFE)
    done = site.doit("verify", "--jobs", jobs)
    assert done.returncode == code, done.stderr
    told = words.sentence(because(Why.JOBS_OUT_OF_RANGE, most=64))
    assert (told in done.stderr) is (code == 3)


def test_scan_prints_json_alone(site: Site) -> None:
    site.workflow("clip.json", RIFE, ("loras", r"SDXL\detail.safetensors"))
    site.put("loras", "SDXL/detail.safetensors")
    (site.workflows / "broken.json").write_text('{"nodes": [\n  {"id": }')
    done = site.doit("scan", "--json")
    told = json.loads(done.stdout)
    assert told.keys() == {"version", "references"}
    assert told["version"] == 1
    assert told["references"][1] == {
        "workflow": "clip.json",
        "node_id": "2",
        "node_type": "LoraLoaderModelOnly",
        "input": "lora_name",
        "value": "SDXL\\detail.safetensors",
        "name": "detail.safetensors",
        "path": "SDXL/detail.safetensors",
        "folder": "loras",
        "kind": "file",
        "active": True,
        "optional": False,
        "present": True,
    }
    assert re.search(r"broken\.json: \D+2\D+10\b", done.stderr), "line and column"
    one = site.doit("scan", str(site.workflows / "clip.json"))
    assert one.returncode == 0
    assert f"✗ {t('absent')}   upscale_models/rife49.pth" in one.stdout


def test_comfyfix_is_doit_without_a_dodo(site: Site, hub: Hub) -> None:
    (site.root / "dodo.py").write_text("raise SystemExit('a foreign dodo.py was run')\n")
    (site.root / "pyproject.toml").write_text("[tool.doit]\nnum_process = 'nonsense'\n")
    site.workflow("clip.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    program = (*("python3",), "-c", "from comfyfix.tasks.declare.program import main; main()")
    import sys  # the interpreter of this run

    program = (sys.executable, *program[1:])
    assert site.doit("list", "-q", program=program).stdout == "download:rife49\n"
    assert site.doit(program=program).returncode == 0
    assert site.doit("verify", program=program).returncode == 0
    assert (
        json.loads(site.doit("scan", "--json", program=program).stdout)["references"][0]["present"]
        is True
    )


@pytest.mark.parametrize(
    "command", ["plan", "lock", "embed", "why rife49.pth", "choose rife49.pth --fresh"]
)
def test_who_has_to_wait_for_a_search_is_told_before(site: Site, hub: Hub, command: str) -> None:
    site.workflow("clip.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    one = t("Searching for {name} …", name="rife49.pth")
    told = one if "rife49" in command else t("Searching for {count:models} …", count=1)
    for options in ((), ("--json",)):
        done = site.doit(*command.split(), *options)
        assert told in done.stderr, done
        assert told not in done.stdout
        (site.root / LOCK_FILE).unlink(missing_ok=True)
        shutil.rmtree(site.output)


def test_who_has_to_wait_for_a_check_of_the_lock_is_told_before(site: Site, hub: Hub) -> None:
    site.workflow("clip.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    assert site.doit("lock").returncode == 0
    told = t("Searching for {count:models} …", count=1)
    assert told in site.doit("lock", "--check").stderr
    (site.root / LOCK_FILE).write_text("version: 1\nmodels: []\n")
    assert told not in site.doit("lock", "--check").stderr, "it would wait for nothing"


@pytest.mark.parametrize("over", [0, 1])
def test_a_name_may_be_as_long_as_what_lies_beside_a_download_allows(site: Site, over: int) -> None:
    name = "n" * (FETCHED_NAME_BYTES_MAX - len(".pt") + over) + ".pt"
    site.workflow("w.json", ("loras", f"{'d' * FETCHED_NAME_BYTES_MAX}/{name}"))
    (row,) = json.loads(site.doit("list", "--json").stdout)["pending"]
    assert row["why"] == (Outcome.NAME_REFUSED if over else Pending.ABSENT)


def test_list_tells_which_workflow_it_could_not_read(site: Site) -> None:
    site.workflow("clip.json", RIFE)
    assert site.doit("list").stderr == ""
    (site.workflows / "broken.json").write_text('{"nodes": [')
    for options in ((), ("--json",), ("-q",)):
        assert str(site.workflows / "broken.json") in site.doit("list", *options).stderr, options


def test_the_user_may_say_how_doits_own_list_looks_on_a_terminal(
    inprocess: InProcess,
) -> None:
    inprocess.workflow("clip.json", RIFE)
    assert inprocess.on_terminal("list", "--all", "--template", "<{name}>")[1].splitlines() == [
        "<download>", "<download:rife49>", "<verify>", "<verify:001>", "<workflow>",
        "<workflow:clip>",
    ]  # fmt: skip


def test_only_a_command_that_is_asked_for_names_takes_a_workflow_as_it_was_kept(
    inprocess: InProcess,
) -> None:
    inprocess.workflow("clip.json", RIFE)
    assert inprocess.run("list", "-q").out == "download:rife49\n"
    assert not AS_KEPT.get()
