"""What is added to the lists and mappings of a workflow's JSON, written as their file is written.

Line ends, indentation, and the space around colons and commas are those that stand nearest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from comfyfix.comfyui.workflows.marked import MarkedDict, MarkedList, Span, quoted

Edit = tuple[Span, str]


@dataclass(frozen=True, slots=True)
class Style:
    """How the members of a list or mapping stand: each on a line of its own, or all on one.

    `line` is the end of a line, empty where all are on one; `indent` stands before each member,
    and `unit` is what one more level adds.
    """

    line: str = ""
    indent: str = ""
    unit: str = ""
    colon: str = ": "
    gap: str = " "

    @property
    def between(self) -> str:
        """What stands after a comma."""
        return self.line + self.indent if self.line else self.gap

    @property
    def before(self) -> str:
        """What stands before the first member."""
        return self.line + self.indent

    def inside(self) -> Style:
        """The style of what stands in a member."""
        return replace(self, indent=self.indent + self.unit) if self.line else self


def style_of(text: str, whole: MarkedDict | MarkedList, around: Style | None = None) -> Style:
    """How the members of a value stand; of one that is empty, as what is `around` would have it."""
    outer = around.inside() if around else Style()
    if not whole.places:
        return outer
    spans = whole.members
    begin, end = whole.span[0] + 1, whole.span[1] - 1
    gap, colon = text[begin : spans[0][0]], outer.colon
    if len(spans) > 1:
        gap = text[spans[-2][1] : spans[-1][0]].partition(",")[2]
    if isinstance(whole, MarkedDict):
        key, value = whole.places[-1]
        colon = text[key[1] : value[0]]
        colon = colon if "\n" not in colon else ": "
    if "\n" not in gap:
        gap_used = gap if len(spans) > 1 else " " if colon.endswith(" ") else ""
        return Style(colon=colon, gap=gap_used)
    indent = gap.rpartition("\n")[2]
    closing = text[spans[-1][1] : end]
    unit = indent.removeprefix(closing.rpartition("\n")[2]) if "\n" in closing else ""
    return Style("\r\n" if "\r\n" in gap else "\n", indent, unit, colon)


def members(text: str, whole: MarkedDict, values: Mapping[str, Any], style: Style) -> Edit:
    """Add members at the end of a mapping that has none of these names."""
    written = [
        quoted(text, key) + style.colon + _written(text, value, style)
        for key, value in values.items()
    ]
    return _added(text, whole, written, style)


def items(text: str, whole: MarkedList, values: Sequence[Any], style: Style) -> Edit:
    """Add items at the end of a list."""
    return _added(text, whole, [_written(text, value, style) for value in values], style)


def _added(text: str, whole: MarkedDict | MarkedList, written: Sequence[str], style: Style) -> Edit:
    joined = f",{style.between}".join(written)
    if whole.places:
        at = whole.members[-1][1]
        return (at, at), f",{style.between}{joined}"
    # What stands between the brackets of an empty one stays behind what is added.
    at = whole.span[0] + 1
    closing = style.line + style.indent.removesuffix(style.unit) if style.line else ""
    rest = text[at : whole.span[1] - 1]
    return (at, at), style.before + joined + (closing if not rest else "")


def _written(text: str, value: Any, style: Style) -> str:
    """A value as a member of what has this style."""
    if not isinstance(value, dict | list):
        return quoted(text, value)
    inner = style.inside()
    if isinstance(value, dict):
        parts = [
            quoted(text, key) + inner.colon + _written(text, item, inner)
            for key, item in value.items()
        ]
    else:
        parts = [_written(text, item, inner) for item in value]
    begin, end = "{}" if isinstance(value, dict) else "[]"
    closing = style.before if style.line else ""
    return begin + inner.before + f",{inner.between}".join(parts) + closing + end
