"""Reasons as values: why a model, a file or an answer is as it is.

Code compares reasons; the words that people read are made from them in `screen/words.py`, from
the tables in `screen/texts`, where each has its text under its own name. What is wrong inside a
file is a `formats.flaws.Flaw`.
"""

from __future__ import annotations

from enum import StrEnum, auto


class Why(StrEnum):
    """One name per reason; its text takes the fields that come with it."""

    PLAIN = auto()
    # The manifest, the model folders, workflows, state, network and system.
    # What sources and providers say.
    # Qwen.
    CHAT_KEY_REFUSED = auto()
    CHAT_KEY_WANTED = auto()
    CHAT_NO_ANSWER = auto()
    CHAT_REFUSES = auto()
    CHAT_REFUSES_SAYING = auto()
    OPINION_TWICE = auto()
    OPINION_UNASKED = auto()
    QWEN_ANOTHER_KNOWN = auto()
    QWEN_BUDGET_OF_CALLS = auto()
    QWEN_BUDGET_OF_PROGRAM = auto()
    QWEN_BUDGET_OF_SECONDS = auto()
    QWEN_BUDGET_OF_TOKENS = auto()
    QWEN_CARD_ONLY = auto()
    QWEN_DOUBTED = auto()
    QWEN_HUB_SILENT = auto()
    QWEN_IMITATION = auto()
    QWEN_KNOWS_NONE = auto()
    QWEN_NAME_COMMON = auto()
    QWEN_NAME_SAYS = auto()
    QWEN_NOT_JSON = auto()
    QWEN_NO_ENDPOINT = auto()
    QWEN_NO_HASH = auto()
    QWEN_NO_SUCH_SOURCE = auto()
    QWEN_PAGE_NAMED = auto()
    QWEN_PAGE_SAYS_LITTLE = auto()
    QWEN_PROGRAM_BROKEN = auto()
    QWEN_PROGRAM_FAILS = auto()
    QWEN_PROGRAM_KEY = auto()
    QWEN_PROGRAM_MISSING = auto()
    QWEN_PROGRAM_OLD = auto()
    QWEN_PROGRAM_SILENT = auto()
    QWEN_PROPOSED = auto()
    QWEN_UNSUPPORTED = auto()
    # Plans, searches, downloads and verification.
