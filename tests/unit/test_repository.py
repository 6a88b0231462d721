"""What the files of the repository promise one another."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.pins import pinned, written
from tests.rig import REPO

LOCK = """
[[package]]
name = "b"
version = "2.0"
source = { registry = "x" }
[[package]]
name = "a"
version = "1.0"
source = { registry = "x" }
[[package]]
name = "two"
version = "1.0"
source = { registry = "x" }
[[package]]
name = "two"
version = "2.0"
source = { registry = "x" }
[[package]]
name = "ours"
version = "0.1.0"
source = { editable = "." }
"""


def project() -> dict[str, Any]:
    return tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))


def test_all_that_the_tests_run_with_is_held() -> None:
    told = project()
    pins = told["tool"]["uv"]["constraint-dependencies"]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin) for pin in pins)
    held = {pin.partition("==")[0] for pin in pins}
    wanted = {
        re.split(r"[<>=~!\[ ]", line, maxsplit=1)[0].replace("_", "-")
        for line in (*told["project"]["dependencies"], *told["dependency-groups"]["dev"])
    }
    assert wanted <= held, "run `uv run python -m tests.pins`"


def test_pins_are_written_anew() -> None:
    text = '[tool.uv]\nconstraint-dependencies = [\n    "old==1",\n]\n\n[x]\ny = [\n    "z",\n]\n'
    assert pinned(LOCK) == ["a==1.0", "b==2.0"]
    for pins in ([], ["a==1.0", "b==2.0"]):
        told = tomllib.loads(text := written(text, pins))
        assert told == {"tool": {"uv": {"constraint-dependencies": pins}}, "x": {"y": ["z"]}}


@pytest.mark.parametrize(
    ("message", "code"),
    [("a" * 72, 0), ("ü" * 72 + "\n\nlong" * 30, 0), ("a" * 73, 1), ("", 1), ("\nlater\n", 1)],
)
def test_a_commit_has_a_subject_that_is_not_too_long(
    tmp_path: Path, message: str, code: int
) -> None:
    path = tmp_path / "message"
    path.write_text(message, encoding="utf-8")
    done = subprocess.run([REPO / ".ci" / "subject", path], check=False, capture_output=True)
    assert done.returncode == code


def test_a_fresh_clone_has_an_output_folder_of_which_nothing_else_is_kept() -> None:
    assert (REPO / "output" / ".gitignore").read_text(encoding="utf-8") == "*\n!.gitignore\n"


def test_no_example_has_a_deadline_and_none_is_remembered() -> None:
    told = settings.get_profile(settings.get_current_profile_name())
    assert told.deadline is None
    assert told.database is None
