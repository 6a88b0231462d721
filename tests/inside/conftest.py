"""Here `site` runs its commands in the process of the test; `program` starts the real ones."""

from __future__ import annotations

import pytest

from tests.inprocess import InProcess
from tests.rig import Site


@pytest.fixture
def site(inprocess: InProcess) -> Site:
    """A project folder whose commands run here."""
    return inprocess
