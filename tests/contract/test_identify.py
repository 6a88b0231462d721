"""Who knows a file by its hash: what Civitai answers to many at once, whatever its form."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.errors import RegionBlocked
from comfyfix.providers.civitai.entries import matching
from comfyfix.records import Model
from comfyfix.settings.manifest import Search
from comfyfix.sources.identify import COMPARED, Identifier
from tests import qwen_rig

NAMES = ("ink_wash.safetensors", "slow_tide.safetensors")
DIGESTS = [sha256(file_for(name)) for name in NAMES]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(DIGESTS[0]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["id", "modelId", "files", "hashes", "SHA256", "model",
                                       "name", "sizeKB"]), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


def test_only_hashes_that_were_asked_for_count(tmp_path: Path, hub: Hub) -> None:
    for name in NAMES:
        hub.add_civitai(name.partition(".")[0], name)
    # A version with two files is one hit, and only one of its files was asked for.
    hub.civitai[7001].others = {5: ("extra.safetensors", "VAE", b"extra")}
    services = qwen_rig.services(tmp_path, hub)
    found = services.civitai.by_hashes([DIGESTS[0], "f" * 64])
    assert {digest: entry.model for digest, entry in found.items()} == {DIGESTS[0]: "ink_wash"}
    assert services.civitai.by_hashes(["f" * 64]) == {}


def test_a_region_that_is_not_served_is_not_asked(tmp_path: Path, hub: Hub) -> None:
    hub.add_civitai("Ink", NAMES[0]).access = "region"
    services = qwen_rig.services(tmp_path, hub)
    with pytest.raises(RegionBlocked):
        services.civitai.by_hashes(DIGESTS)
    identifier = Identifier(services)
    (answer,) = identifier.ask([(Model(folder="loras", path="model.safetensors"), DIGESTS[0])])
    # The name is too common to be asked for, so the Hub was left out by choice.
    assert answer.not_asked == ("civitai",)
    assert len(identifier.problems) == 1


@pytest.mark.soak
@given(JSON)
def test_no_answer_of_civitai_breaks_it(value: object) -> None:
    found = matching(value, DIGESTS)
    assert set(found) <= {digest for digest in DIGESTS if digest in json.dumps(value)}


@pytest.mark.parametrize("text", [True, False], ids=["by text", "by its words"])
def test_the_hub_knows_a_file_in_whatever_repository(tmp_path: Path, hub: Hub, text: bool) -> None:
    for number in range(COMPARED + 1):
        hub.add(f"maker{number}/ink", ["other.safetensors"], downloads=5000)
    hub.full_text = text
    home = "someone/odds-and-ends" if text else "someone/ink-wash"
    hub.add(home, [NAMES[0]], downloads=5)
    identifier = Identifier(qwen_rig.services(tmp_path, hub))
    (answer,) = identifier.ask([(Model(folder="loras", path=NAMES[0]), DIGESTS[0])])
    assert answer.where == f"Hugging Face: {home}"
    (answer,) = identifier.ask([(Model(folder="loras", path=NAMES[0]), DIGESTS[1])])
    assert answer.where == ""


def test_a_source_that_is_not_wanted_is_not_asked(tmp_path: Path, hub: Hub) -> None:
    hub.add_civitai("ink_wash", NAMES[0])
    hub.add("someone/ink-wash", [NAMES[0]])
    services = qwen_rig.services(tmp_path, hub)
    wanted = [(Model(folder="loras", path=NAMES[0]), DIGESTS[0])]
    for sources, where in (
        (("civitai",), "Civitai: ink_wash"),
        (("huggingface",), "Hugging Face: someone/ink-wash"),
        (("store",), ""),
    ):
        manifest = msgspec.structs.replace(services.manifest, search=Search(sources=sources))
        (answer,) = Identifier(replace(services, manifest=manifest)).ask(wanted)
        assert answer.where.startswith(where)
        assert bool(answer.where) is bool(where)
