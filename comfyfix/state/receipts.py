"""Receipts: what was fetched and seen to be right, kept in output/ and in the store itself.

The copy in the store lets a fresh checkout know what is there; it is one file per model, so
that the many writers of a shared store never write to the same one.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from comfyfix.disk import json_file, looked
from comfyfix.disk.files import led_into, write_atomic
from comfyfix.disk.json_file import Written
from comfyfix.disk.looked import stamp_of
from comfyfix.errors import SetupProblem
from comfyfix.records import Model, Receipt, Record, to_json
from comfyfix.state.layout import Layout, store_receipt
from comfyfix.state.trust import Trust, claimed


class ReceiptFile(msgspec.Struct, frozen=True, kw_only=True):
    """`downloaded_models.json`: receipts by model key."""

    version: Literal[1] = 1
    models: dict[str, Receipt] = {}


def load(layout: Layout) -> dict[str, Receipt]:
    """All receipts of this output folder."""
    known = json_file.read(layout.receipts, ReceiptFile)
    return known.models if known else {}


class Receipts:
    """The receipts of an output folder as one run knows them; safe to use from several threads.

    They are read again only where another process has written them since, so that whoever needs
    those of six models does not read those of twenty thousand each time.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._lock = threading.Lock()
        self._known: Written[ReceiptFile] | None = None
        self._by_path: tuple[object, dict[str, list[str]]] = (None, {})

    def all(self) -> Mapping[str, Receipt]:
        """All of them, by model key, as they are now. Raises OSError, SetupProblem."""
        with self._lock:
            stamp = stamp_of(looked.at(self._layout.receipts))
            if self._known is None or not stamp or self._known.stamp != stamp:
                self._known = Written(ReceiptFile(models=load(self._layout)), stamp)
            return self._known.content.models

    def at(self, path: str) -> dict[str, Receipt]:
        """Those that speak of the file at a path, by model key. Raises OSError, SetupProblem."""
        known = self.all()
        with self._lock:
            if self._by_path[0] is not known:
                keys: dict[str, list[str]] = {}
                for key, receipt in known.items():
                    keys.setdefault(receipt.path, []).append(key)
                self._by_path = (known, keys)
            return {key: known[key] for key in self._by_path[1].get(path, ())}

    def keep(self, made: Sequence[tuple[Model, Receipt]]) -> None:
        """Keep receipts in output/ alone. Raises OSError, SetupProblem."""
        if not made:
            return

        def update(known: ReceiptFile) -> ReceiptFile | None:
            fresh = {model.key: receipt for model, receipt in made}
            if all(known.models.get(key) == receipt for key, receipt in fresh.items()):
                return None
            known.models.update(fresh)
            return known

        self._change(update)

    def save(self, store: Path, trust: Trust, made: Sequence[tuple[Model, Receipt]]) -> None:
        """Keep receipts in output/ and, where the store can be written, beside the models.

        Those in the store are signed: call it only for files that this process has hashed, or whose
        script has just done so.
        """
        self.keep(made)
        for model, receipt in made:
            save_in_store(store, model, trust.signed(receipt, store))

    def forget(self, store: Path, model: Model) -> None:
        """Drop the receipts of a file that is no longer what they say."""
        self._change(lambda known: known if known.models.pop(model.key, None) else None)
        forget_in_store(store, model)

    def _change(self, update: Callable[[ReceiptFile], ReceiptFile | None]) -> None:
        layout = self._layout
        written = json_file.change(
            layout.receipts, layout.ledger_lock, ReceiptFile, ReceiptFile, update
        )
        with self._lock:  # another thread may have come first with what is newer: one look more
            self._known = written


def save_in_store(store: Path, model: Model, receipt: Receipt) -> None:
    """Keep a receipt in the store, where that can be written; it is signed already, or will not."""
    # A store that can be read only is used all the same; only the next checkout hashes anew.
    with contextlib.suppress(OSError):
        path = _ours_in_store(store, model)
        # Another writer may have signed the same.
        if path is not None and not _says_more(claimed(store, model), receipt):
            write_atomic(path, to_json(receipt))


def _ours_in_store(store: Path, model: Model) -> Path | None:
    """Where the store keeps a model's receipt, if it may be changed.

    Another writer may have put a link in the folder's place, or be a newer program than this.
    """
    if model.folder is None:
        return None
    path = store_receipt(store, model.folder, model.path)
    if led_into(path.parent, store) is None:
        return None
    try:
        with contextlib.suppress(OSError):
            json_file.read(path, Receipt)
    except SetupProblem:
        return None
    return path


def _says_more(known: Receipt | None, receipt: Receipt) -> bool:
    """Tell whether a receipt in the store says the same of a file, and is signed."""
    if known is None or not known.mac or receipt.mac:
        return False
    return (known.sha256, known.size, known.mtime_ns, known.ctime_ns) == (
        receipt.sha256,
        receipt.size,
        receipt.mtime_ns,
        receipt.ctime_ns,
    )


def forget_in_store(store: Path, model: Model) -> None:
    """Drop the receipt that the store holds, where that can be done."""
    with contextlib.suppress(OSError):
        if path := _ours_in_store(store, model):
            path.unlink()


def joined(record: Record, made: Sequence[Receipt]) -> Receipt:
    """Return the receipt of a whole record, of those of its files."""
    if not record.files:
        return made[0]
    listed = [(each.model, each.size, each.sha256) for each in made]
    return Receipt(
        model=record.model.key,
        path=record.destination,
        size=sum(each.size for each in made),
        sha256=hashlib.sha256(msgspec.json.encode(listed)).hexdigest(),
        mtime_ns=max(each.mtime_ns for each in made),
        at=json_file.now(),
        script=made[0].script,
        verified=all(each.verified for each in made),
        files=tuple(made),
    )


def of_file(
    model: Model,
    path: Path,
    sha256: str,
    *,
    script: str,
    verified: bool,
    identified: bool = False,
    origin: str = "",
    mirror: str = "",
) -> Receipt:
    """Write down a file as it is now. Raises OSError."""
    info = path.stat()
    return Receipt(
        model=model.key,
        path=str(path),
        size=info.st_size,
        sha256=sha256,
        mtime_ns=info.st_mtime_ns,
        at=json_file.now(),
        script=script,
        verified=verified,
        identified=identified,
        origin=origin,
        mirror=mirror,
        ctime_ns=info.st_ctime_ns,
        device=info.st_dev,
        inode=info.st_ino,
    )
