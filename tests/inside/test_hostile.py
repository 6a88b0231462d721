"""What strangers put into workflows and stores: nothing escapes, nothing hangs, others go on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.formats.flaws import Flaw
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.words import sentence, t
from comfyfix.why import Why
from tests.rig import Site, ui_workflow

RIFE = ("upscale_models", "rife49.pth")
HUB = "https://huggingface.co"


def outside(site: Site) -> set[str]:
    """Every file of the project folder that is neither ours nor a model's."""
    return {
        str(path.relative_to(site.root))
        for path in site.root.rglob("*")
        if path.is_file()
        and path.parent.name != "__pycache__"
        and not path.is_relative_to(site.output)
        and not path.is_relative_to(site.models)
    }


@pytest.mark.parametrize(
    "directory",
    ["../../outside", "/etc", "..", "a/../../b", "custom_nodes/../x", "vae/../x", "\x1b[31m", ""],
)
def test_a_folder_told_by_a_stranger_stays_inside(site: Site, hub: Hub, directory: str) -> None:
    url = f"{HUB}/evil/repo/resolve/main/evil.pth"
    value = ui_workflow([("upscale_models", "evil.pth")], {"evil.pth": url})
    value["nodes"][0]["type"] = "SomeUnknownLoader"
    value["nodes"][0]["properties"]["models"][0]["directory"] = directory
    (site.workflows / "evil.json").write_text(json.dumps(value))
    hub.add_url(url)
    before = outside(site)
    done = site.doit()
    assert done.returncode == 1
    told = because(
        Why.FOLDER_UNTOLD, path="evil.pth", workflow="evil.json", type="SomeUnknownLoader"
    )
    assert words.sentence(told) in done.stdout
    assert outside(site) == before
    assert site.files() == {}
    assert "\x1b" not in done.stdout


def test_a_symlinked_folder_does_not_lead_out(site: Site, hub: Hub) -> None:
    elsewhere = site.root / "elsewhere"
    elsewhere.mkdir()
    (site.models / "loras").mkdir()
    (site.models / "loras" / "out").symlink_to(elsewhere)
    site.workflow("w.json", ("loras", "out/style.safetensors"), RIFE)
    hub.add("someone/style", ["style.safetensors"])
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    done = site.doit()
    assert done.returncode == 1
    assert t("leads out of the model folders") in done.stdout
    assert list(elsewhere.iterdir()) == []
    assert "upscale_models/rife49.pth" in site.files()


