"""Plots as SVG, legible on light and on dark pages: lines over a plane, and bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 16, 44
LEGEND = 18
"""Height of one line of the legend, which stands below the plot."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#777777")
"""Told apart also by who does not see all colours (after Okabe and Ito)."""
DASHES = ("", "7 4", "2 3", "10 3 2 3", "4 4", "1 4", "12 4")
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#333}.axis{stroke:#888}.grid{stroke:#ccc}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.axis{stroke:#999}.grid{stroke:#444}}"
)
Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis: what it tells, from where to where; `log` where equal steps are equal ratios."""

    told: str
    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value lies, from 0 to 1."""
        low, high = self._of(self.low), self._of(self.high)
        return (self._of(value) - low) / ((high - low) or 1)

    def _of(self, value: float) -> float:
        return math.log10(max(value, 1e-9)) if self.log else value

    @property
    def marks(self) -> list[float]:
        """Round values along it."""
        if self.log:
            first, last = math.floor(self._of(self.low)), math.ceil(self._of(self.high))
            every = [base * 10.0**power for power in range(first, last + 1) for base in (1, 2, 5)]
        else:
            step = 10.0 ** math.floor(math.log10((self.high - self.low) or 1))
            step = next(s for s in (step / 5, step / 2, step, step * 2, step * 5)
                        if (self.high - self.low) / s <= 8)  # fmt: skip
            every = [self.low + step * number for number in range(10)]
        return [value for value in every if self.low <= value <= self.high * 1.0001]


def lines(across: Axis, up: Axis, series: Mapping[str, Sequence[Point]]) -> str:
    """Lines over a plane, each with its name below."""
    parts = [*_frame(across, up)]
    for number, points in enumerate(series.values()):
        drawn = " ".join(f"{_x(across.place(x)):.1f},{_y(up.place(y)):.1f}" for x, y in points)
        dash = f' stroke-dasharray="{DASHES[number]}"' if DASHES[number] else ""
        parts.append(
            f'<polyline points="{drawn}" fill="none" stroke="{COLOURS[number]}" '
            f'stroke-width="2.5"{dash}/>'
        )
    return _page([*parts, *_legend(list(series))], len(series))


def bars(up: Axis, groups: Sequence[str], series: Mapping[str, Sequence[float]]) -> str:
    """Bars, a group for each name, a bar for each series."""
    parts = [*_frame(None, up)]
    room = (WIDTH - LEFT - RIGHT) / len(groups)
    wide = room * 0.8 / len(series)
    for place, name in enumerate(groups):
        begin = LEFT + room * place + room * 0.1
        for number, values in enumerate(series.values()):
            top = _y(up.place(values[place]))
            parts.append(
                f'<rect x="{begin + wide * number:.1f}" y="{top:.1f}" width="{wide * 0.9:.1f}" '
                f'height="{max(0.5, _y(0) - top):.1f}" fill="{COLOURS[number]}"/>'
            )
        parts.append(_text(begin + room * 0.4, HEIGHT - BOTTOM + 18, name, "middle"))
    return _page([*parts, *_legend(list(series), dashed=False)], len(series))


def _x(place: float) -> float:
    return LEFT + place * (WIDTH - LEFT - RIGHT)


def _y(place: float) -> float:
    return HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)


def _frame(across: Axis | None, up: Axis) -> list[str]:
    parts = []
    for value in up.marks:
        y = _y(up.place(value))
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(_text(LEFT - 8, y + 4, f"{value:g}", "end"))
    for value in across.marks if across else ():
        x = _x(across.place(value)) if across else 0
        parts.append(_text(x, HEIGHT - BOTTOM + 18, f"{value:g}", "middle"))
    parts.append(f'<path class="axis" fill="none" d="M{LEFT},{TOP}V{_y(0)}H{WIDTH - RIGHT}"/>')
    if across:
        parts.append(_text((LEFT + WIDTH) / 2, HEIGHT - 8, across.told, "middle"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text transform="translate(14,{middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(up.told)}</text>"
    )
    return parts


def _legend(names: Sequence[str], *, dashed: bool = True) -> list[str]:
    parts = []
    for number, name in enumerate(names):
        y = HEIGHT + LEGEND * number + 4
        dash = f' stroke-dasharray="{DASHES[number]}"' if dashed and DASHES[number] else ""
        parts.append(
            f'<line x1="{LEFT}" x2="{LEFT + 36}" y1="{y}" y2="{y}" stroke="{COLOURS[number]}" '
            f'stroke-width="4"{dash}/>'
        )
        parts.append(_text(LEFT + 46, y + 4, name, "start"))
    return parts


def _text(x: float, y: float, told: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(told)}</text>'


def _page(parts: Sequence[str], names: int) -> str:
    height = HEIGHT + LEGEND * names + 6
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}">'
    )
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>", ""])
