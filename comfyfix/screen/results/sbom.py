"""`sbom.cdx.json`: the models that are there as a bill of materials (CycloneDX 1.6, ML-BOM)."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Sequence, Set
from functools import partial
from typing import Any
from urllib.parse import quote

from comfyfix import licences
from comfyfix.disk.files import printable
from comfyfix.records import Record
from comfyfix.screen.results import objects
from comfyfix.screen.results.objects import Listed
from comfyfix.screen.results.sheet import Sheet
from comfyfix.stages.reports.results import ModelResult, WorkflowResult
from comfyfix.state.pieces import Form, Rows
from comfyfix.version import __version__

_NAMESPACE = uuid.UUID("5d3f6f0e-6b0a-5a86-9d2e-2f8a1b7c4e11")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_URL = re.compile(r"https?://(?:[\w.~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+", re.ASCII)


def form(sheet: Sheet) -> Form:
    """The bill of materials, row by row: the same for the same models, whenever it is made."""
    there = sheet.models.where(lambda model: model.good)
    keys = {model.model.key for model in there.items}
    workflows = {"ref": "workflows", "dependsOn": [_ref(w.workflow) for w in sheet.flows.items]}
    fields = {
        "bomFormat": "CycloneDX",
        "metadata": {
            "tools": {
                "components": [{"type": "application", "name": "comfyfix", "version": __version__}]
            },
            "component": {
                "type": "application",
                "bom-ref": "workflows",
                "name": "ComfyUI workflows",
            },
        },
        "components": Listed(((there, _component), (sheet.flows, _workflow))),
        "dependencies": Listed(
            (
                (Rows.untold([workflows]), dict),
                (sheet.flows, partial(_needs, keys)),
                (there, lambda model: {"ref": _model_ref(model.model.key)}),
            )
        ),
    }
    return objects.form(fields, _last)


def _last(before: Sequence[bytes]) -> dict[str, Any]:
    """The last fields: the serial number is made of all that stands before it."""
    digest = hashlib.sha1(_NAMESPACE.bytes, usedforsecurity=False)
    for piece in before:
        digest.update(piece)
    serial = uuid.UUID(bytes=digest.digest()[:16], version=5)
    return {"serialNumber": f"urn:uuid:{serial}", "specVersion": "1.6", "version": 1}


def _workflow(workflow: WorkflowResult) -> dict[str, str]:
    name = workflow.workflow
    return {"type": "file", "bom-ref": _ref(name), "name": _text(name)}


def _needs(there: Set[str], workflow: WorkflowResult) -> dict[str, Any]:
    needed = [_model_ref(key) for key in dict.fromkeys(workflow.models) if key in there]
    return {"ref": _ref(workflow.workflow), "dependsOn": needed}


def _component(model: ModelResult) -> dict[str, Any]:
    record = model.record
    component: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": _model_ref(model.model.key),
        "name": _text(model.model.name),
        "properties": [
            {"name": f"comfyfix:{name}", "value": _text(value)}
            for name, value in _properties(model)
        ],
    }
    if model.sha256:
        component["hashes"] = [{"alg": "SHA-256", "content": model.sha256}]
    if record is not None:
        component.update(_of_record(record))
    return component


def _of_record(record: Record) -> Iterator[tuple[str, Any]]:
    if record.publisher:
        yield "publisher", _text(record.publisher)
    if record.licence:
        spdx = licences.spdx(record.licence)
        yield "licenses", [{"license": {"id": spdx} if spdx else {"name": _text(record.licence)}}]
    if record.commit:
        yield "version", record.commit
    if record.commit and _REPO.fullmatch(record.repo):
        yield "purl", f"pkg:huggingface/{quote(record.repo)}@{quote(record.commit, safe='')}"
    if _URL.fullmatch(record.url):
        yield "externalReferences", [{"type": "distribution", "url": record.url}]
    if record.base_model:
        base_model = {"name": "comfyfix:base_model", "value": _text(record.base_model)}
        yield "modelCard", {"properties": [base_model]}


def _properties(model: ModelResult) -> Iterator[tuple[str, str]]:
    yield "folder", model.model.folder or ""
    yield "path", model.model.path
    yield "status", model.status
    if model.size is not None:
        yield "size", str(model.size)
    if model.record is not None:
        yield "source", model.record.source


def _ref(workflow: str) -> str:
    return f"workflow:{_distinct(workflow)}"


def _model_ref(key: str) -> str:
    return f"model:{_distinct(key)}"


def _distinct(text: str) -> str:
    """A text as it is shown, with what tells it from another that would look the same."""
    shown = _text(text)
    if shown == text:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
    return f"{shown} ({digest[:12]})"


def _text(text: str) -> str:
    return printable(text, 1000)
