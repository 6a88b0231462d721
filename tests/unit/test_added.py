"""What is added to a JSON text: written as what stands around it, and nothing else changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.comfyui.workflows import added, marked
from comfyfix.comfyui.workflows.marked import MarkedDict, MarkedList

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
ENTRY = {"name": "é.pt", "list": [{"url": "https://x/y?z"}, {}], "none": []}
SPACE = st.sampled_from(["", " ", "\n", "\r\n\t", "\n  ", " \n "])


@st.composite
def documents(draw: st.DrawFn) -> str:
    """JSON as anyone may have written it: spaces anywhere, keys twice, escapes, odd numbers."""

    def written(value: Any) -> str:
        before, after = draw(SPACE), draw(SPACE)
        if isinstance(value, dict):
            pairs = [f"{written(key)}:{written(item)}" for key, item in value.items()]
            again = draw(st.booleans())
            twice = pairs[:1] * again + pairs
            text = "{" + ",".join(twice) + (draw(SPACE) if not twice else "") + "}"
        elif isinstance(value, list):
            text = "[" + (",".join(map(written, value)) or draw(SPACE)) + "]"
        elif isinstance(value, str):
            text = json.dumps(value, ensure_ascii=draw(st.booleans()))
        else:
            text = draw(st.sampled_from([json.dumps(value), "-0.0", "1.50e+2"]))
        return f"{before}{text}{after}"

    return written(draw(st.dictionaries(TEXT, VALUE, max_size=4) | st.lists(VALUE, max_size=4)))


def containers(value: Any) -> Iterator[tuple[Any, MarkedDict | MarkedList]]:
    """Every list and mapping of a text, with what is around it."""
    pending: list[tuple[Any, Any]] = [(None, value)]
    while pending:
        around, one = pending.pop()
        if isinstance(one, MarkedDict | MarkedList):
            yield around, one
            pending += [(one, inner) for inner in (one.values() if isinstance(one, dict) else one)]


@given(documents(), st.integers(0, 50))
def test_what_is_added_is_there_and_taken_out_leaves_every_letter(text: str, number: int) -> None:
    value = marked.decode(text)
    assert value == json.loads(text)
    every = list(containers(value))
    around, one = every[number % len(every)]
    style = added.style_of(text, one, added.style_of(text, around) if around else None)
    if isinstance(one, MarkedDict):
        (at, _), letters = added.members(text, one, {"new ✓": ENTRY, "more": "x"}, style)
    else:
        (at, _), letters = added.items(text, one, [ENTRY, "x"], style)
    made = marked.rewritten(text, {(at, at): letters})
    assert made[:at] + made[at + len(letters) :] == text
    assert one.span[0] < at < one.span[1]
    if isinstance(one, MarkedDict):
        one |= {"new ✓": ENTRY, "more": "x"}
    else:
        one += [ENTRY, "x"]
    assert json.loads(made) == value


@given(VALUE, st.sampled_from([None, 1, 4, "\t"]), st.booleans())
def test_a_text_as_programs_write_it_is_written_on_as_they_would(
    value: Any, indent: int | str | None, ascii_only: bool
) -> None:
    whole = {"a": value, "nodes": [{"id": 1, "properties": {"x": 1, "y": 2}, "z": 0}]}
    text = json.dumps(whole, indent=indent, ensure_ascii=ascii_only)
    read = marked.decode(text)
    place = read["nodes"][0]["properties"]
    style = added.style_of(text, place)
    edit = added.members(text, place, {"models": [{"name": "n", "url": "u"}]}, style)
    whole["nodes"][0]["properties"]["models"] = [{"name": "n", "url": "u"}]
    assert marked.rewritten(text, dict([edit])) == json.dumps(
        whole, indent=indent, ensure_ascii=ascii_only
    )


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{}", '{"k": "v"}'),
        ('{"a":1}', '{"a":1,"k":"v"}'),
        ('{"a": 1}', '{"a": 1, "k": "v"}'),
        ('{"a" :1 , "b" :2 }', '{"a" :1, "b" :2 , "k" :"v" }'),
        ('{\r\n\t"a":1\r\n}', '{\r\n\t"a":1,\r\n\t"k":"v"\r\n}'),
        ('{\n "a":1, "b":2\n}', '{\n "a":1, "b":2, "k":"v"\n}'),
    ],
)
def test_one_member_in_the_style_of_its_neighbours(text: str, made: str) -> None:
    whole = marked.decode(text)
    span, letters = added.members(text, whole, {"k": "v"}, added.style_of(text, whole))
    told = marked.rewritten(text, {span: letters})
    assert json.loads(told) == {**json.loads(text), "k": "v"}
    assert told.replace(" ", "") == made.replace(" ", "")


def test_the_place_of_a_value_is_that_which_counts() -> None:
    text = '{"a": null, "\\u0061": {"b": 1}, "c": 2}'
    whole = marked.decode(text)
    place = whole.place_of(text, "a")
    assert text[slice(*place)] == '{"b": 1}'
    assert whole.place_of(text, "d") is None
