"""Links of ours: noted down before they are made, and taken back only while they are the same."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from comfyfix.comfyui.references.lookup import Lookup
from comfyfix.comfyui.store import folders as comfyui_folders
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.comfyui.store.installation import Options
from comfyfix.comfyui.store.inventory import model_files
from comfyfix.records import Reason, Reference
from comfyfix.stages.values import linking
from comfyfix.stages.values.relink import Fix
from comfyfix.state import links
from comfyfix.state.layout import Layout
from comfyfix.why import Why


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "output")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "ComfyUI" / "models" / "loras" / "sub" / "x.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    return path


def test_a_link_is_made_noted_down_and_taken_back(layout: Layout, target: Path) -> None:
    path = target.parents[1] / "deep" / "er" / "sub\\x.pt"
    made = links.make(layout, path, str(target))
    assert path.read_bytes() == b"x"
    assert links.load(layout) == (made,)
    assert links.state(made) == "ours"
    assert links.undo(layout, made) == "ours"
    assert not path.parents[1].exists()
    assert target.exists()
    assert links.load(layout) == ()
    assert links.undo(layout, made) == "gone"


def test_nothing_is_overwritten_and_nothing_noted_for_it(layout: Layout, target: Path) -> None:
    for path in (target, target.parent):
        with pytest.raises(FileExistsError):
            links.make(layout, path, str(target))
    (target.parent / "dangling").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        links.make(layout, target.parent / "dangling", str(target))
    assert links.load(layout) == ()


@pytest.mark.parametrize("other", ["file", "folder", "same link anew", "other link"])
def test_what_is_not_ours_any_more_stays(other: str, layout: Layout, target: Path) -> None:
    path = target.parents[1] / "y.pt"
    made = links.make(layout, path, str(target))
    kept = path.with_name("kept")
    path.rename(kept)  # its inode is not given to the next one
    if other == "file":
        path.write_bytes(b"y")
    elif other == "folder":
        path.mkdir()
    else:
        path.symlink_to(target if other == "same link anew" else "elsewhere")
    assert links.undo(layout, made) == "changed"
    assert os.path.lexists(path)
    assert links.load(layout) == ()


def test_a_link_whose_file_is_away_is_still_ours(layout: Layout, target: Path) -> None:
    made = links.make(layout, target.parent / "y.pt", str(target))
    target.unlink()
    assert links.state(made) == "broken"
    assert links.undo(layout, made) == "broken"
    assert not os.path.lexists(made.link)


def test_a_link_is_no_further_model(layout: Layout, target: Path) -> None:
    made = links.make(layout, target.parents[1] / "x.pt", str(target))
    usual = comfyui_folders.read(target.parents[3], [], None)
    found = replace(usual, links={made.link: made.target})
    assert [file.path for file in model_files(found)] == [str(target)]
    assert len(model_files(usual)) == 2
    index = StoreIndex(found.roots(), found.links)
    assert index.named("x.pt") == index.of_size(1) == [str(target)]
    assert found.meant("loras", "x.pt") == "sub/x.pt"
    assert found.meant("loras", "sub/x.pt") == "sub/x.pt"
    assert found.meant("vae", "x.pt") == "x.pt"


def fix(value: str, target: Path, folder: str = "loras") -> Fix:
    reference = Reference(
        workflow="w", node_id="1", node_type="T", input="i", value=value, name=value, path=value,
        folder=folder,
    )  # fmt: skip
    return Fix(reference, "sub/x.pt", str(target))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("../x.pt", Why.NAME_DOTS),
        ("..\\x.pt", Why.NAME_DOTS),
        ("./x.pt", Why.NAME_DOTS),
        ("a/../x.pt", Why.NAME_DOTS),
        ("/x.pt", Why.NAME_ABSOLUTE),
        ("C:\\x.pt", Why.NAME_CHARACTER),
        ("x\n.pt", Why.NAME_CHARACTER),
        ("sub/x.pt", Why.LINK_TAKEN),
        ("out/x.pt", Why.LINK_LED_OUT),
        (f"{'n' * 200}\\{'m' * 100}.pt", Why.NAME_LONG),
    ],
)
def test_only_a_legal_name_becomes_a_link(value: str, why: Why, target: Path) -> None:
    (target.parents[1] / "out").symlink_to(target.parents[4])
    found = comfyui_folders.read(target.parents[3], [], None)
    told = linking.place(found, fix(value, target), {})
    assert isinstance(told, Reason)
    cause = told.told.get("cause", told)
    assert isinstance(cause, Reason)
    assert cause.why == why


def place(found: Folders, value: str, target: Path, folder: str = "loras") -> Path | Why:
    told = linking.place(found, fix(value, target, folder), {})
    return Why(told.why) if isinstance(told, Reason) else told


def test_links_go_into_comfyuis_own_models_and_never_into_the_store(
    target: Path, tmp_path: Path
) -> None:
    home, store = target.parents[3], tmp_path / "store"
    (store / "vae").mkdir(parents=True)
    (home / "models" / "vae").symlink_to(store / "vae")
    found = comfyui_folders.read(home, [], store)
    models = home / "models"
    assert place(found, "sub\\x.pt", target) == models / "loras" / "sub\\x.pt"
    assert place(found, "n" * 255, target) == models / "loras" / ("n" * 255)
    assert place(found, f"sub/{'n' * 256}", target) == Why.LINK_NO_NAME
    assert place(found, "X.pt", target, "unet") == models / "diffusion_models" / "X.pt"
    assert place(found, "y.pt", target, "vae") == Why.LINK_LED_OUT
    inside = comfyui_folders.read(home, [], home / "models")
    assert place(inside, "y.pt", target) == Why.LINK_LED_OUT
    moved = tmp_path / "moved"
    moved.mkdir()
    options = Options(models_directory=moved)
    other = comfyui_folders.read(home, [], None, options=options)
    assert place(other, "y.pt", target) == moved / "loras" / "y.pt"
    assert Lookup(other).folders is other
