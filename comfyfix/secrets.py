"""Taking secrets out of what is kept or shown."""

from __future__ import annotations

import re

LEAST = 8  # characters
# Servers that want no key are given a word: `ollama`, `EMPTY`, `lm-studio`, `sk-no-key-required`.
# Taken out of an answer it would take the word out of every name; no service hands out such keys.
_WORD = re.compile(r"[A-Za-z-]{1,19}")
_SECRET = re.compile(
    r"(?:.*[_-])?(?:token|auth|authorization|password|passwd|secret|api[_-]?key|access[_-]?key"
    r"|signature|credential|sig|awsaccesskeyid|googleaccessid)=.*"
    r"|[^=]*=hf_\w{20,}",
    re.IGNORECASE,
)
"""A part of a query that is a secret: by its name, or by what a token of the Hub looks like."""
_USER = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@")


def is_secret(token: str) -> bool:
    """Tell whether a token is one: neither short nor a word."""
    return len(token) >= LEAST and not _WORD.fullmatch(token)


def without(text: str, *tokens: str) -> str:
    """A text without these tokens; words that serve as keys stay."""
    for token in tokens:
        if is_secret(token):
            text = text.replace(token, "***")
    return text


def open_address(url: str) -> str:
    """An address without a token in its query, and without user and password; else as it is."""
    place, asks, rest = _USER.sub(r"\1", url).partition("?")
    query, mark, fragment = rest.partition("#")
    parts = query.split("&")
    kept = [part for part in parts if not _SECRET.fullmatch(part)]
    if len(kept) == len(parts):
        return place + asks + rest
    return place + ("?" + "&".join(kept) if kept else "") + mark + fragment
