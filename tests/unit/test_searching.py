"""Searches in the background: what the user has asked for comes before the rest."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from comfyfix.tasks.run import searching
from comfyfix.tasks.run.searching import BackgroundSearches, ModelSearch


def search(key: str) -> ModelSearch:
    model = SimpleNamespace(key=key, name=key)
    made = SimpleNamespace(planned=SimpleNamespace(model=model), answer=lambda: "not yet")
    return cast(ModelSearch, made)


@pytest.mark.parametrize("preferred", ["a", "b", "c"])
def test_what_is_preferred_is_searched_first(
    monkeypatch: pytest.MonkeyPatch, preferred: str
) -> None:
    searches = BackgroundSearches([search(key) for key in "abc"], costs=False)

    def answered(search: ModelSearch, *, costs: bool) -> Any:
        searches.halt()  # no further one begins
        return search.planned.model.key

    monkeypatch.setattr(searching, "search_and_keep", answered)
    searches.prefer({preferred})
    searches._work()
    found: list[Any] = searches.answers()
    assert found == [key if key == preferred else "not yet" for key in "abc"]
