"""What the words for an end mean, and what helps: for `explain`, and for the documentation."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from importlib import resources
from typing import NamedTuple

from comfyfix.outcomes import BY_EXIT_CODE
from comfyfix.screen import words
from comfyfix.screen.words import t


class Explained(NamedTuple):
    """What one word means, and what to do about it; `helps` may be empty."""

    means: str
    helps: str = ""


def lines(word: str, explained: Explained) -> Iterator[str]:
    """One word explained, as people read it."""
    yield f"{word}: {explained.means}"
    if explained.helps:
        yield f"  {t('What helps:')} {explained.helps}"


def find(asked: str) -> dict[str, Explained]:
    """What may be meant by a word: outcomes, verdicts, exit codes, names of reasons."""
    word = " ".join(asked.lower().replace("_", " ").replace("-", " ").split())
    meant = {name: explained for name, explained in all_words().items() if name == word}
    if word.isdigit() and int(word) in BY_EXIT_CODE:
        outcome = str(BY_EXIT_CODE[int(word)])
        meant[outcome] = tables()["outcomes"][outcome]
    reason = None if meant else words.template(word.replace(" ", "_"))
    if reason is not None:
        cause = f": {reason.cause}" if reason.cause else ""
        meant[word.replace(" ", "_")] = Explained(f"{reason.what}{cause}", reason.next_step)
    return meant


def all_words() -> dict[str, Explained]:
    """All words that have an explanation, but for the names of single reasons."""
    return {word: explained for table in tables().values() for word, explained in table.items()}


def tables() -> dict[str, dict[str, Explained]]:
    """The explanations by kind: `outcomes`, `verdicts`, `standings` and `exit_codes`."""
    return {
        kind: {
            word: Explained(t(entry["means"]), t(entry.get("helps", "")))
            for word, entry in table.items()
        }
        for kind, table in _raw().items()
    }


@functools.cache
def _raw() -> dict[str, dict[str, dict[str, str]]]:
    # As they stand in the file: which program was typed may not be known yet.
    import tomllib  # only who asks needs it

    text = resources.files(__package__).joinpath("explained.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
