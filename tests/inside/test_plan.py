"""`doit plan`: what a run would bring, without bringing it."""

from __future__ import annotations

import json

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.screen.words import t
from tests.rig import Site, ui_workflow

RIFE = ("upscale_models", "rife49.pth")
GATED = ("loras", "harbor_light.safetensors")


def test_a_plan_tells_sizes_licences_and_what_to_do_first(site: Site, hub: Hub) -> None:
    site.workflow("w.json", RIFE, GATED, ("vae", "nobody.safetensors"))
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.add("maker/harbor_light", ["harbor_light.safetensors"], gated=True)
    done = site.doit("plan", "--json")
    assert done.returncode == 1
    plan = json.loads(done.stdout)
    rows = {row["model"]: row for row in plan["models"]}
    assert rows["rife49.pth"]["size"] == len(file_for("rife49.pth"))
    assert rows["rife49.pth"]["licence"] == "apache-2.0"
    assert rows["rife49.pth"]["where"] == "AlexWortega/RIFE"
    assert rows["harbor_light.safetensors"]["outcome"] == "token needed"
    assert rows["nobody.safetensors"]["outcome"] == "not found"
    assert plan["total_bytes"] == len(file_for("rife49.pth"))
    assert plan["free_bytes"] > 0
    assert plan["fits"] is True
    (first,) = plan["first"]
    assert "HF_TOKEN" in first
    assert hub.count("GET", "/cdn/*") == 0
    assert site.files() == {}
    shown = site.doit("plan").stdout
    counts = {"found": 1, "count": 3, "size": len(file_for("rife49.pth"))}
    assert t("{found} of {count} found, {size:size} to fetch", **counts) in shown
    assert plan["gated_bytes"] == rows[GATED[1]]["size"] == len(file_for(GATED[1]))
    heading = t("Access needed first ({size:size}):", size=plan["gated_bytes"])
    _, _, below = shown.partition(f"\n{heading}\n")
    assert below.splitlines()[0].startswith("  loras/harbor_light.safetensors (")
    assert below.splitlines()[1] == f"    {t('Next:')} {first}"
    assert t("Next:") in shown
    assert "`comfyfix pin nobody.safetensors URL`" in shown


def test_a_name_that_is_refused_is_not_searched(site: Site, hub: Hub) -> None:
    site.workflow("w.json", ("loras", "../harbor_light.safetensors"))
    hub.add("maker/harbor_light", ["harbor_light.safetensors"])
    done = site.doit("plan", "--json")
    assert done.returncode == 1
    (row,) = json.loads(done.stdout)["models"]
    assert (row["outcome"], row["where"]) == ("name refused", "")
    assert hub.seen == []


def test_what_a_plan_has_found_is_not_searched_again(site: Site, hub: Hub) -> None:
    site.workflow("w.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    assert site.doit("plan").returncode == 0
    searches = hub.count("GET", "/api/models?*")
    assert searches > 0
    assert "2.6 kB" in site.doit("list").stdout
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert hub.count("GET", "/api/models?*") == searches
    assert t("Nothing is pending") in site.doit("plan").stdout


def test_a_plan_that_does_not_fit_says_so(site: Site, hub: Hub) -> None:
    site.manifest(download={"reserve": 1 << 59})
    site.workflow("w.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    done = site.doit("plan")
    assert done.returncode == 1
    assert t("That does not fit. Next: make room") in done.stdout


def test_names_that_stand_for_files_bring_those_files(site: Site, hub: Hub) -> None:
    """`taesd` has two halves, and `embedding:name` an extension that ComfyUI adds."""
    graph = ui_workflow([("vae", "taesd")])
    prompt = {**graph["nodes"][0], "id": 2, "type": "CLIPTextEncode"}
    prompt["widgets_values"] = ["a cat, embedding:easy_hands, (embedding:there:1.2)"]
    graph["nodes"].append(prompt)
    (site.workflows / "w.json").write_text(json.dumps(graph))
    here = site.models / "embeddings" / "there.pt"
    here.parent.mkdir()
    here.write_bytes(file_for("there.pt"))
    hub.add("maker/taesd", ["taesd_encoder.pth", "taesd_decoder.pth"])
    hub.add("maker/easy_hands", ["easy_hands.safetensors"])
    assert t("lacks {lacking} of {wanted}", lacking=2, wanted=3) in site.doit("scan").stdout
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert set(site.files()) == {
        "embeddings/there.pt",
        "embeddings/easy_hands.safetensors",
        "vae_approx/taesd_encoder.pth",
        "vae_approx/taesd_decoder.pth",
    }
    assert f"w.json: {t('ready')}\n" in site.doit("scan").stdout
