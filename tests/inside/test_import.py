"""`doit import`: another tool's file becomes pins and hints, beside what the user says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.why import Why
from tests.rig import Site
from tests.unit.test_manifests import API, NODES, SHA, packed_model, snapshot, zipped

NAME = "harbor_light.safetensors"
KEY = f"loras/{NAME}"
HUB = "https://huggingface.co"
URL = f"{HUB}/maker/harbor_light/resolve/main/{NAME}"
DATA = file_for(NAME)


def entry(path: str = KEY, url: str = URL, digest: str | None = sha256(DATA)) -> dict[str, Any]:
    return packed_model(filename=f"models/{path}", source={"download_url": url}, sha256=digest)


def kept(site: Site, *models: Any, name: str = "x.cpack.zip") -> str:
    (site.root / name).write_bytes(zipped(json.dumps(snapshot(*models)).encode()))
    return name


def pins(site: Site) -> dict[str, Any]:
    path = site.root / "pins.yaml"
    return yaml.safe_load(path.read_text())["models"] if path.exists() else {}


def left(site: Site, *models: Any) -> list[tuple[str, str]]:
    """What is left of these, with the words of the reason."""
    done = site.doit("import", kept(site, *models), "--json", "--dry-run")
    return [(one["model"], one["reason"]) for one in json.loads(done.stdout)["left"]]


def reason(why: Why, **told: object) -> str:
    return words.sentence(because(why, **told))


def ready(site: Site, hub: Hub) -> None:
    site.workflow("w.json", ("loras", NAME))
    hub.add("maker/harbor_light", [NAME])
    hub.add("other/harbor_light", [NAME]).files[NAME] = file_for("something else.safetensors")


def test_a_pack_settles_what_its_workflow_needs(site: Site, hub: Hub) -> None:
    ready(site, hub)
    done = site.doit("import", kept(site, entry()))
    assert done.returncode == 0, done.stderr
    assert pins(site) == {KEY: {"url": URL, "sha256": sha256(DATA)}}
    assert site.doit().returncode == 0
    assert site.files() == {KEY: sha256(DATA)}
    again = site.doit("import", "x.cpack.zip")
    assert again.returncode == 0
    assert reason(Why.IMPORT_THERE_ALREADY, file="pins.yaml") in again.stdout


def test_a_hash_alone_says_which_of_several_is_meant(site: Site, hub: Hub) -> None:
    ready(site, hub)
    assert site.doit().returncode == 1
    done = site.doit("import", kept(site, entry(url="s3://bucket/x")))
    assert done.returncode == 0
    assert pins(site) == {KEY: {"sha256": sha256(DATA)}}
    assert reason(Why.ADDRESS_NOT_HTTPS) in done.stdout
    assert site.doit().returncode == 0
    assert site.files() == {KEY: sha256(DATA)}


def test_a_version_of_civitai_is_the_file_of_the_hash(site: Site, hub: Hub) -> None:
    site.workflow("w.json", ("loras", NAME))
    version = hub.add_civitai("Harbor Light", NAME)
    other = file_for("fp32.safetensors")
    version.others[555] = (NAME, "Model", other)
    address = f"https://civitai.com/api/download/models/{version.id}"
    assert site.doit("import", kept(site, entry(url=address, digest=sha256(other)))).returncode == 0
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert site.files() == {KEY: sha256(other)}


def test_dry_run_and_json_write_nothing_they_do_not_say(site: Site, hub: Hub) -> None:
    ready(site, hub)
    done = site.doit(
        "import", kept(site, entry(), entry("vae/x.pt", digest=None)), "--dry-run", "--json"
    )
    told = json.loads(done.stdout)
    assert (done.returncode, told["version"], told["tool"], told["written"]) == (
        0,
        1,
        "comfy-pack",
        False,
    )
    assert [(one["model"], one["needed"]) for one in told["taken"]] == [
        (KEY, True),
        ("vae/x.pt", False),
    ]
    assert pins(site) == {}


def test_what_the_user_has_said_stays_and_is_told(site: Site, hub: Hub) -> None:
    ready(site, hub)
    mine = f"{HUB}/other/harbor_light/resolve/main/{NAME}"
    assert site.doit("pin", NAME, mine).returncode == 0
    before = (site.root / "pins.yaml").read_bytes()
    done = site.doit("import", kept(site, entry()))
    assert done.returncode == 0
    assert reason(Why.IMPORT_YOURS_STAYS, file="pins.yaml") in done.stdout
    assert (site.root / "pins.yaml").read_bytes() == before
    assert site.doit("unpin", NAME).returncode == 0
    assert site.doit("pin", NAME, URL).returncode == 0
    assert site.doit("import", "x.cpack.zip").returncode == 0
    assert pins(site)[KEY] == {"url": URL, "sha256": sha256(DATA)}, "its hash is added"
    site.manifest(models={NAME: {"sha256": "0" * 64}})
    assert left(site, entry()) == [(KEY, reason(Why.IMPORT_YOURS_STAYS, file="manifest.yaml"))]


def test_entries_that_disagree_are_not_taken(site: Site, hub: Hub) -> None:
    ready(site, hub)
    places = ["models[0]", "models[1]"]
    told = [(KEY, reason(Why.IMPORT_DISAGREE, places=places))]
    assert left(site, entry(), entry(digest=SHA)) == told
    other = f"{HUB}/other/harbor_light/resolve/main/{NAME}"
    assert left(site, entry(digest=None), entry(url=other, digest=None)) == told
    assert left(site, entry(), entry(url=other)) == [], "one hash: a mirror"
    assert left(site, entry(), entry()) == []
    assert site.doit("import", "x.cpack.zip", "--dry-run").returncode == 0
    assert site.doit("import", kept(site, entry(), entry(digest=SHA))).returncode == 1


def test_names_and_addresses_pass_the_rules_of_all_others(site: Site, hub: Hub) -> None:
    ready(site, hub)
    models = [
        entry("checkpoints/../../../../etc/x.pth"),
        entry("loras/a\x1b[2J.pth"),
        entry("loras/CON.pth"),
        {**entry(), "filename": "/etc/cron.d/x"},
        {**entry(), "filename": "custom_nodes/p/models/loras/x.pth"},
        entry("loras/b.pth", "http://169.254.169.254/x", None),
        entry("loras/c.pth", "https://evil.example/x.pth", None),
        entry("loras/d.pth", "https://mega.nz/file/x#k", None),
        entry("loras/e.pth", "https://github.com/a/b/raw/main/e.pth?token=SECRET", None),
        entry("loras/f.pth", f"{HUB}/o/n/resolve/main/f.pth?token=SECRET", None),
        entry(
            "loras/g.pth", "https://civitai.com/api/download/models/7?type=Model&token=SECRET", None
        ),
        entry("loras/h.pth", "", None),
        packed_model(filename=7),
    ]
    done = site.doit("import", kept(site, *models))
    assert done.returncode == 1
    assert pins(site) == {
        "loras/f.pth": {"url": f"{HUB}/o/n/resolve/main/f.pth"},
        "loras/g.pth": {"url": "https://civitai.com/api/download/models/7?type=Model"},
    }
    assert "SECRET" not in (site.root / "pins.yaml").read_text() + done.stdout
    assert "\x1b" not in done.stdout
    assert done.stdout.count("✗") == len(models) - 2
    assert sorted(os.listdir(site.models)) == []


def test_a_path_is_read_as_the_model_that_is_needed(site: Site, hub: Hub) -> None:
    site.workflow("w.json", ("loras", f"SDXL/{NAME}"), ("vae", "soft_vae.safetensors"))
    (site.root / "x.yaml").write_text(
        "models: {before_start: ["
        f"{{url: '{URL}', local_path: 'D:\\ComfyUI\\models\\loras\\{NAME}'}},"
        f"{{url: '{HUB}/a/b/resolve/main/v', local_path: '/data/soft_vae.safetensors'}},"
        f"{{url: '{HUB}/a/b/resolve/main/c', local_path: '../../srv/models/checkpoints/c.ckpt'}},"
        f"{{url: '{HUB}/a/b/resolve/main/t', local_path: '{site.models}/clip/t.safetensors'}}]}}"
    )
    assert site.doit("import", "x.yaml", "--offline").returncode == 0
    assert set(pins(site)) == {
        f"loras/SDXL/{NAME}",
        "vae/soft_vae.safetensors",
        "checkpoints/c.ckpt",
        "text_encoders/t.safetensors",
    }


def test_what_is_gone_is_no_pin(site: Site, hub: Hub) -> None:
    ready(site, hub)
    gone = f"{HUB}/maker/gone/resolve/main/{NAME}"
    assert left(site, entry(url=gone, digest=None)) == [(KEY, reason(Why.HUB_NO_REPOSITORY))]
    assert site.doit("import", kept(site, entry(url=gone))).returncode == 0
    assert pins(site) == {KEY: {"sha256": sha256(DATA)}}
    (site.root / "pins.yaml").unlink()
    replaced = f"{HUB}/other/harbor_light/resolve/main/{NAME}"
    done = site.doit("import", kept(site, entry(url=replaced)))
    assert reason(Why.IMPORT_OTHER_FILE_NOW) in done.stdout
    assert pins(site) == {KEY: {"sha256": sha256(DATA)}}
    asked = len(hub.seen)
    (site.root / "pins.yaml").unlink()
    assert site.doit("import", "x.cpack.zip", "--offline").returncode == 0
    assert (len(hub.seen), pins(site)[KEY]["url"]) == (asked, replaced)


def test_mistakes_are_told(site: Site, hub: Hub, tmp_path: Path) -> None:
    site.workflow("w.json", ("loras", NAME))
    (site.root / "s.json").write_text(json.dumps(NODES))
    done = site.doit("import", "s.json")
    assert done.returncode == 0
    assert "ComfyUI-Manager" in done.stdout
    os.mkfifo(site.root / "pipe")
    for names in ([], ["a", "b"], ["absent.zip"], ["pipe"], [str(site.models)], ["manifest.yaml"]):
        done = site.doit("import", *names)
        assert done.returncode == 3, names
        assert "Traceback" not in done.stderr
    (site.root / "pins.yaml").write_text("- a\n")
    (site.root / "a.yml").write_text(API)
    assert site.doit("import", "a.yml").returncode == 3


def test_it_can_come_before_the_first_workflow(site: Site) -> None:
    (site.root / "a.yml").write_text(API)
    for file in site.workflows.iterdir():
        file.unlink()
    done = site.doit("import", "a.yml")
    assert done.returncode == 1, done.stderr
    assert list(pins(site)) == ["checkpoints/a.safetensors"]


def test_of_two_places_of_one_name_the_very_one_counts(site: Site, hub: Hub) -> None:
    ready(site, hub)
    old = entry(f"loras/old/{NAME}", f"{HUB}/a/b/resolve/main/x", SHA)
    assert site.doit("import", kept(site, old, entry()), "--offline").returncode == 0
    assert {key: pin["sha256"] for key, pin in pins(site).items()} == {
        KEY: sha256(DATA),
        f"loras/old/{NAME}": SHA,
    }


def test_what_lies_beside_models_is_left(site: Site, hub: Hub) -> None:
    ready(site, hub)
    beside = ["loras/x.civitai.info", "loras/x.preview.png", "configs/v1.yaml"]
    assert [why for _, why in left(site, *map(entry, beside))] == [reason(Why.IMPORT_NO_MODEL)] * 3
    assert site.doit("import", "x.cpack.zip").returncode == 0


def test_of_a_model_that_is_there_its_check_is_told(site: Site, hub: Hub) -> None:
    ready(site, hub)
    (site.models / "loras").mkdir()
    (site.models / KEY).write_bytes(DATA)
    assert reason(Why.IMPORT_PRESENT) in site.doit("import", kept(site, entry())).stdout
    assert site.doit("verify").returncode == 0


def test_a_path_in_the_users_own_folders_is_told_by_them(site: Site, hub: Hub) -> None:
    ready(site, hub)
    (site.root / "mine" / "Lora").mkdir(parents=True)
    (site.models.parent / "extra_model_paths.yaml").write_text(
        f"mine: {{base_path: {site.root}/mine, loras: Lora}}\n"
    )
    (site.root / "x.yaml").write_text(
        "models: {before_start: ["
        f"{{url: '{HUB}/a/b/resolve/main/x', local_path: '{site.root}/mine/Lora/a/x.safetensors'}},"
        f"{{url: '{HUB}/a/b/resolve/main/y', local_path: '{site.root}/mine/Lora/../y.pth'}}]}}"
    )
    assert site.doit("import", "x.yaml", "--offline").returncode == 1
    assert set(pins(site)) == {"loras/a/x.safetensors"}


def test_a_model_whose_folder_no_one_told_gets_it(site: Site, hub: Hub) -> None:
    ready(site, hub)
    path = site.workflow("v.json", ("loras", "odd.safetensors"))
    path.write_text(path.read_text().replace("LoraLoader", "SomeUnknownLoader"))
    hub.add("maker/odd", ["odd.safetensors"])
    data = file_for("odd.safetensors")
    url = f"{HUB}/maker/odd/resolve/main/odd.safetensors"
    odd = entry("vae/odd.safetensors", url, sha256(data))
    assert site.doit("import", kept(site, odd)).returncode == 0
    assert pins(site)["odd.safetensors"]["folder"] == "vae"
    site.doit("workflow:v")
    assert site.files() == {"vae/odd.safetensors": sha256(data)}


def test_pins_that_could_not_be_read_again_are_not_written(site: Site, hub: Hub) -> None:
    ready(site, hub)
    path = site.root / "pins.yaml"
    path.write_text(f"models: {{x: {{url: '{HUB}/{'x' * (1_048_480)}'}}}}\n")
    before = path.read_bytes()
    assert site.doit("list", "-q").returncode == 0
    assert site.doit("import", kept(site, entry())).returncode == 3
    assert path.read_bytes() == before
