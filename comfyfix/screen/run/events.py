"""What happens in a run, event by event, as the lines that people follow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from comfyfix.errors import Unreachable
from comfyfix.outcomes import Came
from comfyfix.records import Model, Reason, Receipt, Record, Verdict, because
from comfyfix.screen import words
from comfyfix.screen.words import fixed, t
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.errors import Problem
    from comfyfix.screen.run.lines import Console

_GIB = 1 << 30
_SECONDS_LEAST = 0.001
"""What hashing took at the least; a clock may not have moved."""
_FOUND = {
    "store": "✓ Found in the store: {where}",
    "workflow": "✓ Found in the workflow: {where}",
    "catalog": "✓ Found in a catalogue: {where}",
    "huggingface": "✓ Found on HuggingFace: {where}",
    "civitai": "✓ Found on Civitai: {where}",
    "openmodeldb": "✓ Found on OpenModelDB: {where}",
    "lock": "✓ Found in the lock file: {where}",
    "near": "✓ Found on this machine: {where}",
    "qwen": "✓ Found by Qwen: {where}",
}


class Events:
    """Tells a console what happens. Safe to use from several threads, as consoles are."""

    def __init__(self, console: Console, store: Path) -> None:
        self._console = console
        self._store = f"{store}/"
        self._said: set[str] = set()

    def found(self, record: Record) -> None:
        """A search has found a file."""
        where = self._short(record.local) if record.local else record.where
        if record.source == "workflow" and record.asked:  # it stands in the manifest or a pin
            self._of(record.model, t("✓ Found where you have said: {where}", where=where))
        else:
            self._of(record.model, fixed(_FOUND[record.source], where=where))
        if record.renamed and not record.local and record.name != record.model.name:
            self._of(record.model, t("! Its name there is {name}", name=record.name))
        if record.note:
            self._of(record.model, t("! {note}", note=record.note))

    def scripted(self, model: Model, script: str) -> None:
        """The script of a model is there."""
        self._alone(model, fixed("Generated: {script}", script=script))

    def engine_replaced(self, path: Path, aside: Path) -> None:
        """What lay in the place of the scripts' engine was another file."""
        line = "! {path} was not what our scripts call; it lies in {aside} now"
        self._console.line(t(line, path=path, aside=aside.name))

    def executing(self, model: Model, script: str, size: int | None, worker: str = "") -> None:
        """The script of a model begins, here or on a worker."""
        line = "Executing download: {script}" + (" ({size:size})" if size else "")
        line += " on {worker}" if worker else ""
        self._alone(model, fixed(line, script=script, size=size, worker=worker))

    def lost(self, model: Model, worker: str) -> None:
        """The worker at which a script ran is gone; it begins again on another one."""
        self._of(model, t("! Worker {worker} was lost; it goes on elsewhere", worker=worker))

    def cut_off(self, model: Model, worker: str) -> None:
        """At a worker the network has given up; another one tries."""
        self._of(model, t("! Worker {worker} did not get it; it goes on elsewhere", worker=worker))

    def left_out(self, problem: Problem) -> None:
        """A worker of the cluster can do nothing for this run; the others go on."""
        self._console.line(t("! Left out: {why}", why=words.problem(problem)))

    def no_worker(self) -> None:
        """A cluster that is to fetch has nobody who could; some come when there is work."""
        self._console.line(t("! Waiting: the cluster has no worker yet"))

    def going_on(self, model: Model, arrived: int, size: int) -> None:
        """A download was stopped before; what has arrived is kept."""
        line = "Going on: {arrived:size} of {size:size} are here already"
        self._of(model, t(line, arrived=arrived, size=size))

    def noted(self, model: Model, text: str) -> None:
        """A script has something to tell."""
        self._of(model, t("! {text}", text=text))

    def waiting(self, model: Model, text: str) -> None:
        """A script waits for another process."""
        self._of(model, t("! Waiting: {text}", text=text))

    def searching_again(self, model: Model, problem: Problem) -> None:
        """A record has proved to be worthless."""
        what = words.worded(problem.reason).what
        self._of(model, t("! {what}; searching again", what=what))

    def fetched(self, record: Record, receipt: Receipt, came: Came) -> None:
        """A file has arrived, or is linked."""
        if came is Came.OTHERS:
            self._of(record.model, t("✓ Fetched by another process meanwhile"))
        elif came is Came.THERE:
            self.was_there(record.model)
        elif came is Came.LINKED:
            self._of(record.model, t("✓ Linked: {place}", place=self._short(record.local)))
        elif came is Came.COPIED:
            line = "✓ Copied from {place} ({size:size})"
            self._of(record.model, t(line, place=receipt.origin, size=receipt.size))
        else:
            self._of(record.model, fixed("✓ Download completed successfully"))

    def mirrored(self, model: Model, place: str) -> None:
        """A mirror has given a file."""
        self._of(model, t("✓ From the mirror {place}", place=place))

    def mirror_failed(self, model: Model, place: str, *, wrong: bool) -> None:
        """A mirror has given nothing that counts; others are asked."""
        if wrong:
            text = "! The mirror {place} has other bytes under this hash: not taken"
            self._of(model, t(text, place=place))
            return
        line = t("! The mirror {place} does not give what it is asked for", place=place)
        if line not in self._said:
            self._said.add(line)
            self._console.line(line)

    def mirror_unreached(self, place: str) -> None:
        """A mirror can't be reached, and is left alone for a while."""
        self._console.line(t("! The mirror {place} can't be reached", place=place))

    def mirror_unused(self, place: str, reason: Reason) -> None:
        """A mirror can't be asked in this run."""
        not_asked = because(Why.MIRROR_NOT_ASKED, place=place, cause=reason)
        self._console.line(f"! {words.sentence(not_asked)}")

    def was_there(self, model: Model) -> None:
        """A file without a receipt has proved to be the right one."""
        self._of(model, t("✓ It was there already"))

    def failed(self, model: Model, problem: Problem) -> None:
        """A model has failed; the others go on."""
        message = words.problem(problem)
        if self._console.follower is not None:
            self._console.follower.failed(model.key, problem)
        if message not in self._said:
            self._said.add(message)
            self._of(model, f"✗ {message}")
        elif isinstance(problem, Unreachable):
            self._of(model, t("✗ Not asked: see above"))
        else:
            self._of(model, t("✗ {what}: see above", what=words.worded(problem.reason).what))

    def unreadable(self, problem: Problem) -> None:
        """A workflow can't be read."""
        self._console.line(f"✗ {words.problem(problem)}")

    def verifying(self, number: int, count: int) -> None:
        """A batch is verified."""
        line = "Verifying batch {number} ({count:models})"
        if self._console.follower is not None:
            self._console.follower.verifying(number)
        self._console.line(fixed(line, number=f"{number:03d}", count=count))

    def verifying_present(self, count: int) -> None:
        """What was there before is verified."""
        self._console.line(t("Verifying what was there before ({count:models})", count=count))

    def hashing_claimed(self, count: int, size: int) -> None:
        """Files are hashed of which only receipts of others tell."""
        line = "  Receipts of others do not count: hashing {count:models}, {size:size}"
        self._console.line(t(line, count=count, size=size))

    def hashed_claimed(self, size: int, seconds: float) -> None:
        """They are hashed; next time need not take so long."""
        line = (
            "  Hashed {size:size} in {seconds} s, {rate} GiB/s. Next time at once: set "
            "`COMFYFIX_STORE_KEY` for all who write to the store, or `verify: {{receipts: trust}}` "
            "if only you do"
        )
        rate = size / _GIB / max(seconds, _SECONDS_LEAST)
        self._console.line(t(line, size=size, seconds=f"{seconds:.1f}", rate=f"{rate:.2f}"))

    def verified(self, verdicts: Sequence[Verdict], absent: int = 0) -> None:
        """Some files are verified; `absent` models of theirs did not arrive, as was told."""
        if self._console.follower is not None:
            self._console.follower.judged(verdicts)
        proven = sum(v.status == "ok" for v in verdicts)
        unproven = sum(v.status == "unverified" for v in verdicts)
        if proven:
            self._console.line(fixed("  ✓ Verified: {count:models}", count=proven))
        if unproven:
            line = "  ! Unverified (see `doit explain unverified`): {count:models}"
            self._console.line(t(line, count=unproven))
        for verdict in verdicts:
            if not verdict.good:
                self._console.line(f"  ✗ {verdict.filename}: {_judged(verdict)}")
        if absent:
            line = "  ! Not there, as told above: {count:models}"
            self._console.line(t(line, count=absent))

    def doubted(self, model: Model, reason: str) -> None:
        """Qwen thinks that a file does not fit."""
        why = reason or t("it gives no reason")
        self._console.line(t("  ! Qwen doubts {name}: {why}", name=model.name, why=why))

    def no_opinion(self, number: int, reason: Reason | str) -> None:
        """Qwen has no opinion; that is for the log alone."""
        line = "Qwen has no opinion on batch {number}: {reason}"
        self._console.log(t(line, number=f"{number:03d}", reason=reason))

    def _of(self, model: Model, text: str) -> None:
        self._console.of_model(model.key, model.name, text)

    def _alone(self, model: Model, text: str) -> None:
        self._console.of_model(model.key, "", text)

    def _short(self, path: str) -> str:
        """A path of the store as people know it, below its root."""
        return path.removeprefix(self._store)


def bad_files(verdicts: Sequence[Verdict]) -> str:
    """Return the files that are not right on one line, for doit's own reporters."""
    return "; ".join(f"{v.model}: {_judged(v)}" for v in verdicts if not v.good)


def _judged(verdict: Verdict) -> str:
    why = words.sentence(verdict.reason or "")
    return f"{verdict.status} ({why})" if why else verdict.status
