"""Which file is taken: the one meant, the only one, or none. By real runs of doit."""

from __future__ import annotations

import json

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.words import t
from comfyfix.why import Why
from tests.rig import Site

NAME = "harbor_light.safetensors"
NEED = ("loras", NAME)
HUB = "https://huggingface.co"


def run(site: Site, code: int = 0) -> str:
    done = site.doit()
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_different_contents_of_one_name_are_uncertain(site: Site, hub: Hub) -> None:
    site.workflow("w.json", NEED)
    hub.add("maker/harbor_light", [NAME])
    hub.add("other/harbor_light", [NAME]).files[NAME] = file_for("something else.safetensors")
    said = run(site, 1)
    assert words.t("Several different files are called {name}", name=NAME) in said
    assert "maker/harbor_light" in said
    assert "other/harbor_light" in said
    assert site.files() == {}
    site.manifest(models={NAME: {"repo": "other/harbor_light", "path": NAME}})
    run(site)
    assert site.files() == {f"loras/{NAME}": sha256(file_for("something else.safetensors"))}


def test_a_gated_model_is_known_before_any_download(site: Site, hub: Hub) -> None:
    hub.add("maker/harbor_light", [NAME], gated=True)
    site.workflow("w.json", NEED)
    said = run(site, 1)
    page = f"{hub.url}/maker/harbor_light"
    tokens = f"{hub.url}/settings/tokens"
    why = because(Why.HUB_TOKEN_NEEDED, repo="maker/harbor_light", page=page, tokens=tokens)
    told = words.worded(why)
    assert told.what in said
    assert told.next_step in said
    assert not list(site.output.glob("*.sh"))
    hub.tokens = {"hf_good"}
    assert site.doit(HF_TOKEN="hf_good").returncode == 0
    kept = [path for path in site.output.rglob("*") if path.is_file()]
    assert not [path for path in kept if b"hf_good" in path.read_bytes()]


def test_a_licence_that_is_not_accepted_is_told_while_searching(site: Site, hub: Hub) -> None:
    hub.add("maker/harbor_light", [NAME], gated=True)
    site.workflow("w.json", NEED)
    done = site.doit(HF_TOKEN="hf_other")
    assert done.returncode == 1
    page = f"{hub.url}/maker/harbor_light"
    why = because(Why.HUB_LICENCE_NEEDED, page=page, tokens=f"{hub.url}/settings/tokens")
    assert words.worded(why).next_step in done.stdout
    assert words.fixed("Failed searches: 1") in done.stdout
    assert not list(site.output.glob("*.sh"))


@pytest.mark.parametrize("embedded", [True, False], ids=["embedded", "searched"])
def test_what_the_hubs_scan_flags_is_refused(site: Site, hub: Hub, embedded: bool) -> None:
    name = "harbor_light.ckpt"
    repository = hub.add("maker/harbor_light", [name])
    repository.flagged[name] = "unsafe"
    url = f"{HUB}/maker/harbor_light/resolve/main/{name}"
    site.workflow("w.json", ("checkpoints", name), urls={name: url} if embedded else None)
    assert words.sentence(because(Why.SCAN_FLAGS, scan="unsafe")) in run(site, 1)
    assert site.files() == {}
    repository.flagged[name] = "suspicious"
    assert f"! {words.sentence(because(Why.SCAN_SAYS, scan='suspicious'))}" in run(site)


def test_what_the_publisher_says_is_in_record_and_summary(site: Site, hub: Hub) -> None:
    repository = hub.add("maker/harbor_light", [NAME])
    repository.licence, repository.base_model = "openrail++", "maker/base-xl"
    url = f"{HUB}/maker/harbor_light/resolve/main/{NAME}"
    for embedded in ({NAME: url}, {}):
        site.workflow("w.json", NEED, urls=embedded)
        (row,) = json.loads(site.doit("plan", "--json").stdout)["models"]
        assert row["licence"] == "openrail++"
        record = site.state("sources/001_harbor_light_safetensors.json")
        told = (record["publisher"], record["licence"], record["base_model"])
        assert told == ("maker", "openrail++", "maker/base-xl")
        (site.output / "sources" / "001_harbor_light_safetensors.json").unlink()
    assert "openrail++ (1)" in run(site)


def test_a_model_with_an_address_takes_one_question(site: Site, hub: Hub) -> None:
    names = [f"harbor_light_{i}.safetensors" for i in range(6)]
    hub.add("maker/collection", names)
    urls = {name: f"{HUB}/maker/collection/resolve/main/{name}" for name in names}
    site.workflow("w.json", *(("loras", name) for name in names), urls=urls)
    run(site)
    assert hub.count("GET", "/api/*") == 1


