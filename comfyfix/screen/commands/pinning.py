"""What `pin` has done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from comfyfix.screen.words import t


def lines(model: str, url: str, *, other_name: str, task: str, fetched_next: bool) -> Iterator[str]:
    """Tell the pin; `task` is empty for a model that is there already.

    `fetched_next` where nobody has to run the task.
    """
    yield t("Pinned {model} to {url}", model=model, url=url)
    if other_name:
        yield f"! {t('Its name there is {name}', name=other_name)}"
    if fetched_next:
        return
    if task:
        yield t("Next: `doit {task}`", task=task)
    else:
        yield t("It is there already; the pin counts when it is missing.")


def taken_back(models: Iterable[str]) -> Iterator[str]:
    """Tell which pins are gone."""
    for model in models:
        yield t("No longer pinned: {model}", model=model)
