"""Links in the store: nothing is written outside, whenever they are put there."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from comfyfix.demo.hub import Fault, Hub
from comfyfix.screen.words import t
from tests.behaviour.test_script import script_for
from tests.rig import Site

pytestmark = pytest.mark.faults
STYLE = ("loras", "sub/style.safetensors")
RIFE = ("upscale_models", "rife49.pth")


@pytest.fixture
def elsewhere(tmp_path: Path, site: Site, hub: Hub) -> Path:
    """A folder outside the store, which nothing may come into; and two models to fetch."""
    site.workflow("w.json", STYLE, RIFE)
    hub.add("someone/style", ["style.safetensors"])
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    return outside


def swap(folder: Path, target: Path) -> None:
    """Put a link in the place of a folder, as another writer of a shared store can."""
    if folder.is_symlink():
        return
    if folder.exists():
        shutil.move(folder, folder.parent / f".{folder.name}.away")
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(target)


@pytest.mark.parametrize("place", ["loras", "loras/sub", "."])
def test_a_link_that_was_there_before(site: Site, elsewhere: Path, place: str) -> None:
    """The root of the store itself may be a link: that is the user's own doing."""
    if place == ".":
        shutil.move(site.models, elsewhere / "models")
        site.models.symlink_to(elsewhere / "models")
        assert site.doit().returncode == 0
        assert sorted(path.name for path in elsewhere.iterdir()) == ["models"]
        return
    swap(site.models / place, elsewhere)
    done = site.doit()
    if place == "loras":  # a folder key as a whole may be elsewhere, as many have it
        assert not [path for path in elsewhere.rglob("*") if path.is_symlink()]
    else:
        assert done.returncode == 1
        assert t("leads out of the model folders") in done.stdout
        assert list(elsewhere.iterdir()) == []
    assert "upscale_models/rife49.pth" in site.files()


@pytest.mark.parametrize("moment", ["search", "resolve", "file"])
def test_a_folder_that_is_swapped_in_the_middle(
    site: Site, hub: Hub, elsewhere: Path, moment: str
) -> None:
    """Between the plan and the write: while it is searched, at the redirect, while bytes come."""
    (site.models / "loras" / "sub").mkdir(parents=True)
    hub.on_request = lambda what: (
        swap(site.models / "loras" / "sub", elsewhere)
        if what.startswith(moment) and ("style" in what or moment == "search")
        else None
    )
    done = site.doit()
    assert list(elsewhere.iterdir()) == [], done.stdout
    assert "upscale_models/rife49.pth" in site.files()
    assert "Traceback" not in done.stdout + done.stderr


def test_a_folder_that_is_swapped_all_the_time(site: Site, hub: Hub, elsewhere: Path) -> None:
    """Link and folder change places hundreds of times while files are fetched."""
    folder, link = site.models / "loras" / "sub", site.models / "loras" / "link"
    folder.mkdir(parents=True)
    over = threading.Event()

    def swing() -> None:
        while not over.wait(0.001):
            link.symlink_to(elsewhere)
            folder.rename(folder.parent / "away")
            link.rename(folder)
            over.wait(0.001)
            folder.unlink()
            (folder.parent / "away").rename(folder)

    thread = threading.Thread(target=swing)
    thread.start()
    try:
        for _ in range(6):
            site.doit("download:style")
    finally:
        over.set()
        thread.join()
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("target", ["file", "nothing", "folder"])
def test_a_link_in_the_place_of_the_file(
    site: Site, hub: Hub, elsewhere: Path, target: str
) -> None:
    """A link to a victim is moved aside or replaced; the victim stays as it is."""
    victim = elsewhere / "victim"
    if target == "file":
        victim.write_bytes(b"precious")
    elif target == "folder":
        victim.mkdir()
    final = site.models / "upscale_models" / "rife49.pth"
    final.parent.mkdir()
    final.symlink_to(victim)
    site.doit()
    if target == "file":
        assert victim.read_bytes() == b"precious"
    elif target == "folder":
        assert list(victim.iterdir()) == []
    else:
        assert not os.path.lexists(victim)
    assert "loras/sub/style.safetensors" in site.files()


@pytest.mark.parametrize("place", [".comfyfix", ".comfyfix/receipts", "../output"])
def test_links_in_the_place_of_our_own_folders(
    site: Site, hub: Hub, elsewhere: Path, place: str
) -> None:
    """Receipts and their like are not written through a link of the shared store."""
    if place == "../output":  # in the project, not in the store: the user's own
        site.output.symlink_to(elsewhere)
        assert site.doit().returncode == 0
        return
    swap(site.models / place, elsewhere)
    site.manifest(download={"retries": 2})
    hub.faults.append(Fault("file *style*", "503", times=1))
    assert site.doit().returncode == 0
    assert list(elsewhere.iterdir()) == []


def test_a_folder_that_is_itself_again_after_the_step_into_it(
    site: Site, hub: Hub, elsewhere: Path
) -> None:
    """Who asks the path where it is now gets the right folder, and stands in the wrong one."""
    script = script_for(site, hub)
    folder, away = site.models / "loras", site.models / "away"
    away.mkdir(parents=True)
    folder.symlink_to(elsewhere)
    (site.root / "steps").write_text(
        f'cd() {{ builtin cd "$@" && rm -f {folder} && mv {away} {folder}; }}\n'
    )
    done = site.script(script, BASH_ENV=str(site.root / "steps"), COMFYFIX_FOLDER=str(folder))
    assert done.returncode == 1, done.stdout
    assert "has become a link" in done.stdout
    assert list(elsewhere.iterdir()) == []
    assert folder.is_dir()
    assert list(folder.iterdir()) == []
