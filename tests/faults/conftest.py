"""What the rows of the matrix share: a server, its shelf, and a place for many cases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.rig import Rig
from tests.faults.server import Server
from tests.faults.shelf import Shelf


@pytest.fixture
def shelf() -> Shelf:
    """An empty shelf."""
    return Shelf()


@pytest.fixture
def server(shelf: Shelf) -> Iterator[Server]:
    """Serves the shelf."""
    with Server(shelf) as running:
        yield running


@pytest.fixture
def rig(tmp_path: Path, shelf: Shelf, server: Server) -> Rig:
    """A place for many cases."""
    return Rig(tmp_path, shelf, server)
