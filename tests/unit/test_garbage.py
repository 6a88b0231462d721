"""Garbage is left alone for a while, and only for a while."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from comfyfix.garbage import left_alone


@pytest.fixture
def as_it_was() -> Iterator[None]:
    before = gc.isenabled()
    yield
    if before:
        gc.enable()
    else:
        gc.disable()


@pytest.mark.parametrize("collects", [True, False])
def test_nothing_is_collected_meanwhile_and_all_is_as_before(
    as_it_was: None, collects: bool
) -> None:
    if collects:
        gc.enable()
    else:
        gc.disable()
    with pytest.raises(RuntimeError), left_alone():
        assert not gc.isenabled()
        raise RuntimeError
    assert gc.isenabled() is collects
