"""Looking: of each model that is needed the one question: is there work to do?

A model is settled when ComfyUI would find its file and the file is, by size and time, the one
of its receipt.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from comfyfix.comfyui.references.lookup import Lookup, keys_of, spellings
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.reach import dangling
from comfyfix.disk.files import FETCHED_NAME_BYTES_MAX
from comfyfix.errors import ModelProblem, NameRefused
from comfyfix.outcomes import Outcome
from comfyfix.records import Model, Receipt
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.overrides import Locked, Override
from comfyfix.stages.lock.locked import as_record, same_files
from comfyfix.stages.needs.join import Need, join
from comfyfix.stages.needs.scan import ScannedFile
from comfyfix.stages.needs.work import Pending
from comfyfix.stages.plan import by_name, whole
from comfyfix.state import ledger as ledgers
from comfyfix.state.layout import Layout
from comfyfix.state.sources import Scripts, Sources
from comfyfix.state.trust import Trust, claimed
from comfyfix.why import Why


@dataclass(frozen=True, slots=True)
class Looking:
    """Decides whether a needed model is absent, suspect, settled, or simply there.

    `receipts` are our own and `entries` those of the ledger, by model.
    """

    manifest: Manifest
    lookup: Lookup
    layout: Layout
    trust: Trust
    sources: Sources
    scripts: Scripts
    receipts: dict[str, Receipt]
    entries: dict[str, ledgers.Entry]

    def needs(self, files: Iterable[ScannedFile]) -> list[Need]:
        """Join what workflows name into needs, and look at the file of each."""
        needs = by_name.settled(join(self.manifest, self.lookup, files), self.lookup)
        for need in needs.values():
            need.override = self._override(need)
            self._at(need)
        return list(needs.values())

    def _override(self, need: Need) -> Override | None:
        """What the user or the lock file says of a model; a lock tells it as every machine does.

        Where the node takes several names the one that is locked is wanted.
        """
        folder, path = need.model.folder, need.model.path
        own = self.manifest.override_for(folder, path)
        if need.named is not None and (own is None or isinstance(own, Locked)):
            return self.manifest.override_for(need.named.folder, need.named.path)
        if own is not None or need.problem is not None or folder is None:
            return own
        for name in spellings(need.lead, path)[1:]:
            other = self.manifest.override_for(folder, name)
            if isinstance(other, Locked):
                need.model = Model(folder=folder, path=name)
                need.location = self.lookup.folders.place(folder, name)
                return other
        return None

    def _at(self, need: Need) -> None:
        """Look at the file of one need, and write down in it what is found."""
        if need.problem is not None or need.model.folder is None:
            need.pending = need.problem.outcome if need.problem else Outcome.FOLDER_UNKNOWN
            return
        entry = self.entries.get(need.model.key)
        if need.is_directory or need.model.shards:
            self._whole(need, entry)
            return
        reference = need.lead
        hit = self.lookup.file(reference, need.model.path, need.model.folder)
        if hit and entry and self.lookup.folders.is_copy(hit.location):
            hit = None  # a copy outlives what the store had of it, which is brought again
        if hit and hit.name != need.model.path:  # there under another name that is taken as well
            need.model, entry = Model(folder=need.model.folder, path=hit.name), None
            if isinstance(need.override, Locked):  # which is of another name
                need.override = self.manifest.override_for(need.model.folder, hit.name)
        script, again = "", entry is not None and entry.again
        if entry is not None:
            record, script = self.layout.targets(entry.number, need.model)
            need.record = self.sources.read(record)
        if hit is None:
            need.problem = _beyond(need, self.lookup.folders)
            need.pending = need.problem.outcome if need.problem else Pending.ABSENT
            need.record = None if again else need.record
            return
        need.location = hit.location
        self._hold(need, script, hit.info, again=again)

    def _whole(self, need: Need, entry: ledgers.Entry | None) -> None:
        """Look at a directory or a set, file by file."""
        place = whole.location(need, self.lookup)
        if not (entry and self.lookup.folders.is_copy(place)):
            need.location = place
        script, again = "", entry is not None and entry.again
        if entry is not None:
            path, script = self.layout.targets(entry.number, need.model)
            record = self.sources.read(path)
            same = record and record.files and record.destination == need.location
            need.record = record if same else None
        store = self.lookup.folders.store
        expected = need.record
        if isinstance(need.override, Locked) and need.override.files:
            if need.record and not same_files(need.record.files, need.override.files):
                need.record = None
            expected = need.record or as_record(need.override, need.model, need.location)
        need.pending = whole.pending(need, expected, self.receipts, self.trust, store)
        if need.pending is Pending.ABSENT:
            need.problem = _beyond(need, self.lookup.folders)
            need.pending = need.problem.outcome if need.problem else need.pending
        if need.pending is None and need.record is None:
            need.present = whole.present(need)
        elif need.pending is None and not again:
            need.pending = self._lost(need, script)
        elif need.pending in (None, Pending.UNVERIFIED, Pending.CHANGED) and again:
            need.pending = Pending.SEARCH_AGAIN
        note = need.record.note if need.record else None
        with_code = self.manifest.verify.remote_code == "allow"
        if with_code and note and note.why == Why.CODE_LEFT_OUT:  # it was not wanted then
            need.pending, again = need.pending or Pending.INCOMPLETE, True
        if again:
            need.record = None  # what was known binds no more

    def _hold(self, need: Need, script: str, info: os.stat_result, *, again: bool) -> None:
        """Hold a file that is there against its receipt."""
        need.receipt, claimed = self._receipt(need, info)
        unchanged = need.receipt and self.trust.holds(need.receipt, need.location, info)
        if need.receipt and need.receipt.identified and not unchanged:
            # It came without us: while it is as it was it is simply there, and so is another.
            need.receipt = None
        fetched = need.receipt is not None and not need.receipt.identified
        by_us = fetched and need.model.key in self.receipts
        if again and (need.record or need.receipt):
            need.pending = Pending.SEARCH_AGAIN if info.st_size else Pending.EMPTY
            need.record = need.receipt = None  # what was known binds no more
        elif info.st_size == 0:
            need.pending = Pending.EMPTY
        elif unchanged and (problem := _another_content(need)):
            need.problem, need.pending = problem, problem.outcome
        elif need.receipt and not unchanged:
            need.pending = Pending.CHANGED
        elif need.record and not need.receipt:
            need.pending = Pending.UNVERIFIED
        elif script and by_us:
            need.pending = self._lost(need, script)
        else:
            claimed = claimed and need.receipt is None
            need.present = need.as_present(info.st_size, info.st_mtime_ns, claimed=claimed)

    def _lost(self, need: Need, script: str) -> Pending | None:
        if need.record is None:
            return Pending.RECORD_LOST
        return None if self.scripts.there(script) else Pending.SCRIPT_LOST

    def _receipt(self, need: Need, info: os.stat_result) -> tuple[Receipt | None, bool]:
        """The receipt that counts, and whether the store holds one of somebody else's."""
        own = self.receipts.get(need.model.key)
        if own is not None:
            return own, False
        store = self.lookup.folders.store
        claim = claimed(store, need.model)
        bound = bool(need.override and need.override.digest)
        receipt = self.trust.counting(claim, store, need.model, need.location, info, bound=bound)
        return receipt, claim is not None


