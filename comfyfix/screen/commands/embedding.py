"""What `embed` has written into workflows, and what it leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from comfyfix.disk.files import printable
from comfyfix.screen.commands import sheets
from comfyfix.screen.commands.sheets import node, place
from comfyfix.screen.words import t
from comfyfix.stages.addresses.embed import Change, Mention

_CHANGES: dict[Change, str] = {
    "added": "✓ {value} ({node}): {url}",
    "completed": "✓ {value} ({node}): completed",
    "there": "· {value} ({node}): told already",
}


@dataclass
class Sheet(sheets.Sheet):
    """One workflow: what is told in it now; `kept` is where the file lies that was replaced."""

    kept: str = ""
    told: Sequence[Mention] = ()


def table(sheets: Sequence[Sheet], *, dry: bool) -> Iterator[str]:
    """Tell what was written into each workflow, or would be."""
    if not any(sheet.told or sheet.left or sheet.problem for sheet in sheets):
        yield t("Nothing to embed: no workflow names a model")
    for sheet in sheets:
        if not (sheet.told or sheet.left or sheet.problem):
            continue
        yield f"{printable(sheet.workflow)}:"
        for told in sheet.told:
            line = t(
                _CHANGES[told.change],
                value=told.reference.value,
                node=node(told.reference),
                url=told.address.url,
            )
            yield f"  {line}"
        yield from sheet.left_lines()
        if sheet.copy:
            yield f"    {_written(sheet, dry=dry)}"
    if dry and any(sheet.copy for sheet in sheets):
        yield t("Nothing was written")


def as_data(sheets: Sequence[Sheet], *, dry: bool) -> dict[str, Any]:
    """The same for programs."""
    return {
        "version": 1,
        "dry_run": dry,
        "workflows": [
            {
                "workflow": sheet.workflow,
                "written": sheet.copy or None,
                "kept": sheet.kept or None,
                "models": [
                    {
                        **place(told.reference),
                        "model": told.address.model,
                        "change": told.change,
                        "url": told.address.url,
                        "sha256": told.address.sha256,
                        "directory": told.address.directory,
                    }
                    for told in sheet.told
                ],
                **sheet.left_data(),
            }
            for sheet in sheets
        ],
    }


def _written(sheet: Sheet, *, dry: bool) -> str:
    name = os.path.basename(sheet.copy)
    if sheet.there:
        return t("{name} holds this already", name=name)
    if dry:
        return t("would be written: {name}", name=name)
    if sheet.kept:
        return t("written; as it was: {name}", name=os.path.basename(sheet.kept))
    return t("written: {name}", name=name)
