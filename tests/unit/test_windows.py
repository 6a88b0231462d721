"""Paths as Windows writes them: read under WSL, told elsewhere, and never made as they stand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.comfyui.store import folders
from comfyfix.comfyui.store.folders import Folders
from comfyfix.disk import windows
from comfyfix.errors import SetupProblem
from comfyfix.records import Reason
from comfyfix.settings import read as manifest_file
from comfyfix.why import Why

WSL = {"WSL_DISTRO_NAME": "Ubuntu"}
A111 = "a111:\n  base_path: E:\\sd-webui\\\n  is_default: true\n  checkpoints: models\\SD\n"


@pytest.fixture
def wsl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A WSL whose drives are mounted in a folder of the test: C and E."""
    drives = tmp_path / "drives"
    for name in "ce":
        (drives / name).mkdir(parents=True)
    config = tmp_path / "wsl.conf"
    config.write_text(f"[boot]\nsystemd=true\n[automount]\nenabled = true\nroot = {drives}/\n")
    monkeypatch.setattr(windows, "_CONFIG", config)
    monkeypatch.setenv("WSL_DISTRO_NAME", "Ubuntu")
    return drives


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WSL_DISTRO_NAME", "WSL_INTEROP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(windows, "_KERNEL", tmp_path / "none")


def read(root: Path, text: str) -> tuple[Folders, list[Reason]]:
    comfyui = root / "ComfyUI"
    (comfyui / "models").mkdir(parents=True, exist_ok=True)
    (comfyui / "extra_model_paths.yaml").write_text(text)
    heard: list[Reason] = []
    return folders.read(comfyui, [], None, hear=heard.append), heard


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("E:\\sd\\models", "{drives}/e/sd/models"),
        ("e:/sd//models/", "{drives}/e/sd/models"),
        ("E:", "{drives}/e"),
        ("\\\\?\\E:\\sd", "{drives}/e/sd"),
        ("\\\\wsl.localhost\\Ubuntu-20.04\\home\\me", "/home/me"),
        ("\\\\WSL$\\Ubuntu\\home\\me\\", "/home/me"),
        ("//wsl$/Ubuntu/home/me", "/home/me"),
        ("\\\\?\\UNC\\wsl.localhost\\Ubuntu\\home", "/home"),
        ("\\\\wsl$\\Ubuntu", "/"),
        ("\\\\server\\share\\x", None),
        ("%USERPROFILE%\\x", None),
    ],
)
def test_under_wsl_it_leads_where_windows_has_it(path: str, place: str | None, wsl: Path) -> None:
    assert windows.is_windows(path)
    assert windows.here(path) == (place and place.format(drives=wsl))


@pytest.mark.parametrize("path", ["/mnt/e", "models/x", "~/x", "//server/x", "", "sub:x", "$E/x"])
def test_other_paths_are_none_of_windows(path: str) -> None:
    assert not windows.is_windows(path)


@pytest.mark.parametrize("config", ["", "[automount]\nroot=win\n", "[auto", "root = /x"])
def test_without_a_word_of_the_config_drives_lie_in_mnt(
    config: str, wsl: Path, tmp_path: Path
) -> None:
    (tmp_path / "wsl.conf").write_text(config)
    assert windows.here("D:\\x") == "/mnt/d/x"
    assert wsl.is_dir()


