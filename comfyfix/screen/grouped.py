"""Many failures of one cause, said once."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from comfyfix.errors import Problem
from comfyfix.records import Model, Reason
from comfyfix.screen import words
from comfyfix.screen.words import t

MANY = 4
"""So many models of one cause are told together."""
NAMES_MAX = 3


def by_cause(failed: Sequence[tuple[Model, Problem]]) -> Iterator[str]:
    """Tell what failed, why, and what to do.

    Those of one cause are told together where they are many, and two already where not one word
    would differ.
    """
    groups: dict[tuple[str, str], list[tuple[Model, Problem]]] = {}
    for model, problem in failed:
        groups.setdefault(_cause(model, problem), []).append((model, problem))
    for (sentence, step), group in groups.items():
        if len(group) < (2 if _is_said_of_all(group) else MANY):
            for model, problem in group:
                yield from with_step(f"  {model.key}: ", problem.reason)
            continue
        yield f"  {t('{count:models}', count=len(group))}: {sentence}"
        yield f"    {first_few([model.key for model, _ in group])}"
        yield from next_step(step)


def _is_said_of_all(group: Sequence[tuple[Model, Problem]]) -> bool:
    """Tell whether nothing in the words is of one model alone."""
    return len({words.problem(problem) for _, problem in group}) == 1


def first_few(keys: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    if len(keys) < MANY:
        return t("{names}", names=tuple(keys))
    more = len(keys) - NAMES_MAX
    return t("{names} and {more} more", names=tuple(keys[:NAMES_MAX]), more=more)


def next_step(step: str) -> Iterator[str]:
    """Make the line below a failure, if there is something to do."""
    if step:
        yield f"    {t('Next:')} {step}"


def with_step(begin: str, reason: Reason) -> Iterator[str]:
    """Tell a reason on a line that begins so, and below it what helps, if anything does."""
    yield f"{begin}{words.sentence(reason)}"
    yield from next_step(words.worded(reason).next_step)


def stays(model: str, reason: Reason) -> Iterator[str]:
    """Say of a model that it is left as it is: why, and what helps."""
    yield f"✗ {t('{model} stays: {reason}', model=model, reason=reason)}"
    yield from next_step(words.worded(reason).next_step)


def _cause(model: Model, problem: Problem) -> tuple[str, str]:
    """Why, and what to do, with the model's own names taken out."""
    return (
        _without(words.sentence(problem.reason), model, t("it")),
        _without(words.worded(problem.reason).next_step, model, t("MODEL")),
    )


def _without(text: str, model: Model, stand_in: str) -> str:
    names = [model.key, model.path, model.name]
    for name in (*map(shlex.quote, names), *names):
        text = text.replace(name, stand_in)
    return text
