"""`docs/manifest.md`: every key, with type, default and range as the code has them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec

from comfyfix.settings.manifest import Manifest
from comfyfix.settings.overrides import Override

KEYS = Path(__file__).with_name("keys.toml")
TAIL = Path(__file__).with_name("manifest_tail.md")
_HEAD = """# The manifest

`manifest.yaml` says where your ComfyUI is, and whatever you want otherwise than it comes. Only
`comfyui` is needed. Paths are taken from the folder of the manifest; `~` and `${NAME}`, a variable
of the environment, are filled in. A key that is not known, a value of another type, and YAML's
anchors are errors that name the key and its line. Sizes are written as `2GB`, `500 MiB` or a number
of bytes.

    comfyui: ~/ComfyUI
    store: /mnt/models
    download: {parallel: 2, reserve: 20GB}
    models:
      rife49.pth: {folder: upscale_models, url: https://…, sha256: …}

Tokens are never in it: see [Tokens](security.md#tokens)."""


def page() -> str:
    """The whole page."""
    told = described()
    sections = [f"{_HEAD}\n", *_table(Manifest, told[""])]
    for name, section in structs().items():
        if name:
            sections += ["", f"## {name}", "", *_table(section, told[name])]
    return "\n".join([*sections, "", TAIL.read_text(encoding="utf-8")])


def structs() -> dict[str, type[msgspec.Struct]]:
    """The structs of the manifest by the key under which they stand."""
    fields = {field.name: field.type for field in msgspec.structs.fields(Manifest)}
    found: dict[str, type[msgspec.Struct]] = {"": Manifest}
    for name, kind in fields.items():
        for one in (kind, *get_args(kind)):  # one that may also be written as a text alone
            if isinstance(one, type) and issubclass(one, msgspec.Struct) and one is not Override:
                found[name] = one
    return found | {"models.NAME": Override}


def described() -> dict[str, dict[str, str]]:
    """What each key is for."""
    return tomllib.loads(KEYS.read_text(encoding="utf-8"))


def _table(struct: type[msgspec.Struct], told: Mapping[str, str]) -> Iterator[str]:
    schema = msgspec.json.schema(struct)
    keys = schema["$defs"][struct.__name__]["properties"]
    yield "| key | type | default | what it is for |"
    yield "| --- | --- | --- | --- |"
    for name, key in keys.items():
        inner = key.get("$ref") or next(
            (
                option["$ref"]
                for option in key.get("allOf", key.get("anyOf", ()))
                if "$ref" in option
            ),
            None,
        )
        shown = "section" if inner else _type(key)
        default = "" if inner or "default" not in key else _default(key["default"])
        yield f"| `{name}` | {shown} | {default} | {told[name]} |"


def _type(key: Mapping[str, Any]) -> str:
    if "anyOf" in key:
        kinds = [_type(option) for option in key["anyOf"] if option.get("type") != "null"]
        known = {("number", "text"): "size", ("number", "section", "text"): "speed, or by host"}
        return known.get(tuple(sorted({*kinds}))) or " or ".join(dict.fromkeys(kinds))
    if "enum" in key:
        return ", ".join(f"`{each}`" for each in key["enum"])
    if key.get("type") == "array":
        return "list"
    plain = {"string": "text", "integer": "number", "boolean": "yes or no", "object": "section"}
    shown = plain.get(key.get("type", ""), "number")
    low, high = key.get("minimum", key.get("exclusiveMinimum")), key.get("maximum")
    return f"{shown}, {low} to {high}" if high is not None else shown


def _default(value: object) -> str:
    if value is None or value in ("", (), {}):
        return ""
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, tuple):
        return f"`[{', '.join(value)}]`"
    return f"`{value}`"
