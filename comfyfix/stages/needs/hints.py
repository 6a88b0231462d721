"""Hints: the addresses of a model, from the workflows that need it, else from any other."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from comfyfix.comfyui.references.hints import Named, by_name, key_of
from comfyfix.records import Hint
from comfyfix.stages.needs.join import Need


class Hints:
    """What all workflows together tell of where models are."""

    def __init__(self, hints: Iterable[tuple[Hint, ...]]) -> None:
        self._hints = hints

    def of(self, need: Need) -> tuple[Hint, ...]:
        """The addresses of the very references; where they have none, those of the file's name."""
        own = tuple(dict.fromkeys(r.hint for r in need.references if r.hint))
        if own:
            return own
        keys = (None, need.model.folder, *need.lead.also)
        named = self._by_name.get(need.model.name, ())
        return tuple(dict.fromkeys(hint for hint in named if key_of(hint) in keys))

    @cached_property
    def _by_name(self) -> Named:
        return by_name(hint for hints in self._hints for hint in hints)
