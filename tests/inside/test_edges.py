"""Commands at their edges: what is said, kept or left out where it is one more or one less."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.disk.files import FETCHED_NAME_BYTES_MAX
from comfyfix.disk.lease.owner import where
from comfyfix.records import Model, because, to_json
from comfyfix.screen import words
from comfyfix.screen.run import summary
from comfyfix.screen.run.lines import Console
from comfyfix.screen.words import fixed, t
from comfyfix.stages.needs.work import Pending
from comfyfix.stages.store import sweep
from comfyfix.state.hashing import Halted, Hasher
from comfyfix.state.layout import Layout
from comfyfix.state.receipts import ReceiptFile, of_file
from comfyfix.stopping import Stopped
from comfyfix.tasks.commands.plan import Plan
from comfyfix.tasks.commands.scan import Scan
from comfyfix.tasks.face.nearest import nearest
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.run.scope import default_tasks, settled_tasks, workflows_of
from comfyfix.tasks.verify import hashing, side_by_side
from comfyfix.why import Why
from tests.inprocess import InProcess
from tests.inside.test_clean import dead

RIFE = ("upscale_models", "rife49.pth")
VAE = ("vae", "soft_vae.safetensors")


@pytest.fixture
def one(inprocess: InProcess, hub: Hub) -> InProcess:
    """One model that a run brings."""
    inprocess.workflow("w.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    return inprocess


@pytest.fixture
def phases(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int | None, bool]]:
    """What a run tells the screen that a model is at: with which size, and with its file or not."""
    seen: list[tuple[str, int | None, bool]] = []

    def phase(_: Any, key: str, name: str, now: str, *, size: int | None, path: Any) -> None:
        assert key.endswith(f"/{name}")
        seen.append((now, size, path is not None))

    monkeypatch.setattr(Console, "phase", phase)
    return seen


def test_the_screen_is_told_what_a_model_is_at(
    one: InProcess, phases: list[tuple[str, int | None, bool]]
) -> None:
    assert one.run().code == 0
    size = len(file_for("rife49.pth"))
    assert phases == [
        ("searching", None, False), ("waiting", size, False), ("downloading", size, True),
    ]  # fmt: skip
    phases.clear()
    assert one.run("run", "-a").code == 0
    assert phases == [("searching", None, False), ("verifying", None, False)]


def test_what_a_run_brought_is_in_the_ledger_and_the_summary(one: InProcess) -> None:
    assert one.run().code == 0
    (entry,) = one.state("ledger.json")["models"].values()
    assert [attempt["outcome"] for attempt in entry["attempts"]] == ["done"]
    again = one.run()
    assert t("Nothing to do") in again.out or again.code == 0


def test_what_can_be_fetched_is_told_with_the_next_step(one: InProcess) -> None:
    one.workflow("w.json", RIFE, VAE)
    one.put(*VAE)
    step = t(". Next: run `doit` to fetch what is not")
    lacking = one.run("verify")
    assert (lacking.code, step in lacking.out) == (1, True)
    there = one.put(*RIFE)
    assert step not in one.run("verify").out
    one.workflow("w.json", RIFE, ("loras", "../outside.safetensors"))
    beyond = one.run("verify")
    assert beyond.code == 1
    assert step not in beyond.out, "nothing can be fetched for a name that is refused"
    there.write_bytes(b"")
    assert step in one.run("verify").out


def test_a_script_of_its_own_needs_a_model_a_record_and_a_place(one: InProcess) -> None:
    for names in ((), ("rife49.pth", "rife49.pth")):
        done = one.run("script", *names)
        assert (done.code, done.out) == (3, "")
        assert words.sentence(because(Why.SCRIPT_NEEDS_MODEL)) in done.err
    done = one.run("script", "rife49.pth")
    told = words.sentence(because(Why.SCRIPT_NEEDS_RECORD, model="/".join(RIFE)))
    assert (done.code, told in done.out + done.err) == (1, True)
    assert one.run("plan").code == 0
    done = one.run("script", "rife49.pth")
    assert (done.code, done.out.startswith("#!")) == (0, True)
    told = json.loads(one.run("script", "--json", "rife49.pth").out)
    assert told == {
        "version": 1, "model": "/".join(RIFE), "name": "download_001_rife49_pth.sh",
        "script": done.out,
    }  # fmt: skip


def test_a_model_that_is_linked_has_no_script_for_elsewhere(one: InProcess) -> None:
    there = one.put("checkpoints", "other.pth", file_for("rife49.pth"))
    assert one.run("plan").code == 0
    assert one.state("sources/001_rife49_pth.json")["local"] == str(there)
    done = one.run("script", "rife49.pth")
    told = because(Why.SCRIPT_LINKS_HERE, model="/".join(RIFE), path=str(there))
    assert (done.code, words.sentence(told) in done.out + done.err) == (1, True)


def test_what_was_planned_is_not_searched_again_until_it_is_wanted_otherwise(
    one: InProcess, hub: Hub
) -> None:
    assert one.run("plan").code == 0
    asked = len(hub.seen)
    assert one.run("plan").code == 0
    assert len(hub.seen) == asked
    one.manifest(models={"rife49.pth": {"sha256": "0" * 64}})
    assert one.run("plan").code == 1
    assert len(hub.seen) > asked


def test_a_changed_rule_has_each_batch_looked_at_anew(one: InProcess) -> None:
    assert one.run().code == 0
    heading = fixed("Verifying batch 001 (1 model)")
    assert heading not in one.run().out
    one.manifest(verify={"pickle": "allow"})
    assert heading in one.run().out
    assert heading not in one.run().out
    (one.output / "verified" / "batch_001.json").unlink()
    assert heading in one.run().out


def test_a_name_may_be_so_long_and_no_longer(inprocess: InProcess) -> None:
    ending = ".safetensors"
    long = "x" * (FETCHED_NAME_BYTES_MAX - len(ending)) + ending
    inprocess.workflow("w.json", ("loras", long), ("loras", f"y{long}"))
    plan = inprocess.project().plan
    assert [planned.pending is Pending.ABSENT for planned in plan.models] == [True, False]


def test_files_are_hashed_the_biggest_first_and_each_is_left_out_that_can_not_be_read(
    inprocess: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    inprocess.workflow("w.json", RIFE)
    sizes = {inprocess.put("loras", f"{name}.pt", bytes(size)): size
             for name, size in (("a", 2), ("b", 3), ("c", 1), ("gone", 4))}  # fmt: skip
    gone = next(path for path in sizes if path.name == "gone.pt")
    gone.unlink()
    hashed: list[str] = []
    real = Hasher.__call__

    def call(self: Hasher, path: Path) -> str:
        hashed.append(path.stem)
        return real(self, path)

    monkeypatch.setattr(Hasher, "__call__", call)
    monkeypatch.setattr(hashing, "cores", lambda: 1)

    class Run:
        project = inprocess.project()

    found = hashing.hashed_together(Run(), sizes)  # type: ignore[arg-type]
    assert hashed == ["gone", "b", "a", "c"]
    assert found.keys() == sizes.keys() - {gone}


def test_what_is_of_so_many_letters_may_be_a_part_of_a_name() -> None:
    names = ["download:harbor", "download:moonlit", "plan"]
    assert nearest("arb", names) == ["download:harbor"]
    assert nearest("ar", names) == []
    assert nearest("*download:MOON*", names) == ["download:moonlit"]
    assert nearest("plam", names) == ["plan"]
    assert nearest("moonlit.safetensors", names) == ["download:moonlit"]
    assert nearest("MONLIT.pth", names) == ["download:moonlit"]
    assert nearest("abc.pth", ["abd.pth", "xyz.pth"]) == ["abd.pth"]


def test_info_tells_what_is_pending_and_hides_it_if_asked(one: InProcess) -> None:
    shown = one.run("info", "download:rife49").out
    hidden = one.run("info", "--no-status", "download:rife49").out
    assert len(shown) > len(hidden)
    for name in ("verify:001", "workflow:w", "download:rife49"):
        assert one.run("info", name).code == 1
    assert one.run().code == 0
    assert one.run("info", "download:rife49").code == 0


def test_clean_takes_caches_only_where_no_model_is_named(one: InProcess) -> None:
    assert one.run("list").code == 0
    caches = list((one.output / ".cache").glob("*.json"))
    assert caches
    assert one.run("clean", "download:rife49").code == 0
    assert one.run("clean", "--dry-run").code == 0
    assert all(path.exists() for path in caches)
    assert one.run("clean").code == 0
    assert not any(path.exists() for path in caches)


@pytest.mark.parametrize(("named", "theirs"), [("verify:present", VAE), ("download:rife49", RIFE)])
def test_clean_takes_the_parts_of_what_is_named(
    one: InProcess, named: str, theirs: tuple[str, str]
) -> None:
    one.workflow("w.json", RIFE, VAE)
    one.put(*VAE)
    parts = {}
    for place in (RIFE, VAE):
        parts[place] = one.models / place[0] / f"{place[1]}.0123abcd.{where()}.{dead()}.part"
        parts[place].parent.mkdir(exist_ok=True)
        parts[place].write_bytes(b"x")
    assert one.run("clean", named).code == 0
    assert {place for place, path in parts.items() if not path.exists()} == {theirs}
    assert one.run("clean").code == 0
    assert not any(path.exists() for path in parts.values())


def as_run(site: InProcess) -> Run:
    return Run(site.project(), site.project)


def test_what_is_there_and_verified_is_settled(one: InProcess) -> None:
    assert settled_tasks(as_run(one)) == set()
    assert one.run().code == 0
    assert settled_tasks(as_run(one)) == {"download:rife49", "verify:001"}
    one.workflow("more.json", VAE)
    assert settled_tasks(as_run(one)) == {"download:rife49"}
    (one.workflows / "more.json").unlink()
    one.manifest(verify={"pickle": "allow"})
    assert settled_tasks(as_run(one)) == {"download:rife49"}, "by other rules it is to be looked at"
    one.manifest()
    batch = one.output / "verified" / "batch_001.json"
    told = json.loads(batch.read_text())
    batch.write_text(json.dumps({**told, "verified": []}))
    assert settled_tasks(as_run(one)) == {"download:rife49"}
    batch.unlink()
    assert settled_tasks(as_run(one)) == {"download:rife49"}
    batch.mkdir()
    assert settled_tasks(as_run(one)) == {"download:rife49"}


def test_a_run_is_about_the_workflows_that_are_named_or_need_what_is(one: InProcess) -> None:
    one.workflow("more.json", VAE)
    one.workflow("both.json", RIFE, VAE)
    (one.workflows / "broken.json").write_text("{")
    run = as_run(one)
    every = frozenset(run.project.plan.workflows)
    assert {name.rpartition("/")[2] for name in every} == {"w.json", "more.json", "both.json"}
    both = frozenset(name for name in every if "both" in name)
    rife = both | {name for name in every if "w.json" in name}
    models = {"download:rife49", "download:soft_vae"}
    assert workflows_of(run, {"workflow:both", *models}) == (both, True)
    assert workflows_of(run, models) == (every, True)
    assert workflows_of(run, {"download:rife49"}) == (rife, False)
    assert workflows_of(run, {"workflow:broken", "download:rife49"}) == (rife, False)


def test_a_run_does_six_then_verifies_them_then_what_was_there(one: InProcess) -> None:
    one.workflow("many.json", *(("loras", f"style{n}.pt") for n in range(7)))
    one.put(*VAE)
    one.workflow("more.json", VAE)
    (one.workflows / "broken.json").write_text("{")
    run = as_run(one)
    tasks = default_tasks(run)
    numbers = {planned.task: planned.number for planned in run.project.plan.models}
    assert [numbers.get(task.partition(":")[2], task) for task in tasks] == [
        1, 2, 3, 4, 5, 6, "verify:001", 7, 8, "verify:002", "verify:present", "workflow:broken",
    ]  # fmt: skip
    chosen = Run(one.project(str(one.workflows / "more.json")), one.project)
    assert default_tasks(chosen) == ["workflow:more"]


def test_a_stop_ends_all_hashing(one: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    path = one.put(*RIFE)
    run = as_run(one)
    project = run.project
    needed = sweep.needed(project.manifest, project.plan, project.layout)
    check = side_by_side.Check(
        run, [one for some in needed.values() for one in some], side_by_side.Wish()
    )

    def stop() -> None:
        raise Stopped(130)

    monkeypatch.setattr(check, "_ask", stop)
    with pytest.raises(Stopped):
        check.verify_all()
    with pytest.raises(Halted):
        check.hasher(path)


def test_info_says_why_a_task_would_run(one: InProcess) -> None:
    one.workflow("w.json", RIFE, VAE)
    one.workflow("there.json", ("loras", "there.pt"))
    one.put("loras", "there.pt")
    absent = words.sentence(Pending.ABSENT)
    count = t("{count} of its {all:models} are pending; see `doit list`", count=2, all=2)
    none = t("none of its models is pending; what is there is looked at again")
    ignored = summary.ignored("download:rife49")
    for name, told in (
        ("download:rife49", [absent]), ("workflow:w", [count]), ("verify:001", [count]),
        ("workflow:there", [none]),
    ):  # fmt: skip
        out = one.run("info", name).out
        assert [line for line in (absent, count, none) if f" * {line}" in out] == told, name
        assert ignored not in out
    assert one.run("ignore", "download:rife49").code == 0
    assert f" * {ignored}" in one.run("info", "download:rife49").out


def test_plan_says_of_which_models_nobody_could_be_asked(one: InProcess) -> None:
    out = one.run("plan", COMFYFIX_OFFLINE="1")
    assert out.code == 1
    reason = because(Why.OFFLINE, variable="COMFYFIX_OFFLINE")
    told = list(summary.unreachable([("/".join(RIFE), reason)]))
    assert told
    for line in told:
        assert line.strip() in out.out


def test_plan_of_one_workflow_or_model_is_about_that_alone(one: InProcess, hub: Hub) -> None:
    hub.add("a/soft-vae", ["soft_vae.safetensors"])
    one.workflow("more.json", VAE)
    for names, tasks in (
        ((), ["download:rife49", "download:soft_vae"]), (("workflow:w",), ["download:rife49"]),
        (("soft_vae.safetensors",), ["download:soft_vae"]),
        ((f"workflow={one.workflows / 'more.json'}",), ["download:soft_vae"]),
    ):  # fmt: skip
        told = json.loads(one.run("plan", "--json", *names).out)
        assert sorted(row["task"] for row in told["models"]) == tasks, names


def test_embed_tells_of_a_file_without_a_workflow_where_it_is_named(one: InProcess) -> None:
    stray = one.workflows / "stray.json"
    stray.write_text('{"of": "something else"}')
    told = words.sentence(because(Why.HOLDS_NO_WORKFLOW, path=str(stray)))
    assert told not in one.run("embed", "--dry-run").out
    done = one.run("embed", "--dry-run", str(stray))
    assert (done.code, told in done.out) == (1, True)
    gone = one.run("embed", "--dry-run", "gone.json")
    assert (gone.code, gone.out, "gone.json" in gone.err) == (3, "", True)


def test_help_is_of_all_commands_of_one_or_of_a_task(one: InProcess) -> None:
    every, of_scan = one.run("help"), one.run("help", "scan")
    for name, command in (("scan", Scan), ("plan", Plan)):
        assert f" {name} " in every.out
        assert command.doc_purpose in every.out
    assert Scan.doc_purpose in of_scan.out
    assert Plan.doc_purpose not in of_scan.out
    assert "task_dep" in one.run("help", "task").out
    of_task = one.run("help", "download:rife49")
    assert "rife49" in of_task.out
    for done in (every, of_scan, of_task):
        assert (done.code, done.err) == (0, "")
    assert one.run("help", "download:rife48").code == 3


def test_a_pattern_brings_what_it_fits(one: InProcess) -> None:
    one.workflow("more.json", VAE)
    assert one.run("download:rif*").code == 0
    assert set(one.files()) == {"/".join(RIFE)}
    assert one.run("download:none*").code == 3


def test_a_file_that_was_known_by_its_hash_and_has_changed_is_simply_there(
    one: InProcess,
) -> None:
    path = one.put(*RIFE)
    model = Model(folder=RIFE[0], path=RIFE[1])
    known = of_file(model, path, "0" * 64, script="", verified=True, identified=True)
    Layout(one.output).receipts.parent.mkdir(exist_ok=True)
    Layout(one.output).receipts.write_bytes(to_json(ReceiptFile(models={known.model: known})))
    (there,) = one.project().plan.present
    assert (there.receipt, there.claimed) == (known, False)
    path.write_bytes(file_for("rife48.pth") + b"x")
    (there,) = one.project().plan.present
    assert (there.receipt, there.claimed) == (None, False)


def test_the_words_that_tab_offers(one: InProcess) -> None:
    one.workflow("w.json", RIFE, VAE)
    one.put(*VAE)
    models = one.run("tabcompletion", "--words", "models").out.split()
    assert models == ["rife49.pth", "soft_vae.safetensors", "workflow:w", "download:rife49"]
    tasks = one.run("tabcompletion", "--words", "tasks").out.split()
    assert {"download", "download:rife49", "verify:001", "verify:present", "workflow:w"} <= {*tasks}
