"""`doit why` and `doit pin`: the evidence for a source, and the user's word against it."""

from __future__ import annotations

import errno
import json
import re

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.records import Reason, because
from comfyfix.screen import words
from comfyfix.screen.words import t
from comfyfix.settings import pins
from comfyfix.why import Why
from tests.rig import Site, ui_workflow

NAME = "harbor_light.safetensors"
NEED = ("loras", NAME)
HUB = "https://huggingface.co"


def two_contents(site: Site, hub: Hub) -> None:
    site.workflow("w.json", NEED)
    hub.add("maker/harbor_light", [NAME])
    hub.add("other/harbor_light", [NAME]).files[NAME] = file_for("something else.safetensors")


def test_why_shows_each_rung_of_what_was_found(site: Site, hub: Hub) -> None:
    site.workflow("w.json", NEED)
    hub.add("maker/harbor_light", [NAME])
    assert site.doit().returncode == 0
    before = len(hub.seen)
    for name in (NAME, f"loras/{NAME}", "harbor_light", "download:harbor_light"):
        done = site.doit("why", name)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert lines[0] == f"loras/{NAME}"
        state, needed = t("it is there and verified"), t("needed by {nodes}", nodes="w.json")
        assert f"001, {state}; {needed}" in lines[1]
        assert f"store        {t('no file of this name or content')}" in done.stdout
        assert f"✓ maker/harbor_light, {len(file_for(NAME)) / 1000:.1f} kB" in done.stdout
        left = f"civitai, openmodeldb, qwen: {t('it was found before')}"
        assert f"{t('not asked')}    {left}" in done.stdout
    assert len(hub.seen) == before


def test_why_lists_the_candidates_of_an_uncertain_one_and_writes_nothing(
    site: Site, hub: Hub
) -> None:
    two_contents(site, hub)
    done = site.doit("why", NAME)
    assert done.returncode == 1
    for repo in ("maker", "other"):
        assert f"✗ {repo}/harbor_light" in done.stdout
    assert "  uncertain: " in done.stdout
    assert f"comfyfix pin {NAME} URL" in done.stdout
    assert site.files() == {}
    assert not list((site.output / "sources").glob("*"))


def test_why_of_a_model_that_was_there_and_of_none(site: Site, hub: Hub) -> None:
    site.workflow("w.json", NEED)
    (site.models / "loras").mkdir()
    (site.models / "loras" / NAME).write_bytes(file_for(NAME))
    assert t("It is there:") in site.doit("why", NAME).stdout
    done = site.doit("why", "harbour_light.safetensors")
    assert done.returncode == 3
    assert words.sentence(because(Why.NEAREST_NAMES, names=NAME)) in done.stderr
    assert site.doit("why").returncode == 3


def test_why_searches_for_one_that_is_still_to_come(site: Site, hub: Hub) -> None:
    site.workflow("w.json", NEED)
    hub.add("maker/harbor_light", [NAME])
    done = site.doit("why", NAME)
    assert done.returncode == 0, done.stderr
    assert f"✓ maker/harbor_light, {len(file_for(NAME)) / 1000:.1f} kB" in done.stdout
    assert site.files() == {}


def test_a_model_of_no_folder_can_not_be_pinned(site: Site) -> None:
    value = ui_workflow([NEED])
    value["nodes"][0]["type"] = "SomeUnknownLoader"
    (site.workflows / "w.json").write_text(json.dumps(value))
    done = site.doit("pin", NAME, f"{HUB}/a/b/resolve/main/{NAME}")
    assert done.returncode == 3
    entry = f"{{{NAME}: {{folder: FOLDER}}}}"
    assert what(because(Why.FOLDER_OF_PIN_UNKNOWN, path=NAME, entry=entry)) in done.stderr


def test_a_pin_settles_an_uncertain_model(site: Site, hub: Hub) -> None:
    two_contents(site, hub)
    assert site.doit().returncode == 1
    done = site.doit(
        "pin", NAME, f"{HUB}/other/harbor_light/resolve/main/{NAME}?download=true&id=70"
    )
    assert done.returncode == 0, done.stderr
    assert t("Next: `doit {task}`", task="download:harbor_light") in done.stdout
    done = site.doit("download:harbor_light")
    assert done.returncode == 0, done.stdout
    assert site.files() == {f"loras/{NAME}": sha256(file_for("something else.safetensors"))}
    assert "manifest.yaml" not in site.doit("why", NAME).stdout.partition("not asked")[0]
    # The newest pin counts, and its removal too.
    assert site.doit("pin", NAME, f"{HUB}/maker/harbor_light/resolve/main/{NAME}").returncode == 0
    text = (site.root / "pins.yaml").read_text()
    assert text.count("harbor_light.safetensors") == 2
    (site.models / "loras" / NAME).unlink()
    assert site.doit().returncode == 0
    assert site.files() == {f"loras/{NAME}": sha256(file_for(NAME))}


def test_a_pin_to_civitai_keeps_its_query(site: Site, hub: Hub) -> None:
    site.workflow("w.json", NEED)
    version = hub.add_civitai("Other Name", NAME)
    url = f"https://civitai.com/api/download/models/{version.id}?fileId={version.file_id}"
    assert site.doit("pin", NAME, url).returncode == 0
    assert f"fileId={version.file_id}" in (site.root / "pins.yaml").read_text()
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert site.files() == {f"loras/{NAME}": sha256(file_for(NAME))}


