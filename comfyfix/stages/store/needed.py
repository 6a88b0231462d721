"""Needed: which files of a store somebody needs, told with too wide a net rather than too narrow.

A file is needed where it is what a reference leads to, under whichever name; where it lies in a
directory that one names, or in a folder that nodes search by themselves; and where its name without
the ending stands anywhere in what a workflow, a lock file or a manifest says, also in a prompt.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from comfyfix import endings
from comfyfix.comfyui.references.lookup import Lookup
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.keys import folder_key
from comfyfix.comfyui.store.together import folders_above
from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.comfyui.workflows import read as workflow
from comfyfix.records import Model, Reason, because
from comfyfix.settings.lockfile import Lock
from comfyfix.settings.manifest import Include, Manifest
from comfyfix.stages.needs.scan import ScannedFile
from comfyfix.stages.needs.work import Plan
from comfyfix.stages.plan import plan as plans
from comfyfix.state.hashing import Identity, identity_of
from comfyfix.state.layout import Layout
from comfyfix.state.trust import Trust
from comfyfix.why import Why

SHOWN = 5
"""Names that one refusal tells."""
Needers = dict[str, None]
"""Workflows and files of settings, in the order of first sight."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Needs:
    """What is needed, and by whom: by file, by directory, by folder key, and by text."""

    files: dict[Identity, Needers] = field(default_factory=dict)
    directories: dict[str, Needers] = field(default_factory=dict)
    keys: dict[str, Needers] = field(default_factory=dict)
    texts: dict[str, Needers] = field(default_factory=dict)
    _by_word: dict[str, list[str]] = field(default_factory=dict)

    def of(self, model: Model, files: Mapping[str, Identity], *, directory: bool) -> list[str]:
        """Who needs a model of these files; nobody: an empty list.

        Of a directory its own name counts and not those of its files: every repository has a
        `model.safetensors`.
        """
        needers: Needers = dict(self.keys.get(folder_key(model.folder or ""), {}))
        names = {model.name, endings.stem(model.name)}
        for path, identity in files.items():
            needers |= self.files.get(identity, {})
            for folder in folders_above(os.path.realpath(path)) if self.directories else ():
                needers |= self.directories.get(folder, {})
            names |= set() if directory else {endings.stem(path.rpartition("/")[2])}
        if not needers:
            needers = dict.fromkeys(n for name in sorted(names) for n in self._saying(name))
        return list(needers)

    def _saying(self, name: str) -> Iterator[str]:
        """Who says a name, with nothing before or behind it that would make it a longer one.

        Each word of the name is then a whole word of the text, so only texts with its rarest word
        are looked through: a collection may say many megabytes, and most names nowhere.
        """
        if not self._by_word:
            for text in self.texts:
                for word in {*_WORD.findall(text)}:
                    self._by_word.setdefault(word, []).append(text)
        plain = folded(name)
        holding = [self._by_word.get(word, []) for word in _WORD.findall(plain)]
        texts = min(holding, key=len) if holding else list(self.texts)
        pattern = re.compile(rf"(?<!\w){re.escape(plain)}(?!\w)")
        for text in texts:
            if plain in text and pattern.search(text):
                yield from self.texts[text]


def folded(text: str) -> str:
    """A name as disks that make no difference of case or of accents' forms compare it."""
    return unicodedata.normalize("NFC", text.replace("\\", "/")).casefold()


def add_project(
    needs: Needs,
    manifest: Manifest,
    folders: Folders,
    scanned: Sequence[ScannedFile],
    layout: Layout,
    trust: Trust,
    lock: Lock,
) -> None:
    """Add what one project needs, muted, optional and ignored references too. Raises OSError."""
    everything = msgspec.structs.replace(
        manifest, include=Include(inactive=True, optional=True), ignore=()
    )
    plan = plans.make(everything, folders, scanned, layout, trust)
    for planned in plan.models:
        _add_place(needs, planned.location, planned.workflows)
        for member in planned.record.members if planned.record else ():
            _add_place(needs, member.destination, planned.workflows)
        if planned.record and planned.record.local:
            _add_place(needs, planned.record.local, planned.workflows)
    for present in plan.present:
        workflows = [reference.workflow for reference in present.references]
        for place in (present.location, *(str(path) for _, path in present.members)):
            _add_place(needs, place, workflows)
    lookup = Lookup(folders)
    for file in scanned:
        _add_file(needs, file, lookup)
    for key, entry in lock.entries.items():
        for text in (key, entry.url, *(file.path for file in entry.files)):
            _add_text(needs, text, lock.path.name)
    for key, override in manifest.models.items():
        for text in (key, override.url or "", override.path or ""):
            _add_text(needs, text, override.file_name)


def _add_place(needs: Needs, path: str, needers: Iterable[str]) -> None:
    try:
        info = os.stat(path)
    except (OSError, ValueError):
        return
    more = dict.fromkeys(needers)
    needs.files.setdefault(identity_of(path, info), {}).update(more)
    if stat.S_ISDIR(info.st_mode):
        needs.directories.setdefault(os.path.realpath(path), {}).update(more)


def _add_file(needs: Needs, file: ScannedFile, lookup: Lookup) -> None:
    for reference in file.references:
        for text in (reference.value, reference.path, *reference.files):
            _add_text(needs, text, file.workflow)
        by_itself = reference.kind in ("implied", "hub_repo")
        for key in (reference.folder, *reference.also) if by_itself else ():
            if key:
                needs.keys.setdefault(folder_key(key), {})[file.workflow] = None
        for path in reference.files or (reference.path,):
            hit = lookup.file(reference, path) if reference.folder else None
            if hit:
                _add_place(needs, hit.location, (file.workflow,))
    if not file.is_workflow or not file.path:
        return
    try:
        with workflow_files.open_file(file.path) as stream:
            nodes = workflow.read(stream).nodes
    except (OSError, workflow.NotAWorkflow):
        return  # it was read a moment ago, and whoever asks looks whether it has changed
    for node in nodes:
        for text in _strings([node.type, dict(node.given), node.widgets]):
            _add_text(needs, text, file.workflow)


def _add_text(needs: Needs, text: str, needer: str) -> None:
    if text:
        needs.texts.setdefault(folded(text), {})[needer] = None


def _strings(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        inner = pending.pop()
        if isinstance(inner, str):
            yield inner
        elif isinstance(inner, Mapping):
            pending += [*inner.keys(), *inner.values()]
        elif isinstance(inner, list | tuple):
            pending += inner


def doubts(plan: Plan, scanned: Sequence[ScannedFile], unread_pack: str) -> list[Reason]:
    """Why nobody can say what is needed; none: it can be said."""
    reasons = []
    broken = [file.workflow for file in scanned if file.problem]
    if broken:
        reasons.append(because(Why.GC_UNREADABLE, names=broken[:SHOWN], count=len(broken)))
    lost = [planned.model.path for planned in plan.models if planned.model.folder is None]
    if lost:
        reasons.append(because(Why.GC_FOLDER_UNKNOWN, names=lost[:SHOWN], count=len(lost)))
    if unread_pack:
        reasons.append(because(Why.GC_PACK_UNREAD, path=unread_pack))
    if not any(file.is_workflow and not file.problem for file in scanned):
        reasons.append(because(Why.GC_NO_WORKFLOW))
    return reasons
