"""Where a ComfyUI keeps what it reads, as its options have it, and which folder is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyfix.comfyui.store import folders
from comfyfix.comfyui.store.installation import Options
from comfyfix.comfyui.store.reported import with_registered
from comfyfix.errors import SetupProblem
from comfyfix.records import because
from comfyfix.why import Why


def program(path: Path) -> Path:
    """Lay out what every ComfyUI has."""
    (path / "comfy").mkdir(parents=True)
    (path / "main.py").write_text("")
    return path


def read(root: Path, **options: Path) -> folders.Folders:
    return folders.read(root, [], None, options=Options(**options))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = program(tmp_path / "ComfyUI")
    (root / "extra_model_paths.yaml").write_text("a: {loras: extra}")
    return root


def test_a_base_directory_moves_all_but_the_file_of_further_paths(
    root: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "extra_model_paths.yaml").write_text("a: {loras: never}")
    found = read(root, base_directory=base)
    assert found.directories("loras") == (
        base / "models/loras",
        root / "extra",
        base / "output/loras",
    )
    assert found.directories("custom_nodes") == (base / "custom_nodes",)
    assert found.destination("vae", "x.pt") == base / "models/vae/x.pt"


def test_a_models_directory_and_an_output_directory_overrule_the_base(
    root: Path, tmp_path: Path
) -> None:
    base, models, output = (tmp_path / name for name in ("base", "m", "o"))
    base.mkdir()
    models.mkdir()
    found = read(root, base_directory=base, models_directory=models, output_directory=output)
    assert found.directories("clip") == (
        models / "text_encoders",
        models / "clip",
        output / "clip",
    )
    assert found.directories("custom_nodes") == (base / "custom_nodes",)
    assert found.store == models
    alone = read(root, models_directory=models)
    assert alone.directories("vae") == (models / "vae", root / "output/vae")


def test_what_packs_register_lies_where_the_options_say(root: Path, tmp_path: Path) -> None:
    base, models = tmp_path / "base", tmp_path / "m"
    base.mkdir()
    models.mkdir()
    found = with_registered(
        read(root, base_directory=base, models_directory=models),
        {
            "usual": [f"{root}/models/usual"],
            "own": [f"{base}/custom_nodes/p/own"],
            "beside": [f"{root}/beside"],
            "outside": ["/etc"],
        },
    )
    assert found.directories("usual") == (models / "usual",)
    assert found.destination("usual", "x") == models / "usual/x"
    assert found.directories("own") == (base / "custom_nodes/p/own",)
    assert found.directories("beside") == (base / "beside",)
    assert found.directories("outside") == (models / "outside",)


def test_what_packs_register_inside_the_store_is_looked_into(root: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (root / "models").symlink_to(store)
    found = folders.read(root, [], store)
    told = with_registered(found, {"mine": [f"{root}/models/mine"], "p": [f"{root}/p"]})
    assert told.searched is not None
    assert found.searched is not None
    assert told.searched - found.searched == {"mine"}
    assert told.destination("mine", "x") == store / "mine" / "x"


def test_an_option_that_leads_nowhere_may_be_a_disk_that_is_away(
    root: Path, tmp_path: Path
) -> None:
    for name in ("base_directory", "models_directory"):
        with pytest.raises(SetupProblem) as caught:
            read(root, **{name: tmp_path / "no"})
        told = because(Why.DIRECTORY_OF_OPTION, name=name, path=tmp_path / "no")
        assert caught.value.reason == told


def test_a_comfyui_needs_no_models_folder(root: Path) -> None:
    assert read(root).destination("loras", "x") == root / "models/loras/x"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("ComfyUI_windows_portable", "ComfyUI_windows_portable/ComfyUI"),
        ("StabilityMatrix", "StabilityMatrix/Data/Packages/ComfyUI"),
        ("StabilityMatrix/Data", "StabilityMatrix/Data/Packages/ComfyUI"),
        ("Desktop.app", "Desktop.app/Contents/Resources/ComfyUI"),
        ("Programs/desktop", "Programs/desktop/resources/ComfyUI"),
        ("tools", "tools/ai/comfy-git"),
        ("own/ComfyUI/models/loras", "own/ComfyUI"),
        ("own/ComfyUI/custom_nodes", "own/ComfyUI"),
    ],
)
def test_the_folder_that_is_meant_is_told(given: str, meant: str, tmp_path: Path) -> None:
    program(tmp_path / meant)
    (tmp_path / given).mkdir(parents=True, exist_ok=True)
    if given == "StabilityMatrix/Data":  # its own, which is no ComfyUI's
        (tmp_path / given / "models").mkdir()
    with pytest.raises(SetupProblem) as caught:
        read(tmp_path / given)
    told = because(Why.COMFYUI_ELSEWHERE, path=tmp_path / given, meant=tmp_path / meant)
    assert caught.value.reason == told


@pytest.mark.parametrize("given", ["ai/comfyui", "ai/ComfyUI/main.py"])
def test_a_folder_of_other_case_and_the_program_itself_are_told(given: str, tmp_path: Path) -> None:
    meant = program(tmp_path / "ai" / "ComfyUI")
    if (tmp_path / given).is_dir():
        pytest.skip("this disk makes no difference of case")
    with pytest.raises(SetupProblem) as caught:
        read(tmp_path / given)
    told = because(Why.COMFYUI_ELSEWHERE, path=tmp_path / given, meant=meant)
    assert caught.value.reason == told


def test_a_large_tree_is_not_searched_through(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "a" / f"{number}").mkdir(parents=True)
    program(tmp_path / "a/b/c/d/deep")
    with pytest.raises(SetupProblem) as caught:
        read(tmp_path / "a")
    assert caught.value.reason == because(Why.COMFYUI_WITHOUT_MODELS, path=tmp_path / "a")
