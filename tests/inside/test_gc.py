"""`gc`: what nobody needs goes to the trash, and nothing else ever does."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.disk.lease import lease
from comfyfix.disk.lease.owner import where
from comfyfix.disk.trash import trash, trash_item
from comfyfix.disk.trash.trash import Wanted
from comfyfix.why import Why
from tests.inprocess import InProcess

OLD = "autumn_grain.safetensors"
KEPT = "winter_light.safetensors"
_CALLS = ("fsync", "rename", "mkdir", "rmdir", "unlink", "link", "symlink", "readlink")


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def site(inprocess: InProcess, hub: Hub) -> InProcess:
    """A project that has fetched two models, of which one is needed no more."""
    hub.add("maker/autumn_grain", [OLD])
    hub.add("maker/winter_light", [KEPT])
    inprocess.workflow("old.json", ("loras", OLD))
    inprocess.workflow("new.json", ("loras", KEPT))
    assert inprocess.run("run").code == 0
    (inprocess.workflows / "old.json").unlink()
    return inprocess


def told(site: InProcess, *options: str, code: int = 0, **extra: str) -> dict[str, Any]:
    ran = site.run("gc", "--json", *options, **extra)
    assert ran.code == code, (ran.out, ran.err)
    answer: dict[str, Any] = json.loads(ran.out)
    return answer


def could_go(site: InProcess, *options: str) -> list[str]:
    return [row["model"] for row in told(site, *options)["could_go"]]


def whys(answer: dict[str, Any], key: str = "refused") -> list[str]:
    return [row["why"] for row in answer[key]]


def place(site: InProcess, name: str = OLD) -> Path:
    return site.models / "loras" / name


def test_it_shows_first_then_moves_and_puts_back_and_removes(site: InProcess) -> None:
    before = site.files()
    assert could_go(site) == [f"loras/{OLD}"]
    assert site.run("gc").code == 0
    assert site.files() == before
    assert [row["model"] for row in told(site, "--yes")["moved"]] == [f"loras/{OLD}"]
    assert not place(site).exists()
    assert place(site, KEPT).exists()
    assert [row["model"] for row in told(site)["trash"]] == [f"loras/{OLD}"]
    assert f"loras/{OLD}" in site.run("gc").out, "the names that `--restore` takes"
    assert told(site, "--restore", OLD)["moved"]
    assert site.files() == before
    # Its time of change is another now: it is not told as fetched before it has been hashed.
    assert could_go(site) == []
    assert could_go(site, "--all") == [f"loras/{OLD}"]
    told(site, "--all", "--yes")
    assert told(site, "--purge")["moved"]
    assert list((site.models / ".comfyfix" / "trash").iterdir()) == []
    assert list(site.files()) == [f"loras/{KEPT}"]


@pytest.mark.parametrize("options", [(), ("--purge",), ("--restore", OLD)])
def test_a_look_makes_no_trash(site: InProcess, options: tuple[str, ...]) -> None:
    site.run("gc", *options)
    assert not (site.models / ".comfyfix" / "trash").exists()


def test_one_thing_at_a_time_and_of_several_names_all_or_none(site: InProcess) -> None:
    told(site, "--yes")
    for pair in (("--yes", "--purge"), ("--restore", "--purge"), ("--yes", "--restore")):
        answer = told(site, *pair, code=3)
        assert answer["error"]["why"] == Why.GC_ONE_AT_A_TIME
    answer = told(site, "--restore", OLD, "never_seen.safetensors", code=3)
    assert "never_seen" in answer["error"]["message"]
    assert not place(site).exists(), "nothing is put back where a name is wrong"
    assert [row["model"] for row in told(site)["trash"]] == [f"loras/{OLD}"]
    assert told(site, "--restore", OLD, f"loras/{OLD}")["moved"]


def test_what_came_without_us_is_none_of_ours(site: InProcess) -> None:
    site.put("loras", "mine.safetensors")
    site.put("ipadapter", "of_a_pack.safetensors")
    assert could_go(site) == [f"loras/{OLD}"]
    assert could_go(site, "--all") == [f"loras/{OLD}", "loras/mine.safetensors"]


def test_one_that_the_user_has_put_there_is_not_told_as_fetched(
    inprocess: InProcess, hub: Hub
) -> None:
    hub.add("maker/autumn_grain", [OLD])
    inprocess.workflow("old.json", ("loras", OLD))
    inprocess.workflow("new.json", ("vae", "x.safetensors"))
    inprocess.put("vae", "x.safetensors")
    inprocess.put("loras", OLD)
    inprocess.run("run")
    (inprocess.workflows / "old.json").unlink()
    assert could_go(inprocess) == []


def write(site: InProcess, nodes: list[dict[str, Any]]) -> None:
    value = {"nodes": nodes, "links": [], "version": 0.4}
    (site.workflows / "more.json").write_text(json.dumps(value))


def node(kind: str, *values: Any, mode: int = 0) -> dict[str, Any]:
    return {"id": 1, "type": kind, "mode": mode, "widgets_values": list(values)}


@pytest.mark.parametrize(
    "nodes",
    [
        [node("LoraLoaderModelOnly", OLD, 1, mode=4)],
        [node("LoraLoaderModelOnly", OLD, 1, mode=2)],
        [node("LoraLoaderModelOnly", f"sub\\{OLD}", 1, mode=4)],
        [node("LoraLoaderModelOnly", OLD.upper(), 1, mode=4)],
        [node("Nobody's Own Node", {"on": True, "lora": OLD}, mode=4)],
        [node("Nobody's Own Node", [["deep", {"x": OLD.removesuffix(".safetensors")}]])],
        [node("CLIPTextEncode", "a forest <lora:autumn_grain:0.8>, fog")],
        [node("Note", "try autumn_grain here")],
    ],
)
def test_whoever_names_it_in_any_way_needs_it(site: InProcess, nodes: list[dict[str, Any]]) -> None:
    write(site, nodes)
    assert could_go(site, "--all") == []


def test_a_longer_name_is_another_model(site: InProcess) -> None:
    write(site, [node("CLIPTextEncode", "<lora:autumn_grain_v2:1>")])
    assert could_go(site) == [f"loras/{OLD}"]


def test_a_workflow_that_was_brought_by_its_address_counts(site: InProcess) -> None:
    place = site.output / ".cache" / "workflows" / "some"
    place.mkdir(parents=True)
    value = {"nodes": [node("LoraLoaderModelOnly", OLD, 1)], "links": [], "version": 0.4}
    (place / "w.json").write_text(json.dumps(value))
    assert could_go(site, "--all") == []


def test_the_folder_that_a_node_searches_by_itself_stays(site: InProcess) -> None:
    write(site, [node("IPAdapterUnifiedLoaderFaceID", "FACEID", 1, "CPU")])
    assert could_go(site, "--all") == []


@pytest.mark.parametrize("setting", ["models", "pins", "lock", "ignore"])
def test_what_is_pinned_locked_or_ignored_stays(site: InProcess, setting: str) -> None:
    digest = sha256(file_for(OLD))
    if setting == "models":
        site.manifest(models={OLD: {"sha256": digest}})
    elif setting == "ignore":
        site.manifest(ignore=[OLD])
        site.workflow("old.json", ("loras", OLD))
    elif setting == "pins":
        told_of = {"models": {f"loras/{OLD}": {"url": f"https://github.com/a/b/{OLD}"}}}
        (site.root / "pins.yaml").write_text(json.dumps(told_of))
    else:
        entry = {"folder": "loras", "path": OLD, "size": 5, "sha256": digest}
        lock = {"version": 1, "models": [entry]}
        (site.root / "manifest.lock.yaml").write_text(json.dumps(lock))
    assert could_go(site, "--all") == []


def unreadable(site: InProcess) -> None:
    (site.workflows / "broken.json").write_text('{"nodes": [')


def no_folder(site: InProcess) -> None:
    write(site, [node("Nobody's Own Node", "somewhere.safetensors")])


def lost_pack(site: InProcess) -> None:
    packs = site.comfyui / "custom_nodes"
    packs.mkdir(exist_ok=True)
    (packs / "pack").symlink_to("/nowhere/at/all")


def no_workflow(site: InProcess) -> None:
    for path in site.workflows.iterdir():
        path.unlink()
    (site.workflows / "x.json").write_text("{}")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (unreadable, Why.GC_UNREADABLE),
        (no_folder, Why.GC_FOLDER_UNKNOWN),
        (lost_pack, Why.GC_PACK_UNREAD),
        (no_workflow, Why.GC_NO_WORKFLOW),
    ],
)
@pytest.mark.parametrize("option", ["--yes", "--purge", "--all"])
def test_where_nobody_can_say_what_is_needed_nothing_goes(
    site: InProcess, spoil: Callable[[InProcess], object], why: Why, option: str
) -> None:
    spoil(site)
    before = site.files()
    answer = told(site, option, code=1)
    assert whys(answer) == [why]
    assert answer["could_go"] == answer["moved"] == []
    assert site.files() == before


def checkout(site: InProcess, *needs: tuple[str, str], text: str | None = None) -> Path:
    """Another checkout with a ComfyUI of its own and the same store."""
    root = site.root.with_name(f"{site.root.name}-other")
    folder = root / "ComfyUI" / "user" / "default" / "workflows"
    folder.mkdir(parents=True)
    (root / "ComfyUI" / "models").mkdir()
    nodes = [node("LoraLoaderModelOnly", name, 1) for _, name in needs]
    (folder / "w.json").write_text(json.dumps({"nodes": nodes, "links": [], "version": 0.4}))
    told_of = {"comfyui": "ComfyUI", "store": str(site.models)}
    (root / "manifest.yaml").write_text(json.dumps(told_of) if text is None else text)
    return root


def test_what_another_checkout_needs_stays(site: InProcess) -> None:
    root = checkout(site, ("loras", OLD))
    assert could_go(site) == [f"loras/{OLD}"]
    site.manifest(gc={"keep": [str(root)]})
    assert could_go(site, "--all") == []
    answer = json.loads(site.run("gc", "--json", COMFYUI_PATH=str(site.comfyui)).out)
    assert answer["could_go"] == []


@pytest.mark.parametrize("text", ["comfyui: [", "comfyui: demo", "unknown: 1", "comfyui: absent"])
def test_another_checkout_that_cannot_be_read_stops_it(site: InProcess, text: str) -> None:
    root = checkout(site, ("loras", KEPT), text=text)
    site.manifest(gc={"keep": [str(root)]})
    assert whys(told(site, "--yes", code=1)) == [Why.GC_KEEP]
    site.manifest(gc={"keep": [str(site.root / "gone")]})
    assert whys(told(site, "--yes", code=1)) == [Why.GC_KEEP]
    assert place(site).exists()


def test_a_workflow_of_another_checkout_that_cannot_be_read_stops_it(site: InProcess) -> None:
    root = checkout(site, ("loras", KEPT))
    (root / "ComfyUI" / "user" / "default" / "workflows" / "x.json").write_text("{")
    site.manifest(gc={"keep": [str(root)]})
    assert whys(told(site, "--yes", code=1)) == [Why.GC_KEEP]


def test_a_frozen_run_reads_no_workflow(site: InProcess) -> None:
    assert site.run("lock").code == 0
    assert whys(told(site, "--yes", code=1, COMFYFIX_FROZEN="1")) == [Why.GC_FROZEN]


def a_link_to_it(site: InProcess) -> None:
    (site.models / "vae").mkdir(exist_ok=True)
    (site.models / "vae" / "other.safetensors").symlink_to(place(site))


def a_second_name(site: InProcess) -> None:
    os.link(place(site), site.root / "mine.safetensors")


def behind_a_link(site: InProcess) -> None:
    outside = site.root / "outside"
    outside.mkdir()
    place(site).rename(outside / OLD)
    shutil.rmtree(site.models / "loras")
    (site.models / "loras").symlink_to(outside)


def itself_a_link(site: InProcess) -> None:
    place(site).rename(site.root / OLD)
    place(site).symlink_to(site.root / OLD)


def among_a_repository(site: InProcess) -> None:
    folder = site.models / "loras" / "repo"
    folder.mkdir()
    place(site).rename(folder / OLD)
    (folder / "config.json").write_text("{}")


def an_odd_name(site: InProcess) -> None:
    place(site).rename(place(site, "autumn\ngrain.safetensors"))


@pytest.mark.parametrize(
    "change",
    [
        a_link_to_it, a_second_name, behind_a_link, itself_a_link, among_a_repository, an_odd_name,
    ],
)  # fmt: skip
def test_links_and_other_names_stay(site: InProcess, change: Callable[[InProcess], object]) -> None:
    change(site)
    assert could_go(site) == []
    assert not any(OLD in row for row in could_go(site, "--all"))
    told(site, "--all", "--yes")
    names = {path.name for path in site.root.rglob("*.safetensors")}
    assert OLD in names or "autumn\ngrain.safetensors" in names


def test_a_needed_link_keeps_what_it_leads_to(site: InProcess) -> None:
    (site.models / "vae").mkdir(exist_ok=True)
    (site.models / "vae" / "other.safetensors").symlink_to(place(site))
    site.workflow("v.json", ("vae", "other.safetensors"))
    assert could_go(site, "--all") == []


@pytest.mark.parametrize("what", ["link", "file", "link above"])
def test_a_trash_that_another_has_placed_is_not_used(site: InProcess, what: str) -> None:
    outside = site.root / "outside"
    outside.mkdir()
    own = site.models / ".comfyfix"
    if what == "link above":
        own.rename(outside / "state")
        own.symlink_to(outside / "state")
    elif what == "link":
        (own / "trash").symlink_to(outside)
    else:
        (own / "trash").write_text("mine")
    for option in ("--yes", "--purge", "--restore"):
        assert told(site, option, code=3)["error"]["why"] == Why.GC_TRASH_ODD
    assert place(site).exists()


def entry(bin_: Path, **changed: Any) -> Path:
    folder = bin_ / "evil"
    folder.mkdir()
    item = {"place": "loras/x.safetensors", "kept": "0", "size": 1, "mtime_ns": 1, "device": 1,
            "inode": 1, **changed}  # fmt: skip
    note = {"version": 1, "name": "evil", "model": "loras/x", "at": "", "size": 1, "items": [item]}
    (folder / "entry.json").write_text(json.dumps(note))
    (folder / "0").write_text("bytes of the user")
    return folder


@pytest.mark.parametrize(
    "changed",
    [
        {"place": "../../taken.txt"}, {"place": "/etc/taken"}, {"place": ".comfyfix/x"},
        {"kept": "../../loras/" + OLD}, {"kept": "entry.json"}, {"place": "loras/\n"},
    ],
)  # fmt: skip
def test_a_note_that_leads_out_of_the_trash_is_none(
    site: InProcess, changed: dict[str, str]
) -> None:
    told(site, "--yes")
    folder = entry(site.models / ".comfyfix" / "trash", **changed)
    for option in ("--restore", "--purge"):
        told(site, option)
    assert (folder / "0").read_text() == "bytes of the user"
    assert place(site, OLD).exists()
    assert not (site.root / "taken.txt").exists()


def test_a_trash_entry_that_is_a_link_is_left_alone(site: InProcess) -> None:
    told(site, "--yes")
    real = entry(site.root)
    (site.models / ".comfyfix" / "trash" / "evil").symlink_to(real)
    for option in ("--restore", "--purge"):
        told(site, option)
    assert (real / "0").exists()


def test_nothing_is_put_back_over_anything(site: InProcess) -> None:
    told(site, "--yes")
    place(site).write_text("another")
    assert whys(told(site, "--restore", code=1), "left") == [Why.GC_PLACE_TAKEN]
    assert place(site).read_text() == "another"
    place(site).unlink()
    told(site, "--restore")
    assert place(site).read_bytes() == file_for(OLD)


def test_what_is_needed_again_is_not_purged(site: InProcess) -> None:
    told(site, "--yes")
    write(site, [node("LoraLoaderModelOnly", OLD, 1, mode=4)])
    assert whys(told(site, "--purge", code=1), "left") == [Why.GC_TRASH_NEEDED]
    told(site, "--restore")
    assert place(site).read_bytes() == file_for(OLD)


def test_while_a_download_holds_its_lease_it_stays(site: InProcess) -> None:
    lock = place(site, f".{OLD}.lock")
    for owner in (f"{where()}.{os.getppid()}", "elsewhere.7", "anything/else"):
        lock.symlink_to(owner)
        assert whys(told(site, "--yes", code=1), "left") == [Why.GC_AT_WORK]
        assert place(site).exists()
        assert os.readlink(lock) == owner
        lock.unlink()


@pytest.mark.parametrize("owner", [".4194303", f"t1.{os.getpid()}"], ids=["gone", "another now"])
def test_a_lease_that_a_dead_one_has_left_is_taken_over(site: InProcess, owner: str) -> None:
    lock = place(site, f".{OLD}.lock")
    lock.symlink_to(f"{where()}{owner}")
    told(site, "--yes")
    assert not os.path.lexists(lock)
    assert not place(site).exists()


@pytest.mark.parametrize("what", ["file", "workflow", "manifest"])
def test_what_changes_in_between_stops_it(
    site: InProcess, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    real = lease.held

    @contextlib.contextmanager
    def held(folder: int, name: str) -> Iterator[bool]:
        with real(folder, name) as taken:
            if what == "file":
                place(site).write_text("another")
            elif what == "workflow":
                site.workflow("late.json", ("loras", OLD))
            else:
                site.manifest(models={OLD: {"folder": "loras"}})
            yield taken

    monkeypatch.setattr(lease, "held", held)
    left = whys(told(site, "--yes", code=1), "left")
    assert left in ([Why.GC_CHANGED], [Why.GC_WORKFLOWS_CHANGED])
    assert place(site).exists()
    assert list((site.models / ".comfyfix" / "trash").iterdir()) == []


def test_a_trash_in_use_is_waited_for_by_nobody(site: InProcess) -> None:
    with trash.opened(site.models, make=True):
        assert told(site, "--yes", code=3)["error"]["why"] == Why.GC_TRASH_BUSY
    assert place(site).exists()


FLORENCE = {
    "config.json": b'{"model_type": "florence2"}',
    "tokenizer.json": b'{"version": "1.0"}',
    "model.safetensors": file_for("model.safetensors", seed="florence"),
}


@pytest.fixture
def directory(inprocess: InProcess, hub: Hub) -> Path:
    """A directory that was fetched, and that no workflow needs any more."""
    hub.add("microsoft/Florence-2-lantern", ()).files.update(FLORENCE)
    value = {"class_type": "Florence2ModelLoader", "inputs": {"model": "Florence-2-lantern"}}
    (inprocess.workflows / "f.json").write_text(json.dumps({"1": value}))
    inprocess.put("vae", "x.safetensors")
    inprocess.workflow("x.json", ("vae", "x.safetensors"))
    assert inprocess.run("run").code == 0
    return inprocess.models / "LLM" / "Florence-2-lantern"


def test_a_directory_goes_and_comes_back_as_a_whole(inprocess: InProcess, directory: Path) -> None:
    assert could_go(inprocess, "--all") == []
    before = inprocess.files()
    (inprocess.workflows / "f.json").unlink()
    assert could_go(inprocess) == ["LLM/Florence-2-lantern"]
    moved = told(inprocess, "--yes")["moved"]
    assert moved == [{"model": "LLM/Florence-2-lantern", "bytes": sum(map(len, FLORENCE.values()))}]
    assert not directory.exists()
    told(inprocess, "--restore")
    assert inprocess.files() == before
    write(inprocess, [node("Florence2ModelLoader", "Florence-2-lantern", mode=4)])
    assert could_go(inprocess, "--all") == []


@pytest.mark.parametrize("what", ["a file", "a link", "a change", "a link below"])
def test_a_directory_with_something_of_the_user_stays(
    inprocess: InProcess, directory: Path, what: str
) -> None:
    (inprocess.workflows / "f.json").unlink()
    if what == "a file":
        (directory / "mine.txt").write_text("mine")
    elif what == "a link":
        (directory / "mine").symlink_to("/nowhere")
    elif what == "a link below":
        (directory / "mine").symlink_to(inprocess.root)
    else:
        (directory / "config.json").write_text("mine")
    assert could_go(inprocess) == could_go(inprocess, "--all") == []


def test_a_directory_that_can_not_be_read_whole_stays(
    inprocess: InProcess, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inprocess.workflows / "f.json").unlink()
    (directory / "more").mkdir()
    assert could_go(inprocess) == ["LLM/Florence-2-lantern"]
    real = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("/more"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert could_go(inprocess) == could_go(inprocess, "--all") == []


def test_a_set_is_needed_as_a_whole(inprocess: InProcess, hub: Hub) -> None:
    names = [f"lantern-0000{number}-of-00002.safetensors" for number in (1, 2)]
    hub.add("maker/lantern", names)
    inprocess.workflow("w.json", ("text_encoders", names[0]))
    inprocess.put("vae", "x.safetensors")
    inprocess.workflow("x.json", ("vae", "x.safetensors"))
    assert inprocess.run("run").code == 0
    assert could_go(inprocess, "--all") == []
    inprocess.workflow("w.json", ("text_encoders", names[1]))
    assert could_go(inprocess, "--all") == []
    (inprocess.workflows / "w.json").unlink()
    assert could_go(inprocess) == [f"text_encoders/{names[0]}"]
    told(inprocess, "--yes")
    assert list(inprocess.files()) == ["vae/x.safetensors"]
    told(inprocess, "--restore")
    assert len(inprocess.files()) == 3


def dying(at: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Each call into the system may be the last: of `at`, the process is gone for good."""
    left = [at]

    def wrap(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] <= 0:
                raise Killed
            return real(*given, **named)

        return call

    return wrap


