"""Names from strangers on the screen: no command lets them move the cursor or turn the text."""

from __future__ import annotations

import json
import zipfile

import pytest

from comfyfix.demo.hub import Hub
from tests.rig import Site, ui_workflow

EVIL = "w\x1b]0;owned\x07\x1b[2K\u202etxt.json"
BROKEN = "b\x1b[31m\x9b2J\u2066x.json"


@pytest.fixture
def packed(site: Site, hub: Hub) -> Site:
    """Workflows in a zip whose members have such names; one of them can't be read."""
    value = ui_workflow([("loras", "harbor_light.safetensors"), ("vae", "gone.safetensors")])
    with zipfile.ZipFile(site.workflows / "many.zip", "w") as archive:
        archive.writestr(EVIL, json.dumps(value))
        archive.writestr(BROKEN, '{"nodes": [')
    hub.add("maker/harbor_light", ["harbor_light.safetensors"])
    return site


COMMANDS = (
    ("list",), ("list", "--all", "--status"), ("plan",), ("scan",), ("verify",),
    ("verify", "--store"),
    ("why", "harbor_light.safetensors"), ("why", "gone.safetensors"), (),
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_names_are_escaped_on_the_way_to_the_screen(packed: Site, command: tuple[str, ...]) -> None:
    done = packed.doit(*command)
    for text in (done.stdout, done.stderr):
        odd = {c for c in text if not c.isprintable() and c != "\n"}
        assert odd == set(), (command, text)
        assert "Traceback" not in text


@pytest.mark.parametrize("command", ["plan", "scan"])
def test_json_is_escaped_too(packed: Site, command: str) -> None:
    done = packed.doit(command, "--json")
    json.loads(done.stdout)
    assert "\x1b" not in done.stdout + done.stderr
