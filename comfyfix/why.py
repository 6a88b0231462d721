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
    # Commands.
    ANSWER_LOST = auto()
    ARGUMENT_UNKNOWN = auto()
    COMMANDS_NOT_LOADED = auto()
    DODO_FOREIGN = auto()
    DUMPDB_REFUSED = auto()
    FOLDER_OF_PIN_UNKNOWN = auto()
    HASH_KNOWN_NOWHERE = auto()
    HASH_NOT_ASKED = auto()
    HASH_NOT_KNOWN_HERE = auto()
    INFO_NEEDS_NAME = auto()
    JOBS_OUT_OF_RANGE = auto()
    MODEL_NOT_NEEDED = auto()
    MODELS_OF_ONE_NAME = auto()
    NEAR_CASE = auto()
    NEAR_ENDING = auto()
    NEAR_FOLDER = auto()
    NEAR_LETTER = auto()
    NEAR_SEPARATOR = auto()
    NEAR_SUBFOLDER = auto()
    NEAR_SUBFOLDERS = auto()
    NEAREST_NAMES = auto()
    NONE_IS_LIKE_IT = auto()
    PIN_NEEDS_BOTH = auto()
    PINNED_IN_MANIFEST = auto()
    PINS_NOT_WRITTEN = auto()
    SCAN_OF_NOTHING = auto()
    SINGLE_NEEDS_NAMES = auto()
    SOURCE_WARNS = auto()
    STORE_TAKES_NO_MODEL = auto()
    TASK_UNKNOWN = auto()
    WHY_NEEDS_MODEL = auto()
