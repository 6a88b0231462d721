"""Civitai: which file is taken, and an outcome of its own for each way it may be withheld."""

from __future__ import annotations

import json

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import CivitaiVersion, Hub, sha256
from comfyfix.records import Reason, because
from comfyfix.screen import words
from comfyfix.why import Why
from tests.rig import Site

NAME = "harborLightXL_v9Lightning.safetensors"
NEED = ("checkpoints", NAME)
PAGE = "https://civitai.com/api/download/models"


def run(site: Site, code: int = 0, **variables: str) -> str:
    done = site.doit(**variables)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def version(site: Site, hub: Hub) -> CivitaiVersion:
    site.workflow("w.json", NEED)
    made = hub.add_civitai("Harbor Light XL", "uploaded.safetensors", type="Checkpoint")
    made.name = "V9 Lightning"
    return made


def test_the_name_of_a_download_is_made_of_model_and_version(
    site: Site, version: CivitaiVersion
) -> None:
    assert "✓ Found on Civitai: Harbor Light XL (V9 Lightning)" in run(site)
    assert site.files() == {f"checkpoints/{NAME}": sha256(version.data)}
    record = site.state("sources/001_harborLightXL_v9Lightning_safetensors.json")
    told = (record["publisher"], record["base_model"], record["licence"])
    assert told == ("demo-creator", "SDXL 1.0", "commercial use: Image, Rent")
    assert record["url"].endswith(f"/{version.id}?fileId={version.file_id}")


def test_of_several_files_the_one_of_the_name_is_fetched(
    site: Site, hub: Hub, version: CivitaiVersion
) -> None:
    data = file_for("another.safetensors")
    version.name = "V3"
    version.others = {
        501: (NAME, "Pruned Model", data),
        502: ("config.yaml", "Config", b"x: 1"),
    }
    run(site)
    assert site.files() == {f"checkpoints/{NAME}": sha256(data)}


def test_two_models_with_files_of_one_name_are_uncertain(
    site: Site, hub: Hub, version: CivitaiVersion
) -> None:
    twin = hub.add_civitai("Harbor Light XL", "x.safetensors", type="Checkpoint")
    twin.name = "V9 Lightning"
    named = words.t("Several different files are called {name}", name=NAME)
    assert named in run(site, 1)
    assert site.files() == {}


def test_a_file_of_another_kind_is_not_taken(site: Site, version: CivitaiVersion) -> None:
    version.name = "V3"
    version.others = {501: (NAME, "Training Data", b"x")}
    told = because(Why.CIVITAI_NO_MODEL, file_type="Training Data", model_type="Checkpoint")
    assert words.sentence(told) in run(site, 1)
    assert site.files() == {}


def test_a_twin_in_case_is_shown_and_not_taken(site: Site, hub: Hub) -> None:
    site.workflow("w.json", ("loras", "ink_wash_poster.safetensors"))
    hub.add_civitai("Ink Wash Poster", "Ink-Wash-Poster.safetensors")
    said = run(site, 1)
    assert f"Ink-Wash-Poster.safetensors: {words.sentence(because(Why.NAME_AKIN))}" in said
    assert site.files() == {}


@pytest.fixture
def several(site: Site, version: CivitaiVersion) -> CivitaiVersion:
    """A pruned checkpoint, the whole one under the same name, and a VAE."""
    version.file = "harbor.safetensors"
    version.others = {
        501: ("harbor.safetensors", "Model", file_for("whole.safetensors")),
        502: ("harbor.vae.safetensors", "VAE", file_for("vae.safetensors")),
    }
    version.traits = {
        version.file_id: {"size": "pruned", "fp": "fp16"},
        501: {"size": "full", "fp": "fp32"},
    }
    return version


@pytest.mark.parametrize(
    ("query", "folder", "file"),
    [
        ("type=VAE&format=SafeTensor", "vae", "vae.safetensors"),
        ("size=full&fp=fp32", "checkpoints", "whole.safetensors"),
        ("type=Model&format=SafeTensor&size=full&fp=fp32", "checkpoints", "whole.safetensors"),
    ],
)
def test_an_address_with_a_query_names_one_file(
    site: Site, several: CivitaiVersion, query: str, folder: str, file: str
) -> None:
    url = f"{PAGE}/{several.id}?{query}"
    site.workflow("w.json", (folder, "mine.safetensors"), urls={"mine.safetensors": url})
    run(site)
    assert site.files() == {f"{folder}/mine.safetensors": sha256(file_for(file))}


