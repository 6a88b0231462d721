"""The documentation tells commands, keys and messages as the program has them; links hold."""

from __future__ import annotations

import itertools
import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from comfyfix.net.notify import notices
from comfyfix.settings import read
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.notify import SCHEMES, flaw
from tests.rig import REPO
from tests.site import commands_page, manifest_page, messages_page, tutorial

DOCS = REPO / "docs"
PAGES = sorted(DOCS.glob("*.md"))
ANEW = "make it anew: python -m tests.site"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+?)(?: \{ #([\w-]+) \})?$", re.MULTILINE)


def test_every_key_of_the_manifest_is_told() -> None:
    told = manifest_page.described()
    structs = manifest_page.structs()
    assert told.keys() == structs.keys()
    for name, struct in structs.items():
        assert set(told[name]) == {field.name for field in msgspec.structs.fields(struct)}, name
    assert Manifest in structs.values()


@pytest.mark.skipif(os.environ.get("COMFYFIX_WORDS") == "pseudo", reason="pages hold our own words")
@pytest.mark.parametrize(
    ("name", "made"),
    [("manifest.md", manifest_page.page), ("messages.md", messages_page.page)],
)
def test_pages_made_of_the_program_are_of_this_one(name: str, made: Callable[[], str]) -> None:
    same = (DOCS / name).read_text(encoding="utf-8") == made()
    assert same, ANEW


def test_every_message_has_an_address_of_its_own() -> None:
    text = (DOCS / "messages.md").read_text(encoding="utf-8")
    names = [
        name
        for table in messages_page.TEXTS.glob("*.toml")
        for name in tomllib.loads(table.read_text())
    ]
    anchors = [found[2] for found in HEADING.finditer(text) if found[2]]
    assert len(anchors) == len(set(anchors))
    assert set(names) <= set(anchors)


def test_every_command_has_its_help_and_its_example() -> None:
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert [found[1] for found in HEADING.finditer(text)][1:] == commands_page.order()
    shown = {path.stem for path in (DOCS / "shown").iterdir()}
    assert shown == set(commands_page.EXAMPLES)


def test_no_page_tells_where_it_was_made() -> None:
    for path in (*PAGES, *(DOCS / "shown").iterdir()):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?<![~\w])/\S*/comfyfix/demo/|/pytest-", text), path


def test_the_tutorial_shows_what_is_run() -> None:
    text = (DOCS / "first.md").read_text(encoding="utf-8")
    typed = [step.typed for step in tutorial.STEPS]
    assert re.findall(r"^\$ (.+)$", text, re.MULTILINE) == typed, f"{ANEW} --run"
    assert len(typed) <= 12
    words = " ".join(text.split())
    assert all(step.before in words and step.after in words for step in tutorial.STEPS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_something(page: Path) -> None:
    for target in LINK.findall(
        re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    ):
        place, _, anchor = target.partition("#")
        if "://" in target:
            continue
        path = page.parent / place if place else page
        assert path.is_file(), target
        if anchor:
            assert anchor in anchors(path), target


def anchors(page: Path) -> set[str]:
    """The anchors of a page: those that are written, and those that headings get."""
    found = set()
    for title, written in HEADING.findall(page.read_text(encoding="utf-8")):
        found.add(
            written or re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title.lower())).strip("-")
        )
    return found


def test_every_page_is_in_the_contents() -> None:
    contents = (REPO / "zensical.toml").read_text(encoding="utf-8")
    assert {page.name for page in PAGES} == set(re.findall(r'"([\w-]+\.md)"', contents))


def test_every_service_that_can_be_told_is_named() -> None:
    text = (DOCS / "notify.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([a-z]+)`", text))
    example = read.of_text(f"comfyui: x\n{_block(text, 'notify:')}", DOCS / "x.yaml", {})
    assert example.notify
    assert [flaw(entry) for entry in example.notify if flaw(entry)] == []
    named = {scheme for scheme in SCHEMES if scheme.removesuffix("s") in told or scheme in told}
    assert named | {"https"} == SCHEMES
    for key, seconds in (("have", notices.SECONDS), ("apprise", notices.BEGIN_SECONDS)):
        assert re.search(rf"{key}\s+{seconds:g}\b", text), key


def _block(text: str, begins: str) -> str:
    """The indented block of a page that begins so."""
    lines = text.split("\n")
    first = lines.index(f"    {begins}")
    rest = (line for line in lines[first:])
    return "\n".join(line[4:] for line in itertools.takewhile(lambda line: line, rest))
