"""State that is not what it should be, a screen that is gone, a stop at any time: no traceback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.disk import temporary
from comfyfix.records import Reason, because
from comfyfix.screen import words
from comfyfix.screen.words import t
from comfyfix.why import Why
from tests.rig import REPO, Site

pytestmark = pytest.mark.soak  # a minute of whole runs

NEEDS = [("upscale_models", "rife49.pth"), ("vae", "soft_vae.safetensors")]
FOLDERS = [".cache", "log", "sources", "verified"]
FILES = [
    "ledger.json",
    "downloaded_models.json",
    "download_counter.txt",
    "missing_models.json",
    "verified/batch_001.json",
    ".cache/doit.json",
    ".cache/scan.json",
    ".cache/records.json",
    ".cache/pieces.json",
    ".cache/packs.json",
    ".cache/hashes.jsonl",
    "log/search_history.log",
    ".ledger.lock",
    ".pins.lock",
]


def in_its_place(path: Path, kind: str) -> None:
    """Put something of another kind in the place of a file or folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "file":
        path.write_bytes(b"x")
    elif kind == "folder":
        path.mkdir()
        (path / "x").write_bytes(b"x")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        nothing = path.parent / "nothing" / "here"
        path.symlink_to({"gone": nothing, "round": path, "zero": Path("/dev/zero")}[kind])


@pytest.fixture
def complete(site: Site, hub: Hub) -> Site:
    site.workflow("clip.json", *NEEDS)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.add("someone/soft_vae", ["soft_vae.safetensors"])
    assert site.doit().returncode == 0
    return site


def goes_on(site: Site, hub: Hub) -> None:
    """Every command does its work, and nothing is fetched again."""
    files, fetched = site.files(), hub.count("GET", "/cdn/*")
    for command in (["list"], ["verify"], [], ["plan"]):
        done = site.doit(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
    assert (site.files(), hub.count("GET", "/cdn/*")) == (files, fetched)
    assert t("Nothing to do") in site.doit().stdout


@pytest.mark.parametrize("kind", ["folder", "pipe", "gone", "round"])
def test_files_of_ours_that_are_none(complete: Site, hub: Hub, kind: str) -> None:
    (complete.output / "download_counter.txt").unlink()
    for name in FILES:
        in_its_place(complete.output / name, kind)
    expected = {name for name in FILES if "batch" not in name}
    for command, those in (  # who only looks sets the caches right
        ("list", {name for name in expected if name.startswith(".cache")}),
        ("verify", {name for name in expected if not name.startswith(".cache")}),
    ):
        lines = complete.doit(command).stderr.splitlines()
        told = {line.split(" ")[1] for line in lines if t(" was not a file") in line}
        assert told == {str(complete.output / name) for name in those}
    assert (complete.output / "ledger.json.damaged").exists() or kind in {"gone", "round"}
    goes_on(complete, hub)
    assert (complete.output / "verified" / "batch_001.json").is_file()


@pytest.mark.parametrize("kind", ["file", "pipe", "gone", "round"])
def test_folders_of_ours_that_are_none(complete: Site, hub: Hub, kind: str) -> None:
    for name in FOLDERS:
        in_its_place(complete.output / name, kind)
    goes_on(complete, hub)
    assert all((complete.output / name).is_dir() for name in FOLDERS)
    assert all(os.path.lexists(complete.output / f"{name}.damaged") for name in FOLDERS)


@pytest.mark.parametrize("kind", ["folder", "pipe", "gone", "round"])
def test_records_and_scripts_that_are_no_files(complete: Site, hub: Hub, kind: str) -> None:
    record = complete.output / "sources" / "001_rife49_pth.json"
    script = complete.output / "download_001_rife49_pth.sh"
    text = script.read_bytes()
    in_its_place(record, kind)
    in_its_place(script, kind)
    fetched = hub.count("GET", "/cdn/*")
    done = complete.doit()
    assert done.returncode == 0, done.stdout
    assert script.read_bytes() == text
    assert record.is_file()
    assert hub.count("GET", "/cdn/*") == fetched


@pytest.mark.parametrize("kind", ["folder", "pipe", "gone", "round"])
def test_pins_that_are_no_file(complete: Site, kind: str) -> None:
    """They are the user's own: told, and left alone."""
    in_its_place(complete.root / "pins.yaml", kind)
    for command in (["list"], ["pin", "rife49.pth", "https://huggingface.co/a/b/x.pth"]):
        done = complete.doit(*command)
        assert done.returncode == 3, done.stdout
        assert "pins.yaml" + t(" can't be read") in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert os.path.lexists(complete.root / "pins.yaml")


def test_a_write_that_is_killed_leaves_a_name_that_tells_its_owner(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys; from comfyfix.disk import files\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), 9)\n"
        "files.write_atomic(pathlib.Path(sys.argv[1]) / (chr(0x1F600) * 60), b'x')\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, cwd=REPO)
    assert len(list(tmp_path.iterdir())) == 1
    temporary.clear(tmp_path)
    assert list(tmp_path.iterdir()) == []


