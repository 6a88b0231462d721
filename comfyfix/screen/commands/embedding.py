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
    """One workflow: what is told in it now; `backup` is where the file lies that was replaced."""

    backup: str = ""
    mentions: Sequence[Mention] = ()

    @property
    def tells(self) -> bool:
        """Tell whether there is anything to say of it."""
        return bool(self.mentions) or not self.is_done


def table(sheets: Sequence[Sheet], *, dry: bool) -> Iterator[str]:
    """Tell what was written into each workflow, or would be."""
    shown = [sheet for sheet in sheets if sheet.tells]
    if not shown:
        yield t("Nothing to embed: no workflow names a model")
    for sheet in shown:
        yield f"{printable(sheet.workflow)}:"
        for mention in sheet.mentions:
            line, reference = f"  {_CHANGES[mention.change]}", mention.reference
            url = mention.address.url
            yield t(line, value=reference.value, node=node(reference), url=url)
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
                "kept": sheet.backup or None,
                "models": [
                    {
                        **place(mention.reference),
                        "model": mention.address.model,
                        "change": mention.change,
                        "url": mention.address.url,
                        "sha256": mention.address.sha256,
                        "directory": mention.address.directory,
                    }
                    for mention in sheet.mentions
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
    if sheet.backup:
        return t("written; as it was: {name}", name=os.path.basename(sheet.backup))
    return t("written: {name}", name=name)
