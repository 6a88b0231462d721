"""The catalogues: which lists are read, and which file of a name a place means."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix.comfyui.store import folders
from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.net.http import Web
from comfyfix.providers import manager_lists
from comfyfix.providers.manager_lists import Entry
from comfyfix.records import Candidate, Model, Rejected, because
from comfyfix.settings.manifest import Endpoints, Manifest
from comfyfix.sources import catalog
from comfyfix.sources.base import Doubtful, Finding, Services, Wanted
from comfyfix.state.layout import Layout
from comfyfix.why import Why

NAME = "harbor_light.safetensors"
COMMON = "diffusion_pytorch_model.safetensors"
HUB = "https://huggingface.co"
NEW = "ComfyUI/.venv/lib/python3.12/site-packages/comfyui_manager/model-list.json"


def told(path: str, url: str, **more: Any) -> dict[str, Any]:
    """One entry, as the list has them."""
    folder, _, name = path.rpartition("/")
    return {
        "name": "x", "type": "controlnet", "base": "SDXL", "save_path": folder, "filename": name,
        "description": "x", "reference": HUB, "url": url, "size": "1.2GB", **more,
    }  # fmt: skip


def keep(root: Path, place: str, *entries: object) -> Path:
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"models": entries}))
    return path


def listed(root: Path) -> list[Entry]:
    (root / "ComfyUI" / "models").mkdir(parents=True, exist_ok=True)
    return list(manager_lists.entries(folders.read(root / "ComfyUI", [], None)))


@pytest.mark.parametrize(
    "place",
    [
        "ComfyUI/custom_nodes/ComfyUI-Manager/model-list.json",
        "ComfyUI/custom_nodes/comfyui-manager-main/model-list.json",
        "ComfyUI/custom_nodes/ComfyUI-Manager/.cache/77_model-list.json",
        "ComfyUI/user/__manager/cache/1514988643_model-list.json",
        "ComfyUI/user/default/ComfyUI-Manager/cache/1514988643_model-list.json.json",
        NEW,
        "ComfyUI/venv/Lib/site-packages/comfyui_manager/model-list.json",
        "python_embeded/Lib/site-packages/comfyui_manager/model-list.json",
    ],
)
def test_the_list_is_found_wherever_a_manager_keeps_it(tmp_path: Path, place: str) -> None:
    keep(tmp_path, place, told(f"loras/SDXL/{NAME}", f"{HUB}/a/b/resolve/main/x"))
    assert listed(tmp_path) == [Entry(f"loras/SDXL/{NAME}", f"{HUB}/a/b/resolve/main/x")]


def test_packs_may_lie_where_extra_model_paths_says(tmp_path: Path) -> None:
    keep(tmp_path, "nodes/ComfyUI-Manager/model-list.json", told(f"loras/{NAME}", f"{HUB}/x"))
    (tmp_path / "ComfyUI").mkdir()
    extra = tmp_path / "ComfyUI" / "extra_model_paths.yaml"
    extra.write_text(f"mine: {{custom_nodes: {tmp_path}/nodes}}\n")
    assert listed(tmp_path) == [Entry(f"loras/{NAME}", f"{HUB}/x")]


def test_of_one_place_the_newest_list_counts(tmp_path: Path) -> None:
    old = keep(tmp_path, NEW, told(f"loras/{NAME}", f"{HUB}/old/x"), told("loras/b", f"{HUB}/b"))
    keep(
        tmp_path,
        "ComfyUI/user/__manager/cache/1_model-list.json",
        told(f"loras/{NAME}", HUB + "/new"),
    )
    os.utime(old, (1, 1))
    assert listed(tmp_path) == [Entry(f"loras/{NAME}", f"{HUB}/new"), Entry("loras/b", f"{HUB}/b")]


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        (told("x", f"{HUB}/x", save_path="default", type="T2I-Adapter"), "controlnet/x"),
        (told("x", f"{HUB}/x", save_path="default", type="text_encoders"), "text_encoders/x"),
        (told("x", f"{HUB}/x", save_path="default", type="deepbump"), None),
        (told("x", f"{HUB}/x", save_path="default", type=None), None),
        (told("controlnet/SD3/x/", f"{HUB}/x", filename="y"), "controlnet/SD3/x/y"),
        (told("x", f"{HUB}/x", save_path="vae\\kolors"), "vae/kolors/x"),
        (told("../../etc/x", f"{HUB}/x"), None),
        (told("loras/x", f"{HUB}/x", filename="../x"), None),
        (told("loras/x", "owner/name", filename="<huggingface>"), None),
        (told("loras/x", "http://example.org/x"), None),
        ({**told("loras/x", ""), "url": 7}, None),
        ({"filename": "x"}, None),
        ("x", None),
    ],
)
def test_an_entry_is_read_as_the_manager_reads_it(
    tmp_path: Path, entry: object, place: str | None
) -> None:
    keep(tmp_path, NEW, entry, told(f"loras/{NAME}", f"{HUB}/y"))
    assert [e.place for e in listed(tmp_path)] == [*([place] if place else []), f"loras/{NAME}"]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"models": 7}', b"[" * 100_000, b"\xff\xfe"])
def test_a_broken_list_is_none(tmp_path: Path, data: bytes) -> None:
    keep(tmp_path, NEW).write_bytes(data)
    assert listed(tmp_path) == []
    keep(tmp_path, NEW).write_bytes(
        b"\xef\xbb\xbf" + json.dumps({"models": [told("a/b", HUB + "/x")]}).encode()
    )
    assert [e.place for e in listed(tmp_path)] == ["a/b"]


def test_a_pipe_and_an_endless_list_are_none(tmp_path: Path) -> None:
    path = keep(tmp_path, NEW)
    path.unlink()
    os.mkfifo(path)
    large = keep(tmp_path, "ComfyUI/user/__manager/cache/1_model-list.json")
    os.truncate(large, 20_000_000)
    assert listed(tmp_path) == []


@settings(max_examples=60)
@given(
    st.recursive(
        st.none() | st.text(max_size=5) | st.integers(),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(
                st.sampled_from(["models", "filename", "url", "save_path", "type"]), x, max_size=4
            )
        ),
    )
)
def test_any_list_at_all_is_read(tmp_path_factory: Any, value: Any) -> None:
    root = tmp_path_factory.getbasetemp() / "lists"
    keep(root, NEW).write_text(json.dumps({"models": value}))
    assert all(e.place and e.url.startswith("https://") for e in listed(root))


@pytest.fixture
def services(tmp_path: Path, hub: Hub) -> Services:
    (tmp_path / "ComfyUI" / "models").mkdir(parents=True)
    return Services(
        manifest=Manifest(
            comfyui=str(tmp_path / "ComfyUI"),
            endpoints=Endpoints(huggingface=hub.url, civitai=hub.url, openmodeldb=hub.url),
        ),
        folders=folders.read(tmp_path / "ComfyUI", [], None),
        layout=Layout(tmp_path / "output"),
        web=Web({}, wait=lambda _: None, direct=True),
        tokens={},
    )


def publish(hub: Hub, root: Path, *places: str) -> None:
    """Files of their own content, a repository each, and the list that names them."""
    entries = []
    for number, place in enumerate(places):
        name = place.rpartition("/")[2]
        hub.add(f"maker/m{number}", []).files[name] = file_for(name, seed=place)
        entries.append(told(place, f"{HUB}/maker/m{number}/resolve/main/{name}"))
    keep(root, NEW, *entries)


def find(services: Services, folder: str, path: str) -> list[Finding]:
    return list(catalog.find(Wanted(model=Model(folder=folder, path=path)), services))


def found(findings: list[Finding]) -> set[str | None]:
    return {f.sha256 for f in findings if isinstance(f, Candidate)}


def test_the_log_keeps_what_was_asked_and_what_came_of_it(
    services: Services, hub: Hub, tmp_path: Path
) -> None:
    publish(hub, tmp_path, f"vae/{NAME}")
    (finding,) = find(services, "vae", NAME)
    assert isinstance(finding, Candidate)
    lines = [json.loads(line) for line in services.layout.search_log.read_text().splitlines()]
    answers = [json.loads(line["answer"]) for line in lines]
    assert [line["query"] for line in lines] == [NAME, f"{HUB}/maker/m0/resolve/main/{NAME}"]
    assert answers[0] == {"addresses": 1}
    assert (answers[1]["found"], answers[1]["sha256"]) == (finding.url, finding.sha256)


@pytest.mark.parametrize(
    ("place", "folder", "path"),
    [
        (f"controlnet/SD3/canny/{COMMON}", "controlnet", f"SD3/canny/{COMMON}"),
        (f"t2i_adapter/x/{NAME}", "controlnet", f"x/{NAME}"),
        (f"unet/flux/{NAME}", "diffusion_models", f"flux/{NAME}"),
        (f"clip/{NAME}", "text_encoders", NAME),
        ("ultralytics/bbox/face.pt", "ultralytics_bbox", "face.pt"),
        ("ultralytics/bbox/face.pt", "ultralytics", "bbox/face.pt"),
        (f"insightface/models/antelopev2/{NAME}", "insightface", f"models/antelopev2/{NAME}"),
    ],
)
def test_folder_and_subfolder_say_which_file_is_meant(
    services: Services, hub: Hub, tmp_path: Path, place: str, folder: str, path: str
) -> None:
    name = place.rpartition("/")[2]
    publish(
        hub,
        tmp_path,
        f"controlnet/SD3/pose/{name}",
        place,
        f"{place.partition('/')[0]}/{name}/{name}",
    )
    findings = find(services, folder, path)
    assert found(findings) == {sha256(file_for(name, seed=place))}
    others = [f for f in findings if isinstance(f, Rejected)]
    assert [o.reason for o in others][:1] == [
        because(Why.CATALOGUE_FOLDER, folder="controlnet/SD3/pose")
    ]


def test_a_name_without_its_subfolder_is_all_that_bear_it(
    services: Services, hub: Hub, tmp_path: Path
) -> None:
    publish(hub, tmp_path, f"controlnet/a/{COMMON}", f"controlnet/b/{COMMON}", f"loras/sdxl/{NAME}")
    assert len(found(find(services, "controlnet", COMMON))) == 2
    assert len(found(find(services, "loras", NAME))) == 1
    assert len(found(find(services, "loras", f"mine/{NAME}"))) == 1
    assert found(find(services, "vae", NAME)) == set()


def test_a_common_name_of_another_subfolder_is_in_doubt(
    services: Services, hub: Hub, tmp_path: Path
) -> None:
    publish(hub, tmp_path, f"vae/kolors/{COMMON}")
    (doubtful,) = find(services, "vae", f"sdxl/{COMMON}")
    assert isinstance(doubtful, Doubtful)
    assert len(found(find(services, "vae", f"kolors/{COMMON}"))) == 1
