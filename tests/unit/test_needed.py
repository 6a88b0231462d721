"""Who says a name: words of texts are looked up, and it is as if each text were searched."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from comfyfix.records import Model
from comfyfix.stages.store.needed import Needs, folded

_TEXT = st.text(alphabet="ab1_-. /<:\u00e9e\u0301ßİ", max_size=12)


def searched(texts: list[str], name: str) -> set[str]:
    """The texts in which a name stands, found by reading each."""
    pattern = re.compile(rf"(?<!\w){re.escape(folded(name))}(?!\w)")
    return {text for text in texts if pattern.search(folded(text))}


@given(st.lists(_TEXT, max_size=6), st.text(alphabet="ab1_-é", min_size=1, max_size=4))
def test_a_name_is_found_wherever_it_stands(texts: list[str], name: str) -> None:
    needs = Needs()
    for text in texts:
        needs.texts.setdefault(folded(text), {})[text] = None
    model = Model(folder="loras", path=name)
    said = set(needs.of(model, {}, directory=True))
    expected = {folded(text) for text in searched(texts, name)}
    assert {folded(text) for text in said} == expected


def test_what_lies_below_a_needed_directory_is_needed() -> None:
    needs = Needs(directories={"/models/LLM/a": {"w.json": None}})
    model = Model(folder="LLM", path="x")
    assert needs.of(model, {"/models/LLM/a/b/x": "1"}, directory=False) == ["w.json"]
    assert needs.of(model, {"/models/LLM/ab/x": "2"}, directory=False) == []
