"""Which file is taken: a table of cases that one real run of doit meets side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.words import t
from comfyfix.why import Why
from tests.rig import Site

HUB = "https://huggingface.co"
CIVITAI = "https://civitai.com/api/download/models"


@dataclass
class World:
    """Where a case puts what it needs; `name` is the file that the workflow asks for."""

    site: Site
    hub: Hub
    stem: str

    @property
    def name(self) -> str:
        return f"{self.stem}.safetensors"

    def namesake(self, repo: str) -> None:
        """A file of this name with other content."""
        self.hub.add(f"{repo}/{self.stem}", []).files[self.name] = file_for(f"not {self.name}")


@dataclass
class Case:
    """The case of one model. `prepare` returns the address that the workflow tells, if any.

    `taken` is the name whose content arrives (None: no file); `said` is printed of it and of no
    other; `told` looks into the record. `hash_of` makes the workflow tell the hash of that name.
    """

    prepare: Callable[[World], str | None]
    taken: str | None = "{}.safetensors"
    said: str = ""
    hash_of: str = ""
    told: Callable[[dict[str, Any], str], bool] = lambda _, __: True


def mirrors(w: World) -> None:
    w.hub.add(f"mirror/{w.stem}", [w.name], downloads=5)
    w.hub.add(f"maker/{w.stem}", [w.name], downloads=5000)


def own_address(w: World) -> str:
    w.namesake("maker")
    w.hub.add("meant/repository", [f"deep/{w.name}"])
    return f"{HUB}/meant/repository/blob/main/deep/{w.name}?download=true"


def another_name(w: World) -> str:
    w.hub.add("meant/other", ["HL_v1.safetensors"])
    return f"{HUB}/meant/other/resolve/main/HL_v1.safetensors"


def not_to_be_asked(w: World) -> str:
    w.namesake("maker")
    w.hub.add("silent/repository", [w.name])
    w.hub.faults.append(Fault("repository silent/*", "reset"))
    return f"{HUB}/silent/repository/resolve/main/{w.name}"


def dead(w: World) -> str:
    w.hub.add(f"maker/{w.stem}", [w.name])
    return f"{HUB}/gone/repository/resolve/main/{w.name}"


def one_is_locked(w: World) -> None:
    w.hub.add(f"maker/{w.stem}", [w.name], gated=True)
    w.namesake("other")


def civitai_ids(w: World) -> str:
    version = w.hub.add_civitai("Anything", "uploaded_as_this.safetensors")
    return f"{CIVITAI}/{version.id}?type=Model&format=SafeTensor"


def civitai_file_gone(w: World) -> str:
    version = w.hub.add_civitai("Whatever", "other_file.safetensors")
    return f"{CIVITAI}/{version.id}?fileId=12345"


def squatter(w: World) -> str:
    w.hub.add(f"squatter/{w.stem}", [w.name])
    return f"{HUB}/gone/repo/resolve/main/{w.name}"


def known_by_hash(w: World) -> str:
    w.hub.add_civitai("Something Else", "nice_v1_final.safetensors")
    return f"{HUB}/gone/repo/resolve/main/{w.name}"


def other_case(w: World) -> None:
    w.site.put("loras", w.name.title().replace(".Safe", ".safe"), file_for(w.name))


def in_the_store(w: World) -> None:
    w.hub.add(f"maker/{w.stem}", [w.name])
    w.site.put("checkpoints", w.name, file_for("a namesake.safetensors"))


def rejected_gone(record: dict[str, Any], name: str) -> bool:
    first = record["rejected"][0]
    is_gone: bool = first["reason"]["why"] == Why.HUB_NO_REPOSITORY
    return is_gone and first["where"] == f"gone/repository/{name}"


CASES = {
    "amber_gate": Case(mirrors, said="✓ Found on HuggingFace: maker/amber_gate"),
    "birch_lane": Case(own_address, said="✓ Found in the workflow: meant/repository"),
    "cedar_hill": Case(
        another_name, "HL_v1.safetensors",
        t("! Its name there is {name}", name="HL_v1.safetensors"),
        told=lambda record, _: record["renamed"] is True),
    "dune_walk": Case(not_to_be_asked, None, "127.0.0.1"),
    "elm_court": Case(dead, told=rejected_gone),
    "fern_brook": Case(
        lambda w: f"https://files.example.org/{w.name}", None,
        words.worded(because(Why.ONLY_PLACE_REFUSED, host="files.example.org")).next_step),
    "glass_pier": Case(one_is_locked, None,
        words.t("Several different files are called {name}", name="glass_pier.safetensors")),
    "hazel_yard": Case(
        civitai_ids, "uploaded_as_this.safetensors",
        t("! Its name there is {name}", name="uploaded_as_this.safetensors")),
    "iron_quay": Case(civitai_file_gone, None, words.sentence(because(Why.CIVITAI_NO_FILE))),
    "jade_ridge": Case(
        squatter, None, words.sentence(because(Why.HASH_NOT_TOLD)), hash_of="nobody's"),
    "kelp_shore": Case(
        known_by_hash, "nice_v1_final.safetensors", "✓ Found on Civitai",
        hash_of="nice_v1_final.safetensors"),
    "lava_field": Case(other_case),
    "maple_road": Case(in_the_store),
}  # fmt: skip


def test_each_model_gets_the_file_that_is_meant(site: Site, hub: Hub) -> None:
    worlds = {stem: World(site, hub, stem) for stem in CASES}
    urls = {worlds[stem].name: case.prepare(worlds[stem]) for stem, case in CASES.items()}
    needs = [("loras", world.name) for world in worlds.values()]
    path = site.workflow("w.json", *needs, urls={n: url for n, url in urls.items() if url})
    value = json.loads(path.read_text())
    for node, case in zip(value["nodes"], CASES.values(), strict=True):
        if case.hash_of:
            told = {"hash": sha256(file_for(case.hash_of)), "hash_type": "SHA256"}
            node["properties"]["models"][0] |= told
    path.write_text(json.dumps(value))
    done = site.doit()
    assert done.returncode == 1, done.stdout
    files = site.files()
    for stem, case in CASES.items():
        wanted = None if case.taken is None else sha256(file_for(case.taken.replace("{}", stem)))
        assert files.get(f"loras/{stem}.safetensors") == wanted, f"{stem}\n{done.stdout}"
    for stem, case in CASES.items():
        assert case.said in done.stdout, f"{stem}\n{done.stdout}"
        if case.taken is not None:
            (record,) = (site.output / "sources").glob(f"*_{stem}_safetensors.json")
            assert case.told(json.loads(record.read_bytes()), f"{stem}.safetensors"), stem
    assert hub.count("GET", "/api/models/meant/repository/revision/main*") == 1
    assert hub.count("GET", "/api/models?search=*birch*") == 0
    (there,) = (site.models / "loras").glob("Lava_Field*")
    assert (site.models / "loras" / "lava_field.safetensors").samefile(there)