def what(reason: Reason) -> str:
    return words.worded(reason).what


def test_what_can_not_be_pinned_is_said(site: Site, hub: Hub) -> None:
    two_contents(site, hub)
    site.workflow("v.json", ("checkpoints", NAME))
    for names, told in (
        ([NAME], words.sentence(because(Why.PIN_NEEDS_BOTH))),
        (
            [NAME, "another.pth", f"{HUB}/a/b/resolve/main/c.pth"],
            words.sentence(because(Why.PIN_NEEDS_BOTH)),
        ),
        ([f"loras/{NAME}", "https://unlisted.example/x.safetensors"], "download.allow_hosts"),
        ([f"loras/{NAME}", "http://127.0.0.1:1/x"], "http://127.0.0.1:1/x"),
        ([NAME, f"{HUB}/a/b/resolve/main/c.pth"], what(because(Why.MODELS_OF_ONE_NAME, name=NAME))),
        (
            ["nothing.pth", f"{HUB}/a/b/resolve/main/c.pth"],
            what(because(Why.MODEL_NOT_NEEDED, name="nothing.pth")),
        ),
    ):
        done = site.doit("pin", *names)
        assert done.returncode == 3
        assert told in done.stderr
    assert not (site.root / "pins.yaml").exists()
    site.manifest(models={f"loras/{NAME}": {"url": f"{HUB}/a/b/resolve/main/{NAME}"}})
    done = site.doit("pin", f"loras/{NAME}", f"{HUB}/a/c/resolve/main/{NAME}")
    assert done.returncode == 3
    refused = because(Why.PINNED_IN_MANIFEST, manifest="manifest.yaml", model=f"loras/{NAME}")
    assert what(refused) in done.stderr


def test_a_broken_pins_file_names_its_line(site: Site, hub: Hub) -> None:
    site.workflow("w.json", NEED)
    pins = site.root / "pins.yaml"
    for text, told in (
        ("models:\n  x: {ulr: 5}\n", r"pins\.yaml\D+2\b.*\bulr\b"),
        ("- a\n", r"pins\.yaml\D+1\b"),
        ("models: {x: {sha256: zz}}\n", r"pins\.yaml\D+1\b.*\bmodels\.x\.sha256\b"),
    ):
        pins.write_text(text)
        done = site.doit("list")
        assert done.returncode == 3
        assert re.search(told, done.stderr), done.stderr
    pins.write_text("models: {}\n")
    assert site.doit("list").returncode == 0


def test_a_pin_looks_whether_the_file_is_there(site: Site, hub: Hub) -> None:
    two_contents(site, hub)
    url = f"{HUB}/maker/harbor_light/resolve/main/gone.safetensors"
    done = site.doit("pin", NAME, url)
    assert done.returncode == 3
    assert what(because(Why.PIN_NOT_THERE, address=url)) in done.stderr
    assert not (site.root / "pins.yaml").exists()
    seen = len(hub.seen)
    assert site.doit("pin", "--offline", NAME, url).returncode == 0
    assert len(hub.seen) == seen
    done = site.doit()
    assert done.returncode == 1
    place = {"file": str(site.root / "pins.yaml"), "line": 3, "name": NAME}
    assert what(because(Why.PIN_FAILS, **place)) in done.stdout
    done = site.doit("unpin", NAME)
    assert (done.returncode, done.stderr) == (0, "")
    assert t("No longer pinned: {model}", model=f"loras/{NAME}") in done.stdout
    assert NAME not in (site.root / "pins.yaml").read_text()
    done = site.doit("unpin", NAME)
    assert done.returncode == 3
    assert what(because(Why.UNPIN_NOTHING, file="pins.yaml", model=NAME)) in done.stderr
    assert site.doit("unpin").returncode == 3


def test_a_pin_whose_service_is_down_or_wants_a_token_is_kept(site: Site, hub: Hub) -> None:
    site.workflow("w.json", NEED)
    hub.add("maker/harbor_light", [NAME], gated=True)
    done = site.doit("pin", NAME, f"hf://maker/harbor_light/{NAME}")
    assert done.returncode == 0, done.stderr
    assert "HF_TOKEN" in done.stderr
    version = hub.add_civitai("Harbor Light", NAME)
    hub.faults.append(Fault("civitai *", "500"))
    done = site.doit("pin", NAME, f"urn:air:sdxl:lora:civitai:{version.model_id}@{version.id}")
    assert done.returncode == 0, done.stderr
    assert f"@{version.id}" in (site.root / "pins.yaml").read_text()


def test_a_pin_that_can_not_be_written_is_none(
    site: Site, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_contents(site, hub)

    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(pins, "add", read_only)
    done = site.doit("pin", f"loras/{NAME}", f"{HUB}/other/harbor_light/resolve/main/{NAME}")
    assert done.returncode == 3
    refused = because(Why.PINS_NOT_WRITTEN, file=pins.NAME, cause="Read-only file system")
    assert words.sentence(refused) in done.stderr
    assert done.stdout == ""