def killed(at: int, work: Callable[[], object]) -> bool:
    """Do some work and die at a call; tell whether it came to that."""
    wrap = dying(at)
    with pytest.MonkeyPatch.context() as patch:
        for name in _CALLS:
            patch.setattr(os, name, wrap(getattr(os, name)))
        try:
            work()
        except Killed:
            return True
    return False


def a_store(root: Path, count: int) -> dict[str, str]:
    """A set of shards and single files; returns the content by place."""
    made = {}
    for number in range(count):
        path = root / "loras" / f"m-{number:05}-of-{count:05}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content {number}")
        made[str(path.relative_to(root))] = f"content {number}"
    return made


def contents(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text()
        for path in root.rglob("*.safetensors")
        if not path.is_symlink()
    }


def taken(root: Path, made: dict[str, str]) -> object:
    """Move a set, and a file beside it, in one step."""
    items = [item for name in made if (item := trash_item.item_of(str(root), str(root / name)))]
    assert len(items) == len(made)
    wanted = [
        Wanted("loras/m", 1, items[:-1], lambda: None),
        Wanted("loras/n", 1, items[-1:], lambda: None),
    ]
    with trash.opened(root, make=True) as bin_:
        assert bin_
        return bin_.take("2026", wanted, lambda: None)


def is_whole(there: dict[str, str], made: dict[str, str]) -> bool:
    """Tell whether the set is there as a whole or not at all; the file beside it is by itself."""
    *parts, _ = made
    return sum(part in there for part in parts) in (0, len(parts))


