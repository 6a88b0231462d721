"""Inside a ComfyUI folder `comfyfix` needs no manifest, and keeps to a folder of its own there."""

from __future__ import annotations

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.disk.files import sha256_of
from comfyfix.settings import MANIFEST
from tests.inprocess import InProcess

LORA = ("loras", "ant.safetensors")


@pytest.fixture
def inside(inprocess: InProcess, hub: Hub) -> InProcess:
    """The working folder is the ComfyUI, which has pictures of its own."""
    (inprocess.root / MANIFEST).unlink()
    (inprocess.root / "dodo.py").unlink()
    inprocess.workflow("w.json", LORA)
    for name in ("main.py", "nodes.py", "output/picture.png"):
        (inprocess.comfyui / name).parent.mkdir(exist_ok=True)
        (inprocess.comfyui / name).write_text("x")
    hub.add("maker/ant", ["ant.safetensors"])
    inprocess.root = inprocess.comfyui
    inprocess.output = inprocess.comfyui / "comfyfix"
    return inprocess


def test_a_run_needs_no_manifest(inside: InProcess, hub: Hub) -> None:
    before = set(inside.root.iterdir())
    variables = {"HF_ENDPOINT": hub.url, "CIVITAI_ENDPOINT": hub.url}
    assert inside.run("list", "-q", **variables).out == "download:ant\n"
    url = f"https://huggingface.co/maker/ant/blob/main/{LORA[1]}"
    assert inside.run("pin", LORA[1], url, "--offline", **variables).code == 0
    done = inside.run(**variables)
    assert done.code == 0, done.out
    assert (inside.models / "loras" / LORA[1]).is_file()
    assert (inside.output / "download_001_ant_safetensors.sh").is_file()
    assert (inside.output / "pins.yaml").is_file()
    assert set(inside.root.iterdir()) - before == {inside.output}
    assert [path.name for path in (inside.root / "output").iterdir()] == ["picture.png"]
    assert inside.run(**variables).code == 0
    assert inside.run("init").code == 0, "and there may be one later"
    assert inside.run("list", "-q", **variables).out == ""


def test_a_manifest_beside_or_within_counts(inside: InProcess) -> None:
    inside.output.mkdir()
    (inside.output / MANIFEST).write_text("comfyui: ..\noutput: .\nignore: ['*']\n")
    assert inside.run("list", "-q").out == ""
    (inside.root / MANIFEST).write_text("comfyui: .\noutput: state\n")
    assert inside.run("list", "-q").out == "download:ant\n"


@pytest.mark.parametrize(
    "output", ["output", "./output/.", "models", ".", "user", "input", "custom_nodes"]
)
def test_a_folder_of_comfyui_is_no_place_for_our_state(inside: InProcess, output: str) -> None:
    (inside.root / MANIFEST).write_text(f"comfyui: .\noutput: {output}\n")
    before = {path: path.is_file() and sha256_of(path) for path in inside.root.rglob("*")}
    for command in ((), ("list",), ("plan",)):
        done = inside.run(*command)
        assert done.code == 3, done.out
        assert "`output: comfyfix`" in done.err
    assert {path: path.is_file() and sha256_of(path) for path in inside.root.rglob("*")} == before


def test_nor_is_a_link_to_one(inside: InProcess) -> None:
    (inside.root / "linked").symlink_to("output")
    (inside.root / MANIFEST).write_text("comfyui: .\noutput: linked\n")
    for command in ((), ("plan",)):
        done = inside.run(*command)
        assert (done.code, "`output: comfyfix`" in done.err) == (3, True)
    made = {path.name for path in (inside.root / "output").iterdir()}
    assert made <= {"picture.png", ".cache"}


def test_in_a_folder_below_it_is_told_where_to_go(inside: InProcess) -> None:
    inside.run("init")
    inside.root = inside.models
    done = inside.run("list")
    assert (done.code, str(inside.comfyui) in done.err) == (3, True)


def test_elsewhere_the_way_to_a_manifest_is_told(inside: InProcess) -> None:
    inside.root = inside.home
    done = inside.run("list")
    assert (done.code, "`comfyfix init`" in done.err) == (3, True)
