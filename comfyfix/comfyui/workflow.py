"""Workflow files: UI or API JSON, plain or in a picture, told by content, never by name."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from comfyfix.comfyui import api, media, ui
from comfyfix.comfyui.graph import NotAWorkflow, Workflow
from comfyfix.files import clean_text

__all__ = ["NotAWorkflow", "Workflow", "parse"]


def parse(data: bytes) -> Workflow:
    """Read a workflow file. Raises NotAWorkflow, with line and column where JSON is broken."""
    if media.is_picture(data):
        data = media.workflow_in(data)
    value = _decode(data)
    for key in ("workflow", "prompt"):  # as saved by servers and by other tools
        if isinstance(value, dict) and isinstance(value.get(key), dict) and "nodes" not in value:
            value = value[key]
    if not isinstance(value, dict):
        raise NotAWorkflow("it holds no workflow")
    try:
        if isinstance(value.get("nodes"), list):
            return ui.read(value)
        if api.is_api(value):
            return api.read(value)
    except RecursionError:
        raise NotAWorkflow("its subgraphs are nested too deeply") from None
    raise NotAWorkflow("it holds no workflow")


def _decode(data: bytes) -> Any:
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return msgspec.json.decode(data)  # refuses lone surrogates
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass  # the slower decoder takes NaN, and tells the place of an error
    try:
        value = json.loads(data.decode("utf-8", "backslashreplace"))
        # A lone surrogate can be written to no file and no terminal: show its code instead.
        return _printed(value) if re.search(rb"\\u[dD][89a-fA-F]", data) else value
    except json.JSONDecodeError as error:
        raise NotAWorkflow(
            f"broken JSON at line {error.lineno}, column {error.colno} ({error.msg})"
        ) from None
    except (RecursionError, ValueError) as error:
        raise NotAWorkflow(f"broken JSON ({type(error).__name__})") from None


def _printed(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_printed(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): _printed(item) for key, item in value.items()}
    return value
