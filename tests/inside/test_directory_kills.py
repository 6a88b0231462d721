"""A directory whose download is killed at any moment: nothing half has its name, little is lost."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.demo.shelf import sha256
from comfyfix.net.urls.hosts import HUGGINGFACE
from comfyfix.records import FileFact, Model, Record
from tests.inside.test_directory_script import lies
from tests.rig import Site, put_script

KILLS = int(os.environ.get("COMFYFIX_KILLS", "12"))
REPO = "maker/Lantern-kills"
WEIGHTS = {f"unet/part-0000{n}-of-00005.safetensors": n for n in range(1, 6)}


def record_of(site: Site, hub: Hub) -> Record:
    """Five shards of some size and their settings, as a search would have found them."""
    files = hub.add(REPO, ()).files
    files["config.json"] = b'{"model_type": "lantern"}'
    for path, number in WEIGHTS.items():
        files[path] = file_for("x.safetensors", seed=str(number)) + bytes(300_000)
    commit = hub.repositories[REPO].commit
    facts = [
        FileFact(
            path=path,
            url=f"{HUGGINGFACE}/{REPO}/resolve/{commit}/{path}",
            size=len(files[path]),
            sha256=sha256(files[path]),
        )
        for path in files
    ]
    return Record(
        source="huggingface",
        where=REPO,
        repo=REPO,
        url=f"{HUGGINGFACE}/{REPO}/tree/{commit}",
        size=sum(fact.size for fact in facts),
        number=1,
        model=Model(folder="LLM", path="Lantern-kills"),
        destination=str(site.models / "LLM" / "Lantern-kills"),
        store=str(site.models),
        files=tuple(facts),
    )


def whole_files(folder: Path, record: Record) -> set[str]:
    """The files of a record that are complete in a folder."""
    sizes = {file.path: file.size for file in record.files}
    return {
        path
        for path, size in sizes.items()
        if (folder / path).is_file() and (folder / path).stat().st_size == size
    }


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_killed_at_any_moment(site: Site, hub: Hub) -> None:
    record = record_of(site, hub)
    script = put_script(site.output / "one.sh", record)
    folder = Path(record.destination)
    every = {file.path for file in record.files}
    dice, half, lost, stopped, takes = random.Random(7), 0, 0, 0, 3.0
    for _ in range(KILLS):
        shutil.rmtree(folder.parent, ignore_errors=True)
        process = subprocess.Popen(
            ["bash", str(script)],
            env=site.environment(HF_ENDPOINT=hub.url),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(timeout=dice.uniform(0.0, takes))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            stopped += 1
        half += folder.exists() and whole_files(folder, record) != every
        before = whole_files(folder.parent / record.new, record)
        asked, begun = len(hub.seen), time.monotonic()
        done = site.script(script)
        takes = (3 * takes + time.monotonic() - begun) / 4
        assert done.returncode == 0, done.stdout
        fetched = [
            seen.path.partition("?")[0].partition(f"/{REPO}/")[2]
            for seen in hub.seen[asked:]
            if seen.path.startswith(("/cdn/", "/api/resolve-cache/"))
        ]
        lost += len(before.intersection(fetched))
        assert lies(folder) == {file.path: file.sha256 for file in record.files}
        assert os.listdir(folder.parent) == [folder.name]
    print(f"{KILLS} directories, {stopped} killed: {half} half, {lost} files fetched again")
    assert half == 0
    assert lost <= stopped, "of each at most one that had arrived is fetched again"
