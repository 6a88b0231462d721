"""Texts of a workflow's JSON that know where they stand, and copies that differ in these alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from comfyfix.comfyui.workflows import copies, marked
from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.comfyui.workflows.marked import Mark

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def marks(value: Any) -> Iterator[Mark]:
    if isinstance(value, Mark):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from marks(inner)


@given(JSON, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_it_reads_what_json_reads_and_knows_each_place(
    value: Any, ascii_only: bool, indent: int | str | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    found = marked.decode(text)
    assert found == json.loads(text)
    assert marked.rewritten(text, {}) == text
    for mark in marks(found):
        assert json.loads(text[slice(*mark.span)]) == mark


@given(JSON, TEXT, st.integers(0, 10))
def test_one_text_is_replaced_and_nothing_else(value: Any, new: str, number: int) -> None:
    text = json.dumps(value, ensure_ascii=False)
    every = list(marks(marked.decode(text)))
    if not every:
        return
    one = every[number % len(every)]
    changed = marked.rewritten(text, {one.span: marked.quoted(text, new)})
    start, stop = one.span
    assert changed.startswith(text[:start])
    assert changed.endswith(text[stop:])
    again = list(marks(marked.decode(changed)))
    expected = [new if mark is one else str(mark) for mark in every]
    assert list(map(str, again)) == expected


def test_what_stands_there_twice_counts_last_and_odd_numbers_stay() -> None:
    text = '\n{ "a":"x" ,"a" : "y", "n":[1.50e+2,NaN ,-0.0, 10000000000000000000000]}\n'
    found = marked.decode(text)
    assert found["a"] == "y"
    assert marked.rewritten(text, {found["a"].span: marked.quoted(text, "é")}) == text.replace(
        '"y"', '"\\u00e9"'
    )
    assert marked.decode('"\\ud800"') == "\ufffd"
    assert list(marks(marked.decode('["\\ud800"]'))) == []


def test_a_copy_is_no_workflow_while_its_original_lies_beside_it(tmp_path: Path) -> None:
    for name in (
        "a.json",
        "a.relinked.json",
        "a.relinked-2.json",
        "a.comfyfix.json",
        "b.relinked.json",
        "relinked.json",
    ):
        (tmp_path / name).write_text("{}")
    for place in (str(tmp_path), f"{tmp_path}/*.json"):
        names = [name for _, name in workflow_files.find([place])]
        assert names == ["a.json", "b.relinked.json", "relinked.json"]
    named = str(tmp_path / "a.relinked.json")
    assert [path for path, _ in workflow_files.find([named])] == [named]
    first = copies.names(str(tmp_path / "a.json"), "relinked")
    assert [next(first), next(first)] == [named, str(tmp_path / "a.relinked-2.json")]
