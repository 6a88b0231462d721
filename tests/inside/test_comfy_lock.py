"""What is locked, in the form of comfy-cli: printed, read again, and the same models then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.comfyui.manifests import comfy_lock, forms
from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.settings import pins
from comfyfix.settings.lockfile import Entry, LockedFile
from comfyfix.settings.overrides import LOCK_FILE
from comfyfix.why import Why
from tests.inprocess import InProcess

REPO = "harbour/harbour_bells"
NAMES = ("harbour_bell_one.safetensors", "harbour_bell_two.safetensors")
PRINT = ("lock", "--format", comfy_lock.COMFY_LOCK)
names = st.text("abcXYZ 019äé:#-{}'\"", min_size=1, max_size=12).map(
    lambda name: f"{name.strip(' ') or 'x'}.safetensors"
)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
files = st.lists(
    st.builds(
        LockedFile,
        path=names | names.map(lambda name: f"unet/{name}"),
        url=st.just("https://huggingface.co/a/b/resolve/main/c"),
        size=st.integers(0, 9),
        sha256=digests,
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda file: file.path,
)
folders = st.sampled_from(["loras", "text_encoders", "upscale_models", "diffusion_models", "sams"])
entries = st.builds(
    Entry, folder=folders, path=names, size=st.just(1), sha256=digests,
    url=st.sampled_from(["", "https://huggingface.co/a/b/resolve/main/c"]),
) | st.builds(
    Entry, folder=folders, path=st.just("whole/one"), size=st.just(1), files=files.map(tuple),
    url=st.just("https://huggingface.co/a/b/tree/main"),
)  # fmt: skip


@pytest.fixture
def site(inprocess: InProcess, hub: Hub) -> InProcess:
    hub.add(REPO, NAMES)
    inprocess.workflow("w.json", ("loras", NAMES[0]), ("upscale_models", f"deep/{NAMES[1]}"))
    return inprocess


def locked(site: InProcess) -> list[dict[str, Any]]:
    assert site.run("lock").code == 0
    told: list[dict[str, Any]] = yaml.safe_load((site.root / LOCK_FILE).read_text())["models"]
    return told


def test_it_has_the_documented_shape_and_asks_nobody(site: InProcess, hub: Hub) -> None:
    first, second = locked(site)
    before = (site.root / LOCK_FILE).read_bytes()
    hub.seen.clear()
    ran = site.run(*PRINT)
    assert (ran.code, hub.seen) == (0, [])
    assert yaml.safe_load(ran.out) == {
        "basic": {},
        "models": [
            {
                "model": name,
                "url": told["url"],
                "paths": [{"path": f"models/{told['folder']}/{told['path']}"}],
                "hashes": [{"hash": sha256(file_for(name)), "type": "SHA256"}],
                "type": kind,
            }
            for name, told, kind in ((NAMES[0], first, "lora"), (NAMES[1], second, "upscaler"))
        ],
    }
    as_json = json.loads(site.run(*PRINT, "--json").out)
    assert as_json == {"version": 1, **yaml.safe_load(ran.out)}
    assert (site.root / LOCK_FILE).read_bytes() == before


def test_what_is_printed_can_be_imported(site: InProcess, tmp_path: Path) -> None:
    before = locked(site)
    printed = tmp_path / "comfy-lock.yaml"
    printed.write_text(site.run(*PRINT).out)
    (site.root / LOCK_FILE).unlink()
    assert site.run("import", str(printed)).code == 0
    held = yaml.safe_load((site.root / pins.NAME).read_text())["models"]
    told = {key: (pin["url"], pin["sha256"]) for key, pin in held.items()}
    assert told == {f"{one['folder']}/{one['path']}": (one["url"], one["sha256"]) for one in before}
    assert site.run().code == 0
    assert {sha256(p.read_bytes()) for p in site.models.rglob("*.safetensors")} == {
        one["sha256"] for one in before
    }


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        (PRINT, "lock --format"),
        (("lock", "--check"), "lock --check"),
        (("mirror", "m"), "mirror"),
        (("--frozen",), "--frozen"),
    ],
)
def test_who_needs_a_lock_file_is_told(site: InProcess, typed: tuple[str, ...], asked: str) -> None:
    ran = site.run(*typed, "--json")
    assert ran.code == 3
    told = json.loads(ran.out)["error"]
    assert told["why"] == Why.LOCK_ABSENT
    assert f" {asked}`" in told["message"]


@pytest.mark.parametrize("other", ["--check", "--upgrade", "--dry-run"])
def test_it_does_nothing_besides(site: InProcess, other: str) -> None:
    locked(site)
    ran = site.run(*PRINT, other, "--json")
    assert ran.code == 3
    assert json.loads(ran.out)["error"]["why"] == Why.LOCK_FORMAT_ALONE


def test_another_form_is_refused(site: InProcess) -> None:
    locked(site)
    ran = site.run("lock", "--format", "cargo")
    assert ran.code == 3
    assert "`--format`" in ran.err
    assert "Traceback" not in ran.err


@given(st.lists(entries, max_size=4))
def test_any_lock_is_read_as_it_was_written(told: list[Entry]) -> None:
    found = forms.listing(yaml.safe_load(comfy_lock.text(comfy_lock.shaped(told))))
    assert found is not None
    assert [(one.place, one.url, one.sha256) for one in found.models] == [
        (f"models/{entry.folder}/{path}", url, digest)
        for entry in told
        for path, url, digest in (
            [(f"{entry.path}/{file.path}", file.url, file.sha256) for file in entry.files]
            or [(entry.path, entry.url, entry.sha256)]
        )
    ]
