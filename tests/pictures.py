"""`python -m tests.pictures`: runs the real program on a real terminal and draws what it shows.

Writes the pictures of the README, `.github/pictures/*.svg`: a run at work, and one in trouble.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import tempfile
import termios
import time
from itertools import groupby
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from tests.rig import PROGRAM, REPO, Site

COLUMNS, ROWS = 92, 22
PICTURES = REPO / ".github" / "pictures"
NAMES = (
    ("checkpoints", "harbor_light_xl"),
    ("diffusion_models", "river_flow_fp8"),
    ("text_encoders", "river_text_encoder"),
    ("loras", "soft_window_light"),
    ("vae", "paper_lantern_vae"),
    ("loras", "moonlit_alley_style"),
    ("controlnet", "pose_guide_xl"),
)


def screen_of(site: Site, *arguments: str, until: str = "", **extra: str) -> pyte.Screen:
    """Run doit on a terminal; return its screen at the end, or once it shows `until`."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    env = site.environment(TERM="xterm-256color", COLORTERM="truecolor", **extra)
    process = subprocess.Popen(
        [*PROGRAM, *arguments], cwd=site.root, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    deadline = time.monotonic() + 60
    try:
        while (block := os.read(ours, 4096)) and time.monotonic() < deadline:
            stream.feed(block)
            # A drawing ends with its last line; half of one is no picture.
            if until and re.search(until, screen.display[screen.cursor.y]):
                break
    except OSError:
        pass  # the program has ended
    process.terminate()
    process.wait()
    os.close(ours)
    return screen


def draw(screen: pyte.Screen, title: str, path: Path) -> None:
    """Draw a terminal's screen as SVG, without its empty rows."""
    console = Console(record=True, width=COLUMNS, file=Path(os.devnull).open("w"))  # noqa: SIM115
    used = [y for y in range(ROWS) if screen.display[y].strip()]
    for y in range(used[0], used[-1] + 1):
        line = Text(no_wrap=True)
        row = [screen.buffer[y][x] for x in range(COLUMNS)]
        for (fg, bold), chars in groupby(row, key=lambda char: (char.fg, char.bold)):
            colour = None if fg == "default" else {"brown": "yellow"}.get(fg, fg)
            line.append("".join(char.data for char in chars), Style(color=colour, bold=bold))
        line.rstrip()
        console.print(line)
    path.parent.mkdir(parents=True, exist_ok=True)
    svg = console.export_svg(title=title, font_aspect_ratio=0.61)
    # The font is the reader's own: no picture of ours loads anything from elsewhere.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    path.write_text(svg.replace("Fira Code, ", ""))
    print(f"{path.relative_to(REPO)}: {len(used)} rows")


def main() -> None:
    """Draw all pictures."""
    with tempfile.TemporaryDirectory() as folder, Hub() as hub:
        site = Site(Path(folder), hub)
        site.manifest(confirm=False)
        needs = [(kind, f"{name}.safetensors") for kind, name in NAMES]
        site.workflow("portrait.json", *needs)
        for i, (_, name) in enumerate(needs):
            files = hub.add(f"demo-studio/{name.partition('.')[0]}", []).files
            files[name] = file_for(name, size=1_500_000 + 700_000 * i)
        hub.rate, hub.delays["search"] = 700_000, 0.4
        draw(screen_of(site, until=r" left .*kB/s|MB/s"), "doit", PICTURES / "at-work.svg")
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        (site.root / "manifest.yaml").write_text("comfyui: demo\nconfirm: false\n")
        screen = screen_of(site, COMFYFIX_DEMO="trouble")
        draw(screen, "COMFYFIX_DEMO=trouble doit", PICTURES / "trouble.svg")


if __name__ == "__main__":
    main()
