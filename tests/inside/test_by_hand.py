"""What only a browser gets: the user is told where from and where to, and no host to allow."""

from __future__ import annotations

import json

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.why import Why
from tests.rig import Site

NAME = "4x_HarborSharp.pth"
PAGES = ["https://mega.nz/file/x#k", "https://drive.google.com/file/d/x/view?usp=sharing"]


def told(site: Site) -> words.Wording:
    place = site.models / "upscale_models" / NAME
    return words.worded(because(Why.ONLY_BY_HAND, name=NAME, places=PAGES, path=place))


def test_a_file_behind_pages_is_told_with_its_place(site: Site, hub: Hub) -> None:
    site.workflow("w.json", ("upscale_models", NAME))
    hub.add_upscaler("4x_HarborSharp", PAGES, file_for(NAME))
    done = site.doit()
    assert done.returncode == 1
    assert told(site).next_step in done.stdout
    assert "allow_hosts" not in done.stdout
    assert all(page in done.stdout for page in PAGES)
    assert told(site).what in site.doit("why", NAME).stdout
    (site.models / "upscale_models").mkdir()
    (site.models / "upscale_models" / NAME).write_bytes(file_for(NAME))
    assert site.doit().returncode == 0


def test_so_is_the_page_in_a_workflow_or_in_the_manifest(site: Site, hub: Hub) -> None:
    path = site.workflow("w.json", ("upscale_models", NAME))
    value = json.loads(path.read_text())
    value["nodes"][0]["properties"] = {
        "models": [{"name": NAME, "url": PAGES[0], "directory": "upscale_models"}]
    }
    path.write_text(json.dumps(value))
    told_by_hand = site.doit().stdout
    assert words.worded(because(Why.ONLY_BY_HAND, name=NAME)).what in told_by_hand
    site.manifest(models={NAME: {"url": PAGES[1]}})
    assert PAGES[1] in site.doit().stdout


def test_a_page_can_not_be_pinned(site: Site, hub: Hub) -> None:
    site.workflow("w.json", ("upscale_models", NAME))
    done = site.doit("pin", NAME, PAGES[0])
    assert done.returncode == 3
    assert words.worded(because(Why.ADDRESS_IS_PAGE, address=PAGES[0])).what in done.stderr
    assert "allow_hosts" not in done.stderr


def test_a_page_in_place_of_a_file_says_so_and_the_second_time_more(site: Site, hub: Hub) -> None:
    site.workflow("w.json", ("loras", "night_owl.safetensors"))
    hub.add_civitai("Night Owl", "night_owl.safetensors")
    hub.faults.append(Fault("file civitai/*", "html"))
    shown = []
    for _ in range(3):
        done = site.doit()
        assert done.returncode == 1
        shown.append(done.stdout)
    [entry] = site.state("ledger.json")["models"].values()
    whys = [attempt["reason"]["why"] for attempt in entry["attempts"]]
    assert whys == ["page_came", "page_came_again", "page_came_again"]
    assert {attempt["outcome"] for attempt in entry["attempts"]} == {"wrong content"}
    place = entry["attempts"][0]["reason"]["told"]["url"]
    assert all(place in text for text in shown)
    assert "`comfyfix pin night_owl.safetensors URL`" not in shown[0]
    assert "`comfyfix pin night_owl.safetensors URL`" in shown[1]
    assert site.files() == {}
