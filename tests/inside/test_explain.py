"""`explain`: of one word, of all, for programs, and of a word that nobody says."""

from __future__ import annotations

import json

import pytest

from comfyfix.outcomes import Outcome
from comfyfix.screen.commands import explaining
from tests.inprocess import InProcess


def test_one_word_is_explained_however_it_is_typed(inprocess: InProcess) -> None:
    told = explaining.tables()["outcomes"][Outcome.NOT_FOUND]
    for words in (("not", "found"), ("not found",), ("not_found",)):
        done = inprocess.run("explain", *words)
        assert (done.code, done.out.splitlines()) == (0, [*explaining.lines("not found", told)])


def test_without_a_word_all_are(inprocess: InProcess) -> None:
    done = inprocess.run("explain")
    assert done.code == 0
    assert [word for word in Outcome if f"{word}: " not in done.out] == []


def test_programs_get_an_object(inprocess: InProcess) -> None:
    told = json.loads(inprocess.run("explain", "--json", "11").out)
    assert told["version"] == 1
    assert told["explained"]["licence needed"]["helps"]


@pytest.mark.parametrize("word", ["xyz", "{0}", "\x1b[31m"])
def test_a_word_that_nobody_says_is_bad_usage(inprocess: InProcess, word: str) -> None:
    done = inprocess.run("explain", word)
    assert done.code == 3
    assert "comfyfix explain" in done.err
    assert "\x1b" not in done.err


def test_it_needs_no_manifest(inprocess: InProcess) -> None:
    (inprocess.root / "manifest.yaml").unlink()
    assert inprocess.run("explain", "locked").code == 0
