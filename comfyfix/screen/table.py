"""Rows in columns: the one place where tables are made.

On a terminal each row has one line: what is too long is cut in its middle, and where that is not
enough columns are left out. Without a terminal nothing is cut, since programs and people search it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from comfyfix.screen import width
from comfyfix.screen.text import clean
from comfyfix.screen.words import t

GAP = 2
"""Spaces between columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `share` is what it gets of the room where not all has room.

    0: it is never cut. `least` are the columns of the screen below which it tells nothing; one with
    a higher `spare` is left out sooner than the others, one without is never.
    """

    heading: str
    share: int = 0
    least: int = 8
    spare: int = 0


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int | None
) -> Iterator[str]:
    """Return the heading and the rows as lines of at most `room` columns; None: nothing is cut."""
    return lines_of(columns, [tuple(t(c.heading) for c in columns), *rows], room)


def lines_of(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int | None
) -> Iterator[str]:
    """Return the rows alone, without a heading."""
    cells = [[clean(cell) for cell in column] for column in zip(*rows, strict=True)]
    shown = list(range(len(columns)))
    natural = [max(map(width.columns, column), default=0) for column in cells]
    sizes = natural
    if room is not None:
        shown = _with_room(columns, natural, room)
        sizes = _sizes(columns, natural, shown, room)
        for i in shown:
            cells[i] = width.cut_apart(cells[i], sizes[i])
    for number in range(len(rows)):
        row = [width.padded(cells[i][number], sizes[i]) for i in shown]
        yield (" " * GAP).join(row).rstrip()


def _with_room(columns: Sequence[Column], natural: Sequence[int], room: int) -> list[int]:
    """The columns that are shown: each has what it needs to tell something."""
    shown = list(range(len(columns)))
    while True:
        needed = sum(_least(columns[i], natural[i]) for i in shown) + GAP * (len(shown) - 1)
        spare = max(shown, key=lambda i: columns[i].spare)
        if needed <= room or not columns[spare].spare:
            return shown
        shown.remove(spare)


def _least(column: Column, natural: int) -> int:
    return min(natural, column.least) if column.share else natural


def _sizes(
    columns: Sequence[Column], natural: Sequence[int], shown: Sequence[int], room: int
) -> list[int]:
    """Give each column what it needs, or its share of what the others leave."""
    sizes = list(natural)
    sharing = [i for i in shown if columns[i].share]
    free = room - GAP * (len(shown) - 1) - sum(natural[i] for i in shown if i not in sharing)
    while True:
        shares = sum(columns[i].share for i in sharing)
        content = [i for i in sharing if natural[i] * shares <= free * columns[i].share]
        if not content:
            break
        free -= sum(natural[i] for i in content)
        sharing = [i for i in sharing if i not in content]
    for i in sharing:
        sizes[i] = max(1, free * columns[i].share // shares)
        free -= sizes[i]
        shares -= columns[i].share
    return sizes
