"""Addresses written back: official templates whose `properties.models` are taken out, and embedded.

What comes back is held against what the publisher wrote, and each file against its bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import comfyui_workflow_templates_json as templates
import pytest

from comfyfix.comfyui.workflows import marked
from comfyfix.comfyui.workflows.marked import MarkedDict, Span
from comfyfix.demo.hub import Hub
from tests.inprocess import InProcess

TEMPLATES = Path(templates.__path__[0]) / "templates"


def nodes(value: Any) -> Iterator[MarkedDict]:
    for level in (value, *value.get("definitions", {}).get("subgraphs", [])):
        yield from level["nodes"]


def stripped(data: bytes) -> bytes:
    """A workflow without what its nodes tell of models, and without the comma before that."""
    text = data.decode()
    value = marked.decode(text)
    gone: dict[Span, str] = {}
    for node in nodes(value):
        properties = node.get("properties")
        if not properties or "models" not in properties:
            continue
        spans = properties.members
        keys = [text[slice(*key)] for key, _ in properties.places]
        number = keys.index('"models"')
        if number:
            gone[spans[number - 1][1], spans[number][1]] = ""
        elif len(spans) > 1:
            gone[spans[0][0], spans[1][0]] = ""
        else:
            gone[spans[0]] = ""
    return marked.rewritten(text, gone).encode()


def told(value: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """What each node tells of its models, by the node's place among all."""
    for number, node in enumerate(nodes(value)):
        for entry in (node.get("properties") or {}).get("models") or []:
            yield f"{number}", entry


def is_read(entry: Any) -> bool:
    """Tell what the frontend takes for an entry: four texts, and the directory, and an address."""
    texts = ("name", "url", "hash", "hash_type", "directory")
    whole = isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in texts)
    return whole and urlsplit(entry["url"]).scheme == "https"


def workflows(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*.json")):
        data = path.read_bytes()
        value = json.loads(data)
        if isinstance(value, dict) and isinstance(value.get("nodes"), list):
            yield "-".join(path.relative_to(folder).parts), data


def hold(site: InProcess, hub: Hub, folder: Path) -> None:
    """Embed what was taken out of all workflows of a folder, and compare."""
    before: dict[str, bytes] = {}
    for name, data in workflows(folder):
        before[name] = data
        for _, entry in told(json.loads(data)):
            hub.add_url(entry["url"])
        (site.workflows / name).write_bytes(stripped(data))
    done = site.run("embed", "--json")
    assert done.code in (0, 1), done.err
    lost = []
    for name, data in before.items():
        plain = (site.workflows / name).read_bytes()
        assert plain == stripped(data)
        copy = site.workflows / f"{name.removesuffix('.json')}.comfyfix.json"
        made = copy.read_bytes() if copy.exists() else plain
        assert stripped(made) == plain, name
        known = {(at, e["name"], e["directory"]): e for at, e in told(json.loads(made))}
        assert all(is_read(entry) for entry in known.values())
        for at, entry in told(json.loads(data)):
            found = known.get((at, entry["name"], entry["directory"]))
            if found is None or not holds(hub, found):
                lost.append((name, at, entry["name"]))
    assert not lost


def holds(hub: Hub, entry: dict[str, str]) -> bool:
    """Tell whether the hub has, at an address, what is told of it (copies of one file are one)."""
    repo, _, rest = urlsplit(entry["url"]).path.removeprefix("/").partition("/resolve/")
    commit, _, path = rest.partition("/")
    held = hub.repositories[repo]
    return commit == held.commit and entry["hash"] == held.files.summary(unquote(path))[0]


@pytest.mark.soak  # hundreds of workflows
def test_of_all_official_templates(inprocess: InProcess, hub: Hub) -> None:
    hold(inprocess, hub, TEMPLATES)


@pytest.mark.soak
def test_of_the_official_templates_of_the_corpus(
    inprocess: InProcess, hub: Hub, corpus: Path
) -> None:
    hold(inprocess, hub, corpus / "workflows" / "official")
