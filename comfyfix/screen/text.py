"""The one place where commands print: what comes from outside can't move a cursor or hide.

A run has lines of its own kind, see `console.py`; they end here too.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

from comfyfix.disk.files import printable
from comfyfix.screen.width import cut_apart, wrapped

_COMMAND = re.compile(r"^\s*:(?=:)|#(?=#\w*\[)")
"""Where a line begins to command a CI: `::set-output …` after blanks, and `##[error]`, `##vso[…]`
or `##teamcity[…]` wherever they stand. The runners of GitHub, Azure and TeamCity read lines so."""
_OBEYS = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION")
"""Variables of those that do."""

GREEN, RED, YELLOW, BOLD, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[0m"

_ADDRESS = re.compile(r"https://[A-Za-z0-9][!#-&*-;=?-\[\]_a-z~]*[A-Za-z0-9/=#&_~-]")
_VTE_WITH_LINKS = 5000
_WITH_LINKS = ("iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "Tabby")
_TERMS_WITH_LINKS = ("xterm-kitty", "xterm-ghostty", "alacritty", "foot", "contour")
_NAME_LEAST = 16
"""Columns that a name has at least, however narrow the screen is."""


def say(*lines: str) -> None:
    """Print lines of a command's answer, with colours on a terminal."""
    for line in lines:
        for row in laid_out(line):
            print(_linked(paint(row)), flush=True)  # noqa: T201 - this is the screen


def _linked(row: str) -> str:
    """Make the addresses of a row links, where the terminal has such (OSC 8).

    A link leads to what it shows. What another terminal would print of it is nothing for people.
    """
    if "https://" not in row or not (on_terminal() and _knows_links(os.environ)):
        return row
    return _ADDRESS.sub(lambda match: f"\x1b]8;;{match[0]}\x1b\\{match[0]}\x1b]8;;\x1b\\", row)


def _knows_links(environ: Mapping[str, str]) -> bool:
    """Tell whether a terminal is one of those that are known to have links."""
    if forced := environ.get("FORCE_HYPERLINK"):
        return forced != "0"
    vte = environ.get("VTE_VERSION", "")
    return (
        (vte.isascii() and vte.isdigit() and int(vte) >= _VTE_WITH_LINKS)
        or environ.get("TERM_PROGRAM", "") in _WITH_LINKS
        or environ.get("TERM", "").startswith(_TERMS_WITH_LINKS)
        or any(environ.get(name) for name in ("WT_SESSION", "KONSOLE_VERSION", "KITTY_WINDOW_ID"))
    )


def warn(text: str) -> None:
    """Print beside the answer what the user should know."""
    for line in text.split("\n"):
        for row in laid_out(line, sys.stderr):
            print(row, file=sys.stderr, flush=True)  # noqa: T201 - this is the screen


def say_as_is(line: str) -> None:
    """Print a line for a program that reads the screen: whoever made it has escaped it."""
    print(line, flush=True)  # noqa: T201 - this is the screen


def data(text: str) -> None:
    """Print what is for programs: its encoding has escaped all that has to be."""
    sys.stdout.write(text)
    sys.stdout.flush()


def exactly(text: str) -> None:
    """Print what is for programs byte by byte, whatever the screen's own encoding is."""
    sys.stdout.buffer.write(text.encode())
    sys.stdout.flush()


def clean(line: str) -> str:
    """Make one line safe for a terminal, and for a CI that takes commands, whatever is in it."""
    safe = printable(line, len(line))
    if ("::" in safe or "##" in safe) and _is_obeyed():
        return _COMMAND.sub(lambda match: f"{match[0][:-1]}\\x{ord(match[0][-1]):02x}", safe)
    return safe


def clean_json(text: str) -> str:
    """The same JSON, without what commands a CI: `#` stands in strings alone."""
    return re.sub("#(?=#)", r"\\u0023", text) if _is_obeyed() else text


def _is_obeyed() -> bool:
    return any(os.environ.get(name) for name in _OBEYS)


def room(stream: TextIO | None = None) -> int | None:
    """The columns that a line may have; None where it has no end, in a pipe or a file.

    The last column stays free: what is written there moves some terminals to the next row.
    """
    out = sys.stdout if stream is None else stream
    return max(1, shutil.get_terminal_size().columns - 1) if out.isatty() else None


def laid_out(line: str, stream: TextIO | None = None) -> Iterator[str]:
    """A line made safe, as rows: a terminal gets it broken between words, a pipe in one piece."""
    columns = room(stream)
    if columns is None:
        yield clean(line)
    else:
        yield from wrapped(clean(line), columns)


def fitted(names: Sequence[str], taken: int) -> list[str]:
    """Names made safe, cut to what a row has left besides `taken` columns, and told apart."""
    columns, safe = room(), [clean(name) for name in names]
    return safe if columns is None else cut_apart(safe, max(_NAME_LEAST, columns - taken))


def on_terminal() -> bool:
    """Tell whether the screen is a terminal that colours and moves its cursor."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _coloured(terminal: bool) -> bool:
    """NO_COLOR wins, then what forces colours (or, as 0, none); an empty one says nothing."""
    if os.environ.get("NO_COLOR"):
        return False
    if forced := os.environ.get("FORCE_COLOR"):
        return forced.lower() not in ("0", "false")
    return terminal or os.environ.get("CLICOLOR_FORCE", "") not in ("", "0")


def paint(text: str, *, terminal: bool | None = None) -> str:
    """Colour marks and headings on a terminal, or as the user's variables have it."""
    if not _coloured(on_terminal() if terminal is None else terminal):
        return text
    bare = text.lstrip()
    lead = text[: len(text) - len(bare)]
    for mark, colour in (("✓", GREEN), ("✗", RED), ("!", YELLOW)):
        if bare.startswith(mark + " "):
            return f"{lead}{colour}{mark}{PLAIN}{bare[1:]}"
    return f"{BOLD}{text}{PLAIN}" if text.isupper() else text