def test_the_token_of_hf_auth_login_works_too(site: Site, hub: Hub) -> None:
    hub.add("maker/harbor_light", [NAME], gated=True)
    hub.tokens = {"hf_filed"}
    site.workflow("w.json", NEED)
    token = site.home / ".cache" / "huggingface" / "token"
    token.parent.mkdir(parents=True)
    token.write_text("hf_filed\n")
    run(site)


def test_the_same_file_elsewhere_in_the_store_is_linked(site: Site, hub: Hub) -> None:
    hub.add("maker/harbor_light", [NAME])
    there = site.put("checkpoints", "under another name.safetensors", file_for(NAME))
    site.workflow("w.json", NEED)
    said = run(site)
    assert t("Linked inside the store: {count}", count=1) in said
    assert (site.models / "loras" / NAME).samefile(there)
    assert hub.count("GET", "/cdn/*") == 0
    assert (site.output / "download_001_harbor_light_safetensors.sh").exists()
    assert words.fixed("Processing:") not in run(site)


def test_civitai_brings_what_the_hub_does_not_know(site: Site, hub: Hub) -> None:
    version = hub.add_civitai("Harbor Light", NAME)
    version.access, version.rounded = "login", True
    site.workflow("w.json", NEED)
    said = run(site, 1)
    told = words.worded(because(Why.CIVITAI_TOKEN_NEEDED, where="Harbor Light (v1.0)"))
    assert told.what in said
    assert "CIVITAI_TOKEN" in said
    done = site.doit(CIVITAI_TOKEN="civ_canary")
    assert done.returncode == 0, done.stdout
    assert "✓ Found on Civitai: Harbor Light (v1.0)" in done.stdout
    assert site.files() == {f"loras/{NAME}": sha256(file_for(NAME))}
    script = site.output / "download_001_harbor_light_safetensors.sh"
    assert "/api/download/models/7001?fileId=90001" in script.read_text()
    kept = [path for path in site.output.rglob("*") if path.is_file()]
    assert not [path for path in kept if b"civ_canary" in path.read_bytes()]
    (site.models / "loras" / NAME).unlink()
    assert site.script(script, CIVITAI_ENDPOINT=hub.url).returncode == 10
    assert site.script(script, CIVITAI_ENDPOINT=hub.url, CIVITAI_TOKEN="civ_canary").returncode == 0


def test_a_locked_file_is_not_replaced_by_a_namesake(site: Site, hub: Hub) -> None:
    hub.add("meant/repository", [NAME], gated=True)
    hub.add("evil/harbor_light", []).files[NAME] = file_for("a namesake.safetensors")
    url = f"{HUB}/meant/repository/resolve/main/{NAME}"
    site.workflow("w.json", NEED, urls={NAME: url})
    needed = words.worded(because(Why.HUB_TOKEN_NEEDED, repo="meant/repository")).what
    assert needed in run(site, 1)
    assert site.files() == {}
    hub.add("mirror/harbor_light", [NAME])  # equal bytes, and open
    assert "✓ Found on HuggingFace: mirror/harbor_light" in run(site)


def test_a_locked_file_binds_also_those_asked_after_one_that_is_down(site: Site, hub: Hub) -> None:
    hub.add("meant/repository", [NAME], gated=True)
    url = f"{HUB}/meant/repository/resolve/main/{NAME}"
    site.workflow("w.json", NEED, urls={NAME: url})
    site.manifest(search={"sources": ["workflow", "huggingface", "civitai"]})
    hub.faults += [Fault(f"{what} *", "500") for what in ("search", "quick-search", "full-text")]
    hub.add_civitai("Harbor Light", NAME).data = file_for("a namesake.safetensors")
    said = run(site, 1)
    assert words.worded(because(Why.HUB_TOKEN_NEEDED, repo="meant/repository")).what in said
    asked = (site.output / "log" / "search_history.log").read_text().splitlines()
    assert {"huggingface", "civitai"} <= {json.loads(line)["source"] for line in asked}
    assert site.files() == {}
    hub.add_civitai("Pier", "pier.safetensors").data = file_for(NAME)  # equal bytes, and open
    assert "✓ Found on Civitai: Pier" in run(site)
    assert site.files() == {f"loras/{NAME}": sha256(file_for(NAME))}


