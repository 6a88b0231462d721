"""Which receipts count: our own, and those that are signed with the key of a shared store.

Whoever may write to a store may write a receipt into it too. One of another counts only if an
HMAC-SHA256 shows that its writer had the key (`COMFYFIX_STORE_KEY`), or where the manifest trusts
every writer. And a receipt stands for the bytes of a file only while nothing that the system tells
of the file has changed: also ctime, which cannot be put back as mtime can, device and inode.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from comfyfix.disk import json_file
from comfyfix.records import Hashed, Model, Receipt
from comfyfix.settings.manifest import IdentityPolicy, ReceiptPolicy
from comfyfix.state.layout import store_receipt

VERSION = 1


def as_it_was(known: Receipt | Hashed, info: os.stat_result, identity: IdentityPolicy) -> bool:
    """Tell whether all that the system tells of a file is as it was written down."""
    if (known.size, known.mtime_ns) != (info.st_size, info.st_mtime_ns):
        return False
    beyond = (known.ctime_ns, known.device, known.inode)
    return identity == "mtime" or beyond == (info.st_ctime_ns, info.st_dev, info.st_ino)


@dataclass(frozen=True, slots=True)
class Trust:
    """What the manifest and the environment say of receipts; `key` is never shown."""

    receipts: ReceiptPolicy = "signed"
    identity: IdentityPolicy = "full"
    key: bytes = field(default=b"", repr=False)

    def holds(self, receipt: Receipt, path: Path | str, info: os.stat_result) -> bool:
        """Tell whether a file is still the one that a receipt of ours speaks of."""
        named = receipt.path.rpartition("/")[2] == str(path).rpartition("/")[2]
        return named and as_it_was(receipt, info, self.identity)

    def signed(self, receipt: Receipt, store: Path) -> Receipt:
        """Sign a receipt for the store; without a key, or outside the store, as it is."""
        place = _place(receipt.path, store)
        if not self.key or not place:
            return receipt
        named = msgspec.structs.replace(receipt, place=place, key_id=self._key_id)
        return msgspec.structs.replace(named, mac=self._mac(named))

    def signs_as(self, receipt: Receipt) -> bool:
        """Tell whether we have the key that a receipt says it is signed with."""
        return bool(self.key) and receipt.key_id == self._key_id

    def has_signed(self, receipt: Receipt) -> bool:
        """Tell whether a receipt is signed with our key, whichever file it speaks of."""
        if not self.key or not receipt.mac.isascii():
            return False
        return hmac.compare_digest(receipt.mac, self._mac(receipt))

    def of_store(
        self, store: Path, model: Model, location: str, info: os.stat_result, *, bound: bool
    ) -> Receipt | None:
        """Return the receipt that the store holds for a model, if it counts for this file.

        `bound`: the manifest tells the sha256 of the model, and no stranger's word stands for it.
        """
        return self.counting(claimed(store, model), store, model, location, info, bound=bound)

    def counting(
        self,
        receipt: Receipt | None,
        store: Path,
        model: Model,
        location: str,
        info: os.stat_result,
        *,
        bound: bool,
    ) -> Receipt | None:
        """Return what the store was found to hold for a model, if it counts: see `of_store`."""
        if receipt is None or self.receipts == "own":
            return None
        if self._is_signed(receipt, store, model, location):
            # Device and inode are those of the machine that has written it.
            receipt = _here(receipt, info)
        elif self.receipts == "trust" and not bound:
            receipt = _here(receipt, info, ctime=True)
        else:
            return None
        return receipt

    def _is_signed(self, receipt: Receipt, store: Path, model: Model, location: str) -> bool:
        same = receipt.model == model.key and receipt.place == _place(location, store)
        return same and self.has_signed(receipt)

    @property
    def _key_id(self) -> str:
        return hashlib.sha256(b"comfyfix store key " + self.key).hexdigest()[:16]

    def _mac(self, receipt: Receipt) -> str:
        signed = (
            VERSION,
            self._key_id,
            receipt.model,
            receipt.place,
            receipt.size,
            receipt.sha256,
            receipt.mtime_ns,
            receipt.ctime_ns,
            receipt.verified,
            receipt.identified,
        )
        return hmac.new(self.key, msgspec.json.encode(signed), hashlib.sha256).hexdigest()


EVERY_CHECK = Trust()


def claimed(store: Path, model: Model) -> Receipt | None:
    """Return what some writer of a store says of a model, whoever that is."""
    if model.folder is None:
        return None
    try:
        return json_file.cached(store_receipt(store, model.folder, model.path), Receipt)
    except OSError:
        return None


def _here(receipt: Receipt, info: os.stat_result, *, ctime: bool = False) -> Receipt:
    return msgspec.structs.replace(
        receipt,
        device=info.st_dev,
        inode=info.st_ino,
        ctime_ns=info.st_ctime_ns if ctime else receipt.ctime_ns,
    )


def _place(path: str, store: Path) -> str:
    """The place of a file below the store; empty for one that is not there."""
    root = f"{store}/"
    return path.removeprefix(root) if path.startswith(root) else ""
