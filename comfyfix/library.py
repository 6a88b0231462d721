"""comfyfix for programs: open a project, and do one by one what a run does.

Nothing is remembered outside the project that `open` returns, and nothing is printed. What goes
wrong is a `Problem`: its text is what the commands print.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from comfyfix import project as projects
from comfyfix.errors import Problem, SetupProblem, unwritable
from comfyfix.once import Once
from comfyfix.process import Children, require
from comfyfix.records import Reason, Receipt, Record, Reference, Verdict, because
from comfyfix.screen import words
from comfyfix.settings import MANIFEST
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.read import load, of_values
from comfyfix.settings.switches import OFFLINE, on
from comfyfix.setup import Setup, setup_of
from comfyfix.stages.needs.work import Plan, Planned
from comfyfix.stages.store import sweep
from comfyfix.stages.store.sweep import Choice
from comfyfix.state.hashes import HashLog
from comfyfix.state.hashing import Hasher, cores
from comfyfix.state.receipts import Receipts
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.mirrors.handing import Mirrors
    from comfyfix.sources.base import Services

PathLike = str | os.PathLike[str]
_NOWHERE = "/dev/null/output"
"""An output folder that can hold nothing: each write fails at once, and nothing depends on it."""
_AS_SET = "as the manifest says"


def open(
    manifest: PathLike | None = None,
    *,
    comfyui: PathLike | None = None,
    workflows: Sequence[PathLike] = (),
    output: PathLike | None = _AS_SET,
) -> Project:
    """Open the project of a manifest, or of a ComfyUI folder and some workflows.

    `manifest` is a file, that of the working folder where neither is given; `comfyui` is a ComfyUI
    folder, `workflows` are files or folders, ComfyUI's own if there are none. `output` is the
    folder for numbers, records, scripts and receipts. With None nothing is written at all but the
    models that `fetch` brings; so it is for a ComfyUI folder unless one is given. Paths are
    relative to the working folder. Raises Problem.
    """
    with _in_words():
        path = Path(manifest or MANIFEST).absolute()
        if comfyui is None:
            settings = load(path)
        elif manifest is not None:
            raise SetupProblem(Why.OPEN_ONE_OF_TWO)
        else:
            settings = of_values({"comfyui": os.fspath(comfyui)})
            output = None if output is _AS_SET else output
        remarks: list[Reason] = []
        settings = _changed(settings, workflows, output)
        return Project(setup_of(settings, path, remarks.append), remarks)


def _changed(
    settings: Manifest, workflows: Sequence[PathLike], output: PathLike | None
) -> Manifest:
    if workflows:
        places = tuple(str(Path(place).absolute()) for place in workflows)
        settings = msgspec.structs.replace(settings, workflows=places)
    if output is not _AS_SET:
        folder = _NOWHERE if output is None else str(Path(output).absolute())
        settings = msgspec.structs.replace(settings, output=folder)
    return settings


class Project:
    """One ComfyUI, its workflows and their models; `open` makes it.

    Each method looks at the disk as it is at that time, and may be called from any thread. Two
    threads that fetch one model wait for each other, as two processes do.
    """

    def __init__(self, setup: Setup, remarks: list[Reason]) -> None:
        self._setup = setup
        self._remarks = remarks
        self._environ = dict(os.environ)
        self._children = Children()
        self._services: Once[str, Services] = Once()
        self._mirrors: Once[str, Mirrors] = Once()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should hear of the project so far, a sentence each."""
        return tuple(dict.fromkeys(map(words.sentence, self._remarks)))

    def scan(self) -> tuple[Reference, ...]:
        """Every place in a workflow that names a model file. Raises Problem.

        A workflow that can't be read has none; `plan` tells which those are.
        """
        with _in_words():
            return tuple(ref for file in self._look().scanned for ref in file.references)

    def plan(self) -> Plan:
        """What is needed: `missing`, `present`, and `unreadable` workflows. Raises Problem."""
        with _in_words():
            return self._look().plan

    def find(self, missing: Planned) -> Record:
        """Search for one model in the sources that the manifest names. Raises Problem.

        Nothing is asked twice in one project. The record is kept by `fetch`.
        """
        from comfyfix.stages.search import resolve  # 200 ms that only a search needs

        with _in_words():
            if missing.problem is not None:
                raise missing.problem
            return resolve.resolve(missing, self._shared())

    def fetch(self, record: Record) -> Receipt:
        """Download one file to its place, check it, and return its receipt. Raises Problem.

        One that is there already and right is left as it is. With an output folder, record, script
        and receipt are kept there as a run keeps them.
        """
        with _in_words():
            project = self._look()
            try:
                if self._setup.manifest.output == _NOWHERE:
                    return self._fetched(project, record, keeps=False)
                projects.reserve(project, self._remarks.append)
                return self._fetched(self._look(), record, keeps=True)
            except OSError as error:
                raise unwritable(error, project.layout.output) from None

    def verify(self) -> tuple[Verdict, ...]:
        """Check every needed model, also those that came without us. Raises Problem.

        What has not changed since it was hashed is not hashed again. Nothing is moved.
        """
        with _in_words():
            project = self._look()
            hasher = Hasher(HashLog(project.layout.hashes, project.trust.identity))
            needed = sweep.needed(project.manifest, project.plan, project.layout).values()
            verdict = partial(_verdict, project, hasher)
            try:
                with ThreadPoolExecutor(cores()) as pool:
                    return tuple(pool.map(verdict, chain.from_iterable(needed)))
            finally:
                hasher.log.close()

    def _look(self) -> projects.Project:
        return projects.scan_and_plan(self._setup, self._remarks.append)

    def _shared(self) -> Services:
        from comfyfix.services import services  # 170 ms that only a search needs

        return self._services.get("", lambda: services(self._look(), self._environ, self._children))

    def _mirrors_of(self, project: projects.Project) -> Mirrors:
        from comfyfix.mirrors.handing import Mirrors  # for downloads alone

        def hear(place: str, reason: Reason) -> None:
            self._remarks.append(because(Why.MIRROR_NOT_ASKED, place=place, cause=reason))

        offline = bool(on(OFFLINE, self._environ))
        return self._mirrors.get("", lambda: Mirrors(project.mirrors, hear, offline=offline))

    def _fetched(self, project: projects.Project, record: Record, *, keeps: bool) -> Receipt:
        from comfyfix.script import render  # templates, for downloads alone
        from comfyfix.stages.download import fetch, written
        from comfyfix.stages.download.slots import Slot, Slots
        from comfyfix.stages.download.talk import Talk

        manifest, layout = project.manifest, project.layout
        if keeps:
            numbers = {p.model.key: p.number for p in project.plan.models}
            number = numbers.get(record.model.key, record.number)
            record = msgspec.structs.replace(record, number=number)
            record = written.write(layout, manifest, record, lambda *_: None)
        require("bash", *([] if record.local else ["curl"]))
        env = fetch.environment(
            self._environ,
            record,
            self._shared().manifest.endpoints,
            project.tokens,
            folder=fetch.real_place(record, project.folders),
            demo=manifest.is_demo,
        )
        talk = Talk.about(
            record,
            lambda _said: None,
            Slot(Slots()),
            pickle=manifest.verify.pickle,
            words=words.sentence,
            lender=self._shared().lender(record),
            mirrors=self._mirrors_of(project).handed(record),
        )
        alone = "" if keeps else render.alone(record, manifest)
        here = fetch.Here(self._children, env, self._shared().relay, alone)
        script = layout.script(record.number, record.model)
        receipt = fetch.fetch(record, script, talk, here, signs=bool(project.trust.key))
        if keeps:
            models = (member.model for member in record.members)
            received = [*zip(models, receipt.each, strict=True)]
            Receipts(layout).save(project.folders.store, project.trust, received)
        return receipt


def _verdict(project: projects.Project, hasher: Hasher, choice: Choice) -> Verdict:
    from comfyfix.stages.verdicts.verify import Claims, Manner, verify  # formats, for this alone

    manner = Manner(pickle=project.manifest.verify.pickle, trust=project.trust, hash_of=hasher)
    claims = Claims(choice.record, choice.receipt, choice.override)
    return verify(choice.model, choice.path, claims, manner)


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """Let the text of a problem be what the commands print."""
    try:
        yield
    except Problem as problem:
        problem.args = (words.problem(problem),)
        raise
