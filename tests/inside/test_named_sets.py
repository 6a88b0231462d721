"""Files that are one model together and that no workflow names: InsightFace's packs."""

from __future__ import annotations

import json

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.demo.shelf import sha256
from tests.rig import Site

PACK = ("1k3d68.onnx", "2d106det.onnx", "genderage.onnx", "glintr100.onnx", "scrfd_10g_bnkps.onnx")
FILES = {name: file_for(name, seed=name) for name in PACK}
PLACE = "insightface/models/antelopev2"


def needs(site: Site, **include: bool) -> None:
    node = {"class_type": "InstantIDFaceAnalysis", "inputs": {"provider": "CPU"}}
    site.workflows.joinpath("w.json").write_text(json.dumps({"1": node}))
    site.manifest(include=include)


def on_hub(hub: Hub, repo: str, below: str, *names: str) -> None:
    files = {f"{below}{name}": FILES[name] for name in names}
    hub.add(repo, ()).files.update(
        {**files, f"{below}README.md": b"# A card", "antelopev2.zip": b"PK"}
    )


def test_a_pack_is_fetched_where_nodes_that_fetch_count(site: Site, hub: Hub) -> None:
    on_hub(hub, "maker/insightface", "models/antelopev2/", *PACK)
    needs(site)
    assert site.doit().returncode == 0
    assert site.files() == {}
    needs(site, optional=True)
    done = site.doit()
    if done.returncode:  # too little tells that the only place is the right one
        address = "https://huggingface.co/maker/insightface/tree/main/models/antelopev2"
        assert site.doit("pin", "antelopev2", address).returncode == 0
        done = site.doit()
    assert done.returncode == 0, done.stdout + done.stderr
    assert site.files() == {f"{PLACE}/{name}": sha256(FILES[name]) for name in PACK}
    assert site.doit().returncode == 0


def test_a_pack_that_lacks_a_file_is_completed(site: Site, hub: Hub) -> None:
    on_hub(hub, "maker/antelopev2", "", *PACK)
    needs(site, optional=True)
    for name in PACK[:3]:
        site.put("insightface", f"models/antelopev2/{name}", FILES[name])
    site.put("insightface", "models/antelopev2/mine.txt", b"of the user")
    site.manifest(include={"optional": True}, models={"insightface/models/antelopev2": {
        "url": "https://huggingface.co/maker/antelopev2"}})  # fmt: skip
    done = site.doit()
    assert done.returncode == 0, done.stdout + done.stderr
    expected = {f"{PLACE}/{name}": sha256(FILES[name]) for name in PACK}
    assert site.files() == {**expected, f"{PLACE}/mine.txt": sha256(b"of the user")}


def test_an_archive_is_no_pack(site: Site, hub: Hub) -> None:
    on_hub(hub, "maker/antelopev2", "", *PACK[:2])
    needs(site, optional=True)
    assert site.doit().returncode == 1
    assert site.files() == {}
