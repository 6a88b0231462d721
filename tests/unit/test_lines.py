"""The table of words: each reason has its text, and its fields can do nothing to it."""

from __future__ import annotations

import pytest

from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.words import fixed, t
from comfyfix.why import Why


@pytest.mark.parametrize("why", list(Why))
def test_each_reason_has_a_text(why: Why) -> None:
    entry = words._catalogue()[why]
    assert entry.what
    assert not entry.next_step.endswith(".")


def test_what_comes_from_outside_can_do_nothing() -> None:
    told = words.worded(because(Why.MODEL_NOT_NEEDED, name="{cause}\x1b[2J\n", cause=""))
    assert told.what == t("No needed model is called {name}", name="{cause}\x1b[2J\n")
    assert told.what.isprintable()
    assert "{cause}" in told.what


def test_a_cause_may_be_a_reason() -> None:
    near = because(Why.NEAREST_NAMES, names=("a.pth", "b.pth"))
    told = words.worded(because(Why.MODEL_NOT_NEEDED, name="c.pth", cause=near))
    assert told.cause == words.sentence(near) == t("the nearest names are {n}", n="a.pth, b.pth")


def test_what_is_to_be_typed_stays_as_it_is() -> None:
    assert "`doit list`" in words.worded(because(Why.MODEL_NOT_NEEDED, name="", cause="")).next_step
    assert fixed("Found") == "Found"  # the design fixes it