def test_a_locked_file_binds_those_asked_later_where_one_was_down_before(
    site: Site, hub: Hub
) -> None:
    hub.faults += [Fault(f"{what} *", "500") for what in ("search", "quick-search", "full-text")]
    hub.add_civitai("Harbor Light", NAME).access = "login"
    namesake = hub.add("night-owl/odds-and-ends", [NAME])
    namesake.files[NAME] = file_for("a namesake.safetensors")
    answer = {"source": "huggingface", "repo": "night-owl/odds-and-ends", "path": NAME}
    hub.answers[NAME] = json.dumps({"candidates": [answer], "reason": "known to me"})
    site.manifest(
        search={"sources": ["huggingface", "civitai", "qwen"]},
        qwen={"base_url": f"{hub.url}/v1", "model": "q"},
    )
    site.workflow("w.json", NEED)
    needed = because(Why.CIVITAI_TOKEN_NEEDED, where="Harbor Light (v1.0)")
    assert words.worded(needed).what in run(site, 1)
    assert site.files() == {}
    namesake.files[NAME] = file_for(NAME)
    assert "✓ Found by Qwen: night-owl/odds-and-ends" in run(site)


def test_a_place_that_the_user_names_later_replaces_the_record(site: Site, hub: Hub) -> None:
    site.workflow("w.json", NEED)
    hub.add("maker/harbor_light", [f"vae/{NAME}"])
    assert site.doit("plan").returncode == 0
    version = hub.add_civitai("Chosen", "chosen.safetensors")
    site.manifest(models={NAME: {"model_version_id": version.id}})
    run(site)
    assert site.files() == {f"loras/{NAME}": sha256(version.data)}


def test_pickle_files_can_be_refused(site: Site, hub: Hub) -> None:
    site.workflow("w.json", ("upscale_models", "rife49.pth"))
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    site.manifest(verify={"pickle": "refuse"})
    assert words.worded(because(Why.PICKLE_NAME_REFUSED, name="rife49.pth")).what in run(site, 1)
    assert site.files() == {}


def test_qwen_is_asked_last_and_its_answer_is_checked(site: Site, hub: Hub) -> None:
    hub.add("obscure/collection-of-things", [f"x/{NAME}"])
    answer = {"source": "huggingface", "repo": "obscure/collection-of-things", "path": f"x/{NAME}"}
    hub.answers[NAME] = json.dumps({"candidates": [answer], "reason": "known to me"})
    site.manifest(qwen={"base_url": f"{hub.url}/v1", "model": "q"})
    site.workflow("w.json", NEED)
    assert "✓ Found by Qwen: obscure/collection-of-things" in run(site)
    log = (site.output / "log" / "qwen_search_history.log").read_text()
    assert "known to me" in log


def test_qwen_may_not_name_another_file(site: Site, hub: Hub) -> None:
    hub.add("maker/twins", ["harbor_light_v2.safetensors"])
    answer = {"source": "huggingface", "repo": "maker/twins", "path": "harbor_light_v2.safetensors"}
    hub.answers[NAME] = json.dumps({"candidates": [answer], "reason": "nearly the same"})
    site.manifest(qwen={"base_url": f"{hub.url}/v1", "model": "q"})
    site.workflow("w.json", NEED)
    said = run(site, 1)
    other = because(Why.NAME_OTHER, name="harbor_light_v2.safetensors")
    assert f"maker/twins: {words.sentence(other)}" in said
    assert site.files() == {}


def test_the_users_word_is_binding(site: Site, hub: Hub) -> None:
    hub.add("maker/harbor_light", [NAME])
    site.workflow("w.json", NEED)
    site.manifest(models={NAME: {"sha256": "0" * 64}})
    assert words.sentence(because(Why.HASH_NOT_WANTED)) in run(site, 1)
    site.manifest(models={NAME: {"sha256": sha256(file_for(NAME)).upper(), "folder": "vae"}})
    run(site)
    assert set(site.files()) == {f"vae/{NAME}"}


def test_ignored_and_inactive_models_are_left_out(site: Site) -> None:
    path = site.workflow("w.json", NEED, ("vae", "old_one.safetensors"))
    value = json.loads(path.read_text())
    value["nodes"][0]["mode"] = 4
    path.write_text(json.dumps(value))
    site.manifest(ignore=["old_*"])
    assert site.pending() == []
    site.manifest(include={"inactive": True})
    assert site.pending() == ["download:harbor_light", "download:old_one"]
