"""manifest.yaml and pins.yaml: read once, checked, made absolute."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from comfyfix.disk import looked, windows
from comfyfix.errors import SetupProblem
from comfyfix.records import because
from comfyfix.settings import MANIFEST, STATE_IN_COMFYUI, checks, mirror, notify, pins, yamlfile
from comfyfix.settings.fitting import Unfit, fitted
from comfyfix.settings.manifest import DEMO, Cluster, Endpoints, Manifest
from comfyfix.settings.overrides import Override, Pin
from comfyfix.settings.yamlfile import Document
from comfyfix.why import Why

_PATHS = (
    "comfyui", "base_directory", "models_directory", "output_directory", "extra_model_paths",
    "workflows", "store", "also_look_in", "mirror", "output",
)  # fmt: skip
_IMPLIED = {"comfyui": "..", "output": "."}


def load(
    path: Path, environ: Mapping[str, str] = os.environ, *, with_pins: bool = True
) -> Manifest:
    """Read, check and complete a manifest. Raises SetupProblem."""
    implied = dict(_IMPLIED), Document(path)
    value, document = implied if _is_implied(path) else yamlfile.read(path)
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise yamlfile.refused(path, 1, because(Why.MANIFEST_NO_MAPPING))
    replaced = {"comfyui": environ["COMFYUI_PATH"]} if environ.get("COMFYUI_PATH") else {}
    value = _expand({**value, **dict.fromkeys(replaced)}, "$", document, environ) | replaced
    manifest = _convert(value, document)
    checks.values(manifest, document)
    manifest = _with_demo_apart(manifest)
    if with_pins:
        manifest = _with_pins(manifest, pins.place(manifest, path))
    manifest = _with_environment(manifest, environ)
    checks.endpoints(manifest, document)
    manifest = _of_windows(manifest, document, environ)
    if manifest.verify.qwen is True and not (manifest.qwen.base_url or manifest.is_demo):
        raise document.refused("$.verify.qwen", because(Why.QWEN_ADDRESS_NEEDED))
    return _absolute(manifest, path.parent.absolute())


def implied_in(folder: Path) -> Path:
    """Where the manifest of a ComfyUI folder without one would lie: with all of our state there."""
    return folder / STATE_IN_COMFYUI / MANIFEST


def _is_implied(path: Path) -> bool:
    """Tell a manifest that is not there and need not be: all is told by where it would lie."""
    folder = path.absolute().parent
    if path.name != MANIFEST or folder.name != STATE_IN_COMFYUI or looked.at(path) is not None:
        return False
    above = folder.parent
    shows = looked.is_file(above / "main.py") or looked.is_dir(above / "models")
    return shows and not os.path.islink(path)


def of_text(text: str, path: Path, environ: Mapping[str, str] = os.environ) -> Manifest:
    """Read a text as the manifest that `path` would be. Raises SetupProblem."""
    value, document = yamlfile.parse(text, path)
    manifest = _convert(_expand(value, "$", document, environ), document)
    return _absolute(manifest, path.parent.absolute())


def line_of(path: Path, key: str) -> int:
    """The line of the manifest that a key stands on, such as `policy.hosts`; 1 for one unset."""
    try:
        _, document = yamlfile.read(path)
    except SetupProblem:  # it was read a moment ago
        return 1
    return document.lines.get(f"$.{key}", 1)


def of_values(value: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Manifest:
    """Make a manifest of settings that are given, relative to the working folder, without a file.

    Raises SetupProblem.
    """
    document = Document(Path(MANIFEST).absolute())
    manifest = _convert(dict(value), document)
    checks.values(manifest, document)
    manifest = _with_environment(_with_demo_apart(manifest), environ)
    checks.endpoints(manifest, document)
    return _absolute(manifest, document.path.parent)


def _with_demo_apart(manifest: Manifest) -> Manifest:
    """Let all that the demo makes lie in a folder of its own: the user's own numbers begin at 1."""
    if not manifest.is_demo:
        return manifest
    return msgspec.structs.replace(manifest, output=os.path.join(manifest.output, DEMO))


def _with_pins(manifest: Manifest, path: Path) -> Manifest:
    """Add what `doit pin` has settled; of one model, what the manifest itself says counts first."""
    looked.at(path)
    if not os.path.lexists(path):
        return manifest
    value, document = yamlfile.read(path)
    if not isinstance(value, dict) or set(value) != {"models"}:
        raise yamlfile.refused(path, 1, because(Why.PINS_NO_MODELS))
    pinned = _convert({"comfyui": DEMO, **value}, document)
    checks.values(pinned, document)
    models = dict(manifest.models)
    for key, pin in pinned.models.items():
        own = manifest.override_for(*_folder_and_path(key))
        if own is None or not own.names_a_place:
            by_user = {k: v for k, v in msgspec.structs.asdict(own).items() if v} if own else {}
            line = document.lines.get(f"$.models.{key}", 1)
            fields = msgspec.structs.asdict(pin) | by_user
            models[key] = Pin(**fields, file=str(path), line=line)
    return msgspec.structs.replace(manifest, models=models)


