"""Small workflows, made by hand: what a test says and nothing else."""

from __future__ import annotations

import json
from typing import Any

from comfyfix.comfyui.loaders.table import built_in
from comfyfix.comfyui.references.find import references
from comfyfix.comfyui.workflows.read import parse
from comfyfix.records import Reference

Json = dict[str, Any]


def node(number: int, kind: str, *values: Any, links: Json | None = None, **more: Any) -> Json:
    inputs = [
        {"name": name, "widget": {"name": name}, "link": link}
        for name, link in (links or {}).items()
    ]
    return {"id": number, "type": kind, "inputs": inputs, "widgets_values": [*values], **more}


def vae(number: int, value: Any, link: int | None = None, **more: Any) -> Json:
    return node(number, "VAELoader", value, links={"vae_name": link}, **more)


def ui(*nodes: Json, links: Any = (), subgraphs: Any = (), **more: Any) -> Json:
    definitions = {"subgraphs": [*subgraphs]}
    return {"nodes": [*nodes], "links": [*links], "definitions": definitions, **more}


def subgraph(name: str, inputs: list[str], *nodes: Json, links: Any = ()) -> Json:
    ports = [{"name": port} for port in inputs]
    return {"id": name, "inputs": ports, "nodes": [*nodes], "links": [*links]}


def link(number: int, origin: int, slot: int, target: int, target_slot: int = 0) -> Json:
    ends = {"origin_id": origin, "origin_slot": slot, "target_id": target}
    return {"id": number, **ends, "target_slot": target_slot}


def found(value: Any) -> list[Reference]:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return references(parse(data), "w", built_in())


def paths(value: Any) -> list[str]:
    return [reference.path for reference in found(value) if reference.active]
