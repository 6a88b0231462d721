"""Receipts: what was fetched and seen to be right, kept in output/ and in the store itself.

The copy in the store lets a fresh checkout know what is there; it is one file per model, so
that the many writers of a shared store never write to the same one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from comfyfix import state
from comfyfix.files import inside, write_atomic
from comfyfix.layout import Layout, store_receipt
from comfyfix.records import Model, Receipt, to_json


class ReceiptFile(msgspec.Struct, frozen=True, kw_only=True):
    """`downloaded_models.json`: receipts by model key."""

    version: Literal[1] = 1
    models: dict[str, Receipt] = {}


def load(layout: Layout) -> dict[str, Receipt]:
    """All receipts of this output folder."""
    known = state.read(layout.receipts, ReceiptFile)
    return known.models if known else {}


def from_store(store: Path, model: Model) -> Receipt | None:
    """The receipt that some writer of a shared store left for a model."""
    if model.folder is None:
        return None
    path = store_receipt(store, model.folder, model.path)
    return state.read(path, Receipt)


def save(layout: Layout, store: Path, model: Model, receipt: Receipt) -> None:
    """Keep a receipt in output/ and, where the store can be written, beside the models."""
    save_all(layout, store, [(model, receipt)])


def save_all(layout: Layout, store: Path, made: Sequence[tuple[Model, Receipt]]) -> None:
    """Keep several receipts as `save` does, at the price of one in output/."""
    if not made:
        return

    def update(known: ReceiptFile) -> ReceiptFile:
        fresh = {model.key: receipt for model, receipt in made}
        if all(known.models.get(key) == receipt for key, receipt in fresh.items()):
            return known
        return ReceiptFile(models={**known.models, **fresh})

    state.change(layout.receipts, layout.ledger_lock, ReceiptFile, ReceiptFile, update)
    for model, receipt in made:
        _save_in_store(store, model, receipt)


def _save_in_store(store: Path, model: Model, receipt: Receipt) -> None:
    if model.folder is not None:
        # A store that can be read only is used all the same; only the next checkout hashes anew.
        with contextlib.suppress(OSError):
            path = store_receipt(store, model.folder, model.path)
            if inside(store, path):  # another writer may have put a link in the folder's place
                write_atomic(path, to_json(receipt))


def forget(layout: Layout, store: Path, model: Model) -> None:
    """Drop the receipts of a file that is no longer what they say."""

    def update(known: ReceiptFile) -> ReceiptFile:
        if model.key not in known.models:
            return known
        return ReceiptFile(models={k: v for k, v in known.models.items() if k != model.key})

    state.change(layout.receipts, layout.ledger_lock, ReceiptFile, ReceiptFile, update)
    if model.folder is not None:
        with contextlib.suppress(OSError):
            path = store_receipt(store, model.folder, model.path)
            if inside(store, path):
                path.unlink()


def still_true(receipt: Receipt, path: Path | str, info: os.stat_result) -> bool:
    """Tell whether a file is, by path, size and time, the one that the receipt speaks of."""
    return (
        receipt.size == info.st_size
        and receipt.mtime_ns == info.st_mtime_ns
        and receipt.path.rpartition("/")[2] == str(path).rpartition("/")[2]
    )


def of_file(
    model: Model,
    path: Path,
    sha256: str,
    *,
    script: str,
    verified: bool,
    identified: bool = False,
) -> Receipt:
    """Write down a file as it is now. Raises OSError."""
    info = path.stat()
    return Receipt(
        model=model.key,
        path=str(path),
        size=info.st_size,
        sha256=sha256,
        mtime_ns=info.st_mtime_ns,
        at=state.now(),
        script=script,
        verified=verified,
        identified=identified,
    )