def test_receipts_are_not_written_through_a_link(site: Site, hub: Hub) -> None:
    elsewhere = site.root / "elsewhere"
    elsewhere.mkdir()
    (site.models / ".comfyfix").symlink_to(elsewhere)
    site.workflow("w.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    assert site.doit().returncode == 0
    assert list(elsewhere.iterdir()) == []


def test_subgraphs_that_multiply_do_not_hang(site: Site, hub: Hub) -> None:
    levels = [f"{i:08d}-0000-4000-8000-000000000000" for i in range(28)]
    definitions = [
        {
            "id": level,
            "name": "x",
            "inputs": [],
            "links": [],
            "nodes": [{"id": n, "type": below, "mode": 0} for n in (1, 2)] if below else [],
        }
        for level, below in zip(levels, [*levels[1:], None], strict=True)
    ]
    bomb = {"version": 1, "nodes": [{"id": 1, "type": levels[0]}], "links": []}
    (site.workflows / "bomb.json").write_text(
        json.dumps({**bomb, "definitions": {"subgraphs": definitions}})
    )
    site.workflow("w.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    done = site.doit()
    assert done.returncode == 1
    assert t("{path} can't be read", path="bomb.json") in done.stdout
    assert t("it has more than {most} nodes", most=50_000) in done.stdout
    assert "upscale_models/rife49.pth" in site.files()


HOSTILE_JSON = [  # a surrogate, long, deep, a huge number, NaN, an escape
    '{"nodes": [{"id": 1, "type": "VAELoader", "widgets_values": ["a\\ud800.safetensors"]}]}',
    '{"nodes": [{"id": 1, "type": "VAELoader", "widgets_values": ["' + "9" * 5000 + '.pt"]}]}',
    '{"nodes": ' + "[" * 200_000 + "]" * 200_000 + "}",
    '{"nodes": [{"id": ' + "9" * 5000 + ', "type": "VAELoader"}]}',
    '{"nodes": [{"id": NaN, "type": "VAELoader", "widgets_values": [-Infinity]}]}',
    '{"nodes": [{"id": 1, "type": "VAELoader", "widgets_values": ["a\\u001b[2Jb.pt"]}]}',
]


def test_hostile_json_leaves_the_others_alone(site: Site, hub: Hub) -> None:
    for number, text in enumerate(HOSTILE_JSON):
        path = site.workflows / f"evil_{number}.json"
        path.write_text(text)
        os.utime(path, (1, 1))  # old enough to be cached
    site.workflow("w.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    for command in (("list",), ("scan",), ("scan", "--json"), ()):
        done = site.doit(*command)
        assert done.returncode in (0, 1), done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert "\x1b" not in done.stdout + done.stderr
    assert "upscale_models/rife49.pth" in site.files()


def test_a_workflow_whose_name_is_no_text(site: Site, hub: Hub) -> None:
    site.workflow("w.json", RIFE)
    Path(os.fsdecode(os.fsencode(site.workflows) + b"/caf\xe9.json")).write_bytes(
        (site.workflows / "w.json").read_bytes()
    )
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    done = site.doit()
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        json.loads(site.doit("scan", "--json").stdout)["references"][0]["workflow"]
        == "caf\\udce9.json"
    )


def test_lost_records_do_not_link_a_file_to_itself(site: Site, hub: Hub) -> None:
    site.workflow("w.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    assert site.doit().returncode == 0
    record = site.output / "sources" / "001_rife49_pth.json"
    first = record.read_bytes()
    record.unlink()
    assert site.doit().returncode == 0
    assert json.loads(record.read_bytes())["url"] == json.loads(first)["url"]


def test_the_users_place_is_the_only_one_asked(site: Site, hub: Hub) -> None:
    site.workflow("w.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    for url, why in (
        ("https://evil.example/rife49.pth", because(Why.HOST_NOT_LISTED, host="evil.example")),
        (f"{HUB}/me/mine/resolve/main/rife49.pth", because(Why.HUB_NO_REPOSITORY)),
    ):
        site.manifest(models={"rife49.pth": {"url": url}})
        done = site.doit()
        assert done.returncode == 1
        assert words.sentence(why) in done.stdout
        step = words.worded(because(Why.USERS_PLACE_FAILS, name="rife49.pth")).next_step
        assert step in done.stdout
        assert site.files() == {}


def test_a_file_that_came_without_us_is_checked_and_left_alone(site: Site, hub: Hub) -> None:
    from comfyfix.demo.hub import Fault  # one use

    site.workflow("w.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.faults.append(Fault("file *", "reset"))
    assert site.doit().returncode == 1
    hub.faults.clear()
    tried = hub.count("GET", "/cdn/*")
    own = file_for("my own tuned model.pth")
    site.put(*RIFE, own)
    done = site.doit()
    assert done.returncode == 1
    assert t("was put there by someone else") in done.stdout
    assert site.files() == {"upscale_models/rife49.pth": sha256(own)}
    site.put(*RIFE)
    done = site.doit()
    assert done.returncode == 0
    assert t("There already, now verified: {count}", count=1) in done.stdout
    (receipt,) = site.state("downloaded_models.json")["models"].values()
    assert receipt["verified"] is True
    assert hub.count("GET", "/cdn/*") == tried


def test_a_namesake_in_another_folder_is_not_linked_unconfirmed(site: Site) -> None:
    site.put("text_encoders", "model.safetensors")
    site.workflow("w.json", ("vae", "model.safetensors"))
    assert site.doit().returncode == 1
    assert set(site.files()) == {"text_encoders/model.safetensors"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"HF_ENDPOINT": "http://["}, t("is not an address")),
        ({"HF_ENDPOINT": "huggingface.co"}, t("is not an address")),
        ({"QWEN_BASE_URL": "ftp://x"}, t("is not an address")),
        ({"HF_TOKEN": "hf_日本"}, t("The token in `HF_TOKEN` is not usable")),
    ],
)
def test_settings_that_can_not_work_are_told_at_once(
    site: Site, variables: dict[str, str], said: str
) -> None:
    site.workflow("w.json", RIFE)
    done = site.doit("list", **variables)
    assert done.returncode == 3
    assert said in done.stderr
    assert "日本" not in done.stderr
    assert "Traceback" not in done.stderr


def test_an_endpoint_below_a_path_gets_its_token(site: Site, hub: Hub) -> None:
    """As with a company's cache; the hub answers 404 there, and has seen who asked."""
    site.workflow("w.json", RIFE)
    site.manifest(endpoints={"huggingface": f"{hub.url}/cache"})
    site.doit(HF_TOKEN="hf_canary")
    assert {seen.token for seen in hub.seen if seen.path.startswith("/cache/")} == {"hf_canary"}


def test_a_mistyped_place_of_workflows_is_told(site: Site) -> None:
    site.workflow("w.json", RIFE)
    site.manifest(workflows=["ComfyUI/user/default/workflows", "ComfyUI/wrokflows"])
    done = site.doit("list")
    assert done.returncode == 3
    told = because(Why.PATH_ABSENT, path=site.comfyui / "wrokflows")
    assert words.sentence(told) in done.stderr


def test_verify_tells_of_workflows_that_it_could_not_read(site: Site) -> None:
    site.workflow("w.json", RIFE)
    site.put(*RIFE)
    (site.workflows / "broken.json").write_text("{")
    done = site.doit("verify")
    assert done.returncode == 1
    assert t("{path} can't be read", path="broken.json") in done.stderr


def test_a_flipped_byte_under_an_old_stamp_is_found(site: Site, hub: Hub) -> None:
    site.workflow("w.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    assert site.doit().returncode == 0
    path = site.models / "upscale_models" / "rife49.pth"
    info = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF  # among the weights, where nothing but a hash tells
    path.write_bytes(data)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert site.doit("verify").returncode == 1
    assert not path.exists()
    assert site.pending() == ["download:rife49"]


@pytest.mark.soak  # a whole demo
def test_the_demo_works_behind_a_proxy(site: Site) -> None:
    (site.root / "manifest.yaml").write_text("comfyui: demo\n")
    done = site.doit(NO_PROXY="", no_proxy="", http_proxy="http://127.0.0.1:9")
    assert done.returncode == 0, done.stdout
    assert t("Nothing to do") in site.doit().stdout
    assert site.pending() == []


def test_a_name_of_civitai_cannot_command_the_terminal(site: Site, hub: Hub) -> None:
    version = hub.add_civitai("rife49 \x1b]0;PWN\x07\n::warning::injected", "rife49.pth")
    version.type, version.named = "Upscaler", "rife49.pth"
    site.workflow("w.json", RIFE)
    done = site.doit(GITHUB_ACTIONS="true")
    assert done.returncode == 0, done.stdout
    assert "\x1b" not in done.stdout
    assert not [line for line in done.stdout.splitlines() if line.startswith("::warning")]


def test_a_pipe_among_the_workflows_does_not_hang(site: Site, hub: Hub) -> None:
    os.mkfifo(site.workflows / "pipe.json")
    site.workflow("w.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    done = site.doit()
    assert done.returncode == 1
    told = words.sentence(because(Why.NOT_REGULAR))
    assert any("pipe.json" in line and told in line for line in done.stdout.splitlines())


def test_a_workflow_is_not_done_while_a_file_of_it_is_damaged(site: Site) -> None:
    site.workflow("w.json", RIFE)
    site.put(*RIFE, b"<!DOCTYPE html><html>Sign in</html>")
    done = site.doit("workflow:w")
    assert done.returncode != 0
    assert sentence(because(Flaw.IS_WEB_PAGE)) in done.stdout


def test_the_users_hash_binds_what_is_there_too(site: Site) -> None:
    site.workflow("w.json", RIFE)
    site.put(*RIFE)
    site.manifest(models={"rife49.pth": {"sha256": "0" * 64}})
    done = site.doit()
    assert done.returncode == 1
    assert t("and by {source} it has to be", source="manifest.yaml") in done.stdout
    assert site.doit("verify").returncode == 1
    assert set(site.files()) == {"upscale_models/rife49.pth"}


def test_settings_that_nothing_reads_are_not_accepted_in_silence(site: Site) -> None:
    site.workflow("w.json", RIFE)
    for reason, settings in (
        (because(Why.QWEN_ADDRESS_NEEDED), {"verify": {"qwen": True}}),
        (because(Why.FIELD_NEEDS, needs="path"), {"models": {"x.pth": {"repo": "a/b"}}}),
    ):
        site.manifest(**settings)
        done = site.doit("list")
        assert done.returncode == 3
        assert words.sentence(reason) in done.stderr
