"""The missing list: what a run has still to bring, for people and other programs."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from comfyfix.disk.files import printable, write_if_changed
from comfyfix.records import to_json
from comfyfix.stages.needs.work import Planned
from comfyfix.state.layout import Layout


class _Missing(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    folder: str | None
    number: int
    task: str
    why: str
    workflows: tuple[str, ...]
    nodes: tuple[str, ...]


class _MissingFile(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
    models: tuple[_Missing, ...] = ()


def write(layout: Layout, missing: Iterable[Planned]) -> None:
    """Write `missing_models.json`, unless it says just this already. Raises OSError."""
    models = tuple(
        _Missing(
            model=planned.model.path,
            folder=planned.model.folder,
            number=planned.number,
            task=f"download:{planned.task}",
            why=planned.pending or "",
            workflows=planned.workflows,
            nodes=tuple(
                f"{r.workflow}: {printable(r.node_type)} {printable(r.node_id)}"
                for r in planned.references
            ),
        )
        for planned in missing
    )
    write_if_changed(layout.missing, to_json(_MissingFile(models=models)))
