"""The loopback hub as its own client sees it: what `huggingface_hub` asks is answered as there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub

REPO = "studio/detail-models"
LARGE, SMALL = "loras/moonlit_detail_v2.safetensors", "config.json"
CONFIG = b'{"model_type": "demo"}'


@pytest.fixture
def shelf(hub: Hub) -> Hub:
    files = hub.add(REPO, [LARGE, SMALL]).files
    files[SMALL] = CONFIG
    hub.repositories[REPO].plain.add(SMALL)
    return hub


def client(hub: Hub, home: Path, *program: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the real client, which knows nothing but its endpoint."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(home),
        "HF_ENDPOINT": hub.url, "HF_HOME": str(home / "hf"), "NO_PROXY": "127.0.0.1",
        "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1", **more,
    }  # fmt: skip
    return subprocess.run(
        program, env=environment, capture_output=True, text=True, check=False, timeout=100
    )


def held(folder: Path) -> dict[str, bytes]:
    """The files below a folder that are no notes of the client."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".cache" not in path.parts
    }


WHOLE = {LARGE: file_for(Path(LARGE).name), SMALL: CONFIG}


def test_a_snapshot_and_single_files_come_whole(shelf: Hub, tmp_path: Path) -> None:
    code = f"""
from huggingface_hub import hf_hub_download, snapshot_download
for name in {[LARGE, SMALL]}:
    print(hf_hub_download({REPO!r}, name))
print(snapshot_download({REPO!r}))
print(snapshot_download({REPO!r}, local_dir="{tmp_path}/there"))
"""
    done = client(shelf, tmp_path, sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
    large, small, snapshot, there = done.stdout.split()
    commit = shelf.repositories[REPO].commit
    assert Path(snapshot).name == commit
    assert held(Path(snapshot)) == held(Path(there)) == WHOLE
    assert [Path(large), Path(small)] == [Path(snapshot) / LARGE, Path(snapshot) / SMALL]
    assert shelf.count("GET", "/cdn/*") == 1  # what is in its cache is not asked again


def test_the_program_downloads_what_is_gated_and_shows_storage_no_token(
    shelf: Hub, tmp_path: Path
) -> None:
    shelf.repositories[REPO].gated = True
    shelf.tokens.add("hf_secret")
    command = ("hf", "download", REPO, "--local-dir", str(tmp_path / "there"))
    refused = client(shelf, tmp_path, *command)
    assert refused.returncode != 0
    assert held(tmp_path / "there") == {}
    done = client(shelf, tmp_path, *command, HF_TOKEN="hf_secret")
    assert done.returncode == 0, done.stderr
    assert held(tmp_path / "there") == WHOLE
    assert {seen.token for seen in shelf.seen if seen.path.startswith("/cdn/")} == {""}
