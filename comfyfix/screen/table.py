"""Rows in columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from comfyfix.screen.words import t


def aligned(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Return the heading and the rows as lines; the last column is as wide as it likes."""
    every = [tuple(t(word) for word in heading), *rows]
    widths = [max(len(row[i]) for row in every) for i in range(len(heading) - 1)]
    for row in every:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[-1]]).rstrip()
