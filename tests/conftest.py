"""Fixtures, and the walls: tests reach nothing but loopback, no real home and no real token."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from comfyfix.demo.hub import Hub
from comfyfix.screen import words
from tests.rig import Site

if TYPE_CHECKING:
    from tests.inprocess import InProcess

SLOW_SECONDS = 900
"""What a test that is slow by intent may take; the slowest needs three minutes on busy cores."""
SHARED = Path(__file__).resolve().parents[2] / "shared"

# Every test of properties keeps to this, and says itself only how many examples it wants. Time is
# for pytest-timeout: on busy cores an example may be slow by no fault of its own. CI tries the same
# examples each time, so that a red run is about the change; elsewhere they are new each time, and
# a failure prints what brings it back.
settings.register_profile(
    "comfyfix",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("comfyfix")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One worker more than processors: a quarter of the time a test waits for what it started."""
    processors = getattr(os, "process_cpu_count", os.cpu_count)()
    return (processors or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the soak and fault tests a longer limit than pyproject.toml gives the others."""
    for item in items:
        slow = item.get_closest_marker("soak") or item.get_closest_marker("faults")
        if slow and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_SECONDS))


@pytest.fixture(autouse=True)
def _walls(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep a test inside this machine, away from the user's home and tokens."""
    for name in list(os.environ):
        if name.startswith(("HF_", "HUGGING", "CIVITAI", "QWEN", "COMFYUI", "OPENAI")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setattr(words, "_typed", [words.PROGRAMS[0]])
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "::1")):
            raise AssertionError(f"a test tried to reach {address}")
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture
def hub() -> Iterator[Hub]:
    """An empty loopback hub."""
    with Hub() as running:
        yield running


@pytest.fixture
def program(tmp_path: Path, hub: Hub) -> Iterator[Site]:
    """A project folder whose endpoint is the hub; its commands are programs of their own."""
    made = Site(tmp_path, hub)
    yield made
    made.close()


@pytest.fixture
def site(program: Site) -> Site:
    """The same; in `tests/inside` its commands run in the process of the test."""
    return program


@pytest.fixture
def inprocess(
    tmp_path: Path,
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[InProcess]:
    """The same, with its commands run in this process."""
    from tests.inprocess import InProcess  # doit, for those who want it

    made = InProcess(tmp_path, hub, monkeypatch, capsys)
    yield made
    made.close()


@pytest.fixture
def corpus() -> Path:
    """The labelled workflows, where they are at hand; our own CI must have them."""
    return _shared("corpus", "the labelled workflows")


@pytest.fixture
def oracle() -> Path:
    """What a running ComfyUI offers, where it is at hand; our own CI must have it."""
    return _shared("oracle", "the answers of a running ComfyUI")


@pytest.fixture
def cases() -> Path:
    """Small inputs that went wrong once, where they are at hand; our own CI must have them."""
    return _shared("cases", "the cases of old")


def _shared(name: str, what: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        if os.environ.get("CI") and os.environ.get("COMFYFIX_CORPUS") == "required":
            pytest.fail(f"{what} are missing, and this run requires them")
        pytest.skip(f"{what} are not on this machine")
    return folder
