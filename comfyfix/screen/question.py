"""The one question before the first download."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from comfyfix.disk.files import human_size
from comfyfix.screen.text import say
from comfyfix.screen.words import fixed, t
from comfyfix.stages.work import Planned

BIGGEST = 3


def agreed(pending: Sequence[Planned], store: Path) -> bool:
    """Ask until the user says yes or no."""
    say(_missing(len(pending), store))
    say(_sizes(pending))
    while True:
        try:
            answer = input(fixed("Your choice [y/n/v] ")).strip().lower()
        except EOFError:
            answer = "n"
        if answer in ("y", "yes"):
            return True
        if answer in ("n", "no"):
            say(t("Nothing was downloaded."))
            return False
        if answer in ("v", "view"):
            for planned in pending:
                size = _size(planned)
                told = human_size(size) if size is not None else t("size not known yet")
                say(f"  {planned.model.key}  ({told})")
        else:
            say(f"y: {t('yes')}, n: {t('no')}, v: {t('view the models')}")


def _missing(count: int, store: Path) -> str:
    if count == 1:
        return t("One model is missing. Search and download to {store}?", store=str(store))
    told = "{count} models are missing. Search and download to {store}?"
    return t(told, count=count, store=str(store))


def _size(planned: Planned) -> int | None:
    return planned.record.size if planned.record else None


def _sizes(pending: Sequence[Planned]) -> str:
    """What is about to be downloaded, as far as an earlier search told it."""
    fetched = [p for p in pending if p.record and not p.record.local]
    sizes = [(size, p.model.name) for p in fetched if (size := _size(p))]
    if not sizes:
        return t("Sizes are not known yet; `doit plan` searches without downloading.")
    by_size = sorted(sizes, key=lambda item: -item[0])
    big = tuple(f"{name} {human_size(size)}" for size, name in by_size[:BIGGEST])
    total, rest = sum(size for size, _ in sizes), len(pending) - len(sizes)
    if rest:
        told = "{total:size} in all, {rest} of unknown size; the biggest: {big}"
        return t(told, total=total, rest=rest, big=big)
    return t("{total:size} in all; the biggest: {big}", total=total, big=big)