def in_shell(site: Site, command: str, redirected: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -m doit {command} {redirected}', sys.executable],
        cwd=site.root,
        env=site.environment(),
        capture_output=True,
        check=False,
        text=True,
        timeout=100,
    )


@pytest.mark.parametrize("redirected", [">&-", ">/dev/full"])
@pytest.mark.parametrize("command", ["list", "list --all", "scan", "scan --json", "plan", "verify"])
def test_an_answer_that_cannot_be_written(
    site: Site, hub: Hub, command: str, redirected: str
) -> None:
    site.workflow("clip.json", *NEEDS)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    done = in_shell(site, command, redirected)
    assert done.returncode == 2, done.stderr
    assert t("The answer can't be written: ") in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("redirected", [">&-", "<&- >&- 2>&-", ">/dev/full", "2>&-", "<&-"])
def test_a_run_that_no_one_sees(site: Site, hub: Hub, redirected: str) -> None:
    site.workflow("clip.json", *NEEDS)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.add("someone/soft_vae", ["soft_vae.safetensors"])
    done = in_shell(site, "", redirected)
    assert done.returncode == 0, done.stderr
    assert set(site.files()) == {"/".join(need) for need in NEEDS}
    assert "Traceback" not in done.stderr
    assert (t("The screen can't be written") in done.stderr) == (
        redirected in {">&-", ">/dev/full"}
    )
    (log,) = (site.output / "log").glob("run_*.log")
    assert "Successfully downloaded: 2" in log.read_text()


def test_what_is_opened_later_lands_on_no_standard_descriptor(site: Site, hub: Hub) -> None:
    """With all three closed, the first files that are opened would take their numbers."""
    site.workflow("clip.json", *NEEDS)
    program = site.root / "dodo.py"
    told = site.root / "told"
    program.write_text(
        f"import os\nwith open({str(told)!r}, 'w') as file: file.write(str(file.fileno()))\n"
        + program.read_text()
    )
    assert in_shell(site, "list", "<&- >&- 2>&-").returncode == 2
    assert int(told.read_text()) > 2


@pytest.mark.parametrize("command", [(), ("list",), ("info", "x")])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_while_the_dodo_loads(
    site: Site, command: tuple[str, ...], number: signal.Signals, code: int
) -> None:
    ready = site.root / "ready"
    os.mkfifo(ready)
    site.workflow("clip.json", *NEEDS)
    wait = f"open({str(ready)!r}, 'w').close()\nimport time\ntime.sleep(100)\n"
    (site.root / "dodo.py").write_text(wait)
    running = site.start(*command)
    with ready.open() as told:
        told.read()
    os.kill(running.pid, number)
    printed = running.communicate(timeout=60)[0]
    assert running.returncode == code, printed
    assert t("Stopped.") in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("dumpdb",), ".cache/doit.json"),
        (("info",), because(Why.INFO_NEEDS_NAME)),
        (("info", "a", "b"), because(Why.INFO_NEEDS_NAME)),
        (("info", "download:rife"), "download:rife49"),
    ],
)
def test_commands_of_doits_own(site: Site, command: tuple[str, ...], said: Reason) -> None:
    site.workflow("clip.json", *NEEDS)
    done = site.doit(*command)
    assert done.returncode == 3
    assert words.sentence(said) in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "status     : run" in site.doit("info", "download:rife49").stdout


@pytest.mark.parametrize("kind", ["pipe", "zero"])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ComfyUI/user/default/workflows/x.zip", {}),
        ("ComfyUI/user/default/workflows/x.json", {}),
        ("token", {}),
        ("ComfyUI/extra_model_paths.yaml", {}),
        ("more.yaml", {"extra_model_paths": ["more.yaml"]}),
        ("x.zip", {"workflows": ["x.zip"]}),
        ("x.zip", {"workflows": ["x.zip/a.json"]}),
    ],
)
def test_a_file_of_the_user_without_an_end(
    site: Site, name: str, settings: dict[str, list[str]], kind: str
) -> None:
    site.workflow("clip.json", *NEEDS)
    site.manifest(**settings)
    in_its_place(site.root / name, kind)
    done = site.doit("list", HF_TOKEN_PATH=str(site.root / "token"))
    assert done.returncode == (0 if "user" in name else 3), done.stderr
    (line,) = done.stderr.splitlines()
    assert str(site.root / name) in line
    assert t("is not a regular file") in line or settings == {"workflows": ["x.zip/a.json"]}
