"""What `relink` has put right, what it leaves, and the links that it has made."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from comfyfix.disk.files import printable
from comfyfix.screen import words
from comfyfix.screen.commands import sheets
from comfyfix.screen.commands.sheets import node, place
from comfyfix.screen.words import t
from comfyfix.stages.values.relink import Fix
from comfyfix.state.links import Link, State

_STATES: dict[State, str] = {
    "ours": "in place",
    "broken": "its file is away",
    "gone": "gone",
    "changed": "not ours any more, left alone",
}


@dataclass
class Sheet(sheets.Sheet):
    """One workflow: what is put right in its copy, or by links (by value)."""

    fixes: Sequence[Fix] = ()
    links: dict[str, str] = field(default_factory=dict)


def table(sheets: Sequence[Sheet], *, dry: bool) -> Iterator[str]:
    """Tell what was done with each workflow, or would be."""
    if not sheets:
        yield t("Nothing to put right: ComfyUI refuses no value whose file is there")
    for sheet in sheets:
        yield f"{printable(sheet.workflow)}:"
        for fix in sheet.fixes:
            yield f"  ✓ {_change(sheet, fix)} ({node(fix.reference)})"
        yield from sheet.left_lines()
        if sheet.fixes and sheet.copy:
            yield f"    {_written(sheet, dry=dry)}"
    if any(sheet.links for sheet in sheets) and not dry:
        yield t("Taken back by `doit relink --undo`")
    if dry and any(sheet.fixes for sheet in sheets):
        yield t("Nothing was written")


def links(made: Sequence[tuple[Link, State]]) -> Iterator[str]:
    """Tell the links that were made, and what has become of each."""
    if not made:
        yield t("There are no links of comfyfix")
    for link, state in made:
        shown = f"{printable(link.link, words.LONGEST)} → {printable(link.target, words.LONGEST)}"
        mark = "✓" if state == "ours" else "✗"
        yield f"  {mark} {shown}  ({t(_STATES[state])})"


def undone(made: Sequence[tuple[Link, State]], *, dry: bool) -> Iterator[str]:
    """Tell what was taken back, and what was left because it is not ours any more."""
    if not made:
        yield t("There are no links of comfyfix")
    for link, state in made:
        path = printable(link.link, words.LONGEST)
        if state in ("ours", "broken"):
            yield f"  ✓ {t('to be taken back: {path}' if dry else 'taken back: {path}', path=path)}"
        else:
            yield f"  · {path}  ({t(_STATES[state])})"


def as_data(
    sheets: Sequence[Sheet], made: Sequence[tuple[Link, State]], *, dry: bool
) -> dict[str, Any]:
    """The same for programs."""
    return {
        "version": 1,
        "dry_run": dry,
        "workflows": [
            {
                "workflow": sheet.workflow,
                "copy": sheet.copy or None,
                "values": [
                    {
                        **place(fix.reference),
                        "instead": fix.instead,
                        "link": sheet.links.get(fix.reference.value),
                    }
                    for fix in sheet.fixes
                ],
                **sheet.left_data(),
            }
            for sheet in sheets
        ],
        "links": [
            {"link": link.link, "target": link.target, "state": state} for link, state in made
        ],
    }


def _change(sheet: Sheet, fix: Fix) -> str:
    value = printable(fix.reference.value, words.LONGEST)
    link = sheet.links.get(fix.reference.value)
    if link is not None:
        return t("{value}: linked to {place}", value=value, place=fix.location)
    return f"{value} → {printable(fix.instead, words.LONGEST)}"


def _written(sheet: Sheet, *, dry: bool) -> str:
    name = os.path.basename(sheet.copy)
    if sheet.there:
        return t("{name} holds this already: open it in ComfyUI", name=name)
    if dry:
        return t("would be written: {name}", name=name)
    return t("written: {name}; open it in ComfyUI", name=name)
