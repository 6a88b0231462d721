"""`uv run python -m tests.pins`: what the tests run with, in its newest versions, written down.

pytest turns every warning into an error, so a deprecation that some library brings tomorrow would
make the tests red on a tree that nobody has touched. The versions that they were green with are
therefore in pyproject.toml, as `constraint-dependencies` of uv: names and versions, no address.
They bind development alone; who installs comfyfix gets what its `dependencies` allow.

Run the tests after it, and commit what it wrote if they are green.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
LIST = re.compile(r"(^constraint-dependencies = \[\n)[^\]]*(^\]$)", re.MULTILINE)


def pinned(lock: str) -> list[str]:
    """A line per package of a lock file."""
    versions: dict[str, set[str]] = defaultdict(set)
    for package in tomllib.loads(lock)["package"]:
        if "editable" not in package["source"]:
            versions[package["name"]].add(package["version"])
    # One that is locked in two versions, for different systems, is not held.
    return [f"{name}=={min(found)}" for name, found in sorted(versions.items()) if len(found) == 1]


def written(project: str, pins: list[str]) -> str:
    """The text of pyproject.toml with these pins."""
    lines = "".join(f'    "{pin}",\n' for pin in pins)
    text, count = LIST.subn(lambda found: found[1] + lines + found[2], project)
    if count != 1:
        sys.exit("pyproject.toml has no constraint-dependencies to write")
    return text


def main() -> None:
    """Let go of all versions, take the newest, and hold these."""
    project = REPO / "pyproject.toml"
    old = project.read_text(encoding="utf-8")
    project.write_text(written(old, []), encoding="utf-8")
    try:
        subprocess.run(["uv", "lock", "--upgrade"], cwd=REPO, check=True)
    except BaseException:
        project.write_text(old, encoding="utf-8")
        raise
    new = written(old, pinned((REPO / "uv.lock").read_text(encoding="utf-8")))
    project.write_text(new, encoding="utf-8")
    subprocess.run(["uv", "lock"], cwd=REPO, check=True)


if __name__ == "__main__":
    main()