def test_a_lent_part_is_fetched_as_its_address_names_it(
    site: Site, several: CivitaiVersion
) -> None:
    several.lent = {502}
    url = f"{PAGE}/{several.id}?type=VAE"
    site.workflow("w.json", ("vae", "mine.safetensors"), urls={"mine.safetensors": url})
    run(site)
    assert site.files() == {"vae/mine.safetensors": sha256(file_for("vae.safetensors"))}


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("fp=fp8", because(Why.CIVITAI_OTHER_TRAIT, trait="fp", asked="fp8", told="fp16")),
        ("type=Text+Encoder", because(Why.CIVITAI_NO_TYPE, file_type="Text Encoder")),
        ("type=VAE&type=Model", because(Why.ADDRESS_FIELD_TWICE, field="type")),
        (
            "fileId=501&size=pruned",
            because(Why.CIVITAI_OTHER_TRAIT, trait="size", asked="pruned", told="full"),
        ),
    ],
)
def test_where_address_and_file_disagree_nothing_is_fetched(
    site: Site, several: CivitaiVersion, query: str, told: Reason
) -> None:
    url = f"{PAGE}/{several.id}?{query}"
    site.workflow("w.json", ("vae", "mine.safetensors"), urls={"mine.safetensors": url})
    assert words.sentence(told) in run(site, 1)
    assert site.files() == {}


WITHHELD = [
    ("login", Why.CIVITAI_TOKEN_NEEDED),
    ("page", Why.CIVITAI_TOKEN_NEEDED),
    ("disabled", Why.CIVITAI_DISABLED),
    ("early", Why.CIVITAI_EARLY_UNTIL),
    ("forbidden", Why.CIVITAI_NOT_GIVEN),
    ("archived", Why.CIVITAI_ARCHIVED),
    ("region", Why.CIVITAI_REGION),
]


@pytest.mark.parametrize(("access", "why"), WITHHELD, ids=[w[0] for w in WITHHELD])
def test_what_is_withheld_is_told_before_any_download(
    site: Site, hub: Hub, version: CivitaiVersion, access: str, why: Why
) -> None:
    version.access = access
    said = run(site, 1)
    told = words.worded(
        because(
            why,
            where="Harbor Light XL (V9 Lightning)",
            page=f"https://civitai.com/models/{version.model_id}?modelVersionId={version.id}",
            account="https://civitai.com/user/account",
            until="2030-01-01",
            told="You do not have access to download this file",
        )
    )
    assert told.what in said
    assert told.cause in said
    assert told.next_step in said
    assert words.fixed("Failed searches: 1") in said
    assert hub.count("GET", "/cdn-civitai/*") == 0
    assert not list(site.output.glob("*.sh"))


@pytest.mark.parametrize("embedded", [True, False], ids=["embedded", "searched"])
@pytest.mark.parametrize("mode", ["Archived", "TakenDown"])
def test_only_an_archived_model_is_no_longer_given(
    site: Site, version: CivitaiVersion, mode: str, embedded: bool
) -> None:
    """One that is taken down has lost its pictures alone."""
    version.mode = mode
    if mode == "Archived" and not embedded:
        return  # no search lists it
    urls = {NAME: f"{PAGE}/{version.id}"} if embedded else None
    site.workflow("w.json", NEED, urls=urls)
    gone = because(Why.CIVITAI_ARCHIVED, where="Harbor Light XL (V9 Lightning)")
    said = run(site, int(mode == "Archived"))
    assert (words.sentence(gone) in said) is (mode == "Archived")
    assert bool(site.files()) is (mode == "TakenDown")


def test_a_file_that_was_away_for_a_moment_is_asked_for_again(
    site: Site, version: CivitaiVersion
) -> None:
    version.access = "away-once"
    run(site)
    assert site.files() == {f"checkpoints/{NAME}": sha256(version.data)}


def test_a_file_that_is_away_for_good_is_not_there(site: Site, version: CivitaiVersion) -> None:
    version.access = "gone"
    assert words.sentence(because(Why.CIVITAI_GONE)) in run(site, 1)
    assert not list(site.output.glob("*.sh"))


def test_a_token_that_is_not_taken_is_named(site: Site, hub: Hub, version: CivitaiVersion) -> None:
    version.access = "login"
    hub.refused_tokens.add("civ_old")
    # The Hub of this test has the same address, and is not asked.
    site.manifest(search={"sources": ["workflow", "civitai"]})
    said = run(site, 1, CIVITAI_TOKEN="civ_old")
    assert words.worded(because(Why.CIVITAI_TOKEN_BAD)).cause in said
    assert "civ_old" not in said


