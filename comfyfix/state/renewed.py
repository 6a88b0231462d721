"""Receipts of files whose bytes are as they were, and of which the system tells something else.

A link more or a new place changes ctime, and then no receipt of a file would hold.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from comfyfix.disk import json_file
from comfyfix.records import Model, Receipt
from comfyfix.state import receipts
from comfyfix.state.hashes import HashLog
from comfyfix.state.layout import Layout
from comfyfix.state.receipts import ReceiptFile
from comfyfix.state.trust import Trust, claimed


@dataclass(frozen=True, slots=True)
class Seen:
    """A file under one of its names: its sha256, which was found just now, and its stat.

    `was` is the model that it was until now, where it has got another place.
    """

    model: Model
    path: str
    sha256: str
    info: os.stat_result
    was: Model | None = None


@dataclass(frozen=True, slots=True)
class Renewing:
    """Where what is known of files is noted."""

    layout: Layout
    store: Path
    trust: Trust
    log: HashLog

    def renew(self, files: Sequence[Seen]) -> None:
        """Write anew what receipts there are of these files and speak of these bytes.

        Raises OSError, SetupProblem.
        """
        for file in files:
            self.log.keep(file.path, file.info, file.sha256)
        made: dict[str, Receipt] = {}

        def update(known: ReceiptFile) -> ReceiptFile | None:
            models = dict(known.models)
            for file in files:
                old = known.models.get((file.was or file.model).key)
                if old is not None and _speaks_of(old, file):
                    if file.was is not None:
                        models.pop(file.was.key, None)
                    made[file.model.key] = models[file.model.key] = _now(old, file)
            return None if models == known.models else ReceiptFile(models=models)

        layout = self.layout
        json_file.change(layout.receipts, layout.ledger_lock, ReceiptFile, ReceiptFile, update)
        for file in files:
            self._renew_in_store(file, made.get(file.model.key))

    def _renew_in_store(self, file: Seen, own: Receipt | None) -> None:
        old = claimed(self.store, file.was or file.model)
        if old is None or not _speaks_of(old, file):
            return
        fresh = msgspec.structs.replace(_now(own or old, file), place="", key_id="", mac="")
        # What a stranger says of a file besides its hash does not become our word.
        ours = own is not None or (
            old.model == (file.was or file.model).key and self.trust.has_signed(old)
        )
        if ours:
            fresh = self.trust.signed(fresh, self.store)
        receipts.save_in_store(self.store, file.model, fresh)
        if file.was is not None:
            receipts.forget_in_store(self.store, file.was)

    def cannot_sign(self, model: Model) -> bool:
        """Tell whether the store's receipt of a model is signed, and we could not sign another."""
        known = claimed(self.store, model)
        return known is not None and bool(known.mac) and not self.trust.signs_as(known)


def _speaks_of(receipt: Receipt, file: Seen) -> bool:
    return (receipt.sha256, receipt.size) == (file.sha256, file.info.st_size)


def _now(receipt: Receipt, file: Seen) -> Receipt:
    return msgspec.structs.replace(
        receipt,
        model=file.model.key,
        path=file.path,
        mtime_ns=file.info.st_mtime_ns,
        ctime_ns=file.info.st_ctime_ns,
        device=file.info.st_dev,
        inode=file.info.st_ino,
    )
