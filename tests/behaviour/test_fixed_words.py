"""The words that the design fixes, letter for letter: programs may read them."""

from __future__ import annotations

import re

import pytest

from comfyfix.demo.hub import Hub
from tests.behaviour.test_screen import in_terminal
from tests.rig import Site

pytestmark = pytest.mark.words
RIFE = ("upscale_models", "rife49.pth")


def test_a_model_that_is_brought(site: Site, hub: Hub) -> None:
    site.workflow("clip.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    done = site.doit()
    lines = [
        re.sub(r"  \[rife49.pth\]$| \(2.6 kB\)$", "", line) for line in done.stdout.splitlines()
    ]
    assert lines == [
        "[1/1] Processing: rife49.pth",
        "  ✓ Found on HuggingFace: AlexWortega/RIFE",
        "  Generated: download_001_rife49_pth.sh",
        "  Executing download: download_001_rife49_pth.sh",
        "  ✓ Download completed successfully",
        "Verifying batch 001 (1 model)",
        "  ✓ Verified: 1 model",
        "",
        "INCREMENTAL DOWNLOAD SUMMARY",
        "  Total models: 1",
        "  Successfully downloaded: 1",
        "  Failed searches: 0",
        "  Failed downloads: 0",
        "  Download scripts created: 1",
        *lines[14:],
    ]


def test_a_batch_of_several(site: Site, hub: Hub) -> None:
    site.workflow("clip.json", RIFE, ("vae", "soft_vae.safetensors"))
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.add("someone/soft_vae", ["soft_vae.safetensors"])
    lines = site.doit().stdout.splitlines()
    assert "Verifying batch 001 (2 models)" in lines
    assert "  ✓ Verified: 2 models" in lines


def test_what_fails_has_a_place_of_its_own(site: Site, hub: Hub) -> None:
    site.workflow("clip.json", RIFE, ("loras", "nobody.safetensors"))
    site.manifest(download={"reserve": 1 << 59})
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    lines = site.doit().stdout.splitlines()
    searches, downloads = lines.index("Models not found:"), lines.index("Download failures:")
    assert lines[searches + 1].startswith("  loras/nobody.safetensors: ")
    assert lines[downloads + 1].startswith("  upscale_models/rife49.pth: ")


def test_the_question(site: Site) -> None:
    site.workflow("clip.json", RIFE)
    code, written = in_terminal(site, keys="n\n")
    assert code == 1
    assert "Your choice [y/n/v/p] " in written
