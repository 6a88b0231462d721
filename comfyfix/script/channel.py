"""What a script tells us while it runs, in fields that nothing from outside can forge.

Each line begins with a word that was made for this one run and that only the script knows; the
fields follow, and hold no control character. All other lines are words for people: they are logged
and mean nothing, whoever has written them.

    fail       kind (empty where the exit code tells it), what happened, what to do next
    look       the path of a file that waits for its name: we answer
    where      its process: we answer the folder that it is in, all links followed
    room       we answer the kilobytes that are free there
    settle     the path of a part: we answer its sha256 once it is on the disk, and as for `look`
    near       the path of a file that is wanted, and how it may be brought: we answer
    waiting    what people are told while another process has the file
    waited     it is free: we answer when there is a place in the line
    sha256     of a file whose hash nobody has published
    unreached  the code of curl or a status, and the host that there was no way to
    mirror     the place of a mirror in the list that it was given, and what came of it
    brought    a file has got its name: this script has brought it
    note       what people are told
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

VARIABLE = "COMFYFIX_ASK"
"""By it a script is told its word; it takes it out of the environment of what it calls."""
_BETWEEN = "\x1f"
_COUNTS = {"fail": 3, "look": 1, "where": 1, "room": 0, "settle": 1, "near": 2, "waiting": 1,
           "waited": 0, "sha256": 1, "note": 1, "unreached": 2, "mirror": 2,
           "brought": 0}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """What a script has told in one line."""

    kind: str
    fields: tuple[str, ...] = ()


def new_word() -> str:
    """Make the word of one run."""
    return secrets.token_hex(16)


def read(line: str, word: str) -> Message | None:
    """Read a line; None for one that is for people only."""
    first, *fields = line.split(_BETWEEN)
    if not fields or not hmac.compare_digest(first.encode(), word.encode()):
        return None
    kind, *values = fields
    if _COUNTS.get(kind) != len(values):
        return None
    return Message(kind, tuple(values))
