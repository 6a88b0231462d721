"""`--ask`: who knows a file is asked by hash and by name; who can't be asked is told as such."""

from __future__ import annotations

from collections.abc import Sequence
from subprocess import CompletedProcess

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.net import reach
from comfyfix.records import Model
from comfyfix.sources import identify
from comfyfix.sources.identify import Answer
from tests.inprocess import InProcess
from tests.rig import Site

LORA = ("loras", "ink_wash_poster.safetensors")
STYLE = ("loras", "moonlit_alley_style.safetensors")


def receipt(site: Site, key: str) -> dict[str, object]:
    found: dict[str, object] = site.state("downloaded_models.json")["models"].get(key, {})
    return found


def line(done: CompletedProcess[str], beginning: str) -> str:
    """The one line of what was printed that begins so."""
    (found,) = (each for each in done.stdout.splitlines() if each.strip().startswith(beginning))
    return found


def test_nobody_is_asked_unless_the_user_says_so(site: Site, hub: Hub) -> None:
    hub.add_civitai("Ink Wash Poster", LORA[1])
    site.put(*LORA)
    done = site.doit("verify", "--store")
    assert done.returncode == 0
    assert "! unverified loras/ink_wash_poster.safetensors" in done.stdout
    assert "`--ask`" in done.stdout
    assert hub.seen == []


def test_civitai_knows_a_file_by_its_hash(site: Site, hub: Hub) -> None:
    hub.add_civitai("Slow Tide", "slow_tide.safetensors")
    hub.add_civitai("Ink Wash Poster", "another_name.safetensors").data = file_for(LORA[1])
    site.put(*LORA)
    site.put("vae", "own.safetensors")
    done = site.doit("verify", "--store", "--ask")
    assert done.returncode == 0
    told = line(done, "✓ ok         loras/ink_wash_poster.safetensors")
    assert "Civitai: Ink Wash Poster (v1.0)" in told
    assert line(done, "! unverified vae/own.safetensors")
    assert hub.count("POST", "/api/v1/model-versions/by-hash") == 1
    assert receipt(site, "loras/ink_wash_poster.safetensors")["identified"] is True
    assert receipt(site, "vae/own.safetensors") == {}

    seen = len(hub.seen)
    done = site.doit("verify", "--store")
    assert line(done, "✓ ok         loras/ink_wash_poster.safetensors")
    assert len(hub.seen) == seen


def test_the_hub_knows_a_file_by_name_and_hash(site: Site, hub: Hub) -> None:
    hub.add("night-owl/moonlit-alley", [f"loras/{STYLE[1]}"])
    hub.add("stranger/moonlit-copy", []).files[STYLE[1]] = file_for("something else.safetensors")
    hub.add("stranger/moonlit-tools", ["moonlit_tool.safetensors"])
    hub.repositories["stranger/moonlit-copy"].downloads = 10**6
    site.put(*STYLE)
    site.put("loras", "moonlit_tool.safetensors", file_for("own.safetensors"))
    done = site.doit("verify", "--store", "--ask")
    assert done.returncode == 0
    told = line(done, f"✓ ok         loras/{STYLE[1]}")
    assert "Hugging Face: night-owl/moonlit-alley" in told
    assert line(done, "! unverified loras/moonlit_tool.safetensors")
    assert len(hub.seen) <= 12, "few questions per file"


def test_upscalers_are_known_by_openmodeldb(site: Site, hub: Hub) -> None:
    data = file_for("net_g.pth")
    hub.add_upscaler("4x_sharp", ["https://huggingface.co/club/w/resolve/main/net_g.pth"], data)
    site.put("upscale_models", "mine.pth", data)
    done = site.doit("verify", "--store", "--ask")
    assert "OpenModelDB: 4x_sharp" in line(done, "✓ ok         upscale_models/mine.pth")


@pytest.mark.soak  # many runs
def test_who_can_not_be_asked_is_told_and_asked_the_next_time(site: Site, hub: Hub) -> None:
    hub.add_civitai("Ink Wash Poster", LORA[1])
    hub.faults += [Fault("civitai *", "500"), Fault("search *", "500")]
    site.put(*LORA)
    site.put("vae", "ink_of_mine.safetensors")
    done = site.doit("verify", "--store", "--ask")
    assert done.returncode == 0
    told = line(done, "! unverified loras/ink_wash_poster.safetensors")
    assert "civitai, huggingface" in told
    assert "500" in done.stderr
    assert hub.count("GET", "/api/models[?]*") == 3, "it is asked for one file only, thrice"
    assert not (site.output / "downloaded_models.json").exists()
    hub.faults.clear()
    assert "✓ ok         loras/ink" in site.doit("verify", "--store", "--ask").stdout


