"""Which ComfyUI a machine has: made-up homes of each kind, and hostile ones."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from comfyfix.comfyui.store.elsewhere import Place
from comfyfix.errors import SetupProblem
from comfyfix.stages import installs
from comfyfix.stages.installs import Surroundings
from comfyfix.why import Why


def comfyui(path: Path) -> Path:
    (path / "models").mkdir(parents=True)
    (path / "custom_nodes").mkdir()
    for name in ("main.py", "nodes.py"):
        (path / name).write_text("")
    return path


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


class World:
    """A home, a working folder, and drives, all below one folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.home, self.at, self.drives = (
            root, root / "home" / "me", root / "w" / "project", root / "mnt",
        )  # fmt: skip
        for folder in (self.home, self.at, self.drives):
            folder.mkdir(parents=True)
        self.environ: dict[str, str] = {}
        self.system = "linux"

    def find(self, asked: str = "") -> list[Place]:
        around = Surroundings(
            self.at, self.home, self.environ, self.system, drives=self.drives, machine=()
        )
        return installs.find(asked, around)

    def told(self, asked: str = "") -> list[tuple[str, str]]:
        places = self.find(asked)
        return [(str(p.path.relative_to(self.root)), p.said.why) for p in places]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("comfyfix.disk.windows._CONFIG", write(tmp_path / "wsl.conf", ""))
    monkeypatch.setattr("comfyfix.disk.windows._KERNEL", write(tmp_path / "kernel", "linux"))
    return World(tmp_path)


def test_the_nearest_is_first_and_each_is_told_once(world: World) -> None:
    comfyui(world.home / "ComfyUI")
    comfyui(world.at.parent / "ComfyUI")
    comfyui(world.at / "mine")
    (world.at / "again").symlink_to(world.at / "mine")
    world.environ["COMFYUI_PATH"] = str(world.home / "ComfyUI")
    assert world.told() == [
        ("w/project/again", Why.COMFYUI_BELOW),
        ("w/ComfyUI", Why.COMFYUI_BESIDE),
        ("home/me/ComfyUI", Why.COMFYUI_OF_VARIABLE),
    ]


def test_inside_one_it_is_the_one_around(world: World) -> None:
    world.at = comfyui(world.root / "c") / "custom_nodes"
    assert world.told() == [("c", Why.COMFYUI_ABOVE)]
    world.at = world.root / "c"
    assert world.told() == [("c", Why.COMFYUI_HERE)]


@pytest.mark.parametrize("name", ["x", "x/ComfyUI", "x/../x"])
def test_a_folder_that_is_named_alone_counts(world: World, name: str) -> None:
    comfyui(world.home / "ComfyUI")
    comfyui(world.at / "x/ComfyUI")
    assert world.told(name) == [("w/project/x/ComfyUI", Why.COMFYUI_GIVEN)]
    with pytest.raises(SetupProblem) as refused:
        world.find("elsewhere")
    assert refused.value.reason.why == Why.COMFYUI_NOWHERE


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_comfy_cli_names_its_workspaces(world: World, system: str) -> None:
    world.system = system
    first, second = comfyui(world.root / "a%b"), comfyui(world.root / "two")
    where = ".config" if system == "linux" else "Library/Application Support"
    text = f"[DEFAULT]\ndefault_workspace = {str(first).replace('%', '%%')}\n"
    write(world.home / where / "comfy-cli/config.ini", f"{text}recent_workspace = {second}\n")
    assert world.told() == [(n, Why.COMFYUI_OF_COMFY_CLI) for n in ("a%b", "two")]


def test_desktop_has_its_models_elsewhere_than_its_program(world: World) -> None:
    world.system = "darwin"
    base = world.root / "data"
    (base / "models").mkdir(parents=True)
    settings = world.home / "Library/Application Support/ComfyUI"
    write(settings / "config.json", json.dumps({"basePath": str(base), "installState": "x"}))
    extra = write(settings / "extra_models_config.yaml", f"a: {{base_path: {base}, vae: vae}}\n")
    program = comfyui(world.home / "Applications/ComfyUI.app/Contents/Resources/ComfyUI")
    (place,) = world.find()
    assert (place.path, place.base, place.extra) == (program, base, (extra,))
    found = installs.propose(place, world.at)
    assert (found.store, found.saved) == (base / "models", base / "user/default/workflows")


