"""Searches in the background: what the user has asked for comes before the rest."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from comfyfix.tasks.run import searching
from comfyfix.tasks.run.searching import Background, Sought


def sought(key: str) -> Sought:
    model = SimpleNamespace(key=key, name=key)
    made = SimpleNamespace(planned=SimpleNamespace(model=model), answer=lambda: "not yet")
    return cast(Sought, made)


@pytest.mark.parametrize("preferred", ["a", "b", "c"])
def test_what_is_preferred_is_searched_first(
    monkeypatch: pytest.MonkeyPatch, preferred: str
) -> None:
    searches = Background([sought(key) for key in "abc"], costs=False)

    def answered(one: Sought, *, costs: bool) -> Any:
        searches.halt()  # no further one begins
        return one.planned.model.key

    monkeypatch.setattr(searching, "answered", answered)
    searches.prefer({preferred})
    searches._work()
    found: list[Any] = searches.answers()
    assert found == [key if key == preferred else "not yet" for key in "abc"]