@pytest.mark.parametrize("kind", ["html", "cut"])
def test_an_answer_of_another_form_is_no_answer(
    site: Site, hub: Hub, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "HELD_SECONDS", 0.0)  # both services are one host here
    hub.add_civitai("Ink Wash Poster", LORA[1])
    hub.faults += [Fault("civitai *", kind)]
    site.put(*LORA)
    done = site.doit("verify", "--store", "--ask")
    assert done.returncode == 0
    assert "civitai)" in line(done, "! unverified loras/ink_wash_poster.safetensors")


def test_what_civitais_scan_did_not_pass_is_not_ok(site: Site, hub: Hub) -> None:
    hub.add_civitai("Ink Wash Poster", LORA[1]).scan = "Danger"
    site.put(*LORA)
    done = site.doit("verify", "--store", "--ask")
    assert "'Danger'" in line(done, "! unverified loras/ink_wash_poster.safetensors")
    assert not (site.output / "downloaded_models.json").exists()


def test_more_than_a_hundred_files_are_asked_in_several_questions(site: Site, hub: Hub) -> None:
    site.manifest(search={"sources": ["civitai"]})
    for number in range(101):
        site.put("loras", f"x{number}.safetensors", file_for(f"{number}.safetensors", size=64))
    hub.add_civitai("Last", "x100.safetensors").data = file_for("100.safetensors", size=64)
    hub.add_civitai("First", "x0.safetensors").data = file_for("0.safetensors", size=64)
    done = site.doit("verify", "--store", "--ask")
    assert done.stdout.count("✓ ok ") == 2
    assert hub.count("POST", "/api/v1/model-versions/by-hash") == 2
    assert set(site.state("downloaded_models.json")["models"]) == {
        "loras/x0.safetensors",
        "loras/x100.safetensors",
    }


@pytest.mark.soak  # the same
def test_an_identified_file_may_be_replaced_by_its_user(site: Site, hub: Hub) -> None:
    site.workflow("w.json", LORA)
    assert site.pending() == ["download:ink_wash_poster"]  # it has a number now
    hub.add_civitai("Ink Wash Poster", LORA[1])
    path = site.put(*LORA)
    done = site.doit("verify", "--ask")
    assert "✓ ok         loras/ink_wash_poster.safetensors" in done.stdout
    assert site.pending() == []
    assert site.doit().returncode == 0
    path.write_bytes(file_for("mine.safetensors"))
    assert site.pending() == []
    assert site.doit("verify").returncode == 0
    assert site.doit("verify", "--store", "--move").returncode == 0
    assert site.doit().returncode == 0
    assert sha256(path.read_bytes()) == sha256(file_for("mine.safetensors"))


def test_a_file_that_another_hides_gets_no_receipt(site: Site, hub: Hub) -> None:
    """ComfyUI loads text_encoders/x, so clip/x of the same name is another model's file."""
    hub.add_civitai("Encoder", "enc.safetensors", type="TextEncoder").data = file_for("hidden.sft")
    site.put("clip", "enc.safetensors", file_for("hidden.sft"))
    site.put("text_encoders", "enc.safetensors")
    for _ in range(2):
        done = site.doit("verify", "--store", "--ask")
        assert done.returncode == 0
        assert "Civitai: Encoder" in line(done, "✓ ok         text_encoders/enc.safetensors")
        assert "! unverified text_encoders/enc.safetensors" in done.stdout
    assert not (site.output / "downloaded_models.json").exists()


def test_so_many_are_asked_of_at_a_time_and_the_rest_at_the_end(
    inprocess: InProcess, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = identify.Identifier.ask

    def ask(self: identify.Identifier, files: Sequence[tuple[Model, str]]) -> list[Answer]:
        asked.append(len(files))
        return real(self, files)

    monkeypatch.setattr(identify, "AT_ONCE", 2)
    monkeypatch.setattr(identify.Identifier, "ask", ask)
    for seed in ("a", "b", "c", "d", "e"):
        name = f"{seed}.safetensors"
        inprocess.put("loras", name, file_for(name, seed=seed))
    done = inprocess.doit("verify", "--store", "--ask")
    assert asked == [2, 2, 1]
    assert done.stdout.count("! unverified loras/") == 5
