"""manifest.yaml and pins.yaml: read once, checked, made absolute."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from comfyfix.errors import ManifestProblem
from comfyfix.settings import pins, yamlfile
from comfyfix.settings.manifest import DEMO, SOURCES, Endpoints, Manifest, Override, size_in_bytes

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*|/[^\s\x00-\x1f\x7f]+")
QWEN_SECONDS_MAX = 86400


def load(
    path: Path, environ: Mapping[str, str] = os.environ, *, with_pins: bool = True
) -> Manifest:
    """Read, check and complete a manifest. Raises ManifestProblem."""
    value, lines = yamlfile.read(path)
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise ManifestProblem(
            f"{path}, line 1",
            cause="the manifest must be a list of `key: value` lines",
            next_step="start with a line such as `comfyui: ~/ComfyUI`",
        )
    replaced = {"comfyui": environ["COMFYUI_PATH"]} if environ.get("COMFYUI_PATH") else {}
    value = {**_expand({**value, **dict.fromkeys(replaced)}, "$", lines, path, environ), **replaced}
    manifest = _convert(value, lines, path)
    _check_ranges(manifest, lines, path)
    if with_pins:
        manifest = _with_pins(manifest, path.parent / pins.NAME)
    manifest = _with_environment(manifest, environ)
    _check_endpoints(manifest, lines, path)
    if manifest.verify.qwen and not (manifest.qwen.base_url or manifest.is_demo):
        raise _problem(path, lines, "$.verify.qwen", "it needs qwen.base_url (or QWEN_BASE_URL)")
    return _absolute(manifest, path.parent.absolute())


def _with_pins(manifest: Manifest, path: Path) -> Manifest:
    """Add what `doit pin` has settled; of one model, what the manifest itself says counts first."""
    if not os.path.lexists(path):
        return manifest
    value, lines = yamlfile.read(path)
    if not isinstance(value, dict) or set(value) != {"models"}:
        raise ManifestProblem(
            f"{path}, line 1", cause="it is no list of `models:`", next_step="mend or delete it"
        )
    told = _convert({"comfyui": DEMO, **value}, lines, path)
    _check_ranges(told, lines, path)
    models = dict(manifest.models)
    for key, pin in told.models.items():
        own = manifest.override_for(*_folder_and_path(key))
        if own is None or not own.names_a_place:
            kept = {k: v for k, v in msgspec.structs.asdict(own).items() if v} if own else {}
            models[key] = msgspec.structs.replace(pin, **kept)
    return msgspec.structs.replace(manifest, models=models)


def _folder_and_path(key: str) -> tuple[str | None, str]:
    folder, slash, path = key.partition("/")
    return (folder, path) if slash else (None, key)


def _expand(
    value: Any, where: str, lines: yamlfile.Lines, path: Path, environ: Mapping[str, str]
) -> Any:
    if isinstance(value, dict):
        return {k: _expand(v, f"{where}.{k}", lines, path, environ) for k, v in value.items()}
    if isinstance(value, list):
        return [_expand(v, f"{where}[{i}]", lines, path, environ) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in environ:
            raise _problem(path, lines, where, f"${{{name}}} is not set in the environment")
        return environ[name]

    return _VARIABLE.sub(variable, value)


def _problem(path: Path, lines: yamlfile.Lines, where: str, cause: str) -> ManifestProblem:
    key = where.removeprefix("$").removeprefix(".")
    place = where
    while place not in lines and "." in place:
        place = place.rpartition(".")[0]
    at = f", line {lines[place]}" if place in lines else ""
    return ManifestProblem(
        f"{path}{at}{f', key {key}' if key else ''}", cause=cause, next_step="mend that line"
    )


def _convert(value: Any, lines: yamlfile.Lines, path: Path) -> Manifest:
    try:
        return msgspec.convert(value, Manifest)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        place = where.strip("`") or "$"
        if place.startswith("$.models[...]"):
            # msgspec does not say which entry of a mapping is wrong; the first that fails is.
            place = place.replace("[...]", f".{_first_bad_override(value)}", 1)
        unknown = re.match(r"Object contains unknown field `(.*)`", message)
        if unknown:
            place = f"{place}.{unknown.group(1)}"
            message = "this key is not known"
        if "missing required field `comfyui`" in message:
            raise ManifestProblem(
                f"{path}",
                cause="it does not say where ComfyUI is",
                next_step="add `comfyui: PATH`, or set COMFYUI_PATH",
            ) from None
        raise _problem(path, lines, place, message.replace("`", "")) from None


def _first_bad_override(value: Any) -> str:
    for name, entry in value["models"].items():
        try:
            msgspec.convert(entry, Override)
        except msgspec.ValidationError:
            return str(name)
    return ""


def _check_ranges(manifest: Manifest, lines: yamlfile.Lines, path: Path) -> None:
    for where, number, low, high in (
        ("$.batch", manifest.batch, 1, 1000),
        ("$.search.parallel", manifest.search.parallel, 1, 64),
        ("$.download.parallel", manifest.download.parallel, 1, 64),
        ("$.download.retries", manifest.download.retries, 0, 100),
        ("$.qwen.parallel", manifest.qwen.parallel, 1, 64),
        ("$.qwen.calls", manifest.qwen.calls, 1, 1000),
        ("$.qwen.tokens", manifest.qwen.tokens, 1, 10_000_000),
    ):
        if not low <= number <= high:
            raise _problem(path, lines, where, f"{number} is not from {low} to {high}")
    for name in manifest.search.sources:
        if name not in SOURCES:
            raise _problem(
                path, lines, "$.search.sources", f"{name!r} is not one of {', '.join(SOURCES)}"
            )
    for name, override in manifest.models.items():
        if override.sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", override.sha256):
            raise _problem(path, lines, f"$.models.{name}.sha256", "not 64 hexadecimal digits")
        for given, needs in (("repo", "path"), ("path", "repo"), ("file_id", "model_version_id")):
            if getattr(override, given) and not getattr(override, needs):
                where = f"$.models.{name}.{given}"
                raise _problem(path, lines, where, f"it needs {needs}: beside it")
    if not 0 < manifest.qwen.seconds <= QWEN_SECONDS_MAX:
        told = f"it must be more than 0, and at most {QWEN_SECONDS_MAX}"
        raise _problem(path, lines, "$.qwen.seconds", told)
    if manifest.qwen.command and not _PROGRAM.fullmatch(manifest.qwen.command):
        told = "it must be the name of a program or its absolute path, without arguments"
        raise _problem(path, lines, "$.qwen.command", told)
    try:
        size_in_bytes(manifest.download.reserve)
    except ValueError as error:
        raise _problem(path, lines, "$.download.reserve", str(error)) from None


def _check_endpoints(manifest: Manifest, lines: yamlfile.Lines, path: Path) -> None:
    places = (("qwen.base_url", manifest.qwen.base_url), ("comfyui_url", manifest.comfyui_url))
    given = [(where, url) for where, url in places if url]
    given += [(f"endpoints.{k}", v) for k, v in msgspec.structs.asdict(manifest.endpoints).items()]
    for where, url in given:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
            usable = usable and "@" not in parts.netloc and (parts.port or 1) > 0
        except ValueError:
            usable = False
        if not usable or not re.fullmatch(r"[\x21-\x7e]+", url):
            raise _problem(
                path, lines, f"$.{where}", f"{url!r} is not an address (https://host); "
                "HF_ENDPOINT, CIVITAI_ENDPOINT and QWEN_BASE_URL count here too"
            )  # fmt: skip


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


def _absolute(manifest: Manifest, base: Path) -> Manifest:
    def absolute(text: str) -> str:
        # os.path leaves `~nobody` as it is where Path raises
        return os.path.normpath(base / os.path.expanduser(text))  # noqa: PTH111

    comfyui = manifest.comfyui if manifest.is_demo else absolute(manifest.comfyui)
    return msgspec.structs.replace(
        manifest,
        comfyui=comfyui,
        extra_model_paths=tuple(map(absolute, manifest.extra_model_paths)),
        workflows=tuple(map(absolute, manifest.workflows)),
        store=absolute(manifest.store) if manifest.store else None,
        output=absolute(manifest.output),
    )
