"""Every end has an explanation, in words that fit, and what helps where something can help."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from comfyfix.outcomes import BY_EXIT_CODE, Outcome
from comfyfix.records import Status
from comfyfix.screen.commands import explaining
from comfyfix.screen.results.shape import Standing
from comfyfix.screen.words import t
from comfyfix.why import Why


@pytest.mark.parametrize("word", [*Outcome, *get_args(Status), *get_args(Standing)])
def test_each_word_that_is_shown_has_an_explanation(word: str) -> None:
    told = explaining.find(word)
    assert list(told) == [word]
    assert told[word].means


@pytest.mark.parametrize("code", ["0", "1", "2", "3", "130", "143", *map(str, BY_EXIT_CODE)])
def test_each_exit_code_has_one(code: str) -> None:
    assert explaining.find(code)


def test_the_exit_code_of_a_script_is_an_outcome() -> None:
    assert explaining.find("11") == explaining.find("licence needed")


@pytest.mark.parametrize("asked", ["Not Found", "not_found", " not-found ", "NOT  FOUND"])
def test_words_are_taken_as_people_type_them(asked: str) -> None:
    assert explaining.find(asked) == explaining.find("not found")


def test_a_reason_is_explained_by_its_own_text() -> None:
    told = explaining.find(str(Why.PINS_NOT_WRITTEN))
    assert list(told) == [Why.PINS_NOT_WRITTEN]
    shown = " ".join(told[Why.PINS_NOT_WRITTEN])
    assert "FILE" in shown
    assert not re.search(r"[{}]", shown)


def test_what_nobody_says_has_none() -> None:
    assert explaining.find("xyz") == {}
    assert explaining.find("") == {}


def test_lines_are_the_word_and_what_helps() -> None:
    first, second = explaining.lines("x", explaining.Explained("it is so", "do that"))
    assert first == "x: it is so"
    assert second == f"  {t('What helps:')} do that"