def test_the_kernel_tells_wsl_too(
    linux: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert not windows.in_wsl({})
    (tmp_path / "osrelease").write_text("5.15.153.1-microsoft-standard-WSL2\n")
    monkeypatch.setattr(windows, "_KERNEL", tmp_path / "osrelease")
    assert windows.in_wsl({})


@given(st.text(st.sampled_from("Ee:\\/.?$wsl%x\0"), max_size=20))
def test_whatever_it_is_it_becomes_an_absolute_path_or_nothing(path: str) -> None:
    place = windows.here(path, WSL)
    assert place is None or place.startswith("/")
    assert windows.here(path, {}) is None or windows.in_wsl({})


def test_the_file_of_a_windows_comfyui_is_read_under_wsl(wsl: Path, tmp_path: Path) -> None:
    text = f"{A111}  loras: |\n    models\\Lora\n    C:\\more\n  vae: /mnt/vae\n"
    found, heard = read(tmp_path, f"{text}b: {{base_path: shared, vae: x\\y}}\n")
    assert found.directories("checkpoints")[0] == wsl / "e/sd-webui/models/SD"
    assert found.destination("checkpoints", "a.pt") == wsl / "e/sd-webui/models/SD/a.pt"
    assert found.directories("loras")[:2] == (wsl / "c/more", wsl / "e/sd-webui/models/Lora")
    assert found.directories("vae")[0] == Path("/mnt/vae")
    assert tmp_path / "ComfyUI/shared/x/y" in found.directories("vae")
    assert heard == []


def test_what_lies_on_a_drive_that_is_away_is_told_and_not_written_to(
    wsl: Path, tmp_path: Path
) -> None:
    found, heard = read(tmp_path, A111.replace("E:", "F:"))
    assert wsl / "f/sd-webui/models/SD" in found.directories("checkpoints")
    assert found.destination("checkpoints", "a.pt").is_relative_to(tmp_path / "ComfyUI")
    assert [(told.why, told.told["line"]) for told in heard] == [(Why.DRIVE_AWAY, 2)]


def test_elsewhere_it_is_left_out_and_told_with_its_line(linux: None, tmp_path: Path) -> None:
    more = "b:\n  vae: |\n    good\n\n    D:\\vae\n  gligen: \\\\wsl$\\U\\x\n"
    found, heard = read(tmp_path, A111 + more)
    assert [(told.why, told.told["line"], told.told["path"]) for told in heard] == [
        (Why.WINDOWS_PATH, 2, "E:\\sd-webui\\"),
        (Why.WINDOWS_PATH, 9, "D:\\vae"),
        (Why.WINDOWS_PATH, 10, "\\\\wsl$\\U\\x"),
    ]
    every = [str(path) for paths in found.paths.values() for path in paths]
    assert [path for path in every if ":" in path or "\\" in path] == []
    assert tmp_path / "ComfyUI/good" in found.directories("vae")
    assert found.destination("checkpoints", "a.pt") == found.models / "checkpoints/a.pt"


def test_a_backslash_is_a_letter_of_a_name_on_linux(linux: None, tmp_path: Path) -> None:
    found, heard = read(tmp_path, "a: {base_path: /b, loras: x\\y}")
    assert Path("/b/x\\y") in found.directories("loras")
    assert heard == []


def test_paths_of_the_manifest_are_read_or_refused_with_their_line(
    wsl: Path, tmp_path: Path
) -> None:
    text = "comfyui: E:\\ComfyUI\nworkflows:\n- c:/flows/*.json\n- G:\\x\n"
    path = tmp_path / "manifest.yaml"
    path.write_text(text.replace("- G:\\x\n", ""))
    found = manifest_file.load(path, WSL)
    assert (found.comfyui, found.workflows) == (f"{wsl}/e/ComfyUI", (f"{wsl}/c/flows/*.json",))
    assert manifest_file.load(path, {**WSL, "COMFYUI_PATH": "C:\\c"}).comfyui == f"{wsl}/c/c"
    path.write_text(text)
    with pytest.raises(SetupProblem) as caught:
        manifest_file.load(path, WSL)
    told = caught.value.reason.told
    assert isinstance(told["cause"], Reason)
    assert (told["line"], told["key"], told["cause"].why) == (
        4,
        "workflows[1]",
        Why.WINDOWS_PATH_HERE,
    )


@pytest.mark.parametrize("key", ["store", "output", "models_directory", "base_directory"])
def test_elsewhere_a_manifest_that_names_a_drive_is_refused(
    key: str, linux: None, tmp_path: Path
) -> None:
    (tmp_path / "manifest.yaml").write_text(f"comfyui: c\n{key}: E:\\x\n")
    with pytest.raises(SetupProblem) as caught:
        manifest_file.load(tmp_path / "manifest.yaml", {})
    assert (caught.value.reason.told["line"], caught.value.reason.told["key"]) == (2, key)
