"""Outcomes: how a try at a model ends, by the stable word that the ledger keeps."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """One word per kind of end that a user can act on in a way of its own."""

    DONE = "done"
    SETUP = "setup"
    WORKFLOW = "workflow"
    NAME_REFUSED = "name refused"
    FOLDER_UNKNOWN = "folder unknown"
    UNREACHABLE = "unreachable"
    CONFLICT = "conflict"
    NOT_FOUND = "not found"
    UNCERTAIN = "uncertain"
    SOURCE_DOWN = "source down"
    TOKEN_REFUSED = "token refused"  # noqa: S105 - a word for people
    HOST_REFUSED = "host refused"
    DOWNLOAD_FAILED = "download failed"
    TOKEN_NEEDED = "token needed"  # noqa: S105 - the same
    LICENCE_NEEDED = "licence needed"
    ACCESS_PENDING = "access pending"
    EARLY_ACCESS = "early access"
    DOWNLOADS_DISABLED = "downloads disabled"
    NOT_PERMITTED = "not permitted"
    ARCHIVED = "archived"
    REGION_BLOCKED = "region blocked"
    GONE = "gone at source"
    DISK_FULL = "disk full"
    WRONG_CONTENT = "wrong content"
    UNSAFE = "unsafe"
    POLICY = "against the policy"
    NETWORK = "network gave up"
    LOCKED = "locked"
    UNWRITABLE = "store not writable"
    TOOL_MISSING = "tool missing"


class Came(StrEnum):
    """How the file of a model that is there came to its place."""

    FETCHED = "fetched"  # downloaded by us
    OTHERS = "fetched by others"  # absent when the run began; another process had put it there
    COPIED = "copied"  # from a file of the user's own, near by
    LINKED = "linked"  # from elsewhere in the store
    THERE = "there before"


BY_EXIT_CODE = {
    10: Outcome.TOKEN_NEEDED,
    11: Outcome.LICENCE_NEEDED,
    12: Outcome.GONE,
    13: Outcome.DISK_FULL,
    14: Outcome.WRONG_CONTENT,
    15: Outcome.NETWORK,
    16: Outcome.LOCKED,
}
"""What a script's exit code means."""
BY_KIND = {
    "conflict": Outcome.CONFLICT,
    "store": Outcome.UNWRITABLE,
    "tool": Outcome.TOOL_MISSING,
    "unsafe": Outcome.UNSAFE,
    "pending": Outcome.ACCESS_PENDING,
    "refused": Outcome.NOT_PERMITTED,
}
"""What a script calls a failure that its exit code does not tell."""
USER_ACTS_FIRST = frozenset({Outcome.TOKEN_NEEDED, Outcome.LICENCE_NEEDED})
"""What keeps failing until the user has done something at the provider."""
GATES = USER_ACTS_FIRST | {Outcome.ACCESS_PENDING, Outcome.EARLY_ACCESS, Outcome.NOT_PERMITTED}
"""The file is known, with its place and size; its provider does not give it to this user yet."""
SEARCH_AGAIN = frozenset({Outcome.GONE, Outcome.WRONG_CONTENT})
"""What makes a record worthless: its model is searched for again at once."""
NEEDS_USER = USER_ACTS_FIRST | {Outcome.UNCERTAIN, Outcome.TOKEN_REFUSED, Outcome.CONFLICT}
"""Nothing but the user's own doing brings it: a page to open, a file to choose or to move."""
