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
    AND_MOVED = auto()
    AND_STAYS = auto()
    ANOTHER_FILE_THERE = auto()
    AS_TOLD = auto()
    BY_MANIFEST = auto()
    BY_PLACE = auto()
    BY_RECEIPT = auto()
    BY_RECEIPT_OF = auto()
    FILE_ABSENT = auto()
    FILE_CHANGES = auto()
    FILE_REPLACED = auto()
    FILE_UNREADABLE = auto()
    FILE_UNWRITABLE = auto()
    FILE_VANISHED = auto()
    FILE_WENT_AWAY = auto()
    FOLDER_LEADS_OUT = auto()
    HASH_DIFFERS = auto()
    HASH_NOT_KNOWN = auto()
    HASH_NOT_KNOWN_HERE = auto()
    KIND_NOT_LOOKED_INTO = auto()
    LINK_LEADS_NOWHERE = auto()
    NAME_TOO_LONG_TO_FETCH = auto()
    NOT_ASKED = auto()
    NO_PUBLISHED_HASH = auto()
    ON_A_DISK_NOT_THERE = auto()
    PICKLE_REFUSED = auto()
    SCAN_WARNS = auto()
    SCRIPT_ENDED = auto()
    SCRIPT_KILLED = auto()
    SCRIPT_TELLS = auto()
    SCRIPT_TELLS_WHAT = auto()
    SIZE_DIFFERS = auto()
    STOPPED = auto()
    WORKFLOW_UNREADABLE = auto()
