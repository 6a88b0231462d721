"""`relink`: what ComfyUI refuses is put right in a copy, or linked under the name that it has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from comfyfix.comfyui.loaders.table import built_in
from comfyfix.comfyui.references.lookup import Lookup
from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.comfyui.workflows.graph import NotAWorkflow
from comfyfix.disk.files import write_new
from comfyfix.screen.words import t
from comfyfix.stages.values import relink
from comfyfix.stages.values.relink import Finder
from tests.inprocess import InProcess

ODD = r"""{ "last_node_id":1.50e+2, "zeta" : {"keep":"SDXL\\x.safetensors"},
 "nodes":[{"id":1,"type":"CheckpointLoaderSimple", "title":"SDXL\\x.safetensors",
  "widgets_values":["SDXL\\x.safetensors"],"pos":[1e3, -0.0]},
  {"id":2,"type":"Note","widgets_values":["SDXL\\x.safetensors"]},
	{"id":3,"type":"VAELoader","widgets_values":["B\u00e4.pt"]}],
 "links":[],"extra":{"ds":{"scale":1.0000000000000002}}, "version":0.40 }
"""


@pytest.fixture
def site(inprocess: InProcess) -> InProcess:
    inprocess.put("checkpoints", "SDXL/x.safetensors", b"x")
    inprocess.put("vae", "bä.pt", b"y")
    return inprocess


def save(site: InProcess, name: str, value: Any) -> Path:
    path = site.workflows / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def loads(site: InProcess, *values: str) -> Path:
    """A workflow in API form that loads checkpoints by these values."""
    nodes = {
        str(number): {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": value}}
        for number, value in enumerate(values, 1)
    }
    return save(site, "w.json", nodes)


def rows(out: str) -> list[str]:
    """The files that `verify --store` tells, in an order of their own."""
    return sorted(line for line in out.splitlines() if line.startswith("  "))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_nothing_of_the_copy_differs_but_the_refused_values(
    encoding: str, ending: str, site: InProcess
) -> None:
    path = site.workflows / "odd.json"
    before = ODD.replace("\n", ending)
    path.write_bytes(before.encode(encoding))
    assert site.run("relink").code == 0
    copy = path.with_name("odd.relinked.json")
    values = r'"widgets_values":["SDXL\\x.safetensors"],"pos"'
    expected = before.replace(values, '"widgets_values":["SDXL/x.safetensors"],"pos"')
    assert copy.read_bytes() == expected.replace("B\\u00e4", "b\\u00e4").encode(encoding)
    assert path.read_bytes() == before.encode(encoding)
    assert site.run("scan", str(copy)).code == 0
    assert (
        t("{ready} ready, {lack} lack models", ready=1, lack=0) in site.run("scan", str(copy)).out
    )


def test_the_copy_is_not_scanned_beside_its_original_nor_ever_overwritten(
    site: InProcess,
) -> None:
    path = loads(site, "SDXL\\x.safetensors")
    assert site.run("relink").code == 0
    copy = path.with_name("w.relinked.json")
    rows = json.loads(site.run("scan", "--json").out)["references"]
    assert [row["workflow"] for row in rows] == ["w.json"]
    assert (
        t("{name} holds this already: open it in ComfyUI", name=copy.name) in site.run("relink").out
    )
    copy.write_text("mine")
    assert site.run("relink", str(path)).code == 0
    assert copy.read_text() == "mine"
    assert "SDXL/x" in path.with_name("w.relinked-2.json").read_text()
    assert len(list(site.workflows.iterdir())) == 3


@pytest.mark.parametrize(
    ("value", "instead"),
    [
        ("SDXL\\x.safetensors", "SDXL/x.safetensors"),
        ("./SDXL/x.safetensors", "SDXL/x.safetensors"),
        ("/SDXL/x.safetensors", "SDXL/x.safetensors"),
        ("a/../SDXL/x.safetensors", "SDXL/x.safetensors"),
        ("sdxl/X.safetensors", "SDXL/x.safetensors"),
        ("long_name.safetensors", "a/b/long_name.safetensors"),
        ("Long_Name.safetensors", "a/b/long_name.safetensors"),
        ("two_places.safetensors", None),
        ("absent.safetensors", ""),
        ("SDXL/x.safetensors", ""),
    ],
)
def test_each_value_is_put_right_where_one_file_is_meant(
    site: InProcess, value: str, instead: str | None
) -> None:
    for place in ("a/b/long_name", "a/two_places", "b/two_places"):
        site.put("checkpoints", f"{place}.safetensors", b"z")
    path = loads(site, value)
    done = site.run("relink", "--json")
    (told,) = json.loads(done.out)["workflows"] or [{"values": [], "left": []}]
    assert [row["instead"] for row in told["values"]] == ([instead] if instead else [])
    assert len(told["left"]) == (instead is None)
    assert done.code == (instead is None)
    assert path.with_name("w.relinked.json").exists() is bool(instead)


def test_values_of_hosts_primitives_and_rows_are_replaced_where_they_stand(
    site: InProcess,
) -> None:
    inner = {
        "id": "aaaa", "name": "s", "inputs": [{"name": "ckpt_name", "linkIds": [7]}],
        "outputs": [], "links": [[7, -10, 0, 5, 0, "COMBO"]],
        "nodes": [{
            "id": 5, "type": "CheckpointLoaderSimple", "widgets_values": ["gone.pt"],
            "inputs": [{"name": "ckpt_name", "widget": {"name": "ckpt_name"}, "link": 7}],
        }],
    }  # fmt: skip
    fed = {"name": "vae_name", "widget": {"name": "vae_name"}, "link": 9}
    graph = {
        "nodes": [
            {"id": 1, "type": "aaaa", "widgets_values": ["SDXL\\x.safetensors"]},
            {"id": 2, "type": "PrimitiveNode", "widgets_values": ["./bä.pt", "fixed"]},
            {"id": 3, "type": "VAELoader", "widgets_values": ["stale.pt"], "inputs": [fed]},
        ],
        "links": [[9, 2, 0, 3, 0, "COMBO"]],
        "definitions": {"subgraphs": [inner]},
    }
    path = save(site, "w.json", graph)
    assert site.run("relink").code == 0
    told = json.loads(path.with_name("w.relinked.json").read_text())
    graph["nodes"][0]["widgets_values"] = ["SDXL/x.safetensors"]  # type: ignore[index]
    graph["nodes"][1]["widgets_values"] = ["bä.pt", "fixed"]  # type: ignore[index]
    assert told == graph


def test_a_text_that_others_need_as_it_is_stays(site: InProcess) -> None:
    site.put("vae", "SDXL\\x.safetensors", b"literally so")
    nodes = {
        "p": {"class_type": "PrimitiveString", "inputs": {"value": "SDXL\\x.safetensors"}},
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": ["p", 0]}},
        "2": {"class_type": "VAELoader", "inputs": {"vae_name": ["p", 0]}},
    }
    path = save(site, "w.json", nodes)
    done = site.run("relink")
    assert done.code == 1
    assert t("the same text serves other nodes") in done.out
    assert not path.with_name("w.relinked.json").exists()


def test_a_picture_is_told_to_be_saved_in_comfyui(site: InProcess) -> None:
    info = PngInfo()
    nodes = {"1": {"class_type": "VAELoader", "inputs": {"vae_name": "./bä.pt"}}}
    info.add_text("prompt", json.dumps(nodes))
    path = site.workflows / "p.png"
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    before = path.read_bytes()
    done = site.run("relink", str(path))
    assert done.code == 1
    assert t("open it in ComfyUI, save the workflow, and name that file") in done.out
    assert path.read_bytes() == before
    assert list(site.workflows.iterdir()) == [path]


def test_a_dry_run_writes_nothing(site: InProcess) -> None:
    path = loads(site, "SDXL\\x.safetensors")
    for option in ("", "--link"):
        done = site.run("relink", "--dry-run", *filter(None, [option]))
        assert done.code == 0
        assert t("Nothing was written") in done.out
        assert list(site.workflows.iterdir()) == [path]
        assert list(site.files()) == ["checkpoints/SDXL/x.safetensors", "vae/bä.pt"]
    assert not (site.output / "links.json").exists()


def test_links_make_a_workflow_ready_and_are_no_models_of_their_own(site: InProcess) -> None:
    site.put("checkpoints", "a/b/long_name.safetensors", b"z")
    loads(
        site, "SDXL\\x.safetensors", "long_name.safetensors", "./SDXL/x.safetensors",
        "sdxl/x.safetensors", "a/b/long_name.safetensors",
    )  # fmt: skip
    before = site.run("verify", "--store").out
    done = site.run("relink", "--link")
    assert done.code == 1  # ./x is no name of a file
    checkpoints = site.models / "checkpoints"
    made = {path.relative_to(checkpoints).as_posix() for path in checkpoints.rglob("*")}
    links = {"SDXL\\x.safetensors", "long_name.safetensors", "sdxl/x.safetensors"}
    assert {name for name in made if (checkpoints / name).is_symlink()} == links
    assert rows(site.run("verify", "--store").out) == rows(before)
    loads(site, *links, "a/b/long_name.safetensors", "SDXL/x.safetensors")
    assert t("{ready} ready, {lack} lack models", ready=1, lack=0) in site.run("scan").out
    plan = site.project().plan
    assert {item.model.path for item in plan.present} == {
        "SDXL/x.safetensors", "a/b/long_name.safetensors",
    }  # fmt: skip
    assert not plan.models
    listed = json.loads(site.run("relink", "--list", "--json").out)["links"]
    assert [row["state"] for row in listed] == ["ours"] * 3
    (checkpoints / "long_name.safetensors").unlink()
    (checkpoints / "long_name.safetensors").write_bytes(b"mine")
    assert site.run("relink", "--undo").code == 0
    assert (checkpoints / "long_name.safetensors").read_bytes() == b"mine"
    assert {path.name for path in checkpoints.rglob("*") if path.is_symlink()} == set()
    assert not (checkpoints / "sdxl").exists()
    assert (checkpoints / "SDXL" / "x.safetensors").read_bytes() == b"x"


def directories(site: InProcess) -> None:
    site.put("diffusers", "Sdxl-Base/model_index.json", b"{}")
    site.put("diffusers", "Sdxl-Base/unet/model.safetensors", b"u")
    site.put("diffusers", "sub/deep/model_index.json", b"{}")
    site.put("diffusion_models", "svdq-int4/a.safetensors", b"a")
    site.put("diffusion_models", "Two/a.safetensors", b"a")
    site.put("diffusion_models", "tWo/a.safetensors", b"a")


def nodes(site: InProcess, kind: str, *values: str) -> Path:
    inputs = [{"class_type": kind, "inputs": {"model_path": value}} for value in values]
    return save(site, "w.json", dict(enumerate(inputs)))


@pytest.mark.parametrize(
    ("kind", "value", "instead", "linked"),
    [
        ("DiffusersLoader", "sdxl-base", "Sdxl-Base", True),
        ("DiffusersLoader", "./Sdxl-Base", "Sdxl-Base", False),
        ("DiffusersLoader", "/Sdxl-Base", "Sdxl-Base", False),
        ("DiffusersLoader", "Sdxl-Base/", "Sdxl-Base", False),
        ("DiffusersLoader", "Sdxl-Base ", "Sdxl-Base", False),
        ("DiffusersLoader", "x/../Sdxl-Base", "Sdxl-Base", False),
        ("DiffusersLoader", "sub\\deep", "sub/deep", True),
        ("DiffusersLoader", "SUB/Deep", "sub/deep", True),
        ("NunchakuFluxDiTLoader", "SVDQ-int4", "svdq-int4", True),
        ("NunchakuFluxDiTLoader", "svdq-int4", "", False),
        ("NunchakuFluxDiTLoader", "absent", "", False),
        ("NunchakuFluxDiTLoader", "two", None, False),
    ],
)
def test_a_directory_is_put_right_or_linked_as_a_file_is(
    site: InProcess, kind: str, value: str, instead: str | None, linked: bool
) -> None:
    directories(site)
    nodes(site, kind, value)
    store = rows(site.run("verify", "--store").out)
    copied = json.loads(site.run("relink", "--dry-run", "--json").out)["workflows"]
    (told,) = copied or [{"values": [], "left": []}]
    assert [row["instead"] for row in told["values"]] == ([instead] if instead else [])
    assert len(told["left"]) == (instead is None)
    done = site.run("relink", "--link")
    made = [path for path in site.models.rglob("*") if path.is_symlink()]
    if not linked:
        assert not made
        assert done.code == int(instead != ""), done
        if instead:
            assert t("run `doit relink` without `--link`") in done.out, done
        return
    assert done.code == 0, done
    [link] = made
    assert link.is_dir()
    assert t("{ready} ready, {lack} lack models", ready=1, lack=0) in site.run("scan").out
    assert rows(site.run("verify", "--store").out) == store
    assert site.run("relink", "--dry-run").out.startswith(t("Nothing to put right"))
    assert site.run("relink", "--undo").code == 0
    assert not [path for path in site.models.rglob("*") if path.is_symlink()]
    assert site.files().keys() >= {"diffusers/Sdxl-Base/unet/model.safetensors"}


def test_what_a_linked_directory_holds_is_known_by_its_own_place(site: InProcess) -> None:
    directories(site)
    site.put("diffusers", "Sdxl-Base/rare_thing.safetensors", b"r")
    nodes(site, "DiffusersLoader", "sdxl-base", "sub\\deep")
    assert site.run("relink", "--link").code == 0
    folders = site.project().folders
    index = StoreIndex(folders.roots(), folders.links)
    assert index.named("rare_thing.safetensors") == [
        str(site.models / "diffusers" / "Sdxl-Base" / "rare_thing.safetensors")
    ]


@pytest.mark.parametrize(
    "value", ["SDXL/x.safetensors ", " SDXL/x.safetensors", "SDXL /x.safetensors\n"]
)
def test_blanks_around_a_name_are_put_right_in_a_copy(site: InProcess, value: str) -> None:
    path = loads(site, value)
    assert site.run("relink", "--link").code == 1
    assert site.run("relink").code == 0
    copy = json.loads(path.with_name("w.relinked.json").read_text())
    assert copy["1"]["inputs"]["ckpt_name"] == "SDXL/x.safetensors"


def test_what_has_changed_since_it_was_scanned_is_told(site: InProcess) -> None:
    path = loads(site, "SDXL\\x.safetensors")
    finder = Finder(Lookup(site.project().folders), StoreIndex([]))
    path.write_text('{"1": {"class_type": "CheckpointLoaderSimple", "inputs": ')
    with pytest.raises(NotAWorkflow):
        relink.copy_of(str(path), "w.json", built_in(), finder)
    with pytest.raises(FileExistsError):
        write_new(path, b"over", mode=0o644)
    assert path.read_text().endswith('"inputs": ')


def test_what_is_no_workflow_is_told(site: InProcess) -> None:
    path = save(site, "broken.json", '{"nodes": [')
    done = site.run("relink", str(path))
    assert done.code == 1
    assert "broken.json" in done.out
    absent = site.run("relink", "absent.json")
    assert absent.code == 3
    assert t("{path} does not exist", path="absent.json") in absent.err
    assert site.run("relink", "--undo", "w.json").code == 3