def _folder_and_path(key: str) -> tuple[str | None, str]:
    folder, slash, path = key.partition("/")
    return (folder, path) if slash else (None, key)


def _expand(value: Any, place: str, document: Document, environ: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {k: _expand(v, f"{place}.{k}", document, environ) for k, v in value.items()}
    if isinstance(value, list):
        return [_expand(v, f"{place}[{n}]", document, environ) for n, v in enumerate(value)]
    if not isinstance(value, str) or place.startswith("$.notify"):
        return value

    def variable(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in environ:
            raise document.refused(place, because(Why.VARIABLE_UNSET, name=name))
        return environ[name]

    return notify.VARIABLE.sub(variable, value)


def _convert(value: Any, document: Document) -> Manifest:
    try:
        return fitted(value, Manifest, Override)
    except Unfit as error:
        if "missing required field comfyui" in error.said:
            raise SetupProblem(Why.MANIFEST_NO_COMFYUI, path=document.path) from None
        unfit = because(Why.VALUE_UNFIT, told=error.said)
        cause = because(Why.KEY_UNKNOWN) if error.unknown else unfit
        raise document.refused(error.place, cause) from None


def _with_environment(manifest: Manifest, environ: Mapping[str, str]) -> Manifest:
    if manifest.is_demo:
        return manifest
    endpoints = Endpoints(
        huggingface=(environ.get("HF_ENDPOINT") or manifest.endpoints.huggingface).rstrip("/"),
        civitai=(environ.get("CIVITAI_ENDPOINT") or manifest.endpoints.civitai).rstrip("/"),
        openmodeldb=manifest.endpoints.openmodeldb.rstrip("/"),
    )
    qwen = msgspec.structs.replace(
        manifest.qwen,
        base_url=(environ.get("QWEN_BASE_URL") or manifest.qwen.base_url).rstrip("/"),
        model=environ.get("QWEN_MODEL") or manifest.qwen.model,
    )
    return msgspec.structs.replace(manifest, endpoints=endpoints, qwen=qwen)


def _of_windows(manifest: Manifest, document: Document, environ: Mapping[str, str]) -> Manifest:
    """Under WSL a path as Windows writes it is read as the one that it is there."""

    def here(text: str, key: str) -> str:
        if not windows.is_windows(text):
            return text
        place = windows.here(text, environ)
        if place is None or windows.drive_away(place):
            raise document.refused(f"$.{key}", because(Why.WINDOWS_PATH_HERE, given=text))
        return place

    paths: dict[str, Any] = {}
    for key in _PATHS:
        given = getattr(manifest, key)
        if isinstance(given, tuple):
            paths[key] = tuple(here(text, f"{key}[{n}]") for n, text in enumerate(given))
        elif given:
            paths[key] = here(given, key)
    return msgspec.structs.replace(manifest, **paths)


def _absolute(manifest: Manifest, base: Path) -> Manifest:
    def absolute(text: str) -> str:
        # os.path leaves `~nobody` as it is where Path raises
        return os.path.normpath(base / os.path.expanduser(text))

    changed: dict[str, Any] = {}
    for key in _PATHS:
        given = getattr(manifest, key)
        if key == "mirror":
            changed[key] = tuple(absolute(e) if mirror.is_folder(e) else e for e in given)
        elif isinstance(given, tuple):
            changed[key] = tuple(map(absolute, given))
        elif given and not (key == "comfyui" and manifest.is_demo):
            changed[key] = absolute(given)
    if isinstance(manifest.cluster, Cluster):
        files = {name: getattr(manifest.cluster, name) for name in ("ca", "cert", "key")}
        given = {name: absolute(file) for name, file in files.items() if file}
        changed["cluster"] = msgspec.structs.replace(manifest.cluster, **given)
    keep = tuple(map(absolute, manifest.gc.keep))
    changed["gc"] = msgspec.structs.replace(manifest.gc, keep=keep)
    if manifest.tiers.fast:
        fast = absolute(manifest.tiers.fast)
        changed["tiers"] = msgspec.structs.replace(manifest.tiers, fast=fast)
    return msgspec.structs.replace(manifest, **changed)