def test_stability_matrix_shares_its_models(world: World) -> None:
    library = world.root / "sm"
    package = comfyui(library / "Packages/ComfyUI")
    (library / "Packages/other").mkdir()
    (library / "Models/Lora").mkdir(parents=True)
    write(
        world.home / ".config/StabilityMatrix/library.json",
        json.dumps({"LibraryPath": str(library)}),
    )
    (place,) = world.find()
    assert (place.path, place.also) == (package, (library / "Models",))
    assert installs.propose(place, world.at).also == (library / "Models",)
    (package / "models/loras").symlink_to(library / "Models/Lora")
    assert installs.propose(place, world.at).also == (), "ComfyUI looks there already"


def test_the_windows_side_is_looked_at_under_wsl(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = write(world.root / "wsl.conf", f"[automount]\nroot = {world.drives}\n")
    monkeypatch.setattr("comfyfix.disk.windows._CONFIG", conf)
    user = world.drives / "c/Users/Ann Müller"
    comfyui(user / "Downloads/ComfyUI_windows_portable/ComfyUI")
    comfyui(world.drives / "d/ComfyUI")
    comfyui(world.drives / "e/far/off")
    told = json.dumps({"basePath": "E:\\far\\off"})
    write(user / "AppData/Roaming/ComfyUI/config.json", told)
    with pytest.raises(SetupProblem):
        world.find()
    world.environ["WSL_DISTRO_NAME"] = "x"
    assert world.told() == [
        ("mnt/e/far/off", Why.COMFYUI_OF_DESKTOP),
        ("mnt/c/Users/Ann Müller/Downloads/ComfyUI_windows_portable/ComfyUI", Why.COMFYUI_USUAL),
        ("mnt/d/ComfyUI", Why.COMFYUI_USUAL),
    ]


def _huge(path: Path) -> None:
    with path.open("wb") as out:
        out.truncate(1 << 30)


SPOILED: dict[str, Callable[[Path], object]] = {
    "a gigabyte": _huge,
    "NULs": lambda p: p.write_bytes(b'[DEFAULT]\ndefault_workspace=/\0x\n{"basePath":"/\\u0000"}'),
    "a pipe": os.mkfifo,
    "a link to itself": lambda p: p.symlink_to(p),
    "a folder": Path.mkdir,
    "a device": lambda p: p.symlink_to("/dev/zero"),
    "deep": lambda p: p.write_text("[" * 100_000),
    "no text": lambda p: p.write_bytes(b"\xff\xfe[\0D\0"),
    "no path": lambda p: p.write_text('{"basePath": ["/"], "LibraryPath": 7}'),
    "relative": lambda p: p.write_text('{"basePath": "../../x", "LibraryPath": "-rf"}'),
    "of Windows": lambda p: p.write_text(
        '{"basePath": "C:\\\\x", "LibraryPath": "\\\\\\\\h\\\\s"}'
    ),
    "no section": lambda p: p.write_text("default_workspace = /\n=\n"),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_what_programs_say_may_be_anything(world: World, spoil: Callable[[Path], object]) -> None:
    settings = world.home / ".config"
    for name in ("comfy-cli/config.ini", "ComfyUI/config.json", "StabilityMatrix/library.json"):
        (settings / name).parent.mkdir(parents=True)
        spoil(settings / name)
    with pytest.raises(SetupProblem):
        world.find()


def test_folders_may_be_anything(world: World) -> None:
    (world.at / "loop").symlink_to(world.at)
    (world.at / "out").symlink_to("/")
    (world.at / "gone").symlink_to(world.root / "nowhere")
    for number in range(2000):
        (world.at / f"d{number}").mkdir()
    comfyui(world.at / "new\nline")
    places = world.find("new\nline")
    assert [place.path.name for place in places] == ["new\nline"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_is_closed_is_passed_over(world: World) -> None:
    world.home.chmod(0)
    try:
        with pytest.raises(SetupProblem):
            world.find()
    finally:
        world.home.chmod(0o700)
