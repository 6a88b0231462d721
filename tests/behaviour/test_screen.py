"""What stands on the screen: a terminal of 80 columns, GitHub Actions, and the demo."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import unicodedata

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.screen.words import fixed, t
from comfyfix.sources import ALL
from tests.rig import PROGRAM, REPO, Site

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
NAMES = [f"{'a_rather_long_name_' * 3}{i}.safetensors" for i in range(8)]


def in_terminal(site: Site, *arguments: str, keys: str = "", **extra: str) -> tuple[int, str]:
    """Run doit on a terminal of 24 rows and 80 columns; returns exit code and all it wrote."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    env = site.environment(TERM="xterm-256color", COLUMNS="80", **extra)
    process = subprocess.Popen(
        [*PROGRAM, *arguments], cwd=site.root, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.write(ours, keys.encode())
    written = bytearray()
    try:
        while block := os.read(ours, 65536):
            written += block
    except OSError:
        pass  # the terminal is gone once its last user has ended
    os.close(ours)
    return process.wait(60), written.decode()


def columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


@pytest.mark.soak
def test_live_progress_is_never_wider_than_the_terminal(site: Site, hub: Hub) -> None:
    site.workflow("w.json", *[("loras", name) for name in NAMES])
    for name in NAMES:
        hub.add(f"maker/{name.partition('.')[0]}", []).files[name] = file_for(name, size=600_000)
    hub.rate = 800_000
    hub.delays["search"] = 0.3
    site.manifest(confirm=False)
    code, written = in_terminal(site)
    assert code == 0, written
    lines = re.split(r"[\r\n]+", ESCAPES.sub("", written))
    # A path stays whole, so that it can be copied.
    assert max(columns(line) for line in lines if len(line.split()) > 1) <= 80
    assert any("━" in line and "/s" in line for line in lines)
    assert any(t("searching") in line for line in lines)
    assert any(f" {t('left')} · " in line for line in lines)
    assert fixed("INCREMENTAL DOWNLOAD SUMMARY") in written
    after = ESCAPES.sub("", written.rpartition(fixed("INCREMENTAL"))[2])
    assert "━" not in after, "the board was drawn into the summary"


def test_it_asks_once_and_takes_no_for_an_answer(site: Site, hub: Hub) -> None:
    site.workflow("w.json", ("upscale_models", "rife49.pth"))
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    code, written = in_terminal(site, keys="v\nn\n")
    assert code == 1
    assert t("One model is missing.") in written
    assert written.count(fixed("Your choice [y/n/v/p]")) == 2
    assert "upscale_models/rife49.pth" in written
    assert t("Nothing was downloaded") in written
    assert site.files() == {}
    assert not list(site.output.glob("download_*.sh"))
    code, written = in_terminal(site, keys="y\n")
    assert code == 0
    assert written.count(fixed("Your choice [y/n/v/p]")) == 1
    assert site.files() != {}


def test_it_does_not_ask_in_ci(site: Site, hub: Hub) -> None:
    site.workflow("w.json", ("upscale_models", "rife49.pth"))
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    code, written = in_terminal(site, CI="true")
    assert code == 0
    assert fixed("Your choice") not in written


def test_what_is_known_already_is_part_of_the_question_at_once(site: Site, hub: Hub) -> None:
    site.workflow("w.json", ("upscale_models", "rife49.pth"))
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    assert site.doit("plan").returncode == 0
    hub.seen.clear()
    _, written = in_terminal(site, keys="n\n")
    assert t("{found} of {count} found", found=1, count=1) + ", 2.6 kB" in written
    assert t("y: {found:models}, {size:size}", found=1, size=2600) in written
    assert hub.seen == []


def test_github_actions_gets_a_group_and_annotations(site: Site) -> None:
    site.workflow("w.json", ("upscale_models", "100%_rife.pth"))
    done = site.doit(GITHUB_ACTIONS="true")
    lines = done.stdout.splitlines()
    assert lines[0] == f"::group::comfyfix: {t('{count:models}', count=1)}"
    assert lines.index("::endgroup::") < lines.index(fixed("INCREMENTAL DOWNLOAD SUMMARY"))
    (error,) = [line for line in lines if line.startswith("::error ")]
    place = "file=ComfyUI/user/default/workflows/w.json,line=1,title=comfyfix"
    assert error.startswith(f"::error {place}::")
    assert "100%25_rife.pth" in error


def test_the_demo_uses_every_source_and_ends_green(site: Site) -> None:
    (site.root / "manifest.yaml").write_text("comfyui: demo\n")
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert fixed("Total models: {count}", count=21) in done.stdout
    found = [
        json.loads(path.read_bytes())["source"]
        for path in (site.output / "demo" / "sources").iterdir()
    ]
    assert set(found) == {source.NAME for source in ALL}
    assert done.stdout.count(fixed("✓ Found")) == len(found)
    assert site.doit("list", "-q").stdout == ""
    home = site.output / "demo" / "ComfyUI" / "models"
    kinds = {path.suffix for path in home.rglob("*") if path.is_file()}
    assert kinds >= {".safetensors", ".pth", ".pt", ".gguf", ".onnx"}
    (home / "upscale_models" / "rife49.pth").unlink()
    assert site.doit("list", "-q").stdout == "download:rife49\n"


def test_the_demo_in_trouble_tells_what_to_do(site: Site) -> None:
    (site.root / "manifest.yaml").write_text("comfyui: demo\n")
    done = site.doit(COMFYFIX_DEMO="trouble")
    assert done.returncode == 1
    for line, count in (
        ("Successfully downloaded: {count}", 17),
        ("Failed searches: {count}", 2),
        ("Failed downloads: {count}", 1),
    ):
        assert fixed(line, count=count) in done.stdout, done.stdout
    summary = done.stdout.partition(fixed("INCREMENTAL DOWNLOAD SUMMARY"))[2]
    assert summary.count(f"    {t('Next:')} ") == 3


def test_plain_doit_and_comfyfix_say_the_same(site: Site) -> None:
    (site.root / "manifest.yaml").write_text("comfyui: demo\n")
    ours = (sys.executable, "-c", "from comfyfix.tasks.declare.program import main; main()")
    for command in (("list",), ("scan", "--json"), ("list", "--all"), ("info", "download:rife49")):
        told = re.sub(r"`doit(?=[ `])", "`comfyfix", site.doit(*command).stdout)
        assert told == site.doit(*command, program=ours).stdout
    assert (REPO / "dodo.py").read_text().count("\n") < 15


def test_a_reader_that_has_seen_enough_does_not_end_the_run(site: Site, hub: Hub) -> None:
    site.workflow("w.json", *[("loras", name) for name in NAMES])
    for name in NAMES:
        hub.add(f"maker/{name.partition('.')[0]}", [name])
    running = site.start()
    assert running.stdout is not None
    running.stdout.readline()
    running.stdout.close()
    assert running.wait(timeout=120) == 0
    (log,) = (site.output / "log").glob("run_*.log")
    assert fixed("Failed downloads: {count}", count=0) in log.read_text()
    assert "Traceback" not in log.read_text()
