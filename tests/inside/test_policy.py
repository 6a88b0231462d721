"""The policy: what the manifest does not allow is not fetched, and says which rule, and where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix import licences
from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.outcomes import Outcome
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.why import Why
from tests.inprocess import InProcess

REPO = "harbour/harbour_lamps"
NAME = "harbour_lamp_one.safetensors"
OTHER = "harbour_lamp_two.safetensors"
SIZE = len(file_for(NAME))


@pytest.fixture
def site(inprocess: InProcess, hub: Hub) -> InProcess:
    hub.add(REPO, [NAME, OTHER])
    inprocess.workflow("w.json", ("loras", NAME))
    return inprocess


def named(site: InProcess, rule: str) -> str:
    """How a rule is told, with its place in the manifest; what breaks it follows."""
    lines = (site.root / "manifest.yaml").read_text().splitlines()
    line = next(n for n, line in enumerate(lines, 1) if f'"{rule}"' in line)
    told = because(Why.POLICY_RULE, rule=rule, file="manifest.yaml", line=line, reason="")
    return words.sentence(told)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("licences", ["MIT", "cc0-1.0"]),
        ("max_total", SIZE - 1),
        *(
            pytest.param(rule, value, marks=pytest.mark.soak)
            for rule, value in (
                ("publishers", ["stabilityai"]),
                ("formats", ["gguf"]),
                ("hosts", ["civitai.com"]),
                ("max_file", SIZE - 1),
                ("max_file", "1kB"),
            )
        ),
    ],
)
def test_what_is_not_allowed_is_not_fetched(
    site: InProcess, hub: Hub, rule: str, value: Any
) -> None:
    site.manifest(policy={rule: value})
    for command in ([], ["plan"]):
        ran = site.run(*command)
        assert ran.code == 1
        assert named(site, rule) in ran.out
        assert NAME in ran.out
    assert not list(site.models.rglob("*.safetensors"))
    assert hub.count("GET", f"*/resolve/*/{NAME}") == 0
    site.manifest(policy={})
    assert site.run().code == 0, "the record that was found serves"
    site.manifest(policy={rule: value})
    ran = site.run("verify")
    assert ran.code == 1
    assert named(site, rule) in ran.out
    assert list(site.models.rglob(NAME)), "what is there is left"


@pytest.mark.soak
@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("licences", ["Apache-2.0"]), ("licences", ["apache-2.0", "mit"]),
        ("publishers", ["Harbour"]), ("formats", [".SafeTensors", "gguf"]),
        ("hosts", ["huggingface.co"]), ("max_file", SIZE), ("max_total", SIZE),
        ("require_hash", True),
    ],
)  # fmt: skip
def test_what_is_allowed_is_fetched(site: InProcess, rule: str, value: Any) -> None:
    site.manifest(policy={rule: value})
    assert site.run().code == 0
    assert site.run("verify").code == 0


def test_what_came_without_us_is_told_too(site: InProcess) -> None:
    """Who has published it is not known, what it is and how large can be seen."""
    site.put("loras", NAME)
    for rule, value in (("formats", ["gguf"]), ("max_file", SIZE - 1), ("max_total", SIZE - 1)):
        site.manifest(policy={rule: value})
        ran = site.run("verify", "--json")
        [told] = json.loads(ran.out)["policy"]
        assert (ran.code, told["rule"]) == (1, rule)
        assert told["model"] == (None if rule == "max_total" else f"loras/{NAME}")
    site.manifest(policy={"formats": ["safetensors"], "max_total": SIZE, "licences": ["mit"]})
    assert site.run("verify").code == 0


def test_of_what_is_not_there_nothing_is_told(site: InProcess) -> None:
    site.manifest(policy={"formats": ["gguf"], "licences": ["mit"]})
    assert site.run("plan").code == 1
    assert named(site, "formats") not in site.run("verify").out


def test_an_empty_variable_is_no_licence(site: InProcess, hub: Hub) -> None:
    hub.repositories[REPO].licence = "other"
    site.manifest(policy={"licences": ["${LICENCE}"]})
    assert site.run(LICENCE="").code == 3
    assert site.run(LICENCE="mit").code == 1


def test_an_untold_licence_has_a_word_of_its_own(site: InProcess, hub: Hub) -> None:
    hub.repositories[REPO].licence = "other"
    site.manifest(policy={"licences": ["apache-2.0"]})
    assert "unknown" in site.run().out
    site.manifest(policy={"licences": ["apache-2.0", "Unknown"]})
    assert site.run().code == 0


def test_all_models_together_have_a_limit(site: InProcess) -> None:
    site.workflow("w.json", ("loras", NAME), ("loras", OTHER))
    site.put("vae", "there.safetensors")
    site.workflow("v.json", ("vae", "there.safetensors"))
    there = len(file_for("there.safetensors"))
    site.manifest(policy={"max_total": there + SIZE + 10})
    assert site.run().code == 1
    assert len(list((site.models / "loras").glob("*"))) == 1, "what fits is fetched"
    assert site.run().code == 1
    site.manifest(policy={"max_total": there + 2 * SIZE})
    assert site.run().code == 0
    assert site.run().code == 0


def test_a_file_without_a_published_hash_may_be_refused(site: InProcess, hub: Hub) -> None:
    url = f"https://huggingface.co/{REPO}/resolve/main/{NAME}"
    hub.repositories[REPO].plain.add(NAME)
    site.manifest(policy={"require_hash": True}, models={NAME: {"url": url}})
    ran = site.run()
    assert ran.code == 1
    assert "require_hash" in ran.out
    site.manifest(policy={"require_hash": False}, models={NAME: {"url": url}})
    assert site.run().code == 0


def test_a_lock_obeys_the_policy_too(site: InProcess) -> None:
    assert site.run("lock").code == 0
    site.manifest(policy={"publishers": ["nobody"]})
    ran = site.run("--frozen")
    assert ran.code == 1
    assert "publishers" in ran.out
    assert not list(site.models.rglob("*.safetensors"))


@pytest.mark.parametrize(
    "policy",
    [
        {"licenses": ["mit"]}, {"max_file": "much"}, {"max_file": ""}, {"max_total": -1},
        {"formats": "gguf"}, {"max_file": "9999999TB"}, {"require_hash": "yes"}, {"hosts": [1]},
        {"licences": ["mit", ""]}, {"publishers": [" "]}, {"formats": [""]}, {"hosts": [""]},
        {"hosts": ["https://huggingface.co"]}, {"hosts": ["*.huggingface.co"]},
    ],
)  # fmt: skip
def test_a_policy_that_can_t_be_read_is_told_with_its_line(
    site: InProcess, policy: dict[str, Any]
) -> None:
    site.manifest(policy=policy)
    ran = site.run()
    assert ran.code == 3
    assert "manifest.yaml" in ran.err
    assert next(iter(policy)) in ran.err
    assert Outcome.POLICY not in ran.err


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("apache-2.0", "Apache-2.0"), ("MIT", "MIT"), ("gpl-3.0", "GPL-3.0-only"),
        ("cc-by-nc-sa-4.0", "CC-BY-NC-SA-4.0"), ("openrail++", "openrail++"), ("other", "unknown"),
        ("", "unknown"), ("creativeml-openrail-m", "creativeml-openrail-m"),
        ("commercial use: Image, Rent", "commercial use: Image, Rent"),
    ],
)  # fmt: skip
def test_a_licence_has_one_name(word: str, name: str) -> None:
    assert licences.named(word) == name


def test_what_is_taken_for_spdx_is_in_its_list() -> None:
    schemas = pytest.importorskip("cyclonedx.schema._res", reason="a test dependency is missing")
    known = set(json.loads(Path(schemas.SPDX_JSON).read_text())["enum"])
    words_of_providers = ("apache-2.0", "gpl-3.0", "lgpl-lr", "c-uda", "etalab-2.0", "odc-by")
    assert {licences.spdx(word) for word in words_of_providers} < known
    assert {name for name in map(licences.spdx, known) if name} < known
    assert [licences.spdx(word) for word in ("openrail++", "other", "", "cc")] == [None] * 4


@given(st.text(max_size=40))
def test_a_name_is_its_own_name(word: str) -> None:
    assert licences.named(licences.named(word)) == licences.named(word)
    assert licences.same(word, word.upper()) or word.lower() != word.upper().lower()
