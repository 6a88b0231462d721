"""`python -m tests.site`: makes pages of `docs/` anew; `--run` runs the examples, too."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.rig import REPO
from tests.site import commands_page, manifest_page, messages_page, tutorial

DOCS = REPO / "docs"
SHOWN = DOCS / "shown"
PROGRAM = [sys.executable, "-c", "from comfyfix.tasks.declare.program import main; main()"]


def main(*, anew: bool) -> None:
    """Write the pages."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "manifest.yaml").write_text("comfyui: demo\n")
        if anew:
            _run_examples(root)
        pages = {
            "manifest.md": manifest_page.page(),
            "messages.md": messages_page.page(),
            "commands.md": commands_page.page(lambda name: _said(root, "help", name), _shown),
        }
    if anew:
        with tempfile.TemporaryDirectory() as folder:
            pages["first.md"] = tutorial.page(Path(folder))
    for name, text in pages.items():
        (DOCS / name).write_text(text, encoding="utf-8")
        print(DOCS / name)


def _run_examples(root: Path) -> None:
    SHOWN.mkdir(exist_ok=True)
    for name, arguments in commands_page.EXAMPLES.items():
        (SHOWN / f"{name}.txt").write_text(_said(root, *arguments), encoding="utf-8")


def _shown(name: str) -> str:
    return (SHOWN / f"{name}.txt").read_text(encoding="utf-8")


def _said(root: Path, *arguments: str) -> str:
    """What a command prints, with the folder of the example called as a reader would."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(root), "LANG": "C.UTF-8", "PYTHONPATH": str(REPO)}
    done = subprocess.run(
        [*PROGRAM, *arguments], cwd=root, env=env, capture_output=True, text=True, check=False
    )
    text = (done.stdout + done.stderr).replace(str(root), "~/models")
    text = text.replace(str(REPO), "~/comfyfix")
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8000", text)


if __name__ == "__main__":
    main(anew="--run" in sys.argv[1:])
