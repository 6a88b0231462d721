"""Sets: of a file that is one part of several, all parts, and what its loader reads beside them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from comfyfix.errors import ModelProblem
from comfyfix.file_names import shards
from comfyfix.net.urls.hosts import HUGGINGFACE
from comfyfix.net.urls.hub_address import HubFolder
from comfyfix.outcomes import Outcome
from comfyfix.records import Candidate, FileFact, Reads, Reason, because
from comfyfix.sources import directories
from comfyfix.sources.base import Services, Wanted
from comfyfix.sources.contents import Asked, Choices, Unfit
from comfyfix.why import Why


def completed(found: Candidate, wanted: Wanted, services: Services) -> Candidate:
    """Return all files of the set that a file is part of.

    Raises ModelProblem where its provider has not all of them, and SourceDown.
    """
    name = found.path.rpartition("/")[2]
    if not found.repo or not shards(name):
        url = found.url or found.where
        raise ModelProblem(Outcome.UNCERTAIN, Why.PARTS_UNTOLD, name=wanted.model.name, url=url)
    folder = HubFolder(found.repo, found.commit, found.path.rpartition("/")[0])
    about = services.hub.about(folder.repo, folder.revision)
    if isinstance(about, Reason):
        raise _not_whole(wanted, folder, about)
    above = wanted.model.path.rpartition("/")[0]
    asked = Asked(
        reads=Reads.SET,
        name=f"{above}/{name}" if above else name,
        inside=folder.path,
        code=services.manifest.verify.remote_code == "allow",
    )
    answer = directories.choice_of(folder, about, asked, services)
    if isinstance(answer, Choices):
        raise _not_whole(wanted, folder, because(Why.CONTENTS_NONE, kind=asked.reads))
    if isinstance(answer, Unfit):
        raise _not_whole(wanted, folder, answer.reason)
    if pickle := directories.refused_pickle(answer.files, services):
        raise _not_whole(wanted, folder, pickle)
    whole = directories.with_chosen(found, answer, folder, about)
    return msgspec.structs.replace(
        whole,
        files=tuple(_in_order(whole.files, name, wanted)),
        url=HUGGINGFACE + folder.tree_path(),
        path=folder.path,
    )


def _not_whole(wanted: Wanted, folder: HubFolder, reason: Reason) -> ModelProblem:
    about = {"name": wanted.model.name, "place": folder.where, "reason": reason}
    return ModelProblem(Outcome.UNCERTAIN, Why.PARTS_ABSENT, **about)


def _in_order(files: Sequence[FileFact], name: str, wanted: Wanted) -> list[FileFact]:
    """Give the shards the names that the workflow has for them, those that widgets name last.

    ComfyUI lists a set from the moment that such a file is there.
    """
    own = [path.rpartition("/")[2] for path in wanted.model.shards]
    names = dict(zip(shards(name), own, strict=False)) if name not in own else {}
    renamed = [
        msgspec.structs.replace(file, path=names.get(file.path, file.path)) for file in files
    ]
    last = {reference.name for reference in wanted.references} | {wanted.model.name}
    return sorted(renamed, key=lambda f: (f.path in own, f.path in last, f.path == own[0], f.path))
