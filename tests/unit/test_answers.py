"""What commands answer: made of records alone, each thing told once and in its order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from comfyfix.comfyui.store.elsewhere import Place
from comfyfix.disk.lease.leftovers import Left
from comfyfix.records import Model, Reason, Reference, Verdict, because
from comfyfix.screen import refused, words
from comfyfix.screen.commands import (
    checking,
    checkup,
    cleaning,
    helping,
    locking,
    paths,
    pinning,
    scanning,
    starting,
)
from comfyfix.screen.words import t
from comfyfix.settings import lockfile
from comfyfix.stages.checkup.base import Line
from comfyfix.stages.installs import Proposal
from comfyfix.stages.needs.work import Pending, Planned
from comfyfix.stages.paths_file import PathsFile
from comfyfix.stages.values.refused import Refusal
from comfyfix.why import Why

BAD = because(Why.NO_ROOM_KEPT)


def has(text: str, lines: list[str]) -> bool:
    return any(text in line for line in lines)


def reference(value: str, workflow: str = "w.json", **more: Any) -> Reference:
    return Reference(
        workflow=workflow, node_id="3", node_type="LoraLoader", input="lora_name", value=value,
        name=value, path=value, **{"folder": "loras"} | more,
    )  # fmt: skip


@pytest.mark.parametrize("count", [6, 7])
def test_of_the_values_of_a_workflow_a_few_are_told_each_once(count: int) -> None:
    refusals = [Refusal(reference(f"v{number}"), None) for number in range(count)]
    lines = list(refused.lines([refusals[0], *refusals, Refusal(reference("x", "b.json"), "y")]))
    assert lines[2] == "  w.json:"
    assert sum(line.startswith("    ComfyUI") or "v" in line[:22] for line in lines[3:9]) == 6
    assert (t("and {count} more", count=1) in lines[9]) is (count == 7)
    assert lines[-3] == "  b.json:"
    assert list(refused.lines([])) == []


def test_scan_says_of_each_workflow_what_it_lacks_and_counts_them() -> None:
    there = scanning.Named(reference("a"), there=True, needed=True)
    away = scanning.Named(reference("b"), there=False, needed=True)
    some = scanning.Named(reference("c", kind="directory"), there=False, needed=True, part=True)
    off = scanning.Named(reference("d", active=False, folder=None), there=False, needed=False)
    bad = Refusal(reference("a"), "A")
    sheets = [
        scanning.Sheet("ready.json", [there, off]),
        scanning.Sheet("lacks.json", [there, away, some], refused=[bad]),
        scanning.Sheet("refused.json", [there], refused=[bad, bad]),
        scanning.Sheet("strange.json", [there], strange=[f"T{n}" for n in range(7)]),
        scanning.Sheet("none.json", []),
    ]
    lines = list(scanning.table(sheets))
    assert f"ready.json: {t('ready')}" in lines
    assert has(t("lacks {lacking} of {needed}", lacking=2, needed=3), lines)
    line = "not ready, ComfyUI refuses {count} of its values"
    assert f"refused.json: {t(line, count=1)}" in lines
    assert f"strange.json: {t('has its models')}" in lines
    assert has("T5", lines)
    assert not has("T6", lines)
    state = max(len(t(word)) for word in ("present", "absent", "incomplete"))
    assert f"  ✓ {t('present').ljust(state)}  loras/a" in lines
    assert f"  ✗ {t('incomplete').ljust(state)}  loras/c  ({t('directory')})" in lines
    assert has(f"?/d  ({t('off')}, {t('folder unknown')})", lines)
    assert lines[-1] == t(
        "{count:workflows}: 2 ready, 1 lacks models, 1 hold values that ComfyUI refuses, "
        "1 hold nodes of no pack here (1 name none)",
        count=5,
    )
    two = list(scanning.table([scanning.Sheet("a", [away]), scanning.Sheet("b", [away])]))
    assert two[-1] == t("{count:workflows}: 0 ready, 2 lack models", count=2)


def test_a_verified_file_is_told_with_whose_word_that_is() -> None:
    plain: dict[str, Any] = {"model": "vae/b", "filename": "b", "path": "/m/b", "reason": None}
    line = checking.line(Verdict(**plain, status="ok", by=BAD, is_copy=True))
    assert line.startswith("  ✓ ok")
    copy = t("the copy that ComfyUI opens")
    assert line.endswith(f"vae/b ({copy}; {t('its hash is that of {by}', by=BAD)})")
    assert checking.line(Verdict(**plain, status="ok", is_copy=True)).endswith(f"vae/b ({copy})")
    assert checking.line(Verdict(**plain, status="ok")).endswith("vae/b")
    bad = checking.line(Verdict(**plain | {"reason": BAD}, status="damaged"))
    assert bad == f"  ✗ {'damaged':10} vae/b ({words.sentence(BAD)})"


def test_neighbours_of_a_checkup_share_their_next_step() -> None:
    other = because(Why.MODEL_NOT_NEEDED, name="x", cause="")
    lines = [
        Line("a", good=False, said=BAD),
        Line("b", good=False, said=BAD),
        Line("c", good=False, said=other),
    ]
    told = list(checkup.lines([*lines, Line("d", good=True, said=BAD)]))
    steps = [line for line in told if line.startswith("    ")]
    assert steps == [f"    {t('Next:')} {words.worded(said).next_step}" for said in (BAD, other)]
    assert told[-1] == t("To be done: {count}", count=3)
    assert list(checkup.lines([Line("d", good=True, said=BAD)]))[-1] == t("All is well.")


def locked(path: str, **more: Any) -> lockfile.Entry:
    plain: dict[str, Any] = {"folder": "vae", "path": path, "size": 1, "sha256": "a" * 64}
    return lockfile.Entry(**plain | more)


def test_a_lock_file_is_told_by_what_has_changed() -> None:
    before = {"vae/a": locked("a"), "vae/b": locked("b"), "vae/c": locked("c")}
    after = {"vae/a": locked("a"), "vae/b": locked("b", sha256="b" * 64), "vae/d": locked("d")}
    left: dict[str, Reason] = {"vae/a": BAD, "vae/x": BAD}
    changes = locking.Changes("f", before, after, left)
    lines = list(locking.lines(changes, dry=True))
    assert lines[0] == f"~ vae/b  sha256: {'a' * 12} → {'b' * 12}"
    assert lines[1:3] == ["- vae/c", f"+ vae/d  {t('by its hash alone: no source has it')}"]
    assert lines[3] == t("✗ {key}: left as it was: {reason}", key="vae/a", reason=BAD)
    assert t("✗ {key}: not locked: {reason}", key="vae/x", reason=BAD) in lines
    assert lines[-1] == t(
        "{path}: it would have {count:models}; nothing is written", path="f", count=3
    )
    assert changes.differ
    same = locking.Changes("f", before, before, {})
    assert list(locking.lines(same, dry=True)) == [
        t("{path}: {count:models}, nothing to change", path="f", count=3)
    ]
    assert locking.Changes("f", {}, {}, {}, exists=False).differ


def test_programs_are_told_every_field_of_a_locked_model() -> None:
    changes = locking.Changes("f", {"vae/b": locked("b")}, {"vae/b": locked("b", size=2)}, {})
    (change,) = locking.as_data(changes, written=True)["changed"]
    assert set(change["before"]) == set(change["after"]) == set(lockfile.Entry.__struct_fields__)
    assert (change["before"]["size"], change["after"]["size"]) == (1, 2)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/home/me/ComfyUI", "~/ComfyUI"),
        ("/home/me", "/home/me"),
        ("/opt/Comfy-UI_1.0", "/opt/Comfy-UI_1.0"),
        ("/opt/my models", '"/opt/my models"'),
        ("/opt/modèle", '"/opt/modèle"'),
        ('/opt/a"b\\c', '"/opt/a\\U00000022b\\U0000005cc"'),
        ("/a\u202eb c", '"\\U0000002fa\\U0000202eb\\U00000020c"'),
    ],
)
def test_a_path_is_put_into_a_manifest_as_yaml_reads_it(path: str, told: str) -> None:
    assert starting.scalar(Path(path), Path("/home/me")) == told


@pytest.mark.parametrize("count", [0, 1, 2])
def test_init_says_what_it_has_found(count: int) -> None:
    place = Place(Path("/c"), because(Why.STOPPED))
    found = Proposal(place, Path("/c/w"), count, Path("/c/models"), "out")
    text = starting.manifest(found, [], Path("/home/me"))
    told = {
        0: t("No workflow is saved in {path} yet", path="/c/w"),
        1: t("One workflow is saved in {path}", path="/c/w"),
        2: t("{count} workflows are saved in {path}", count=2, path="/c/w"),
    }[count]
    assert f"# {told}\n" in text
    assert "comfyui: /c\n" in text
    assert text.endswith("output: out\n")
    assert not {"base_directory:", "extra_model_paths:", "also_look_in:"} & {*text.split()}
    others = [Place(Path(f"/o{number}"), BAD) for number in range(8 + count)]
    lines = list(starting.lines(found, others, Path("/p/manifest.yaml"), text, dry=count == 2))
    assert lines[1] == f"  {told}"
    assert sum(words.sentence(BAD) in line for line in lines) == 8
    assert (f"  {t('and {count} more', count=count)}" in lines) is (count > 0)
    assert has("comfyui: /c", lines) is (count == 2)
    if count < 2:
        assert ("`workflows:`" in lines[-1]) is (count == 0)


def test_a_manifest_names_what_an_installation_has_elsewhere() -> None:
    place = Place(Path("/c"), BAD, Path("/base"), (Path("/x.yaml"), Path("/home/me/y z.yaml")))
    found = Proposal(place, Path("/w"), 1, Path("/s"), "out", (Path("/also"),))
    lines = starting.manifest(found, [place], Path("/home/me")).split("\n")
    assert "base_directory: /base" in lines
    assert 'extra_model_paths: [/x.yaml, "~/y z.yaml"]' in lines
    assert "also_look_in: [/also]" in lines
    assert f"#   /c ({words.sentence(BAD)})" in lines
    assert all(line.startswith("#") or ": " in line or not line for line in lines)


def test_a_pin_says_what_comes_next() -> None:
    def lines(task: str, *, name: str = "", fetched: bool = False) -> list[str]:
        return list(pinning.lines("m", "u", other_name=name, task=task, fetched_next=fetched))[1:]

    assert lines("download:m") == [t("Next: `doit {task}`", task="download:m")]
    assert lines("") == [t("It is there already; the pin counts when it is missing.")]
    assert lines("download:m", name="x", fetched=True) == [
        f"! {t('Its name there is {name}', name='x')}"
    ]


def test_paths_has_nothing_to_tell_of_no_file() -> None:
    assert paths.as_data(None, dry=False) == {"path": None, "written": False, "sections": []}
    assert len(list(paths.lines(None, Path("/own"), dry=False))) == 1


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("download", "Brings every missing model; `doit list` shows them."),
        ("verify", "Brings its models, then checks them; `doit verify` only checks."),
        ("workflow", "Brings the models that are missing and checks the others."),
    ],
)
def test_help_says_what_a_group_of_tasks_does(kind: str, line: str) -> None:
    assert list(helping.task("x", "doc", kind, ""))[1] == f"  {t(line)}"
    assert len(list(helping.task("x", "doc", "", ""))) == 2
    assert len(list(helping.task("x", "doc", kind, "a.pt"))) == 4


def test_info_says_why_a_task_would_run() -> None:
    item = Planned(
        model=Model(folder="vae", path="a"),
        number=1,
        task="a",
        location="/a",
        pending=Pending.ABSENT,
        references=(),
    )
    absent = f" * {words.sentence(Pending.ABSENT)}"
    assert list(helping.status(item, 0, 0, ignored="")) == [absent]
    assert len(list(helping.status(item, 0, 0, ignored="download:a"))) == 2
    some = t(" * {count} of its {all:models} are pending; see `doit list`", count=2, all=6)
    assert list(helping.status(None, 6, 2, ignored="")) == [some]
    assert len(list(helping.status(None, 6, 0, ignored=""))) == 1


def test_what_clean_removes_is_told_by_model() -> None:
    files = [
        Left("/1", "vae/b", 5),
        Left("/2", "loras/a", 1),
        Left("/3", "vae/b", 2),
        Left("/4", size=4),
    ]
    lines = list(cleaning.lines(files, project="p", dryrun=True))
    assert lines == [
        t("Project: {name}", name="p"),
        f"  {t('caches: {size:size}', size=4)}",
        f"  {t('{model}: {size:size} of a stopped download', model='loras/a', size=1)}",
        f"  {t('{model}: {size:size} of a stopped download', model='vae/b', size=7)}",
        t("Would be removed: {size:size} (files: {count}).", size=12, count=4),
        t("Models, records, scripts and the ledger stay."),
    ]
    removed = list(cleaning.lines(files, project="", dryrun=False))
    assert removed[-2] == t("Removed: {size:size} (files: {count}).", size=12, count=4)
    assert len(list(cleaning.lines([], project="", dryrun=False))) == 1


@pytest.mark.parametrize(
    ("written", "dry", "line", "count"),
    [
        (False, False, "{path} says so already.", 1),
        (True, True, "Would be written: {path}", 1),
        (True, False, "Written: {path}", 2),
    ],
)
def test_paths_says_whether_it_has_written(written: bool, dry: bool, line: str, count: int) -> None:
    file = PathsFile(Path("/x.yaml"), (), written)
    lines = list(paths.lines(file, Path("/x.yaml"), dry=dry))
    assert lines[0] == t(line, path="/x.yaml")
    assert len(lines) == count
    assert len(list(paths.lines(file, Path("/own.yaml"), dry=dry))) == 3
    assert paths.as_data(file, dry=dry)["written"] is (written and not dry)
