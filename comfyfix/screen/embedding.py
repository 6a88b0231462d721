"""What `embed` has written into workflows, and what it leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from comfyfix.disk.files import printable
from comfyfix.records import Reason, Reference
from comfyfix.screen import words
from comfyfix.screen.words import t
from comfyfix.stages.embed import Change, Left, Told

_CHANGES: dict[Change, str] = {
    "added": "✓ {value} ({node}): {url}",
    "completed": "✓ {value} ({node}): completed",
    "there": "· {value} ({node}): told already",
}


@dataclass
class Sheet:
    """One workflow: what is told in it now, and where that was written.

    `copy` is the file that was written, or would be; `kept` where the one that it replaces is.
    """

    workflow: str
    copy: str = ""
    there: bool = False
    kept: str = ""
    told: Sequence[Told] = ()
    left: Sequence[Left] = ()
    problem: Reason | None = None

    @property
    def is_done(self) -> bool:
        """Tell whether nothing is left."""
        return not self.left and self.problem is None


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
                node=_node(told.reference),
                url=told.found.url,
            )
            yield f"  {line}"
        for left in sheet.left:
            value = printable(left.reference.value, words.LONGEST)
            yield f"  ✗ {value} ({_node(left.reference)}): {words.sentence(left.reason)}"
        if sheet.problem is not None:
            yield f"  ✗ {words.sentence(sheet.problem)}"
            if step := words.told(sheet.problem).next_step:
                yield f"    {t('Next: {step}', step=step)}"
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
                        **_place(told.reference),
                        "model": told.found.model,
                        "change": told.change,
                        "url": told.found.url,
                        "sha256": told.found.sha256,
                        "directory": told.found.directory,
                    }
                    for told in sheet.told
                ],
                "left": [
                    {**_place(left.reference), "reason": words.sentence(left.reason)}
                    for left in sheet.left
                ],
                "problem": words.sentence(sheet.problem) if sheet.problem else None,
            }
            for sheet in sheets
        ],
    }


def _place(reference: Reference) -> dict[str, str]:
    return {
        "node_id": reference.node_id,
        "node_type": reference.node_type,
        "input": reference.input,
        "value": str(reference.value),
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


def _node(reference: Reference) -> str:
    return t("node {node}, {type}", node=reference.node_id, type=reference.node_type)
