"""The forms of other tools' files, each told by what it holds; a value may be of any kind.

- comfy-pack (bentoml): a snapshot of ComfyUI-Manager with `models`, each with its `filename` below
  ComfyUI, `sha256` and `source`;
- comfy-cli: comfy-lock.yaml, `models` with `paths`, `url`, and a hash or several; and what it
  builds from, whose `models` have the folder as `type`, `filename`, `sha256` and `sourceUri`;
- comfyui-api (SaladTechnologies): a manifest whose `models` are lists of `url` and `local_path`;
- ComfyUI-Manager: a snapshot, which pins node packs and no models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from comfyfix.comfyui.manifests.listing import Listed, Listing
from comfyfix.loose_json import dicts, items, mapping
from comfyfix.records import because
from comfyfix.why import Why

_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.IGNORECASE)
_NODES = ("git_custom_nodes", "cnr_custom_nodes", "file_custom_nodes")
_STARTS = ("before_start", "after_start")
_OF_API = ("apt", "pip", "custom_nodes")
_KINDS = {  # of comfy-cli, as it calls the folders of what it downloads
    "checkpoint": "checkpoints",
    "checkpoints": "checkpoints",
    "lora": "loras",
    "loras": "loras",
    "vae": "vae",
    "controlnet": "controlnet",
    "embedding": "embeddings",
    "textualinversion": "embeddings",
    "hypernetwork": "hypernetworks",
    "upscale": "upscale_models",
    "upscaler": "upscale_models",
    "clip": "text_encoders",
    "text_encoder": "text_encoders",
    "clip_vision": "clip_vision",
    "unet": "diffusion_models",
    "diffusion_model": "diffusion_models",
}
_FILE = re.compile(r"[^/?#]+\.[A-Za-z0-9]{2,12}")


def listing(value: Any) -> Listing | None:
    """What a file says of models, and whose it is; None where its form is none of these."""
    document = mapping(value)
    # In YAML the Manager's own snapshots, and comfy-cli's, have the node packs one level below.
    nodes = {**document, **mapping(document.get("custom_nodes"))}
    packs = sum(len(nodes[key]) for key in _NODES if isinstance(nodes.get(key), list | dict))
    packs += sum(len(items(document.get(key))) for key in ("custom_nodes", "customNodes"))
    models = document.get("models")
    if isinstance(models, list):
        if _is_lock(document, models):
            return Listing(tool="comfy-cli", models=tuple(_of_lock(models)), packs=packs)
        if any({"type", "filename"} <= model.keys() for model in dicts(models)):
            return Listing(tool="comfy-cli", models=tuple(_of_build(models)), packs=packs)
        if any("filename" in model for model in dicts(models)) or "comfyui" in document:
            return Listing(tool="comfy-pack", models=tuple(_of_pack(models)), packs=packs)
        return None
    if any(key in mapping(models) for key in _STARTS) or any(
        isinstance(document.get(k), list) for k in _OF_API
    ):
        return Listing(tool="comfyui-api", models=tuple(_of_api(mapping(models))), packs=packs)
    if any(key in nodes for key in _NODES):
        return Listing(tool="ComfyUI-Manager", models=(), packs=packs)
    return None


def _is_lock(document: Mapping[str, Any], models: list[Any]) -> bool:
    by_form = any({"model", "paths"} & model.keys() for model in dicts(models))
    return by_form or "basics" in document or "basic" in document


def _of_pack(models: list[Any]) -> Iterator[Listed]:
    for number, model in enumerate(models):
        where = f"models[{number}]"
        entry = mapping(model)
        place, digest = _text(entry.get("filename")), _digest(entry.get("sha256"))
        odd = None if place else because(Why.IMPORT_ODD_ENTRY, field="filename")
        if entry.get("disabled") is True:
            odd = because(Why.IMPORT_SWITCHED_OFF)
        url = _pack_url(mapping(entry.get("source")))
        yield Listed(where=where, place=place, url=url, sha256=digest, odd=odd)


def _pack_url(source: Mapping[str, Any]) -> str:
    """The address of a source; of the Hub by its parts: newer packs have a bare path as address."""
    repo, commit, path = (_text(source.get(key)) for key in ("repo", "commit", "path"))
    if source.get("source") == "huggingface" and repo and commit and path:
        return f"https://huggingface.co/{repo}/resolve/{quote(commit, safe='')}/{quote(path)}"
    urls = (_text(source.get(key)) for key in ("download_url", "url"))
    return next((_address(url) for url in urls if "://" in url), "")


def _of_build(models: list[Any]) -> Iterator[Listed]:
    for number, model in enumerate(models):
        entry = mapping(model)
        folder, name = _text(entry.get("type")), _text(entry.get("filename"))
        odd = None if folder and name else because(Why.IMPORT_ODD_ENTRY, field="filename")
        yield Listed(
            where=f"models[{number}]",
            place=f"models/{folder}/{name}",
            url=_address(_text(entry.get("sourceUri"))),
            sha256=_digest(entry.get("sha256")),
            odd=odd,
        )


def _of_api(models: Mapping[str, Any]) -> Iterator[Listed]:
    for start in _STARTS:
        for number, model in enumerate(items(models.get(start))):
            entry = mapping(model)
            place, url = _text(entry.get("local_path")), _address(_text(entry.get("url")))
            lacking = "url" if not url else "local_path"
            odd = None if place and url else because(Why.IMPORT_ODD_ENTRY, field=lacking)
            yield Listed(where=f"models.{start}[{number}]", place=place, url=url, odd=odd)


def _of_lock(models: list[Any]) -> Iterator[Listed]:
    for number, model in enumerate(models):
        where = f"models[{number}]"
        entry = mapping(model)
        url, digest = _address(_text(entry.get("url"))), _lock_digest(entry)
        folder = _KINDS.get(_text(entry.get("type")).lower(), "")
        places = [_text(mapping(p).get("path") or p) for p in items(entry.get("paths"))]
        name = _text(entry.get("model"))
        if not any(places):
            places = [name if _FILE.fullmatch(name) else url.partition("?")[0].rpartition("/")[2]]
        for place in filter(None, places):
            yield Listed(where=where, place=place, folder=folder, url=url, sha256=digest)
        if not any(places):
            odd = because(Why.IMPORT_ODD_ENTRY, field="paths")
            yield Listed(where=where, place=name, odd=odd)


def _lock_digest(model: Mapping[str, Any]) -> str:
    """The sha256 among the hashes, of which other kinds are as long."""
    for entry in dicts(model.get("hashes")):
        if _text(entry.get("type")).upper().replace("-", "") == "SHA256":
            return _digest(entry.get("hash"))
    return _digest(model.get("hash"))


def _digest(value: Any) -> str:
    match = _SHA256.fullmatch(_text(value))
    return match.group(1).lower() if match else ""


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _address(url: str) -> str:
    """An address with what a browser would encode in it, encoded."""
    return re.sub(r"[^\x21-\x7e]", lambda match: quote(match.group()), url) if "://" in url else url
