"""`docs/messages.md`: what each end means, and every message, each at an address of its own."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from comfyfix.screen import words
from comfyfix.screen.commands import explaining
from comfyfix.screen.commands.explaining import Explained

TEXTS = Path(words.__file__).with_name("texts")
_TITLES = {
    "setup": "The manifest and the folders",
    "tasks": "While a run is at work",
    "sources": "What sources say",
    "flaws": "What is wrong inside a file",
    "policy": "The policy",
    "lock": "The lock file",
    "qwen": "Qwen",
    "commands": "Commands",
}
_KINDS = {
    "outcomes": "Outcomes",
    "verdicts": "Verdicts",
    "standings": "Workflows",
    "exit_codes": "Exit codes",
}
_HEAD = """# When something fails

A message says what happened, why, and what comes next. Here is every one of them, at an address of
its own: the name that `report.json` has as `why`. `doit explain NAME` prints the same. Words in
capitals stand for what the message names. Where the next step wants more than a line, it is in
[the guide to common trouble](trouble.md)."""


def page() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    for kind, explained in explaining.tables().items():
        yield from _explained(_KINDS[kind], explained)
    for table in sorted(TEXTS.glob("*.toml")):
        yield from ("", f"## {_TITLES.get(table.stem, table.stem.capitalize())}")
        for name in sorted(tomllib.loads(table.read_text(encoding="utf-8"))):
            told = words.template(name)
            assert told is not None, name
            cause = f": {told.cause}" if told.cause else ""
            yield from ("", f"#### {name} {{ #{name} }}", "", _plain(f"{told.what}{cause}"))
            if told.next_step:
                yield from ("", f"**Next:** {_plain(told.next_step)}")


def _explained(title: str, told: Mapping[str, Explained]) -> Iterator[str]:
    yield from ("", f"## {title}")
    for word, explained in told.items():
        yield from ("", f"### {word} {{ #{anchor(word)} }}", "", _plain(explained.means))
        if explained.helps:
            yield from ("", f"**What helps:** {_plain(explained.helps)}")


def anchor(word: str) -> str:
    """The anchor of an outcome: apart from the names of reasons, which have no dash."""
    return f"end-{word.replace(' ', '-')}"


def _plain(text: str) -> str:
    """A text of ours in Markdown: what is typed stays, and nothing else means anything."""
    parts = text.split("`")
    for place in range(0, len(parts), 2):
        for letter in "*_[]<>#|":
            parts[place] = parts[place].replace(letter, f"\\{letter}")
    return "`".join(parts)
