"""Taking secrets out of what is kept or shown."""

from __future__ import annotations

import re

LEAST = 8  # characters
# Servers that want no key are given a word: `ollama`, `EMPTY`, `lm-studio`, `sk-no-key-required`.
# Taken out of an answer it would take the word out of every name; no service hands out such keys.
_WORD = re.compile(r"[A-Za-z-]{1,19}")


def is_secret(token: str) -> bool:
    """Tell whether a token is one: neither short nor a word."""
    return len(token) >= LEAST and not _WORD.fullmatch(token)


def without(text: str, *tokens: str) -> str:
    """A text without these tokens; words that serve as keys stay."""
    for token in tokens:
        if is_secret(token):
            text = text.replace(token, "***")
    return text
