"""The endings of model files: all who ask handle each one alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyfix import endings, file_names
from comfyfix.comfyui.references import guess
from comfyfix.comfyui.references.places import has_model_extension
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.comfyui.store.inventory import model_files
from comfyfix.comfyui.store.keys import accepts
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.look import inspect
from comfyfix.records import Model
from comfyfix.state.layout import task_slug
from tests.unit.hostile_pickles import P2, call
from tests.unit.judged import kind, said
from tests.unit.torchlike import archived

ALL = sorted(endings.LISTED.union(endings.PICKLES))
HOSTILE = P2 + call("os.system") + b"."


@pytest.mark.parametrize("ending", [*ALL, *map(str.upper, ALL)])
def test_an_ending_is_no_part_of_what_a_name_says(ending: str) -> None:
    assert task_slug(Model(folder="loras", path=f"a/rife49{ending}")) == "rife49"
    assert file_names.queries(f"rife49{ending}") == file_names.queries("rife49")
    assert file_names.read(f"rife49{ending}") == file_names.read("rife49")


def test_what_only_looks_like_an_ending_is_kept() -> None:
    for name in ("v1.5-pruned", "model.v2", "a.safetensors.part", "pt", "notes.md"):
        assert endings.stem(name) == name


@pytest.mark.parametrize("ending", ALL)
def test_what_the_core_and_the_packs_list_is_a_model_everywhere(
    ending: str, tmp_path: Path
) -> None:
    listed = ending in endings.LISTED
    name = f"rife49{ending}"
    assert has_model_extension(name) is listed
    assert accepts("loras", name) is listed
    (tmp_path / "loras").mkdir()
    (tmp_path / "loras" / name).write_bytes(b"x")
    folders = Folders({"loras": (tmp_path / "loras",)}, {}, tmp_path, tmp_path)
    found = [file.model.path for file in model_files(folders)]
    assert found == ([name] if listed else [])
    akin = StoreIndex([tmp_path]).akin("RIFE49.unknown")
    assert akin == ([str(tmp_path / "loras" / name)] if listed else [])


@pytest.mark.parametrize("ending", ALL)
def test_the_folder_of_what_a_pack_loads_is_not_guessed(ending: str) -> None:
    guessed = guess.folder("SomeLoader", "lora_name", f"x{ending}")
    assert (guessed is None) is (ending in endings.PACKS)


@pytest.mark.parametrize("ending", ALL)
def test_a_pickle_is_judged_as_one_under_each_of_its_endings(ending: str, tmp_path: Path) -> None:
    pickled = ending in endings.PICKLES
    assert endings.is_pickle(f"x{ending.upper()}") is pickled
    path = tmp_path / f"x{ending}"
    path.write_bytes(HOSTILE)
    assert kind(inspect(path)) == "unsafe"
    path.write_bytes(b"not a model at all, and longer than a few bytes")
    assert kind(inspect(path)) == "damaged"
    # In a zip a pickle without its mark is looked for where the name says that it is one.
    doubtful = b"N0" * 5000 + HOSTILE[2:]
    path = tmp_path / "x.model"
    path.write_bytes(archived({f"a{ending}": doubtful}))
    assert said(inspect(path)) == (("unsafe", Flaw.ZIP_HIDES_PICKLE) if pickled else ())
