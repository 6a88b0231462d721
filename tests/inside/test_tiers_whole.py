"""Directories and sets in the fast tier: whole or not at all, whatever happens."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.disk import swap
from comfyfix.disk.files import sha256_of
from comfyfix.stages.store.tiers import copying
from comfyfix.state import tier
from comfyfix.state.tier import Tier
from comfyfix.why import Why
from tests.inprocess import InProcess

SIZE = 60_000
ROOM = 4 * SIZE + 20_000
PIPELINE = ("model_index.json", "unet/a.safetensors", "unet/config.json", "vae/b.safetensors")
QWEN = ("m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors", "m.safetensors.index.json")
FLORENCE = ("config.json", "model.safetensors", "tokenizer/merges.txt")
Node = tuple[str, str, str]
NODES: dict[str, Node] = {
    "sdxl": ("DiffusersLoader", "model_path", "sdxl"),
    "flux": ("DiffusersLoader", "model_path", "flux"),
    "qwen": ("CLIPLoader", "clip_name", f"qwen/{QWEN[0]}"),
    "loose": ("CLIPLoader", "clip_name", QWEN[0]),
    "florence": ("Florence2ModelLoader", "model", "Florence"),
    "part": ("CLIPLoader", "clip_name", f"qwen/{QWEN[1]}"),
    "lora": ("LoraLoaderModelOnly", "lora_name", "a.safetensors"),
}


def fill(folder: Path, names: tuple[str, ...], seed: str = "") -> None:
    """Put a directory's files there, each of which tells the next from it."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".safetensors"):
            path.write_bytes(file_for(path.name, seed=f"{folder}{name}{seed}", size=SIZE))
        else:
            path.write_text(json.dumps({"of": str(folder), "seed": seed}))


