"""What is known of loaders and folders: the user's own nodes, a running ComfyUI, and the table."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from comfyfix.comfyui.loaders.server import ServerFacts
from comfyfix.comfyui.loaders.table import built_in
from comfyfix.comfyui.store import folders
from comfyfix.comfyui.store.folders import Folders
from comfyfix.records import Reason
from comfyfix.stages.needs import loaders
from comfyfix.state.layout import Layout
from comfyfix.why import Why

PACK = """
import folder_paths
folder_paths.add_model_folder_path("mine", folder_paths.models_dir + "/of/mine")
class MyLoader:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"name": (folder_paths.get_filename_list("mine"),)}}
NODE_CLASS_MAPPINGS = {"My Loader": MyLoader}
"""
SILENT = "http://127.0.0.1:1"


@pytest.fixture
def comfyui(tmp_path: Path) -> Path:
    (tmp_path / "ComfyUI" / "models").mkdir(parents=True)
    return tmp_path / "ComfyUI"


@pytest.fixture
def plain(comfyui: Path) -> Folders:
    return folders.read(comfyui, [], None)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "output")


def test_without_nodes_of_the_users_the_table_is_all(plain: Folders, layout: Layout) -> None:
    known = loaders.gather(plain, layout, None)
    assert known.loaders == built_in()
    assert known.folders is plain
    assert known.warning is None


def test_what_packs_register_is_a_folder_and_their_nodes_are_loaders(
    comfyui: Path, plain: Folders, layout: Layout
) -> None:
    (comfyui / "custom_nodes").mkdir()
    (comfyui / "custom_nodes" / "mine.py").write_text(PACK)
    known = loaders.gather(plain, layout, None)
    assert known.folders.directories("mine") == (comfyui / "models" / "of" / "mine",)
    assert known.loaders["My Loader"].inputs["name"].folder == "mine"
    assert known.loaders["VAELoader"] == built_in()["VAELoader"]


@pytest.mark.parametrize("age", [0, loaders.FRESH_SECONDS - 60, loaders.FRESH_SECONDS + 60, -60])
@pytest.mark.parametrize("url", [SILENT, "http://127.0.0.1:2"])
def test_what_a_server_has_told_counts_while_it_is_fresh_and_after_that_with_a_warning(
    plain: Folders, layout: Layout, age: int, url: str
) -> None:
    vae = built_in()["VAELoader"]
    told = loaders._Answer(url=url, at=time.time() - age, facts=ServerFacts(loaders={"Told": vae}))
    layout.server_cache.parent.mkdir(parents=True)
    layout.server_cache.write_bytes(msgspec.json.encode(told))
    known = loaders.gather(plain, layout, SILENT)
    assert ("Told" in known.loaders) is (url == SILENT)
    fresh = url == SILENT and 0 <= age < loaders.FRESH_SECONDS
    if fresh:
        assert known.warning is None
    else:
        assert isinstance(known.warning, Reason)
        assert known.warning.why == Why.COMFYUI_UNASKED
        assert known.warning.told["url"] == SILENT
