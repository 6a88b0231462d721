"""What tests of Qwen share: services against a loopback hub, a model to look for, Qwen's words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from comfyfix.comfyui.store import folders
from comfyfix.demo.hub import Hub
from comfyfix.net.http import Web
from comfyfix.records import Model, Reference
from comfyfix.settings.manifest import Endpoints, Manifest, Qwen, Search
from comfyfix.sources.base import Services
from comfyfix.stages.needs.work import Pending, Planned
from comfyfix.state.layout import Layout

NAME = "moonlit_alley_style.safetensors"
HOME = "night-owl/odds-and-ends"
PATH = f"loras/{NAME}"
HONEST: dict[str, Any] = {"source": "huggingface", "repo": HOME, "path": PATH}
REMOTE = ("workflow", "huggingface", "civitai", "qwen")


def services(root: Path, hub: Hub, *, key: str = "", **qwen: Any) -> Services:
    """Services whose every endpoint is the hub; `key` is Qwen's."""
    (root / "ComfyUI" / "models").mkdir(parents=True, exist_ok=True)
    settings = {"base_url": f"{hub.url}/v1", "model": "q", "seconds": 30, **qwen}
    return Services(
        manifest=Manifest(
            comfyui=str(root / "ComfyUI"),
            search=Search(sources=REMOTE),
            endpoints=Endpoints(huggingface=hub.url, civitai=hub.url),
            qwen=Qwen(**settings),
        ),
        folders=folders.read(root / "ComfyUI", [], None),
        layout=Layout(root / "output"),
        web=Web({hub.url: "hf_canary"}, wait=lambda _: None, direct=True),
        tokens={"huggingface": "hf_canary", **({"qwen": key} if key else {})},
    )


def wanted(name: str = NAME, folder: str = "loras", **more: Any) -> Planned:
    """A model as the plan has it."""
    node = Reference(
        workflow="night.json",
        node_id="4",
        node_type="LoraLoader",
        input="lora_name",
        value=name,
        name=name,
        path=name,
        folder=folder,
    )
    return Planned(
        model=Model(folder=folder, path=name),
        number=1,
        task="x",
        location=f"/models/{folder}/{name}",
        pending=Pending.ABSENT,
        references=(node,),
        neighbours=("checkpoints/night_town.safetensors",),
        **more,
    )


def answer(*candidates: dict[str, Any], reason: str = "known") -> str:
    """Qwen's final text."""
    return json.dumps({"candidates": list(candidates), "reason": reason})


def says(*candidates: dict[str, Any]) -> dict[str, Any]:
    """The same as a message of a script."""
    return {"content": answer(*candidates)}


def told(hub: Hub) -> list[str]:
    """What the tools have answered in the newest question."""
    return [m["content"] for m in hub.chats.asked[-1]["messages"] if m["role"] == "tool"]
