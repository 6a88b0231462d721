"""How a model of the store is found by its name, moved, and its receipts with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from comfyfix.disk import relocating
from comfyfix.disk.relocating import Step
from comfyfix.errors import SetupProblem
from comfyfix.records import Model, Reason, because
from comfyfix.screen.commands.moving import Moved
from comfyfix.stages.store import move
from comfyfix.stages.store.gc import Unit
from comfyfix.stages.store.move import Move, MovedFile
from comfyfix.state import receipts
from comfyfix.state.renewed import Seen
from comfyfix.tasks.face.nearest import nearest
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.store.deduping import renewing, store_alone
from comfyfix.tasks.store.in_tier import letting_go
from comfyfix.tasks.store.needing import Needing
from comfyfix.tasks.verify import hashing
from comfyfix.why import Why


class Moving:
    """The models of one project's store."""

    def __init__(self, run: Run, runs: Sequence[Run]) -> None:
        self.run = run
        project = run.project
        self._folders = project.folders
        self._store = os.path.realpath(project.folders.store)
        self._units: list[Unit] = Needing(runs).units(run)[1]
        self._renewing = renewing(run)

    def knows(self, name: str, folder: str) -> bool:
        """Tell whether a name is that of a model here."""
        return self._chosen(name, move.key_of(self._folders, folder)) is not None

    def move(self, name: str, folder: str, *, dry: bool) -> Moved:
        """Move a model, or only show it. Raises SetupProblem, OSError."""
        key = move.key_of(self._folders, folder)
        chosen = self._chosen(name, key)
        if chosen is None:
            near = nearest(name.rpartition("/")[2], (unit.model.name for unit in self._units))
            cause = because(Why.NEAREST_NAMES, names=near) if near else ""
            raise SetupProblem(Why.MOVE_NOT_FOUND, name=name, cause=cause)
        plan, reason = chosen
        if reason is None and not dry:
            reason = self._do(plan)
        return Moved(plan, "shown" if dry else "moved", reason)

    def _chosen(self, name: str, key: str) -> tuple[Move, Reason | None] | None:
        unit = move.unit_of(self._units, name)
        if unit is not None and os.path.isfile(unit.path):
            files = move.files_of(unit, self._folders, key)
            links = self._folders.links.values()
            reason = move.why_stays(unit, links, self._units)
            model = Model(folder=key, path=unit.model.path)
            return self._planned(unit.model, model, files, [(f.path, f.target) for f in files],
                                 reason)  # fmt: skip
        if directory := move.directory_of(self._folders, name):
            was, place = directory
            model = Model(folder=key, path=was.path)
            target = self._folders.place(key, was.path)
            inside = [
                MovedFile(
                    was=Model(folder=was.folder, path=f"{was.path}/{rest}"),
                    path=path,
                    model=Model(folder=key, path=f"{was.path}/{rest}"),
                    target=f"{target}/{rest}",
                )
                for unit in self._units
                for path in unit.files
                if (rest := path.removeprefix(f"{place}/")) != path
            ]
            return self._planned(was, model, inside, [(place, target)], None)
        return self._begun(name, key)

    def _begun(self, name: str, key: str) -> tuple[Move, Reason | None] | None:
        """A file that a killed process has moved, and whose receipts still tell where it was."""
        receipt = receipts.load(self.run.project.layout).get(name)
        if receipt is None or os.path.lexists(receipt.path):
            return None
        for was in move.models_called(name):
            target = self._folders.place(key, was.path)
            if not os.path.isfile(target):
                continue
            info = os.stat(target)
            written = (receipt.device, receipt.inode, receipt.size, receipt.mtime_ns)
            if written == (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns):
                model = Model(folder=key, path=was.path)
                return Move(was, model, (MovedFile(was, receipt.path, model, target),), ()), None
        return None

    def _planned(
        self,
        was: Model,
        model: Model,
        files: Sequence[MovedFile],
        pairs: Sequence[tuple[str, str]],
        reason: Reason | None,
    ) -> tuple[Move, Reason | None]:
        steps: list[Step] = []
        for path, target in pairs:
            step = move.step_of(self._store, path, target)
            if isinstance(step, Reason):
                reason = reason or step
            else:
                steps.append(step)
                taken = because(Why.GC_PLACE_TAKEN, path=target)
                reason = reason or (taken if os.path.lexists(target) else None)
        others = [os.path.realpath(folder) for folder in self.run.project.manifest.also_look_in]
        if any(os.path.realpath(path).startswith(f"{o}/") for path, _ in pairs for o in others):
            reason = reason or because(Why.DEDUPE_OTHERS)
        if any(self._renewing.cannot_sign(file.was) for file in files):
            reason = reason or because(Why.DEDUPE_NO_KEY)
        plan = self.run.project.plan
        finds = move.workflows_finding(plan, model)
        loses = move.workflows_losing(
            plan, [path for path, _ in pairs] + [file.path for file in files]
        )
        return Move(was, model, tuple(files), tuple(steps), finds, loses), reason

    def _do(self, plan: Move) -> Reason | None:
        hashes = hashing.remembered(self.run, [file.path for file in plan.files])
        stamps = {file.path: _stamp(file.path) for file in plan.files}
        with letting_go(self.run) as tier:  # else ComfyUI would find it where it was, too
            store = Path(self._store)
            if reason := tier.let_go(str(store / step.place) for step in plan.steps):
                return reason
        with store_alone(self.run) as root:
            if not plan.steps:
                self._renew(hashing.all_of(self.run, [f.target for f in plan.files]), plan.files)
                return None
            for number, step in enumerate(plan.steps):
                files = plan.files if len(plan.steps) == 1 else plan.files[number : number + 1]
                hashed = [file for file in files if file.path in hashes]

                def moved(hashed: Sequence[MovedFile] = hashed) -> None:
                    same = [f for f in hashed if _stamp(f.target) == stamps[f.path]]
                    self._renew({file.target: hashes[file.path] for file in same}, same)

                if reason := relocating.relocate(root, step, moved):
                    return reason
        return None

    def _renew(self, hashes: dict[str, str], files: Sequence[MovedFile]) -> None:
        self._renewing.renew(
            [
                Seen(file.model, file.target, hashes[file.target], os.stat(file.target), file.was)
                for file in files
                if file.target in hashes
            ]
        )


def _stamp(path: str) -> tuple[int, ...]:
    try:
        return relocating.stamp_of(os.path.realpath(path))
    except OSError:
        return ()
