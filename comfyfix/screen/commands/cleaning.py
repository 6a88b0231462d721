"""What `clean` has removed, or would remove."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from comfyfix.disk.leftovers import Left
from comfyfix.screen.words import t


def lines(every: Sequence[Left], *, project: str, dryrun: bool) -> Iterator[str]:
    """Tell what it was, of which models, and how many bytes."""
    if project:
        yield t("Project: {name}", name=project)
    if not every:
        yield t("Nothing to remove: no cache, and nothing that a stopped download has left.")
        return
    by_model = defaultdict[str, list[Left]](list)
    for item in every:
        by_model[item.beside].append(item)
    for model, items in sorted(by_model.items()):
        size = _size(items)
        if model:
            yield f"  {t('{model}: {size:size} of a stopped download', model=model, size=size)}"
        else:
            yield f"  {t('caches: {size:size}', size=size)}"
    told = {"count": len(every), "size": _size(every)}
    if dryrun:
        yield t("Would be removed: {size:size} (files: {count}).", **told)
    else:
        yield t("Removed: {size:size} (files: {count}).", **told)
    yield t("Models, records, scripts and the ledger stay.")


def _size(items: Sequence[Left]) -> int:
    return sum(item.size for item in items)
