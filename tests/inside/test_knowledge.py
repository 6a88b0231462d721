"""Which folder a model belongs to, from the user's own installation: through real `doit scan`."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.why import Why
from tests.rig import Site
from tests.unit.pack_sources import lay_out


def scanned(site: Site, *nodes: tuple[str, str]) -> tuple[dict[str, str | None], str]:
    """The folder of each value, as `doit scan --json` tells it, and what it warns of."""
    graph = {
        "nodes": [
            {"id": number, "type": kind, "widgets_values": [value]}
            for number, (kind, value) in enumerate(nodes)
        ],
        "links": [],
    }
    (site.workflows / "w.json").write_text(json.dumps(graph))
    done = site.doit("scan", "--json")
    assert done.returncode == 0, done.stderr
    return {
        row["value"]: row["folder"] for row in json.loads(done.stdout)["references"]
    }, done.stderr


@contextmanager
def comfyui(told: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """A running ComfyUI that answers these paths, and the paths that it was asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            asked.append(self.path)
            value = told.get(self.path)
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(200 if self.path in told else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


def test_packs_of_the_user_are_believed_before_the_table(site: Site) -> None:
    assert scanned(site, ("My Loader", "m.pth"))[0] == {"m.pth": None}
    lay_out(site.comfyui)
    pack = site.comfyui / "custom_nodes" / "mine.py"
    pack.write_text(
        "import folder_paths\n"
        "class VAELoader:\n"
        "    @classmethod\n"
        "    def INPUT_TYPES(s):\n"
        "        return {'required': {'name': (folder_paths.get_filename_list('mine'),)}}\n"
        "NODE_CLASS_MAPPINGS = {'My Loader': VAELoader}\n"
        "folder_paths.add_model_folder_path('mine', folder_paths.models_dir + '/of/mine')\n"
    )
    got, _ = scanned(site, ("My Loader", "m.pth"), ("VAELoader", "v.pth"))
    assert got == {"m.pth": "mine", "v.pth": "vae"}
    own = site.models / "of" / "mine" / "m.pth"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"x")
    rows = json.loads(site.doit("scan", "--json").stdout)["references"]
    assert {row["value"]: row["present"] for row in rows} == {"m.pth": True, "v.pth": False}


def test_a_running_comfyui_tells_what_no_source_does(site: Site) -> None:
    loras = ["None", "a.safetensors", "sub/b.safetensors"]
    told = {
        "/experiment/models": b"<html>",
        "/models": ["loras", "vae", "embeddings"],
        "/models/loras": ["a.safetensors", "sub\\b.safetensors"],
        "/models/vae": ["v.safetensors", "twin.safetensors"],
        "/models/embeddings": ["twin.safetensors", "e.pt"],
        "/object_info": {
            "Compiled": {"input": {"required": {"x": [loras]}}},
            "Newer": {"input": {"optional": {"y": ["COMBO", {"options": ["v.safetensors"]}]}}},
            "Either": {"input": {"required": {"z": [["twin.safetensors"]]}}},
            "Odd": {"input": 5},
        },
    }
    nodes = (("Compiled", "new.pth"), ("Newer", "w.pth"), ("Either", "t.pth"))
    with comfyui(told) as (url, asked):
        site.manifest(comfyui_url=url)
        for _ in range(2):
            assert scanned(site, *nodes)[0] == {"new.pth": "loras", "w.pth": "vae", "t.pth": None}
        assert asked.count("/object_info") == 1  # the second command knew


def test_a_running_comfyui_tells_directories_and_endings(site: Site, tmp_path: Path) -> None:
    shared, own = tmp_path / "shared", site.models / "of" / "packs"
    for place in (shared / "a.safetensors", own / "there.task", site.models / "loras" / "x.task"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x")
    told = {
        "/experiment/models": [
            {"name": "loras", "folders": ["/", str(shared), "C:\\x"], "extensions": [".pt"]},
            {"name": "packs", "folders": [str(own)], "extensions": [".task"]},
            {"name": "unet_gguf", "folders": [], "extensions": [".gguf"]},
            {"name": "fonts", "folders": ["/usr/share/fonts"]},
            {"name": 5},
            "odd",
        ],
        "/models/loras": ["a.safetensors"],
        "/models/packs": ["there.task"],
        "/models/unet_gguf": ["q.gguf"],
        "/object_info": {
            "Compiled": {"input": {"required": {"x": [["a.safetensors"]]}}},
            "Packed": {"input": {"required": {"x": [["there.task"]]}}},
            "Quantised": {"input": {"required": {"x": [["q.gguf"]]}}},
        },
    }
    graph = {
        str(number): {"class_type": kind, "inputs": {"x": value}}
        for number, (kind, value) in enumerate(
            [
                ("Compiled", "a.safetensors"), ("Packed", "there.task"), ("Packed", "n.pt"),
                ("Quantised", "new.gguf"), ("Compiled", "x.task"),
            ]
        )
    }  # fmt: skip
    (site.workflows / "w.json").write_text(json.dumps(graph))
    with comfyui(told) as (url, asked):
        site.manifest(comfyui_url=url)
        for _ in range(2):
            done = site.doit("scan", "--json")
            rows = {row["value"]: row for row in json.loads(done.stdout)["references"]}
            assert {value: row["folder"] for value, row in rows.items()} == {
                "a.safetensors": "loras", "new.gguf": "diffusion_models", "n.pt": "packs",
                "there.task": "packs", "x.task": "loras",
            }  # fmt: skip
            there = {value for value, row in rows.items() if row["present"]}
            assert there == {"a.safetensors", "there.task"}
    assert "/models" not in asked


def test_a_comfyui_that_does_not_answer_is_a_warning(site: Site) -> None:
    with comfyui({"/models": b"<html>"}) as (url, _):
        site.manifest(comfyui_url=url)
        got, warned = scanned(site, ("VAELoader", "v.pth"))
        assert got == {"v.pth": "vae"}
        told = because(Why.COMFYUI_UNASKED, url=url, cause="")
        assert f"! {words.sentence(told)}" in warned
    warned = scanned(site, ("VAELoader", "v.pth"))[1]
    told = because(Why.COMFYUI_UNASKED, url=url, cause=because(Why.CONNECTION_REFUSED))
    assert f"! {words.sentence(told)}" in warned
    assert "Traceback" not in warned


def test_an_address_of_comfyui_that_is_none_names_its_line(site: Site) -> None:
    site.manifest(comfyui_url="file:///etc/passwd")
    done = site.doit("scan")
    assert done.returncode == 3
    assert "comfyui_url" in done.stderr
