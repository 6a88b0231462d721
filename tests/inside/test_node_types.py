"""Node types that no installed pack has: ComfyUI refuses the whole workflow, so it is told."""

from __future__ import annotations

import json

import pytest

from comfyfix.screen.words import t
from tests.inprocess import InProcess
from tests.unit.graphs import Json, node, ui
from tests.unit.pack_sources import CORE

READY = f"w.json: {t('ready')}"


def install(site: InProcess, core: str = CORE, **files: str) -> None:
    (site.comfyui / "nodes.py").write_text(core)
    for name, text in files.items():
        path = site.comfyui / "custom_nodes" / "a-pack" / name.replace("__dot__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def save(site: InProcess, *types: str) -> None:
    site.put("vae", "x.pth")
    graph: Json = {str(i): {"class_type": one, "inputs": {}} for i, one in enumerate(types)}
    graph["a"] = {"class_type": "VAELoader", "inputs": {"vae_name": "x.pth"}}
    (site.workflows / "w.json").write_text(json.dumps(graph))


def told(*types: str) -> str:
    return t("no pack here names the node types {types}", types=list(types))


def test_a_type_of_no_pack_is_told_and_the_workflow_is_not_ready(inprocess: InProcess) -> None:
    install(inprocess, init__dot__py="NODE_CLASS_MAPPINGS = {'Known': object}")
    save(inprocess, "KSampler", "Known", "Gone One", "Gone Two")
    for _ in range(2):  # the second time it is known from the cache
        out = inprocess.run("scan").out
        assert told("Gone One", "Gone Two") in out
        assert t("ComfyUI refuses the whole workflow until they are installed") in out
        assert READY not in out
    install(
        inprocess, more__dot__py="NODE_CLASS_MAPPINGS = {'Gone One': object, 'Gone Two': object}"
    )
    assert READY in inprocess.run("scan").out
    done = inprocess.run()
    assert done.code == 0, done


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a__dot__py", "NODES = make({'Odd Node': build})"),
        ("a__dot__py", 'class Other:\n    pass\nregister("Odd Node")'),
        ("a__dot__js", "app.registerExtension({name: 'Odd Node'})"),
    ],
)
def test_what_a_source_names_may_be_there(inprocess: InProcess, name: str, text: str) -> None:
    install(inprocess, **{name: text})
    save(inprocess, "Odd Node")
    assert READY in inprocess.run("scan").out


def test_a_type_with_the_tag_of_a_pack_may_be_its_own(inprocess: InProcess) -> None:
    install(inprocess, a__dot__py="name = f'{label} (mine)'")
    save(inprocess, "Load All (mine)", "Load All (others)", "Load|mine")
    assert told("Load All (others)", "Load|mine") in inprocess.run("scan").out


def test_without_the_core_nothing_is_known_to_be_absent(inprocess: InProcess) -> None:
    save(inprocess, "Gone")
    assert READY in inprocess.run("scan").out


def test_nodes_of_the_page_and_those_that_are_off_are_none_of_the_servers(
    inprocess: InProcess,
) -> None:
    install(inprocess)
    inprocess.put("vae", "x.pth")
    graph = ui(node(1, "Note"), node(2, "Gone", mode=4), node(3, "VAELoader", "x.pth"))
    (inprocess.workflows / "w.json").write_text(json.dumps(graph))
    assert READY in inprocess.run("scan").out
