"""Several writers of one store: who waits gives way to other models and says for whom."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.disk.files import sha256_of
from comfyfix.screen.words import t
from tests.behaviour.test_script import identity
from tests.rig import Site

REPO = "someone/two"


def needs(site: Site, *values: str) -> None:
    """A workflow that says where each of its LoRAs is had."""
    base = f"https://huggingface.co/{REPO}/resolve/main"
    urls = {value: f"{base}/{value.rpartition('/')[2]}" for value in values}
    site.workflow("a.json", *(("loras", value) for value in values), urls=urls)


def test_one_that_waits_gives_way_and_says_for_whom(site: Site, hub: Hub) -> None:
    names = ("first.safetensors", "second.safetensors")
    hub.add(REPO, names)
    site.manifest(download={"parallel": 1})
    needs(site, *names)
    folder = site.models / "loras"
    folder.mkdir(parents=True)
    owner = f"{identity()}.{os.getpid()}"
    lock, work = folder / ".first.safetensors.lock", folder / f".first.safetensors.{owner}.work"
    lock.symlink_to(owner)
    work.mkdir()
    (work / "who").write_text("anna on bigbox process 7\n")

    lines: list[str] = []
    released = threading.Event()
    with subprocess.Popen(
        [sys.executable, "-m", "doit"], cwd=site.root, env=site.environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        for line in running.stdout:
            lines.append(line)
            waits = any(f"{t('Waiting:')} first" in line for line in lines)
            if waits and (folder / names[1]).exists() and not released.is_set():
                released.set()
                lock.unlink()
    text = "".join(lines)
    assert running.returncode == 0, text
    assert released.is_set(), text  # the second came while the first was waited for
    held = t("{name} is being fetched by {who}", name=names[0], who="anna on bigbox process 7")
    assert held in text
    for name in names:
        assert sha256_of(folder / name) == sha256(file_for(name))


def test_what_another_has_said_of_itself_is_not_trusted(site: Site, hub: Hub) -> None:
    hub.add(REPO, ["first.safetensors"])
    needs(site, "first.safetensors")
    folder = site.models / "loras"
    folder.mkdir(parents=True)
    owner = f"{identity()}.{os.getpid()}"
    (folder / ".first.safetensors.lock").symlink_to(owner)
    work = folder / f".first.safetensors.{owner}.work"
    work.mkdir()
    (work / "who").write_text("\x1b[31mroot$(id)\n")
    done = site.doit(COMFYFIX_LOCK_WAIT="1")
    assert done.returncode == 1
    assert f"locked by another process: {owner}" in done.stdout
    assert "\x1b" not in done.stdout


def test_new_files_follow_the_folder(site: Site, hub: Hub) -> None:
    hub.add(REPO, ["first.safetensors", "other.safetensors"])
    needs(site, "first.safetensors", "SDXL/other.safetensors")
    folder = site.models / "loras"
    folder.mkdir(parents=True)
    group = next((g for g in os.getgroups() if g != os.getegid()), 4242)
    try:
        os.chown(folder, -1, group)
    except PermissionError:
        group = folder.stat().st_gid
    folder.chmod(0o2775)
    old = os.umask(0o002)
    try:
        done = site.doit()
    finally:
        os.umask(old)
    assert done.returncode == 0, done.stdout
    made = [folder / "first.safetensors", folder / "SDXL", folder / "SDXL" / "other.safetensors"]
    assert {path.stat().st_gid for path in made} == {group}
    assert {path.stat().st_mode & 0o777 for path in made} == {0o664, 0o775}