@pytest.fixture
def fast(inprocess: InProcess, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fast tier with room for two of the directories, as if on another disk."""
    place = inprocess.root / "fast"
    place.mkdir()
    monkeypatch.setattr(copying, "is_on", lambda *_: False)
    models = inprocess.models
    for name in ("sdxl", "flux"):
        fill(models / "diffusers" / name, PIPELINE)
    fill(models / "text_encoders/qwen", QWEN)
    fill(models / "text_encoders", QWEN[:2])
    fill(models / "LLM/Florence", FLORENCE)
    inprocess.put("loras", "a.safetensors", file_for("a.safetensors", size=SIZE))
    for name, (kind, widget, value) in NODES.items():
        node = {"1": {"class_type": kind, "inputs": {widget: value}}}
        inprocess.workflows.joinpath(f"{name}.json").write_text(json.dumps(node))
    return place


def told(site: InProcess, *names: str, size: int = ROOM, **more: Any) -> dict[str, str]:
    """What became of each when these are needed: what was done, or why not."""
    needing = [str(site.workflows / f"{name}.json") for name in names]
    site.manifest(tiers={"fast": "fast", "size": size}, workflows=needing, **more)
    ran = site.run("tiers", "--json")
    assert ran.err == "", ran
    files = json.loads(ran.out)["files"]
    assert ran.code == int(any(each["why"] for each in files))
    return {each["name"]: each["why"] or each["did"] for each in files}


def held(site: InProcess) -> dict[str, str]:
    """The files in the tier by their places; each has to be that of the store."""
    fast, models = site.root / "fast", site.models
    found = {
        path.relative_to(fast).as_posix(): sha256_of(path)
        for path in sorted(fast.rglob("*"))
        if path.is_file() and ".comfyfix" not in path.parts
    }
    assert found == {name: sha256_of(models / name) for name in found}
    assert not list((fast / ".comfyfix/new").glob("*"))
    return found


def of(folder: str, names: tuple[str, ...]) -> set[str]:
    return {f"{folder}/{name}" for name in names}


def test_directories_and_sets_come_up_with_all_that_is_in_them(
    inprocess: InProcess, fast: Path
) -> None:
    hidden = inprocess.models / "diffusers/sdxl/.cache/x.lock"
    hidden.parent.mkdir()
    hidden.touch()
    done = told(inprocess, "sdxl", "qwen", "florence", size=10 * SIZE)
    assert done == {
        "diffusers/sdxl": "brought",
        f"text_encoders/qwen/{QWEN[0]}": "brought",
        "LLM/Florence": "brought",
    }
    every = of("diffusers/sdxl", PIPELINE) | of("text_encoders/qwen", QWEN)
    assert set(held(inprocess)) == every | of("LLM/Florence", FLORENCE)
    assert set(told(inprocess, "sdxl", "qwen", "florence", size=10 * SIZE).values()) == {"there"}


def test_the_least_recently_needed_leaves_whole(inprocess: InProcess, fast: Path) -> None:
    told(inprocess, "sdxl")
    told(inprocess, "flux")
    assert told(inprocess, "sdxl") == {"diffusers/sdxl": "there"}
    done = told(inprocess, "qwen")
    assert done == {"diffusers/flux": "left", f"text_encoders/qwen/{QWEN[0]}": "brought"}
    assert set(held(inprocess)) == of("diffusers/sdxl", PIPELINE) | of("text_encoders/qwen", QWEN)
    assert not (fast / "diffusers/flux").exists()


def test_what_is_larger_than_the_tier_is_told_with_its_size(
    inprocess: InProcess, fast: Path
) -> None:
    assert told(inprocess, "sdxl", size=SIZE) == {"diffusers/sdxl": Why.TIER_SMALL}
    assert held(inprocess) == {}


def test_a_set_among_others_has_no_folder_to_come_in(inprocess: InProcess, fast: Path) -> None:
    name = f"text_encoders/{QWEN[0]}"
    assert told(inprocess, "loose") == {name: Why.TIER_SET_ALONE}
    assert held(inprocess) == {}


def test_a_file_of_a_directory_never_comes_without_it(inprocess: InProcess, fast: Path) -> None:
    node = {"class_type": "CLIPLoader", "inputs": {"clip_name": "repo/x.safetensors"}}
    (inprocess.workflows / "one.json").write_text(json.dumps({"1": node}))
    repo = inprocess.models / "text_encoders/repo"
    fill(repo, ("x.safetensors", "config.json", "more/y.txt"))
    assert told(inprocess, "one") == {"text_encoders/repo/x.safetensors": "brought"}
    assert set(held(inprocess)) == of(
        "text_encoders/repo", ("x.safetensors", "config.json", "more/y.txt")
    )


def test_what_a_node_reads_as_one_comes_as_one_though_it_is_switched_off(
    inprocess: InProcess, fast: Path
) -> None:
    """Nothing in it shows that it is one; only a muted node tells."""
    fill(inprocess.models / "LLM/odd", ("x/y.safetensors", "x/z.txt"))
    nodes = [
        {"id": 1, "type": "Florence2ModelLoader", "mode": 2, "widgets_values": ["odd", "fp16"]},
        {"id": 2, "type": "Mine", "mode": 0, "widgets_values": ["odd/x/y.safetensors"]},
    ]
    flow = {"version": 0.4, "nodes": nodes, "links": []}
    (inprocess.workflows / "odd.json").write_text(json.dumps(flow))
    told(inprocess, "odd", models={"odd/x/y.safetensors": {"folder": "LLM"}})
    assert set(held(inprocess)) == of("LLM/odd", ("x/y.safetensors", "x/z.txt"))


@pytest.mark.parametrize("kind", ["link to a folder", "pipe", "dangling", "many"])
def test_a_directory_that_can_not_come_whole_does_not_come(
    inprocess: InProcess, fast: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = inprocess.models / "diffusers/sdxl/more"
    if kind == "link to a folder":
        place.symlink_to(inprocess.models / "loras")
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "dangling":
        place.symlink_to("nowhere")
    else:
        monkeypatch.setattr("comfyfix.disk.folder_files.FILES_MAX", 3)
    (why,) = told(inprocess, "sdxl").values()
    assert why in (Why.TIER_NO_FILE, Why.SYSTEM_SAYS, Why.TIER_MANY_FILES)
    assert held(inprocess) == {}
    assert not (fast / "diffusers").exists()


def test_what_is_known_of_a_file_holds_where_it_comes_with_a_set(
    inprocess: InProcess, fast: Path
) -> None:
    """Though the set is looked at before it."""
    fill(inprocess.models / "text_encoders/two", (*QWEN[:2], "z.safetensors"))
    for name, value in (("one", QWEN[0]), ("other", "z.safetensors")):
        node = {"class_type": "CLIPLoader", "inputs": {"clip_name": f"two/{value}"}}
        inprocess.workflows.joinpath(f"{name}.json").write_text(json.dumps({"1": node}))
    model = f"text_encoders/two/{QWEN[0]}"
    wrong = {"z.safetensors": {"sha256": "0" * 64}}
    assert told(inprocess, "one", "other", models=wrong) == {model: Why.TIER_NOT_COPIED}
    right = sha256_of(inprocess.models / "text_encoders/two/z.safetensors")
    known = {"z.safetensors": {"sha256": right}}
    assert told(inprocess, "one", "other", models=known) == {model: "brought"}
    assert set(held(inprocess)) == of("text_encoders/two", (*QWEN[:2], "z.safetensors"))


def test_a_link_to_a_file_comes_as_that_file(inprocess: InProcess, fast: Path) -> None:
    path = inprocess.models / "diffusers/sdxl/vae/b.safetensors"
    blob = inprocess.root / "blob"
    path.rename(blob)
    path.symlink_to(blob)
    assert told(inprocess, "sdxl") == {"diffusers/sdxl": "brought"}
    assert set(held(inprocess)) == of("diffusers/sdxl", PIPELINE)
    assert not (fast / "diffusers/sdxl/vae/b.safetensors").is_symlink()


@pytest.mark.parametrize("harm", ["gone", "damaged", "one file gone", "more"])
def test_the_only_whole_copy_never_leaves(inprocess: InProcess, fast: Path, harm: str) -> None:
    told(inprocess, "sdxl", size=3 * SIZE)
    before = held(inprocess)
    place = inprocess.models / "diffusers/sdxl"
    if harm == "gone":
        shutil.rmtree(place)
    elif harm == "one file gone":
        (place / PIPELINE[1]).unlink()
    elif harm == "damaged":
        path = place / PIPELINE[1]
        path.write_bytes(bytes(len(path.read_bytes())))
    else:
        fill(place, ("new.txt",))
    done = told(inprocess, "flux", size=3 * SIZE)
    there = {name: sha256_of(fast / name) for name in before if (fast / name).exists()}
    if harm == "more":  # of what it has the store has all
        assert done == {"diffusers/sdxl": "left", "diffusers/flux": "brought"}
    else:
        assert done["diffusers/sdxl"] == Why.TIER_ONLY_COPY
        assert there == before


@pytest.mark.parametrize("change", ["edited", "added", "replaced", "touched"])
def test_a_copy_that_somebody_changed_is_his(inprocess: InProcess, fast: Path, change: str) -> None:
    told(inprocess, "sdxl")
    path = fast / "diffusers/sdxl/model_index.json"
    if change == "edited":
        path.write_text("mine")
    elif change == "added":
        path.with_name(".mine").write_text("mine")
    elif change == "replaced":
        shutil.rmtree(path.parent)
        path.parent.mkdir()
        path.write_text("mine")
    else:
        os.utime(path, ns=(1, 1))
    every = {p: p.read_bytes() for p in fast.rglob("*") if p.is_file() and "new" not in p.parts}
    assert told(inprocess, "flux", "qwen")["diffusers/sdxl"] == Why.TIER_CHANGED
    mine = {p: data for p, data in every.items() if "sdxl" in p.parts}
    assert {p: p.read_bytes() for p in mine} == mine


def test_a_file_that_came_alone_gives_way_to_its_directory(
    inprocess: InProcess, fast: Path
) -> None:
    node = {"class_type": "CLIPLoader", "inputs": {"clip_name": "repo/x.safetensors"}}
    (inprocess.workflows / "one.json").write_text(json.dumps({"1": node}))
    repo = inprocess.models / "text_encoders/repo"
    fill(repo, ("x.safetensors", "y.safetensors"))
    told(inprocess, "one")
    assert set(held(inprocess)) == {"text_encoders/repo/x.safetensors"}
    fill(repo, ("config.json",))
    assert told(inprocess, "one") == {"text_encoders/repo/x.safetensors": "brought"}
    every = of("text_encoders/repo", ("x.safetensors", "y.safetensors", "config.json"))
    assert set(held(inprocess)) == every
    (repo / "config.json").unlink()  # the copy is more than the store has now, and stays
    assert told(inprocess, "one") == {"text_encoders/repo/x.safetensors": Why.TIER_ONLY_COPY}


def test_a_new_content_comes_once_it_is_known_to_be_right(inprocess: InProcess, fast: Path) -> None:
    told(inprocess, "florence")
    place = inprocess.models / "LLM/Florence/model.safetensors"
    before = sha256_of(place)
    place.write_bytes(file_for("another.safetensors", seed="new", size=SIZE))
    assert told(inprocess, "florence") == {"LLM/Florence": Why.TIER_ONLY_COPY}
    assert sha256_of(fast / "LLM/Florence/model.safetensors") == before
    right = {"LLM/Florence/model.safetensors": {"sha256": sha256_of(place)}}
    assert told(inprocess, "florence", models=right) == {"LLM/Florence": "brought"}
    assert set(held(inprocess)) == of("LLM/Florence", FLORENCE)


def test_a_directory_that_changes_meanwhile_does_not_come(
    inprocess: InProcess, fast: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, copied = inprocess.models / "diffusers/sdxl", copying.Copying._copy
    with monkeypatch.context() as patch:

        def changing(self: copying.Copying, source: Path, *rest: Any) -> None:
            copied(self, source, *rest)
            (place / "late.txt").write_text("x")

        patch.setattr(copying.Copying, "_copy", changing)
        assert told(inprocess, "sdxl") == {"diffusers/sdxl": Why.TIER_CHANGES}
    assert held(inprocess) == {}
    assert told(inprocess, "sdxl") == {"diffusers/sdxl": "brought"}


class Killed(BaseException):
    """As `kill -9`: nothing is tidied up by it, as far as a test can have that."""


@dataclass
class Dying:
    """A function that is called so many times, and then the run dies in it."""

    real: Callable[..., Any]
    times: int
    called: int = 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call it, or die."""
        self.called += 1
        if self.called > self.times:
            raise Killed
        return self.real(*arguments, **named)


def each_call(module: Any, name: str) -> Iterator[Dying]:
    """The calls of a function, one after the other, at which the run dies."""
    real = getattr(module, name)
    for times in range(100):
        dying = Dying(real, times)
        yield dying
        if dying.called <= times:
            return


@pytest.mark.parametrize(
    ("module", "name"),
    [(os, "utime"), (swap, "move"), (Tier, "_write"), (os, "rmdir"), (shutil, "rmtree")],
)
def test_killed_anywhere_no_half_is_ever_seen(
    inprocess: InProcess,
    fast: Path,
    module: Any,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One leaves and one comes; whenever that is killed, what can be seen is whole."""
    for dying in each_call(module, name):
        told(inprocess, "flux", size=3 * SIZE)
        with monkeypatch.context() as patch:
            patch.setattr(tier, "remove", lambda _: None)
            # A plain function, since some of these are methods.
            patch.setattr(module, name, lambda *a, die=dying, **n: die(*a, **n))
            with pytest.raises(Killed) if dying.times == 0 else suppress(Killed):
                told(inprocess, "sdxl", size=3 * SIZE)
        require_whole(fast, {"flux": of("flux", PIPELINE), "sdxl": of("sdxl", PIPELINE)})
        told(inprocess, "sdxl", size=3 * SIZE)
        assert set(held(inprocess)) == of("diffusers/sdxl", PIPELINE)


def require_whole(fast: Path, every: Mapping[str, set[str]]) -> None:
    """What ComfyUI could see: each directory that is there has all of its files."""
    for name, files in every.items():
        place = fast / "diffusers" / name
        below = (path for path in place.rglob("*") if path.is_file())
        found = {f"{name}/{path.relative_to(place).as_posix()}" for path in below}
        assert found in (set(), files)
        assert place.exists() == bool(found)
