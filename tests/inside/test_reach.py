"""Disks that are not there, stores that are not there or that ComfyUI does not look into."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.words import t
from comfyfix.why import Why
from tests.rig import Site

NAME = "harbor_light.safetensors"


@pytest.fixture
def needy(site: Site, hub: Hub) -> Site:
    site.workflow("w.json", ("loras", NAME), ("vae", "soft_vae.safetensors"))
    hub.add("maker/harbor_light", [NAME])
    hub.add("maker/soft-vae", ["soft_vae.safetensors"])
    return site


def link_file(site: Site, disk: Path) -> Path:
    link = site.models / "loras" / NAME
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(disk / NAME)
    return link


def link_folder(site: Site, disk: Path) -> Path:
    link = site.models / "loras"
    link.symlink_to(disk)
    return link


def link_in_steps(site: Site, disk: Path) -> Path:
    """A link to a link to the disk."""
    middle = site.root / "middle"
    middle.symlink_to(disk)
    return link_folder(site, middle)


@pytest.mark.parametrize(
    "place",
    [link_file, *(pytest.param(p, marks=pytest.mark.soak) for p in (link_folder, link_in_steps))],
)
def test_what_is_on_a_disk_that_is_not_there_is_unreachable(
    needy: Site, tmp_path: Path, place: object
) -> None:
    disk = tmp_path / "disk"
    link = place(needy, disk)  # type: ignore[operator]
    for command in ((), ("download:harbor_light",), ("verify",)):
        done = needy.doit(*command)
        assert done.returncode == 1, done.stdout
        assert "unreachable" in done.stdout or t("is on a disk that is not there") in done.stdout
        assert "Executing download: download_001" not in done.stdout
        assert link.is_symlink()
    assert t("mount the disk") in needy.doit().stdout
    (failed,) = needy.state("verified/batch_001.json")["failed"]
    assert (failed["filename"], failed["status"]) == (NAME, "unreachable")
    assert "unreachable" in needy.doit("list").stdout
    assert set(needy.files()) == {"vae/soft_vae.safetensors"}
    disk.mkdir()
    (disk / NAME).write_bytes(file_for(NAME))
    assert needy.doit().returncode == 0
    assert needy.doit("verify").returncode == 0


def test_a_script_by_hand_leaves_such_a_link(needy: Site, tmp_path: Path) -> None:
    assert needy.doit().returncode == 0
    model = needy.models / "loras" / NAME
    model.unlink()
    model.symlink_to(tmp_path / "disk" / NAME)
    script = next(needy.output.glob("download_*harbor*.sh"))
    done = needy.script(script)
    assert done.returncode == 1
    assert "which is not there. Next: mount the disk" in done.stdout
    assert model.is_symlink()


@pytest.mark.parametrize("command", [(), ("list",), ("scan",), ("plan",), ("verify", "--store")])
def test_a_store_that_is_not_there_is_not_made(
    needy: Site, tmp_path: Path, command: tuple[str, ...]
) -> None:
    store = tmp_path / "not" / "mounted"
    needy.manifest(store=str(store))
    done = needy.doit(*command)
    assert done.returncode == 3
    told = words.worded(because(Why.STORE_ABSENT, path=store))
    assert f"{told.what}: {told.cause}" in done.stderr
    assert told.next_step in done.stderr
    assert not store.parent.exists()


def test_a_store_is_made_where_that_is_wanted(needy: Site, tmp_path: Path) -> None:
    store = tmp_path / "new" / "store"
    needy.manifest(store=str(store), create_store=True)
    assert needy.doit().returncode == 0
    assert (store / "loras" / NAME).read_bytes() == file_for(NAME)


def test_a_store_that_comfyui_does_not_look_into_is_told(needy: Site, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    needy.manifest(store=str(store))
    done = needy.doit()
    assert done.returncode == 0
    lines = ["comfyfix:", f"  loras: {store}/loras", f"  vae: {store}/vae"]
    assert t("ComfyUI does not look into the store {store}", store=store) in done.stderr
    assert "\n".join(lines) in done.stderr
    (needy.comfyui / "extra_model_paths.yaml").write_text("\n".join(lines) + "\n")
    assert t("does not look into") not in needy.doit().stderr


def test_a_linked_store_is_looked_into(needy: Site, tmp_path: Path) -> None:
    store = tmp_path / "store"
    for key in ("loras", "vae"):
        (store / key).mkdir(parents=True)
        (needy.models / key).symlink_to(store / key)
    needy.manifest(store=str(store))
    assert t("does not look into") not in needy.doit().stderr


@pytest.mark.parametrize(
    ("length", "fetched"), [(200, True), (201, False), (240, False), (255, False)]
)
def test_a_name_that_can_not_be_fetched_is_told_at_once(
    site: Site, hub: Hub, length: int, fetched: bool
) -> None:
    name = "n" * (length - len(".safetensors")) + ".safetensors"
    url = f"https://huggingface.co/maker/long/resolve/main/{name}"
    site.workflow("w.json", ("loras", name), urls={name: url})
    hub.add("maker/long", [name])
    done = site.doit()
    if fetched:
        assert done.returncode == 0, done.stdout
        assert site.files() == {f"loras/{name}": sha256(file_for(name))}
    else:
        assert done.returncode == 1
        assert t("its name is longer than {limit} bytes", limit=200) in done.stdout
        (failed,) = site.state("verified/batch_001.json")["failed"]
        assert (failed["filename"], failed["status"]) == (name, "missing")
        site.put("loras", name)
        assert site.doit().returncode == 0  # one that is there is as good as any
