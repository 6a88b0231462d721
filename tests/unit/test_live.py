"""The live board: what is drawn is gone at the end, and no name tears it."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pyte
import pytest
from rich.console import Console as Screen

from comfyfix.screen.run.live import LiveConsole
from comfyfix.screen.words import t
from tests.behaviour.test_screen import columns

HOSTILE = ["[red]x[/]", "{0}{task}", "漢字" * 30, "a_long_name_" * 20, "e\x1b[2Je\u202e", "a\nb\tc"]


def shown(written: str, width: int) -> list[str]:
    """The rows of a terminal that is high enough for all of it."""
    screen = pyte.Screen(width, 2000)
    screen.set_mode(pyte.modes.LNM)
    pyte.Stream(screen).feed(written)
    assert not screen.cursor.hidden
    return [line.rstrip() for line in screen.display if line.strip()]


@pytest.mark.parametrize(
    ("width", "turns"),
    [(80, 6), *(pytest.param(w, 20, marks=pytest.mark.soak) for w in (20, 80, 160))],
)
def test_lines_stay_and_rows_go_however_many_threads_write(
    tmp_path: Path, width: int, turns: int
) -> None:
    out = io.StringIO()
    screen = Screen(file=out, force_terminal=True, width=width, height=24)
    console = LiveConsole(tmp_path / "run.log", screen)
    workers = 8
    console.begin(workers * turns)

    def work(number: int) -> None:
        for turn in range(turns):
            key = f"{number}.{turn}"
            for phase in ("searching", "waiting", "downloading", "verifying"):
                console.phase(key, HOSTILE[turn % 6], phase, size=turn or None, path=tmp_path / key)
                console.line(f"{key} {phase}")
            console.settled(key, good=turn > 0)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    console.end()
    lines = shown(out.getvalue(), width)
    assert len(lines) == len(set(lines)) == workers * turns * 4


@pytest.mark.parametrize("width", [10, 40, 80, 160])
def test_every_row_is_one_row_of_the_terminal(tmp_path: Path, width: int) -> None:
    out = io.StringIO()
    screen = Screen(file=out, force_terminal=True, width=width, height=24)
    console = LiveConsole(tmp_path / "run.log", screen)
    for number, name in enumerate(HOSTILE):
        path = tmp_path / f"{number}"
        path.with_name(f"{number}.cafe.part").write_bytes(bytes(500))
        console.phase(name, name, "downloading", size=1000 if number else None, path=path)
    screen.print(console._board.get_renderable())
    rows = shown(out.getvalue(), 200)
    assert len(rows) == len(HOSTILE) + 1
    assert max(map(columns, rows)) <= min(width, 79)
    if width >= 80:  # there is room for all of it
        assert all(t("{share} of {size:size}", share=" 50%", size=1000) in row for row in rows[1:6])
        assert t("{count} done", count=0) in rows[-1]
