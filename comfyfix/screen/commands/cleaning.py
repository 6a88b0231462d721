"""What `clean` has removed, or would remove."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from comfyfix.disk.lease.leftovers import Left
from comfyfix.screen.words import t


def lines(files: Sequence[Left], *, project: str, dryrun: bool) -> Iterator[str]:
    """Tell what it was, of which models, and how many bytes."""
    if project:
        yield t("Project: {name}", name=project)
    if not files:
        yield t("Nothing to remove: no cache, and nothing that a stopped download has left.")
        return
    sizes: Counter[str] = Counter()
    for file in files:
        sizes[file.beside] += file.size
    for model, size in sorted(sizes.items()):
        if model:
            yield f"  {t('{model}: {size:size} of a stopped download', model=model, size=size)}"
        else:
            yield f"  {t('caches: {size:size}', size=size)}"
    line = "Would be removed: " if dryrun else "Removed: "
    yield t(line + "{size:size} (files: {count}).", count=len(files), size=sizes.total())
    yield t("Models, records, scripts and the ledger stay.")
