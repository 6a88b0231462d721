"""Read another tool's file: which it is says its content, never its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from comfyfix.comfyui.manifests import forms, packed
from comfyfix.comfyui.manifests.listing import Listing, NotAList
from comfyfix.comfyui.workflows import read as workflows
from comfyfix.comfyui.workflows import wrapped
from comfyfix.disk import regular
from comfyfix.errors import SetupProblem
from comfyfix.records import because
from comfyfix.settings import yamlfile
from comfyfix.why import Why

MODELS_MAX = 2000
_VALUES_MAX = 200_000  # each costs some hundred bytes; the largest snapshots have some ten thousand


def listing(path: Path) -> Listing:
    """What a file says of models. Raises NotAList, OSError."""
    read = forms.listing(_value(path))
    if read is None:
        raise NotAList(because(Why.IMPORT_UNKNOWN_FORM))
    if len(read.models) > MODELS_MAX:
        raise NotAList(because(Why.IMPORT_MANY_MODELS, limit=MODELS_MAX))
    return read


def _value(path: Path) -> Any:
    with regular.opened(path) as stream:
        if stream.read(4) in packed.MAGIC:
            data = packed.snapshot(stream)
        else:
            stream.seek(0)
            data = stream.read(packed.MEMBER_MAX + 1)
    if len(data) > packed.MEMBER_MAX:
        raise NotAList(because(Why.TOO_LARGE, limit=packed.MEMBER_MAX))
    if sum(map(data.count, (b",", b"{", b"[", b":"))) > _VALUES_MAX:
        raise NotAList(because(Why.VALUES_MANY, limit=_VALUES_MAX))
    mark, encoding = workflows.mark_of(data)
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError:
        raise NotAList(because(Why.NOT_TEXT)) from None
    try:
        value = msgspec.json.decode(text)
    except RecursionError:
        raise NotAList(because(Why.JSON_UNREADABLE, error="RecursionError")) from None
    except (msgspec.DecodeError, UnicodeEncodeError):
        return _yaml(text, path)
    if next(iter(wrapped.graphs(value)), None):
        raise NotAList(because(Why.IMPORT_WORKFLOW))
    return value


def _yaml(text: str, path: Path) -> Any:
    try:
        return yamlfile.parse(text, path)[0]
    except SetupProblem as problem:
        raise NotAList(problem.reason) from None
