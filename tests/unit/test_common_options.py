"""Options that all commands have, and what a mistaken name may have meant."""

from __future__ import annotations

import pytest

from comfyfix.settings.switches import FROZEN, LOCKED, OFFLINE
from comfyfix.tasks.face import options
from comfyfix.tasks.face.nearest import SHOWN, nearest


@pytest.mark.parametrize(
    ("word", "variable"),
    [
        ("--offline", OFFLINE[0]),
        ("--of", OFFLINE[0]),
        ("--lock", LOCKED[0]),
        ("--fr", FROZEN[0]),
        ("--o", ""),
        ("--", ""),
        ("", ""),
        ("offline", ""),
        ("--offline=1", ""),
        ("--json", ""),
    ],
)
def test_an_option_may_be_cut_short_to_two_letters(word: str, variable: str) -> None:
    assert options.variable_of(word) == variable
    assert options.is_common(word) == bool(variable or word == "--json")


def test_an_option_is_typed_as_it_is_named_in_english_and_named_as_python_takes_it() -> None:
    jobs = options.option("at-once", 0, "how many", short="a")
    assert (jobs["name"], jobs["long"], jobs["short"]) == ("at_once", "at-once", "a")
    assert [jobs["type"], options.switch("x", "")["type"]] == [int, bool]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("rif", ["download:rife49"]),
        ("old", ["download:the-lighthouse-of-old"]),
        ("ol", []),
        ("rif*", ["download:rife49"]),
        ("workflow:rife", ["download:rife49"]),
        ("RIFE49.pth", ["download:rife49"]),
        ("rfe49", ["download:rife49"]),
        ("moonshine", []),
        ("clip", ["workflow:clip-1", "workflow:clip-2", "workflow:clip-3"]),
    ],
)
def test_the_likeliest_names_are_told(name: str, near: list[str]) -> None:
    clips = (f"workflow:clip-{number}" for number in range(1, SHOWN + 2))
    names = ["download:rife49", "download:the-lighthouse-of-old", *clips]
    assert nearest(name, names) == near
