"""Directories as a source's answer: a repository of the Hub, or a folder of it, at a commit.

Which of its files are the model is said in `contents`; here the Hub is asked what that has to
know, and what comes out is made a candidate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from comfyfix.endings import is_pickle
from comfyfix.errors import ModelProblem
from comfyfix.net.urls.hosts import HUGGINGFACE
from comfyfix.net.urls.hub_address import HubFile, HubFolder
from comfyfix.providers.huggingface.answers import About, HubItem
from comfyfix.records import Candidate, FileFact, Reads, Reason, Rejected, because
from comfyfix.sources import hub_files
from comfyfix.sources.base import Blocked, Doubtful, Finding, Services, Wanted
from comfyfix.sources.contents import Asked, Choices, Chosen, Unfit, choose, worth_reading
from comfyfix.why import Why

_WORST_FIRST = ("unsafe", "suspicious", "caution")
_SHOWN = 12


def confirm(
    folder: HubFolder,
    source: str,
    wanted: Wanted,
    services: Services,
    evidence: Reason,
    *,
    by_user: bool = False,
) -> Finding:
    """Ask the Hub what a folder holds, and choose what the model's loader reads.

    `by_user`: the user has named the place, and perhaps one of the choices there.
    Raises SourceDown.
    """
    about = services.hub.about(folder.repo, folder.revision)
    if isinstance(about, Reason):
        return Rejected(source=source, where=folder.where, reason=about)
    found = hub_files.candidate(
        folder, source, about.commit, about, HubItem(), evidence=(evidence,)
    )
    obstacle = _obstacle(folder, about, services)
    if isinstance(obstacle, Reason):
        return Rejected(source=source, where=folder.where, reason=obstacle)
    readings = _asked(folder, wanted, services)
    answer = _joined(
        [choice_of(folder, about, asked, services, closed=bool(obstacle)) for asked in readings]
    )
    if isinstance(answer, Choices):
        picked = _picked(answer, folder.choice) if by_user else None
        if picked is None and obstacle is None:
            return Doubtful(found, _several(answer, found.url))
        answer = picked or Unfit(because(Why.CONTENTS_NONE, kind=readings[0].reads))
    whole = with_chosen(found, answer, folder, about) if isinstance(answer, Chosen) else found
    if obstacle is not None:
        return Blocked(whole, obstacle)
    if isinstance(answer, Unfit):
        return Rejected(source=source, where=folder.where, reason=answer.reason)
    if pickle := refused_pickle(answer.files, services):
        return Rejected(source=source, where=folder.where, reason=pickle)
    return whole


def choice_of(
    folder: HubFolder, about: About, asked: Asked, services: Services, *, closed: bool = False
) -> Chosen | Choices | Unfit:
    """Choose among the files of a folder; where its gate is closed without looking into any.

    Raises SourceDown.
    """
    paths = () if closed else worth_reading(about.files, asked)
    texts = {path: services.hub.text(folder.repo, about.commit, path) for path in paths}
    return choose(about.files, asked, {path: text for path, text in texts.items() if text})


def with_chosen(found: Candidate, chosen: Chosen, folder: HubFolder, about: About) -> Candidate:
    """Return a candidate with the files that were chosen."""
    files = []
    for below, path in chosen.files.items():
        item = about.files[path]
        url = HUGGINGFACE + HubFile(folder.repo, about.commit, path).resolve_path()
        files.append(
            FileFact(path=below, url=url, size=item.size or 0, sha256=item.sha256, blob=item.blob)
        )
    scans = {about.files[path].scan for path in chosen.files.values()}
    # One that has no word on a file has none on the whole.
    scan = next((s for s in _WORST_FIRST if s in scans), "safe" if scans == {"safe"} else "")
    note = because(Why.CODE_LEFT_OUT, files=chosen.code[:_SHOWN]) if chosen.code else None
    return found.with_files(files, note=note, scan=scan)


def refused(files: Iterable[FileFact], services: Services) -> Reason | None:
    """Why the manifest wants no directory with these files; None if it may be had."""
    paths = [file.path for file in files]
    code = next((path for path in paths if path.lower().endswith(".py")), "")
    if code and services.manifest.verify.remote_code != "allow":
        return because(Why.CODE_REFUSED, name=code)
    return refused_pickle(paths, services)


def refused_pickle(paths: Iterable[str], services: Services) -> Reason | None:
    """Why a directory is refused for a pickle in it, where the manifest wants none."""
    if services.manifest.verify.pickle != "refuse":
        return None
    pickle = next((path for path in paths if is_pickle(path)), "")
    return because(Why.PICKLE_NAME_REFUSED, name=pickle) if pickle else None


def _obstacle(folder: HubFolder, about: About, services: Services) -> ModelProblem | Reason | None:
    """What keeps the files of a gated repository from the user; None if nothing does."""
    # Any of them tells, and a small one costs the least.
    path = next((p for p in about.files if p.endswith(".json")), next(iter(about.files), ""))
    if not about.gated or not path:
        return None
    url = HUGGINGFACE + HubFile(folder.repo, about.commit, path).resolve_path()
    return services.hub.access(folder.repo, url)


def _asked(folder: HubFolder, wanted: Wanted, services: Services) -> list[Asked]:
    """How each node that names the directory reads it: one may read what another does not."""
    telling = [r for r in wanted.references if r.reads is not Reads.ANY] or wanted.references[:1]
    readings = [
        Asked(
            reads=reference.reads,
            name=wanted.model.path,
            inside=folder.path,
            files=reference.files,
            variant=reference.variant,
            code=services.manifest.verify.remote_code == "allow",
        )
        for reference in telling
    ]
    return list(dict.fromkeys(readings)) or [Asked(reads=Reads.ANY, name=wanted.model.path)]


def _joined(answers: Sequence[Chosen | Choices | Unfit]) -> Chosen | Choices | Unfit:
    """What all nodes together read; what one of them can't is no answer for any."""
    whole: Chosen | None = None
    for answer in answers:
        if not isinstance(answer, Chosen):
            return answer
        if whole is None:
            whole = answer
            continue
        files = {**whole.files, **answer.files}
        if any(files[below] != path for below, path in whole.files.items()):
            return Choices((whole, answer))  # they read different places of the repository
        code = tuple(sorted({*whole.code, *answer.code}))
        whole = Chosen(whole.name, files, whole.size, code)
    return whole or answers[0]


def _picked(choices: Choices, name: str) -> Chosen | None:
    """The one that the user means: the only one, or the one of this name."""
    if not name and len(choices.of) == 1:
        return choices.of[0]
    fits = [choice for choice in choices.of if name in (choice.name, _short(choice))]
    return fits[0] if name and len(fits) == 1 else None


def _short(chosen: Chosen) -> str:
    """The name of a choice without the kind in front of it."""
    return chosen.name.rpartition(": ")[2]


def _several(choices: Choices, url: str) -> Reason:
    """What there is to choose from, with bytes, and how the user says which."""
    listed = [
        because(Why.ONE_CHOICE, name=each.name or "./", count=len(each.files), size=each.size)
        for each in choices.of[:_SHOWN]
    ]
    if len(choices.of) == 1:
        return because(Why.ONLY_CHOICE, choice=listed[0])
    example = quote(_short(choices.of[0]))
    return because(Why.SEVERAL_CHOICES, choices=listed, url=f"{url}#{example}")
