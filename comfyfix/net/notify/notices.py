"""Has services told by apprise, in a child that can be ended: it takes no more than its time.

What is asked of it is narrow: services that the user's own manifest names (`settings/notify.py`),
one address each. The child gets no token of ours, and what it prints is never shown.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from comfyfix.net.notify import teller
from comfyfix.process import Children
from comfyfix.records import Reason, because
from comfyfix.why import Why

SECONDS = 8.0
"""What all services together may take; they are told side by side."""
BEGIN_SECONDS = 12.0
"""What the child may take before: apprise loads all that it knows."""
_ROOT = str(Path(__file__).resolve().parents[3])


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent: `kind` is apprise's word for how grave it is, `page` a file to attach."""

    title: str
    text: str
    kind: str
    page: bytes = b""
    page_name: str = ""


class AppriseAbsent(Exception):
    """apprise is not installed."""


def send(
    addresses: Sequence[str], notice: Notice, children: Children, environ: Mapping[str, str]
) -> list[Reason | None]:
    """Tell each service; returns why it was not told, None where it was.

    `environ` is for the child. Raises AppriseAbsent, and ModelProblem where none may be started.
    """
    found: list[Reason | None] = [because(Why.ANSWER_LATE)] * len(addresses)
    absent = False

    def hear(line: str) -> None:
        nonlocal absent
        absent = absent or line == teller.ABSENT
        try:
            place, taken, status = msgspec.json.decode(line, type=tuple[int, bool, int | None])
            found[place] = None if taken else _why(status)
        except (msgspec.DecodeError, IndexError):  # nothing of ours
            return

    def answer(line: str) -> str | None:
        return _told(addresses, notice) if line == teller.READY else None

    argv = [sys.executable, "-P", "-m", teller.__name__]
    children.run(argv, _environment(environ), hear, answer=answer, seconds=BEGIN_SECONDS + SECONDS)
    if absent:
        raise AppriseAbsent
    return found


def _why(status: int | None) -> Reason:
    return because(Why.ANSWER_STATUS, status=status) if status else because(Why.NOTIFY_NOT_TAKEN)


def _told(addresses: Sequence[str], notice: Notice) -> str:
    """What the child reads: one line."""
    return json.dumps(
        {
            "addresses": list(addresses),
            "title": notice.title,
            "text": notice.text,
            "kind": notice.kind,
            "page": base64.b64encode(notice.page).decode("ascii"),
            "name": notice.page_name,
            "seconds": SECONDS,
        }
    )


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the child finds us and apprise by: it is not started in our folder."""
    path = [*(place for place in sys.path if place), _ROOT]
    return {**environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONWARNINGS": "ignore"}
