"""The one question, on a real terminal: what is typed while searches go on, and how it may end."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pyte
import pytest

from comfyfix.demo.hub import Hub
from comfyfix.screen.words import fixed, t
from tests.rig import PROGRAM, Site

NAMES = [f"{word}_lora.safetensors" for word in ("harbor", "copper", "violet")]
LONG = 60.0
KEYS = fixed("Your choice [y/n/v/p] ")


class Terminal:
    """A program on a terminal, what it has written, and what the screen shows of that."""

    def __init__(self, site: Site, rows: int = 24, columns: int = 80) -> None:
        self._ours, theirs = pty.openpty()
        self.resize(rows, columns)
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._changed = threading.Condition()
        self._written = bytearray()
        self._hung_up = False
        env = site.environment(TERM="xterm-256color")
        # Whoever leads a session gets the terminal that it opens: then a hang-up reaches it.
        opens = 'exec "$@" <"$0" >"$0" 2>&1'
        command = ["sh", "-c", opens, os.ttyname(theirs), *PROGRAM]
        # It holds the terminal from its first moment: where nobody does its reader ends.
        self.process = subprocess.Popen(
            command, cwd=site.root, env=env, stdin=theirs, start_new_session=True
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while block := os.read(self._ours, 65536):
                with self._changed:
                    self._written += block
                    self._stream.feed(block.replace(b"\n", b"\r\n"))
                    self._changed.notify_all()
                if self._hung_up:
                    os.close(self._ours)
                    break
        except OSError:
            pass  # its last user has ended
        with self._changed:
            self._changed.notify_all()

    @property
    def written(self) -> str:
        return self._written.decode()

    def until(self, text: str) -> None:
        """Wait for something to be on the screen."""
        with self._changed:
            shown = self._changed.wait_for(lambda: text in "\n".join(self.screen.display), LONG)
        assert shown, self.screen.display

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def ended(self) -> int:
        try:
            return self.process.wait(LONG)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._reader.join(LONG)

    def hang_up(self) -> None:
        # It is closed for good only by the thread that reads it, once there is something to read.
        self._hung_up = True
        self.resize(24, 70)


@pytest.fixture
def three(site: Site, hub: Hub) -> Site:
    """Two models that are to be had, and one that is held back until the test lets it go."""
    site.workflow("one.json", ("loras", NAMES[0]))
    site.workflow("all.json", *[("loras", name) for name in NAMES])
    for name in NAMES:
        hub.add(f"maker/{name.partition('.')[0]}", [name])
    return site


@contextmanager
def held(hub: Hub, word: str) -> Iterator[None]:
    """Let no question with this word be answered meanwhile."""
    go = threading.Event()

    def wait(what: str) -> None:
        if word in what:
            go.wait(LONG)

    hub.on_request = wait
    try:
        yield
    finally:
        go.set()


def found(count: int) -> str:
    return t("{found} of {count} found", found=count, count=3)


def test_the_line_grows_while_it_waits_and_what_is_typed_stays(three: Site, hub: Hub) -> None:
    with held(hub, "violet"):
        terminal = Terminal(three)
        terminal.until(found(2))
        terminal.type("nonsense")
        terminal.until(f"{KEYS}nonsense")
    terminal.until(found(3))
    row = next(r for r in terminal.screen.display if KEYS.strip() in r)
    assert row.strip() == f"{KEYS}nonsense", "what is typed was drawn over"
    assert terminal.screen.display.count(row) == 1
    terminal.type("\nn\n")
    assert terminal.ended() == 1
    assert t("Nothing was downloaded.") in terminal.written
    assert three.files() == {}


def test_what_is_found_is_fetched_while_the_search_goes_on(three: Site, hub: Hub) -> None:
    with held(hub, "violet"):
        terminal = Terminal(three)
        terminal.until(found(2))
        terminal.type("y\n")
        terminal.until(fixed("✓ Download completed successfully"))
    assert terminal.ended() == 0
    assert len(three.files()) == 3
    log = (three.output / "log" / "search_history.log").read_text().splitlines()
    asked = [(e["model"], e["source"], e["query"]) for e in map(json.loads, log)]
    assert len(asked) == len(set(asked)), "a model was searched twice"


def test_what_is_picked_is_all_that_comes(three: Site) -> None:
    terminal = Terminal(three)
    terminal.until(found(3))
    terminal.type("p\n")
    terminal.until("w2")
    terminal.type("copper\n")
    terminal.until(t("{found} of {count} found", found=1, count=1))
    terminal.type("y\n")
    assert terminal.ended() == 0, terminal.written
    assert list(three.files()) == [f"loras/{NAMES[1]}"]
    assert fixed("[{number}/{total}] Processing: {name}", number=1, total=1, name=NAMES[1]) in (
        terminal.written
    )
    assert fixed("Total models: {count}", count=1) in terminal.written


@pytest.mark.parametrize(("keys", "code"), [("\x03", 130), ("\x04", 1)], ids=["stop", "end"])
def test_a_stop_and_an_end_of_input_leave_nothing(three: Site, keys: str, code: int) -> None:
    terminal = Terminal(three)
    terminal.until(KEYS.strip())
    terminal.type(keys)
    assert terminal.ended() == code
    assert "Traceback" not in terminal.written
    assert three.files() == {}
    assert not list(three.output.rglob("*.tmp"))


@pytest.mark.soak
def test_a_terminal_that_is_closed_ends_it(three: Site) -> None:
    terminal = Terminal(three)
    terminal.until(KEYS.strip())
    terminal.hang_up()
    assert terminal.ended() in (2, 128 + signal.SIGHUP)
    assert three.files() == {}


@pytest.mark.soak
def test_after_a_resize_it_is_drawn_anew_and_can_be_answered(three: Site) -> None:
    terminal = Terminal(three)
    terminal.until(found(3))
    terminal.resize(24, 40)
    terminal.until(found(3))
    terminal.type("n\n")
    assert terminal.ended() == 1


@pytest.mark.soak
def test_a_disk_that_is_too_small_is_said_first(three: Site) -> None:
    three.manifest(download={"reserve": 1 << 59})
    terminal = Terminal(three)
    terminal.until(
        t("y: {found} of {count} models that fit, {size:size}", found=0, count=3, size=0)
    )
    terminal.type("y\n")
    assert terminal.ended() == 1
    assert three.files() == {}
    told = t("Left out, the disk has no room: {count}", count=3)
    assert told in terminal.written