def restored(root: Path) -> None:
    with trash.opened(root) as bin_:
        if bin_:
            assert all(not places for _, places in bin_.restore(bin_.entries()))


def kept(root: Path) -> list[str]:
    """What lies in the trash whole, after the next one has opened it."""
    with trash.opened(root) as bin_:
        entries = bin_.entries() if bin_ else []
    found = [root / ".comfyfix/trash" / e.folder / i.kept for e in entries for i in e.items]
    return sorted(path.read_text() for path in found)


@pytest.mark.parametrize("work", ["take", "restore"])
def test_killed_at_any_call_a_set_is_whole_at_its_place_or_in_the_trash(
    tmp_path: Path, work: str
) -> None:
    for at in range(1, 200):
        root = tmp_path / str(at)
        made = a_store(root, 3)
        if work == "take":
            died = killed(at, lambda root=root, made=made: taken(root, made))  # type: ignore[misc]
        else:
            assert taken(root, made) == [None, None]
            died = killed(at, lambda root=root: restored(root))  # type: ignore[misc]
        in_trash = kept(root)
        there = contents(root)
        assert sorted([*there.values(), *in_trash]) == sorted(made.values()), at
        assert is_whole(there, made), at
        restored(root)
        assert contents(root) == made
        if not died:
            assert at > 10
            return
    pytest.fail("it never came to its end")