def _another_content(need: Need) -> ModelProblem | None:
    """Why a file, known by its receipt, is not the one that has to be there; it is left alone."""
    demanded = need.override.digest if need.override else None
    if need.receipt is None or demanded in (None, need.receipt.sha256):
        return None
    return ModelProblem(
        Outcome.WRONG_CONTENT,
        Why.OTHER_CONTENT_TOLD,
        path=need.location,
        found=need.receipt.sha256,
        wanted=demanded,
        model=need.model.key,
    )


def _beyond(need: Need, folders: Folders) -> ModelProblem | None:
    """Why an absent model can't be fetched: it is on a disk that is not there, or its name."""
    path = need.model.path
    places = [
        f"{directory}/{below}"
        for key, below in keys_of(need.lead, path, need.model.folder or "")
        for directory in folders.directories(key)
    ]
    for place in [*places, need.location]:
        if lost := dangling(place):
            return ModelProblem(
                Outcome.UNREACHABLE,
                Why.ON_A_DISK_NOT_THERE,
                model=need.model.key,
                link=lost.link,
                target=lost.target,
            )
    if max(len(part.encode()) for part in path.split("/")) > FETCHED_NAME_BYTES_MAX:
        limit = FETCHED_NAME_BYTES_MAX
        return NameRefused(Why.NAME_TOO_LONG_TO_FETCH, model=need.model.key, limit=limit)
    return None
