"""Picking: which models a user means by a line of numbers, ranges, names and patterns."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from comfyfix.stages.needs.work import Planned

_NUMBERS = re.compile(r"(w?)0*(\d{1,9})(?:-w?0*(\d{1,9}))?", re.IGNORECASE)
_PART_MIN = 3
"""Letters of a name that are enough to tell it by a part."""


@dataclass(frozen=True, slots=True)
class Picked:
    """The models that are meant, in the order of the run, and the words that mean none."""

    models: tuple[Planned, ...]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """What there is to pick from; `workflows` are those that need some of it, w1 the first one."""

    models: Sequence[Planned]
    workflows: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, models: Sequence[Planned]) -> Offer:
        """Offer some models, and the workflows that name them."""
        keys: dict[str, set[str]] = defaultdict(set)
        for planned in models:
            for workflow in planned.workflows:
                keys[workflow].add(planned.model.key)
        return cls(models, {name: frozenset(keys[name]) for name in sorted(keys)})


def picked(text: str, offer: Offer) -> Picked:
    """Return what is meant. A word after `!` is left out; where only such are told, of all."""
    if by_whole_text := _exact(text.strip(), offer):
        return _in_order(by_whole_text, offer)
    chosen: set[str] = set()
    unknown: list[str] = []
    words = _words(text)
    if words and all(word.startswith("!") for word in words):
        chosen = {planned.model.key for planned in offer.models}
    for word in words:
        meant = _meant(word.removeprefix("!"), offer)
        if not meant:
            unknown.append(word)
        chosen = chosen - meant if word.startswith("!") else chosen | meant
    return _in_order(chosen, offer, unknown)


def _words(text: str) -> list[str]:
    text = text.replace(",", " ")
    try:
        words = shlex.split(text)
    except ValueError:  # a quote without its other one
        words = text.split()
    return [word for word in words if word.strip("!")]


def _in_order(keys: set[str], offer: Offer, unknown: Sequence[str] = ()) -> Picked:
    return Picked(tuple(p for p in offer.models if p.model.key in keys), tuple(unknown))


def _meant(word: str, offer: Offer) -> set[str]:
    if match := _NUMBERS.fullmatch(word):
        first, last = int(match[2]), int(match[3] or match[2])
        if numbered := _numbered(offer, first, last, workflows=bool(match[1])):
            return numbered
    lower = word.casefold()
    if any(sign in word for sign in "*?["):
        return _named(offer, lambda name: fnmatchcase(name, lower))
    if exact := _exact(word, offer):
        return exact
    return _named(offer, lambda name: lower in name) if len(lower) >= _PART_MIN else set()


def _numbered(offer: Offer, first: int, last: int, *, workflows: bool) -> set[str]:
    """By number: models have those of the run, workflows are counted."""
    first, last = min(first, last), max(first, last)
    if workflows:
        return set().union(*list(offer.workflows.values())[max(0, first - 1) : last])
    return {p.model.key for p in offer.models if first <= p.number <= last}


def _exact(word: str, offer: Offer) -> set[str]:
    lower = word.casefold()
    return _named(offer, lambda name: name == lower)


def _named(offer: Offer, matches: Callable[[str], bool]) -> set[str]:
    return {key for name, keys in _names(offer) if matches(name) for key in keys}


def _names(offer: Offer) -> Iterator[tuple[str, frozenset[str]]]:
    """Every name that something may be called by, in small letters, with the models it means."""
    for planned in offer.models:
        model = planned.model
        names = {model.name, model.path, model.key, planned.task, model.name.rpartition(".")[0]}
        yield from ((name.casefold(), frozenset({model.key})) for name in names if name)
    for workflow, keys in offer.workflows.items():
        file = workflow.rpartition("/")[2]
        names = {workflow, file, file.rpartition(".")[0]}
        yield from ((name.casefold(), keys) for name in names if name)
