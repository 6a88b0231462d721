"""A struct as JSON schema in one piece: not every reader of such schemas follows references."""

from __future__ import annotations

from typing import Any

import msgspec


def schema_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the schema of a struct, each struct inside it written out."""
    (root,), parts = msgspec.json.schema_components([kind], ref_template="{name}")
    for part in parts.values():
        part.pop("title", None)  # our name for it
    return dict(_whole(root, parts))


def _whole(schema: Any, parts: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_whole(item, parts) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = parts.get(schema.get("$ref", ""), schema)
    return {key: _whole(value, parts) for key, value in schema.items()}