def test_an_answer_of_another_id_is_no_answer(
    site: Site, hub: Hub, version: CivitaiVersion
) -> None:
    hub.civitai[4242] = version  # 4242 is asked, and version 7001 answers
    site.workflow("w.json", NEED, urls={NAME: f"{PAGE}/4242"})
    site.manifest(search={"sources": ["workflow"]})
    assert words.sentence(because(Why.CIVITAI_NO_VERSION)) in run(site, 1)


def test_few_questions(site: Site, hub: Hub, version: CivitaiVersion) -> None:
    site.manifest(search={"sources": ["civitai"]})
    assert site.doit("plan").returncode == 0
    assert len(hub.seen) <= 3
    why = json.loads(site.doit("plan", "--json").stdout)
    assert why["models"][0]["outcome"] == "found"


@pytest.mark.parametrize(
    "told",
    [
        "https://civitai.com/models/{m}/harbor-light",
        "https://civitai.red/models/{m}",
        "https://civitai.green/models/{m}/x?modelVersionId={v}",
        "urn:air:sdxl:checkpoint:civitai:{m}@{v}",
        "civitai:{m}",
    ],
)
@pytest.mark.parametrize("by", ["workflow", "manifest"])
def test_a_page_and_an_air_lead_to_the_file(
    site: Site, version: CivitaiVersion, hub: Hub, told: str, by: str
) -> None:
    older = hub.add_civitai("Harbor Light XL", "x.safetensors", type="Checkpoint")
    older.name, older.model_id, older.data = "V8", version.model_id, file_for("older.safetensors")
    url = told.format(m=version.model_id, v=version.id)
    site.workflow("w.json", NEED, urls={NAME: url} if by == "workflow" else None)
    models = {NAME: {"url": url}} if by == "manifest" else {}
    site.manifest(search={"sources": ["workflow"]}, models=models)
    run(site)
    assert site.files() == {f"checkpoints/{NAME}": sha256(version.data)}


def test_a_page_of_several_versions_is_no_guess(
    site: Site, version: CivitaiVersion, hub: Hub
) -> None:
    older = hub.add_civitai("Harbor Light XL", "x.safetensors", type="Checkpoint")
    older.name, older.model_id = "V8", version.model_id
    url = f"https://civitai.com/models/{version.model_id}"
    site.workflow("w.json", ("checkpoints", "mine.safetensors"), urls={"mine.safetensors": url})
    site.manifest(search={"sources": ["workflow"]})
    assert words.sentence(because(Why.CIVITAI_WHICH_VERSION, count=2)) in run(site, 1)


def test_of_one_name_the_primary_is_taken_and_the_others_told(
    site: Site, version: CivitaiVersion
) -> None:
    version.others = {501: (NAME, "Model", file_for("whole.safetensors"))}
    version.traits = {501: {"size": "full", "fp": "fp32"}}
    said = run(site)
    assert site.files() == {f"checkpoints/{NAME}": sha256(version.data)}
    assert f"`comfyfix pin {NAME} '{PAGE}/{version.id}?fileId=501'`" in said


def test_what_is_left_out_of_grown_up_searches_is_asked_for_once_more(
    site: Site, version: CivitaiVersion, hub: Hub
) -> None:
    version.minor = True
    site.manifest(search={"sources": ["civitai"]})
    run(site)
    assert site.files() == {f"checkpoints/{NAME}": sha256(version.data)}


def test_a_public_file_is_not_peeked_at_with_a_good_token(
    site: Site, version: CivitaiVersion, hub: Hub
) -> None:
    site.manifest(search={"sources": ["civitai"]})
    assert site.doit("plan", CIVITAI_TOKEN="civ_good").returncode == 0
    assert hub.count("GET", "/api/download/*") == hub.count("HEAD", "/api/download/*") == 0


def test_that_question_is_the_last_one_and_costs_what_is_found_nothing(
    site: Site, hub: Hub
) -> None:
    """Asked of Civitai where nobody has the model, and of no model that another source has."""
    site.manifest(search={"sources": ["civitai", "openmodeldb"]})
    url = "https://huggingface.co/maker/up/resolve/main/4x-Harbor.pth"
    hub.add("maker/up", ["4x-Harbor.pth"])
    hub.add_upscaler("4x-Harbor", [url], file_for("4x-Harbor.pth"))
    for name, asked in (("4x-Harbor.pth", 0), ("4x-Lost.pth", 1)):
        site.workflow("w.json", ("upscale_models", name))
        hub.seen.clear()
        site.doit("plan")
        searches = [s.path for s in hub.seen if s.path.startswith("/api/v1/models?")]
        assert searches
        assert sum("nsfw" not in path for path in searches) == asked
