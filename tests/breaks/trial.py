"""A copy of the tree to break things in, and runs of some tests there."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.breaks.make import Break

INSIDE = Path(__file__).parent / "inside"


@dataclass(frozen=True)
class Ended:
    """How a run of tests ended: green, red (by which test), or not in time."""

    green: bool
    in_time: bool = True
    by: str = ""
    said: str = ""


class Tree:
    """A copy of a checkout, with one break at a time."""

    def __init__(self, root: Path, holder: Path, places: Iterable[str]) -> None:
        self.root = holder / "tree"
        self.places = list(places)
        self._scratch = holder
        for name in _files(root):
            target = self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target, follow_symlinks=False)
        shared = root.parent / "shared"
        if shared.is_dir():
            (holder / "shared").symlink_to(shared)

    @contextlib.contextmanager
    def broken(self, each: Break) -> Iterator[None]:
        """Break the copy for a while."""
        path = self.root / each.path
        source = path.read_text(encoding="utf-8")
        try:
            self._write(path, each.applied(source))
            yield
        finally:
            self._write(path, source)

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")
        # Python knows a compiled module by second and size, and both may be as they were.
        for old in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            old.unlink()

    def run(self, tests: Iterable[str], seconds: float) -> Ended:
        """Run these tests in this order until one is red, or the time is up."""
        tests = list(tests)
        wanted = self._scratch / "wanted.txt"
        wanted.write_text("".join(f"{name}\n" for name in tests), encoding="utf-8")
        files = dict.fromkeys(name.partition("::")[0] for name in tests)
        options = ["-x", "-n", "0", "-rfE", "--tb=line", *files]
        return self.pytest(options, seconds, BREAKS_RUN=str(wanted))

    def pytest(self, options: Iterable[str], seconds: float, **extra: str) -> Ended:
        """Run pytest in the copy; after so many seconds it ends with all that it started."""
        argv = [sys.executable, "-m", "pytest", "-q", "-p", "breaks_plugin",
                "-p", "no:cacheprovider", *options]  # fmt: skip
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(self.root), str(INSIDE)]),
            "BREAKS_TREE": str(self.root),
            "BREAKS_PLACES": json.dumps(self.places),
            "CI": "true",  # the same examples each time
            **extra,
        }
        said = self._scratch / "said.txt"
        with said.open("w") as out:
            child = subprocess.Popen(
                argv, cwd=self.root, env=env, stdout=out, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            try:
                code = child.wait(seconds)
            except subprocess.TimeoutExpired:
                return Ended(green=False, in_time=False, said=said.read_text(errors="replace"))
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        text = said.read_text(errors="replace")
        found = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", text, re.MULTILINE)
        return Ended(green=code == 0, by=found[1] if found else "", said=text)


@contextlib.contextmanager
def copied(root: Path, places: Iterable[str]) -> Iterator[Tree]:
    """Copy a checkout for a while."""
    with tempfile.TemporaryDirectory(prefix="breaks-", ignore_cleanup_errors=True) as holder:
        yield Tree(root, Path(holder), places)


def _files(root: Path) -> list[str]:
    """The files of a checkout: what git knows or would take."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-zco", "--exclude-standard"],
            cwd=root, check=True, capture_output=True, text=True,
        )  # fmt: skip
        found = [name for name in done.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        found = [p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()]
    return [name for name in found if (root / name).is_file()]
