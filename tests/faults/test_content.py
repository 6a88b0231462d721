"""What is no model, or a malicious one, never gets its name: through real doit, by the dozen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.endings import is_pickle
from tests.rig import Site
from tests.unit import test_gguf, test_safetensors
from tests.unit.hostile_pickles import HOSTILE
from tests.unit.test_impostors import EXTENSIONS, IMPOSTORS
from tests.unit.torchlike import zipped

pytestmark = pytest.mark.faults
GOOD = ("vae", "river_stone.safetensors")
PICKLES = ("ckpt", "pt", "pth", "bin")
FOLDERS = {"gguf": "diffusion_models", "bin": "text_encoders", "ckpt": "checkpoints"}


def bring(site: Site, hub: Hub, files: Mapping[str, bytes]) -> set[str]:
    """Offer files at the Hub, with true hashes; return the names that came out of a whole run."""
    hub.add("someone/river_stone", [GOOD[1]])
    repository = hub.add("maker/things", [])
    wanted, urls = [GOOD], {}
    for name, data in files.items():
        repository.files[name] = data
        wanted.append((FOLDERS.get(name.rpartition(".")[2], "loras"), name))
        urls[name] = f"https://huggingface.co/maker/things/resolve/main/{name}"
    site.workflow("w.json", *wanted, urls=urls)
    site.manifest(search={"sources": ["workflow", "huggingface"]}, download={"parallel": 4})
    done = site.doit()
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    asked = sum(hub.count("GET", f"/cdn/maker/things/{name}*") > 0 for name in files)
    assert asked == len(files), f"only {asked} of {len(files)} were fetched at all"
    there = {path.rpartition("/")[2]: data for path, data in site.files().items()}
    assert there.pop(GOOD[1]) == sha256(file_for(GOOD[1]))
    # What is unsafe is kept beside, under a name that nothing loads.
    rest = {name for name in there if not name.endswith(".unsafe")}
    aside = {name.removesuffix(".unsafe") for name in there if name.endswith(".unsafe")}
    assert all(there[f"{name}.unsafe"] == sha256(files[name]) for name in aside)
    assert hidden(site) == []
    return rest


def hidden(site: Site) -> list[Path]:
    return [
        path for path in site.models.rglob(".*") if path.is_file() and ".comfyfix" not in path.parts
    ]


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_no_impostor_gets_a_name(site: Site, hub: Hub, extension: str) -> None:
    files = {
        f"{name.replace(' ', '_').replace(',', '')}_{extension}.{extension}": data
        for name, (data, _) in IMPOSTORS.items()
        if data
    }
    assert len(files) >= 20
    assert bring(site, hub, files) == set()


def test_no_malicious_pickle_gets_a_name(site: Site, hub: Hub) -> None:
    """Each as it is and inside a torch archive, under every ending that torch loads."""
    files = {}
    for number, data in enumerate(HOSTILE.values()):
        ending = (*PICKLES, "safetensors")[number % 5]
        files[f"hostile_{number}.{ending}"] = data
        if number % 4 == 0 and is_pickle(f"x.{ending}"):
            files[f"hostile_zip_{number}.{ending}"] = zipped(data=data)
    assert len(files) > 67
    assert bring(site, hub, files) == set()


@pytest.mark.parametrize("kind", ["safetensors", "gguf"])
def test_no_broken_or_malicious_weights_get_a_name(site: Site, hub: Hub, kind: str) -> None:
    broken = test_safetensors.BROKEN if kind == "safetensors" else test_gguf.BROKEN
    files = {f"broken_{n}.{kind}": data for n, (data, _) in enumerate(broken.values())}
    assert len(files) >= 20
    assert bring(site, hub, files) == set()


def test_a_header_that_tells_of_2_to_the_63_bytes(site: Site, hub: Hub) -> None:
    files = {
        "huge.safetensors": test_safetensors.build({}, length=1 << 63),
        "deep.safetensors": test_safetensors.build(b"[" * 200_000),
        "traversal.safetensors": test_safetensors.build(
            {"../../x": test_safetensors.tensor(0, 1)}, b"\0"
        ),
    }
    assert bring(site, hub, files) == set()
