"""Texts in columns of a terminal: what is cut, what is broken, and what never is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix.screen import width
from comfyfix.screen.table import Column, lines_of

TEXTS = st.text(
    st.sampled_from("ab._-/ 漢字모델éא🎨👍\u0301\u0308")
    | st.characters(categories=["L", "N", "Mn"]),
    max_size=60,
)
COLUMNS = (Column("NO"), Column("A", share=3, least=6), Column("B", share=1, least=4, spare=1))


@given(text=TEXTS, room=st.integers(0, 70))
@settings(max_examples=60)
def test_what_is_cut_fits_and_keeps_both_ends(text: str, room: int) -> None:
    shown = width.cut(text, room)
    assert width.columns(shown) <= room
    if width.columns(text) <= room:
        assert shown == text
    elif room:
        begin, _, end = shown.partition(width.ELLIPSIS)
        assert text.startswith(begin)
        assert text.endswith(end)


def test_an_ending_stays_to_be_seen() -> None:
    name = "loras/SDXL/a_very_long_name_of_a_model_v2-pruned.safetensors"
    for room in (24, 40, 50):
        assert width.cut(name, room).endswith("d.safetensors")


@pytest.mark.parametrize("room", [12, 20, 30, 60])
def test_names_that_differ_anywhere_look_different(room: int) -> None:
    same = "x" * 90
    for names in (
        [f"{same}.ckpt", f"{same}.safetensors"],
        [f"{same}_v1.pt", f"{same}_v2.pt"],
        [f"{same}_fp8_{same}.pt", f"{same}_fp16_{same}.pt", f"{same}_bf16_{same}.pt"],
        [f"a{same}", f"b{same}"],
    ):
        assert len(set(width.cut_apart(names, room))) == len(names)


@given(line=TEXTS, indent=st.integers(0, 6), room=st.integers(30, 60))
@settings(max_examples=60)
def test_a_line_is_broken_between_words_and_none_is_lost(line: str, indent: int, room: int) -> None:
    words = [word if width.columns(word) < 20 else "x" for word in line.split()]
    rows = list(width.wrapped(" " * indent + " ".join(words), room))
    assert " ".join(" ".join(rows).split()) == " ".join(" ".join(words).split())
    assert all(width.columns(row) <= room for row in rows)


def test_what_is_copied_stays_in_one_piece() -> None:
    command, address = "`doit why harbor_light.pth`", "https://host/" + "a" * 90
    rows = list(
        width.wrapped(f"  ✗ compare it with what is there: {command}, {address} {'n' * 90}", 40)
    )
    assert any(command in row for row in rows)
    assert any(row.strip() == address for row in rows)
    assert width.ELLIPSIS in rows[-1]
    assert all(width.columns(row) <= 40 for row in rows if address not in row)


@given(rows=st.lists(st.tuples(st.just("001"), TEXTS, TEXTS), min_size=1, max_size=5))
@settings(max_examples=60)
def test_a_table_fits_and_its_columns_stand_below_each_other(rows: list[tuple[str, ...]]) -> None:
    for room in (12, 20, 40):
        lines = list(lines_of(COLUMNS, rows, room))
        assert len(lines) == len(rows)
        assert all(width.columns(line) <= room for line in lines)
    assert all(
        row[1].strip() in line
        for row, line in zip(rows, lines_of(COLUMNS, rows, None), strict=True)
        if row[1].isprintable() and row[1].isascii()
    )
