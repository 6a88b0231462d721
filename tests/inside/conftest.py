"""Here `site` runs its commands in the process of the test; `program` starts the real ones."""

from __future__ import annotations

import pytest

from comfyfix.screen import words
from tests.inprocess import InProcess
from tests.rig import Site


@pytest.fixture(autouse=True)
def _comfyfix_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_typed", [words.PROGRAMS[1]])


@pytest.fixture
def site(inprocess: InProcess) -> Site:
    """A project folder whose commands run here."""
    return inprocess
