"""Where a file lies, the server misbehaves in every way: each ends in time, in words, with no file.

What a script can do without, it does: those ways end with the right file.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from comfyfix.demo.civitai_versions import CivitaiVersion
from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.demo.shelf import Repository
from tests.faults.authority import certificate
from tests.faults.many import RAW, Run, require_told, run, shared
from tests.faults.raw import Ask, Raw, Step, whole
from tests.faults.storage_ways import EXTRA, UNTOLD, WAYS, to
from tests.rig import Site

pytestmark = pytest.mark.faults
SIZES = {"small": 40_000, "large": 1_500_000, "untold": 40_000}
"""The first is tried at once. Of the last one, Civitai tells a rounded size and no sha256."""
CASES = [(size, way) for way in WAYS for size in WAYS[way].sizes]
CASES += [("untold", way) for way in (*UNTOLD, *EXTRA)]
TOOLS = {
    # Only a limit that is set is shortened: without one, a slow server would still be waited for.
    "curl": """for word in "$@"; do
  shift
  case "$before" in --speed-time | --connect-timeout) word=25 ;; esac
  before="$word"
  set -- "$@" "$word"
done
exec {real} "$@" """,
    # What a server asks to wait takes no time; a sign of life has to.
    "sleep": '[ "$1" != 10 ] || exec {real} 10',
}


def name_of(size: str, way: str) -> str:
    """A file name for a way."""
    return f"{size}_{re.sub('[^a-z0-9]+', '_', way.lower()).strip('_')}.safetensors"


def tools(folder: Path) -> str:
    """A folder of tools that are less patient than the real ones."""
    folder.mkdir()
    for name, text in TOOLS.items():
        made = folder / name
        made.write_text(
            "#!/bin/bash\nbefore=''\n" + text.replace("{real}", str(shutil.which(name)))
        )
        made.chmod(0o755)
    return str(folder)


def make(root: Path) -> Run:
    """Fetch a model for every way, all in one run."""
    urls, told, acts, data = {}, {}, {}, {}
    for number, (size, way) in enumerate(CASES):
        name = name_of(size, way)
        data[name] = file_for(name, size=SIZES[size])
        acts[name] = (WAYS | EXTRA)[way].act
        if size == "untold":
            version = CivitaiVersion(9, "Model", "LORA", number, "v1", number, name, data[name])
            version.rounded = True
            value = version.describe()
            value["files"][0]["hashes"] = {}
            told[f"/api/v1/model-versions/{number}"] = value
            urls[name] = f"https://civitai.com/api/download/models/{number}?fileId={number}"
        else:
            repository = Repository(f"someone/{number}")
            repository.files[name] = data[name]
            told[f"/api/models/someone/{number}/revision/main"] = repository.describe(blobs=True)
            urls[name] = f"https://huggingface.co/someone/{number}/resolve/main/{name}"

    def answer(ask: Ask) -> Iterator[Step]:
        path = ask.path.partition("?")[0]
        last = path.rpartition("/")[2]
        if path in told:
            return iter((whole(json.dumps(told[path]).encode()),))
        if path.startswith("/api/download/"):
            last = name_of(*CASES[int(last)])
        if not path.startswith("/cdn/"):
            return to(f"{{base}}/cdn/{last}")(ask, b"")
        return acts[last](ask, data[last])

    made = certificate(root / "tls", "IP:127.0.0.1")
    with Raw(answer) as plain, Raw(answer, tls=made.context) as secret, Hub() as hub:
        site = Site(root, hub)
        site.workflow("w.json", *(("loras", name) for name in urls), urls=urls)
        site.manifest(
            endpoints={"huggingface": plain.url, "civitai": secret.url},
            search={"sources": ["workflow"], "parallel": 8},
            download={"retries": 2, "parallel": 32},
        )
        authority = str(made.authority)
        path = f"{tools(root / 'tools')}:{site.environment()['PATH']}"
        ended = run(site, PATH=path, COMFYFIX_LOCK_STILL="6", CURL_CA_BUNDLE=authority)
        beginnings = {p: "a beginning" for p in ended.left if _is_beginning(site.models / p, data)}
        return replace(ended, left=ended.left | beginnings)


def _is_beginning(path: Path, data: dict[str, bytes]) -> bool:
    """Tell whether a file is a part from which a download can go on."""
    whole = data[path.name.partition(".safetensors")[0] + ".safetensors"]
    got = path.read_bytes()
    return path.name.endswith(".part") and 0 < len(got) < len(whole) and whole.startswith(got)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """How the run over all ways has ended."""
    return shared(tmp_path_factory, "storage", make)


@pytest.mark.parametrize(("size", "way"), CASES)
def test_a_misbehaving_storage_is_told_in_words(ended: Run, size: str, way: str) -> None:
    name, expected = name_of(size, way), (WAYS | EXTRA)[way]
    if expected.says:
        require_told(ended, name, expected.says, keeps="a beginning" if expected.keeps else "")
    else:
        assert ended.told(name) == []
        assert ended.of(name) == {f"loras/{name}": sha256(file_for(name, size=SIZES[size]))}


def test_nothing_raw_is_said(ended: Run) -> None:
    assert "Traceback" not in ended.said
    assert not RAW.search(ended.said)
