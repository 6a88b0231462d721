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
    # Plans, searches, downloads and verification.
