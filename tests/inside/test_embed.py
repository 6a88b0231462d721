"""`embed`: where models are had, written into the workflows that name them."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.disk import in_place, temporary
from comfyfix.screen.words import t
from tests.inprocess import InProcess


class Killed(BaseException):
    """The process ends here."""


REPO = "studio/detail-models"
NAME = "moonlit_detail_v2.safetensors"
DIGEST = sha256(file_for(NAME))
ODD = """{ "last_node_id":1.50e+2, "zeta" : {"keep":"%s"},
 "nodes":[
  {
    "id":1,"type":"LoraLoaderModelOnly",
    "properties": {
      "Node name for S&R": "LoraLoaderModelOnly",
      "ver": "0.3.0"
    },
    "widgets_values":["%s", 1e0],"pos":[1e3, -0.0]},
  {"id":2,"type":"Note","widgets_values":["B\\u00e4"]},
	{"id":3,"type":"LoraLoaderModelOnly","properties":{},"widgets_values":["%s",1]},
  {"id":4,"type":"LoraLoaderModelOnly","widgets_values":["%s",1]}],
 "links":[],"extra":{"ds":{"scale":1.0000000000000002}}, "version":0.40 }
""" % ((NAME,) * 4)


@pytest.fixture
def site(inprocess: InProcess, hub: Hub) -> InProcess:
    hub.add(REPO, [f"loras/{NAME}"])
    return inprocess


def save(site: InProcess, value: Any, name: str = "w.json") -> Path:
    path = site.workflows / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def loader(number: int = 1, value: str = NAME, **properties: Any) -> dict[str, Any]:
    return {
        "id": number,
        "type": "LoraLoaderModelOnly",
        "properties": properties,
        "widgets_values": [value, 1],
    }


def graph(*nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"nodes": list(nodes), "links": [], "version": 0.4, **more}


def address(hub: Hub, repo: str = REPO, path: str = f"loras/{NAME}") -> str:
    return f"https://huggingface.co/{repo}/resolve/{hub.repositories[repo].commit}/{path}"


def entry(hub: Hub, **changed: str) -> dict[str, str]:
    return {
        "name": NAME,
        "url": address(hub),
        "hash": DIGEST,
        "hash_type": "SHA256",
        "directory": "loras",
        **changed,
    }


def copy_of(path: Path) -> Any:
    return json.loads(path.with_name(f"{path.stem}.comfyfix.json").read_bytes())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_nothing_of_the_copy_differs_but_what_was_added(
    encoding: str, ending: str, site: InProcess, hub: Hub
) -> None:
    path = site.workflows / "odd.json"
    path.write_bytes(ODD.replace("\n", ending).encode(encoding))
    done = site.run("embed")
    assert done.code == 0, done
    told = path.with_name("odd.comfyfix.json").read_bytes().decode(encoding)
    assert told.count(address(hub)) == 3
    lines = f""",
      "models": [
        {{
          "name": "{NAME}",
          "url": "{address(hub)}",
          "hash": "{DIGEST}",
          "hash_type": "SHA256",
          "directory": "loras"
        }}
      ]""".replace("\n", ending)
    assert lines in told
    rest = told.replace(lines, "").replace(
        f'"properties":{json.dumps({"models": [entry(hub)]}, separators=(",", ":"))}',
        '"properties":{}',
    )
    last = f'"widgets_values":["{NAME}",1]'
    assert rest == ODD.replace("\n", ending).replace(
        last + "}],\n".replace("\n", ending), last + ',"properties":{}}],' + ending
    )
    assert path.read_bytes() == ODD.replace("\n", ending).encode(encoding)


def test_what_a_file_here_is_decides_which_address_is_written(site: InProcess, hub: Hub) -> None:
    hub.add("other/detail", [NAME]).files[NAME] = file_for("other " + NAME)
    path = save(site, graph(loader()))
    assert site.run("embed").code == 1  # two contents, and nobody says which one is meant
    site.put("loras", NAME)
    assert site.run("embed").code == 0
    assert copy_of(path)["nodes"][0]["properties"]["models"] == [entry(hub)]
    path.with_name("w.comfyfix.json").unlink()
    site.put("loras", NAME, file_for("of nobody " + NAME))
    done = site.run("embed", "--json")
    (told,) = json.loads(done.out)["workflows"]
    assert done.code == 1
    assert told["written"] is None
    assert [row["value"] for row in told["left"]] == [NAME]
    assert list(site.workflows.iterdir()) == [path]


def test_an_author_entry_that_is_right_stays_and_gets_what_it_lacks(
    site: InProcess, hub: Hub
) -> None:
    main = f"https://huggingface.co/{REPO}/resolve/main/loras/{NAME}"
    old = {"note": "mine", "name": NAME, "url": main, "directory": "loras"}
    path = save(site, graph(loader(models=[old, {"name": "other.pt", "url": "x"}], ver="1")))
    assert site.run("embed").code == 0
    done = copy_of(path)["nodes"][0]["properties"]
    assert done["models"][0] == {**old, "hash": DIGEST, "hash_type": "SHA256"}
    assert done["models"][1] == {"name": "other.pt", "url": "x"}
    again = site.run("embed", str(path.with_name("w.comfyfix.json")))
    assert again.code == 0
    assert t("written: {name}", name="") not in again.out


@pytest.mark.parametrize(
    "url",
    [
        f"https://huggingface.co/{REPO}/resolve/main/gone/{NAME}",
        f"https://huggingface.co/{REPO}/resolve/main/loras/{NAME}?token=SECRET",
        f"https://me:SECRET@huggingface.co/{REPO}/resolve/main/loras/{NAME}",
        f"http://127.0.0.1:9/{NAME}",
        "",
        None,
    ],
)
def test_an_address_that_leads_nowhere_or_tells_a_secret_is_replaced(
    site: InProcess, hub: Hub, url: str | None
) -> None:
    path = save(site, graph(loader(models=[{"name": NAME, "url": url, "directory": "loras"}])))
    done = site.run("embed", "--json")
    assert done.code == 0, done
    assert copy_of(path)["nodes"][0]["properties"]["models"] == [entry(hub)]
    assert "SECRET" not in done.out + done.err


def test_what_the_author_says_against_it_is_left_and_told(site: InProcess, hub: Hub) -> None:
    main = f"https://huggingface.co/{REPO}/resolve/main/loras/{NAME}"
    told = {"name": NAME, "url": main, "hash": "0" * 64, "hash_type": "SHA256"}
    path = save(site, graph(loader(models=[told])))
    assert site.run("embed").code == 1
    assert list(site.workflows.iterdir()) == [path]


def test_each_node_that_holds_the_value_gets_it(site: InProcess, hub: Hub) -> None:
    def inner(number: int, value: str) -> dict[str, Any]:
        fed = {"name": "lora_name", "widget": {"name": "lora_name"}, "link": 7}
        return {**loader(number, value), "inputs": [fed]}

    definition = {
        "id": "aaaa", "name": "s", "inputs": [{"name": "lora_name", "linkIds": [7]}],
        "outputs": [], "links": [[7, -10, 0, 5, 0, "COMBO"]], "nodes": [inner(5, "stale.pt")],
    }  # fmt: skip
    host = {"id": 1, "type": "aaaa", "properties": {}, "widgets_values": [NAME]}
    primitive = {"id": 2, "type": "PrimitiveNode", "widgets_values": [NAME, "fixed"]}
    fed = {"name": "lora_name", "widget": {"name": "lora_name"}, "link": 9}
    path = save(
        site,
        graph(
            host,
            primitive,
            {**loader(3, "stale.pt"), "inputs": [fed]},
            links=[[9, 2, 0, 3, 0, "COMBO"]],
            definitions={"subgraphs": [definition]},
        ),
    )
    assert site.run("embed").code == 0
    done = copy_of(path)
    assert done["nodes"][0]["properties"]["models"] == [entry(hub)]
    assert done["nodes"][1]["properties"]["models"] == [entry(hub)]
    assert done["nodes"][2]["properties"] == {}
    definition["nodes"] = [inner(5, NAME)]  # the loader itself names it as well: it is the owner
    save(site, graph(host, definitions={"subgraphs": [definition]}), "v.json")
    assert site.run("embed", str(site.workflows / "v.json")).code == 0
    done = copy_of(site.workflows / "v.json")
    assert done["nodes"][0]["properties"] == {}
    (leaf,) = done["definitions"]["subgraphs"][0]["nodes"]
    assert leaf["properties"]["models"] == [entry(hub)]


def test_a_name_with_a_folder_is_told_as_the_frontend_compares_it(
    site: InProcess, hub: Hub
) -> None:
    value = f"SDXL\\{NAME}"
    path = save(site, graph({**loader(1, value), "mode": 4}))
    assert site.run("embed").code == 0
    assert copy_of(path)["nodes"][0]["properties"]["models"] == [entry(hub, name=value)]


def test_civitai_is_told_by_its_file(site: InProcess, hub: Hub) -> None:
    version = hub.add_civitai("Paper Lanterns", "paper_lanterns.safetensors")
    path = save(site, graph(loader(1, "paper_lanterns.safetensors")))
    assert site.run("embed", CIVITAI_TOKEN="secret-token-1234").code == 0
    (told,) = copy_of(path)["nodes"][0]["properties"]["models"]
    assert told["url"] == (
        f"https://civitai.com/api/download/models/{version.id}?fileId={version.file_id}"
    )
    assert told["hash"] == sha256(version.data)


def test_a_pin_of_the_users_own_is_not_told(site: InProcess, hub: Hub) -> None:
    hub.add("private/attic", ["odd/unheard_of_thing_q7.safetensors"])
    name = "unheard_of_thing_q7.safetensors"
    url = f"https://huggingface.co/private/attic/resolve/main/odd/{name}"
    site.manifest(models={name: {"url": url}}, search={"sources": ["workflow"]})
    path = save(site, graph(loader(1, name)))
    assert site.run("plan").code == 0
    done = site.run("embed", "--json")
    assert done.code == 1
    assert "private/attic" not in done.out
    assert list(site.workflows.iterdir()) == [path]


def test_a_private_repository_is_not_told(site: InProcess, hub: Hub) -> None:
    hub.repositories[REPO].private = True
    path = save(site, graph(loader()))
    done = site.run("embed", "--json")
    assert done.code == 1
    assert REPO not in done.out
    assert list(site.workflows.iterdir()) == [path]


def test_in_place_the_old_one_is_kept_with_mode_and_never_overwritten(
    site: InProcess, hub: Hub
) -> None:
    path = save(site, graph(loader()))
    before = path.read_bytes()
    path.chmod(0o640)
    site.workflows.joinpath("w.json.bak").write_text("mine")
    assert site.run("embed", "--in-place").code == 0
    assert json.loads(path.read_bytes())["nodes"][0]["properties"]["models"] == [entry(hub)]
    assert site.workflows.joinpath("w.json.bak").read_text() == "mine"
    kept = site.workflows / "w.json.bak-2"
    assert kept.read_bytes() == before
    assert {stat.S_IMODE(one.stat().st_mode) for one in (path, kept)} == {0o640}
    assert len(list(site.workflows.iterdir())) == 3
    after = path.stat()
    assert site.run("embed", "--in-place").code == 0  # nothing is lacking
    assert path.stat() == after


def test_in_place_links_are_refused(site: InProcess) -> None:
    path = save(site, graph(loader()), "real.txt")
    link = site.workflows / "w.json"
    link.symlink_to(path)
    assert site.run("embed", "--in-place").code == 1
    link.unlink()
    os.link(path, link)
    assert site.run("embed", "--in-place").code == 1
    assert json.loads(path.read_bytes()) == graph(loader())
    assert {one.name for one in site.workflows.iterdir()} == {"real.txt", "w.json"}


def test_a_file_that_changes_meanwhile_is_not_overwritten(site: InProcess, hub: Hub) -> None:
    path = save(site, graph(loader()))
    real = temporary.make
    calls: list[Path] = []

    def make(place: Path) -> tuple[int, str]:
        calls.append(place)
        if len(calls) == 2:
            path.write_text("saved by ComfyUI in between")
        return real(place)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(temporary, "make", make)
        done = site.run("embed", "--in-place")
    assert done.code == 1
    assert path.read_text() == "saved by ComfyUI in between"
    assert {one.name for one in site.workflows.iterdir()} == {"w.json", "w.json.bak"}


@pytest.mark.parametrize("at", range(1, 12))
def test_stopped_at_any_point_it_is_the_old_or_the_new_one(
    site: InProcess, hub: Hub, at: int
) -> None:
    """As a kill would leave it: each call into the system may be the last."""
    path = save(site, graph(loader()))
    before = path.read_bytes()
    left = [at]

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] <= 0:
                raise Killed
            return real(*given, **named)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "fchmod", "link", "unlink", "replace", "utime", "rename"):
            patch.setattr(os, name, dying(getattr(os, name)))
        with contextlib.suppress(Killed):
            in_place.replace(path, before, b"new")
    assert path.read_bytes() in (before, b"new")
    backup = path.with_name("w.json.bak")
    assert not backup.exists() or backup.read_bytes() == before
    assert path.read_bytes() == before or backup.exists()
    assert in_place.replace(path, path.read_bytes(), b"newer")
    assert path.read_bytes() == b"newer"


def test_what_has_no_place_for_it_is_told(site: InProcess) -> None:
    nodes = {"1": {"class_type": "LoraLoaderModelOnly", "inputs": {"lora_name": NAME}}}
    save(site, nodes, "api.json")
    info = PngInfo()
    info.add_text("workflow", json.dumps(graph(loader())))
    Image.new("RGB", (8, 8)).save(site.workflows / "p.png", pnginfo=info)
    save(site, graph({**loader(), "properties": []}), "odd.json")
    save(site, '{"nodes": [', "broken.json")
    before = {one: one.read_bytes() for one in site.workflows.iterdir()}
    for option in ((), ("--in-place",)):
        done = site.run("embed", "--json", *option)
        assert done.code == 1
        told = {row["workflow"]: row for row in json.loads(done.out)["workflows"]}
        assert all(row["problem"] or row["left"] for row in told.values())
        assert len(told) == 4
    assert {one: one.read_bytes() for one in site.workflows.iterdir()} == before
    assert site.run("embed", "absent.json").code == 3


def test_a_dry_run_writes_nothing_and_says_what_it_would(site: InProcess, hub: Hub) -> None:
    path = save(site, graph(loader()))
    for option in ((), ("--in-place",)):
        done = site.run("embed", "--dry-run", *option)
        assert done.code == 0
        assert address(hub) in done.out
        assert t("Nothing was written") in done.out
    assert list(site.workflows.iterdir()) == [path]


def test_a_copy_is_no_workflow_beside_its_original_and_none_is_overwritten(
    site: InProcess, hub: Hub
) -> None:
    path = save(site, graph(loader()))
    assert site.run("embed").code == 0
    copy = path.with_name("w.comfyfix.json")
    rows = json.loads(site.run("scan", "--json").out)["references"]
    assert [row["workflow"] for row in rows] == ["w.json"]
    assert t("{name} holds this already", name=copy.name) in site.run("embed").out
    copy.write_text("mine")
    assert site.run("embed").code == 0
    assert copy.read_text() == "mine"
    assert len(list(site.workflows.iterdir())) == 3


def test_a_token_of_the_author_is_not_in_the_copy(site: InProcess, hub: Hub) -> None:
    """Also where the model is not found, and where a name comes from another node."""
    place = "https://civitai.com/api/download/models/999"
    lost = {"name": "lost.safetensors", "url": f"{place}?type=Model&token=SECRET#x"}
    other = {"name": "other.pt", "url": "https://me:SECRET@host.example/other.pt?Api_Key=SECRET"}
    plain = {"name": "plain.pt", "url": "https://host.example/a?token_count=2&key=a/b"}
    path = save(
        site,
        graph(
            loader(), loader(2, "lost.safetensors", models=[lost]), loader(3, models=[other, plain])
        ),
    )
    before = path.read_bytes()
    done = site.run("embed")
    text = path.with_name("w.comfyfix.json").read_text()
    assert "SECRET" not in text + done.out + done.err
    nodes = json.loads(text)["nodes"]
    assert nodes[1]["properties"]["models"] == [{**lost, "url": f"{place}?type=Model#x"}]
    assert nodes[2]["properties"]["models"][:2] == [
        {**other, "url": "https://host.example/other.pt"},
        plain,
    ]
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o664])
@pytest.mark.parametrize("command", ["embed", "relink"])
def test_a_copy_is_for_whoever_may_read_its_original(
    site: InProcess, mode: int, command: str
) -> None:
    site.put("loras", "sub/near.safetensors")
    path = save(site, graph(loader(), loader(2, "near.safetensors")))
    path.chmod(mode)
    site.run(command)
    ending = "comfyfix" if command == "embed" else "relinked"
    assert stat.S_IMODE(path.with_name(f"w.{ending}.json").stat().st_mode) == mode