def test_a_purge_that_was_killed_is_finished(tmp_path: Path) -> None:
    for at in range(1, 100):
        root = tmp_path / str(at)
        made = a_store(root, 3)
        assert taken(root, made) == [None, None]

        def purge(root: Path = root) -> None:
            with trash.opened(root) as bin_:
                assert bin_
                bin_.purge(bin_.entries())

        died = killed(at, purge)
        whole = kept(root)
        assert whole in ([], [*made.values()][-1:], sorted(made.values())), at
        assert whole or not list((root / ".comfyfix/trash").glob("*/*")), f"{at}: bytes are left"
        assert contents(root) == {}, at
        if not died:
            return


@pytest.mark.soak
def test_of_two_hundred_kills_none_loses_a_needed_file(site: InProcess, hub: Hub) -> None:
    chance = random.Random(7)
    names = [f"season_{number:03}.safetensors" for number in range(40)]
    for name in names:
        hub.add(f"maker/{name.removesuffix('.safetensors')}", [name])
    site.workflow("many.json", *(("loras", name) for name in names))
    assert site.run("run").code == 0
    whole, died = site.files(), 0
    for _ in range(200):
        needed = chance.sample(names, 20)
        site.workflow("many.json", *(("loras", name) for name in needed))

        def work() -> None:
            site.run("gc", "--all", "--yes")

        died += killed(chance.randrange(1, 200), work)
        there = {path.name for path in (site.models / "loras").glob("*.safetensors")}
        assert {*needed, KEPT} <= there
        if chance.random() < 0.5:
            killed(chance.randrange(1, 200), lambda: site.run("gc", "--restore"))
            there = {path.name for path in (site.models / "loras").glob("*.safetensors")}
            assert {*needed, KEPT} <= there
        site.run("gc", "--restore")
        assert site.files() == whole
    assert died > 50


@pytest.mark.soak
def test_of_two_hundred_processes_that_are_killed_none_loses_a_file(tmp_path: Path) -> None:
    """A process that moves and puts back without end, until it is killed somewhere in it."""
    chance = random.Random(11)
    place = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path)  # noqa: S108 - memory
    root = place / f"comfyfix-{os.getpid()}"
    made = a_store(root, 40)
    halves = 0
    try:
        for _ in range(200):
            child = os.fork()
            if child == 0:
                with contextlib.suppress(BaseException):
                    while True:
                        taken(root, made)
                        restored(root)
                os._exit(1)
            time.sleep(chance.uniform(0, 0.05))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            halves += 0 < len(contents(root / "loras")) < len(made)
            in_trash = kept(root)
            there = contents(root)
            assert sorted([*there.values(), *in_trash]) == sorted(made.values())
            assert is_whole(there, made)
            restored(root)
            assert contents(root) == made
        assert halves > 10
    finally:
        shutil.rmtree(root)
