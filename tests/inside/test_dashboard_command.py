"""`dashboard` from the command line: the address first, and mistakes told."""

from __future__ import annotations

import errno
import signal
import socket
import sys
import urllib.request

import pytest

from comfyfix.dashboard import server
from comfyfix.why import Why
from tests.inprocess import InProcess
from tests.rig import Site


def test_its_address_is_the_first_line_and_ctrl_c_ends_it(program: Site) -> None:
    process = program.start("dashboard")
    assert process.stdout
    address = process.stdout.readline().strip()
    with urllib.request.urlopen(address) as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_a_port_that_is_taken_is_told(inprocess: InProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for told in (port, "65536", "-1"):
            ran = inprocess.run("dashboard", "--port", told, "--json")
            assert ran.code == 3
            assert Why.DASHBOARD_PORT in ran.out


def test_any_port_that_there_is_may_be_asked_for(
    inprocess: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def bound(port: int) -> None:
        asked.append(port)
        raise OSError(errno.EADDRINUSE, "taken")

    monkeypatch.setattr(server, "bound", bound)
    for port in (0, 65535):
        assert inprocess.run("dashboard", "--port", str(port)).code == 3
    assert asked == [0, 65535]


def test_it_takes_no_name(inprocess: InProcess) -> None:
    ran = inprocess.run("dashboard", "x", "--json")
    assert (ran.code, Why.DASHBOARD_TAKES_NONE in ran.out) == (3, True)


def test_without_the_extra_it_says_how_to_get_it(
    inprocess: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("comfyfix.dashboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    ran = inprocess.run("dashboard")
    assert ran.code == 3
    assert "pip install 'comfyfix[dashboard]'" in ran.err
