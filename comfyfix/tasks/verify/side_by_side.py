"""Verify many files side by side: hash what must be hashed, ask who knows the rest, tell each."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from comfyfix.errors import Problem, unwritable
from comfyfix.records import Model, Receipt, Verdict, because
from comfyfix.screen.commands import checking
from comfyfix.screen.run.progress import drawn
from comfyfix.screen.text import say
from comfyfix.stages.store import sweep
from comfyfix.stages.store.sweep import Choice
from comfyfix.stages.verdicts.verify import Claims, Manner, verify
from comfyfix.state import receipts
from comfyfix.state.hashing import Hasher, Identity
from comfyfix.stopping import Stopped
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.verify.aside import set_aside, set_copy_aside
from comfyfix.tasks.verify.hashing import log_of
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.sources.identify import Answer, Identifier

NOT_KNOWN = because(Why.HASH_NOT_KNOWN_HERE)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user wants of one run.

    `anew` hashes also what has not changed, `always` also what no hash is known of, `ask` sends
    hashes and names to the services, `move` moves damaged and unsafe files aside.
    """

    anew: bool = False
    always: bool = False
    ask: bool = False
    move: bool = True
    jobs: int = 1


@dataclass
class Check:
    """One run over some files; each verdict is said as it is settled, and kept."""

    run: Run
    choices: Sequence[Choice]
    wish: Wish
    count: Counter[str] = field(default_factory=Counter)
    bytes_done: int = 0
    stayed: int = 0  # bad files that `move` would move aside
    unknown: int = 0  # files whose hash nothing here knows, and nobody was asked
    bad_copies: int = 0  # of the bad files those that are copies in a fast tier
    verdicts: list[Verdict] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.total = sweep.total(self.choices)
        self.hasher = Hasher(log_of(self.run), anew=self.wish.anew)
        self._contents = sweep.contents(self.choices) if self.wish.always else {}
        self._bad_units: dict[str, Choice] = {}
        self._unidentified: list[tuple[Choice, Verdict]] = []
        self._receipts: list[tuple[Model, Receipt]] = []
        self._seen: set[Identity] = set()
        self._identifier: Identifier | None = None
        self._unwritten: list[Problem] = []

    @property
    def files_done(self) -> int:
        """How many files are settled."""
        return self.count.total()

    @property
    def bad(self) -> int:
        """How many files can't be used."""
        return self.files_done - self.count["ok"] - self.count["unverified"]

    @property
    def problems(self) -> list[Problem]:
        """What could not be written, and which services could not be asked, and why."""
        asked = self._identifier.problems if self._identifier else []
        return [*self._unwritten, *asked]

    def verify_all(self) -> None:
        """Verify all of them, the biggest first. Raises Stopped; what is done is kept."""
        pool = ThreadPoolExecutor(self.wish.jobs, thread_name_prefix="verify")
        try:
            with drawn(self.total, len(self.choices), self._progress):
                self._settle_all(pool)
                self._ask()
            self._set_copies_aside()
        except Stopped:
            done, size = self.bytes_done, self.total
            say(*checking.stopped(self.files_done, len(self.choices), done, size))
            raise
        finally:
            self.hasher.halt()
            pool.shutdown(cancel_futures=True)
            self._save()
            self.hasher.log.close()

    def _settle_all(self, pool: ThreadPoolExecutor) -> None:
        # The biggest first: at the end no thread is left alone with a big one.
        ordered = sorted(self.choices, key=lambda choice: -choice.size)
        futures: dict[Future[Verdict], Choice] = {pool.submit(self._look, c): c for c in ordered}
        for future in as_completed(futures):
            self._settle(futures[future], future.result())

    def _progress(self) -> tuple[int, int]:
        return self.bytes_done + self.hasher.under_way(), self.files_done

    def _look(self, choice: Choice) -> Verdict:
        """Verify one file; runs in a thread of the pool."""
        manner = Manner(
            pickle=self.run.project.manifest.verify.pickle,
            trust=self.run.project.trust,
            anew=self.wish.anew,
            always=self.wish.always or self.wish.ask,
            hash_of=self.hasher,
        )
        claims = Claims(choice.record, choice.receipt, choice.override, choice.noted_sha256)
        verdict = verify(choice.model, choice.path, claims, manner)
        return msgspec.structs.replace(verdict, is_copy=bool(choice.unit))

    def _settle(self, choice: Choice, verdict: Verdict) -> None:
        if choice.identity not in self._seen:
            self._seen.add(choice.identity)
            self.bytes_done += choice.size
        # In order as far as can be seen, and it has a hash: nobody has told which it must be.
        unknown = verdict.status == "unverified" and verdict.looked_into and verdict.sha256
        if unknown and (self.wish.always or self.wish.ask):
            verdict = self._compared(verdict)
        if verdict.reason == NOT_KNOWN and self.wish.ask:
            from comfyfix.sources.identify import AT_ONCE  # only where one asks

            self._unidentified.append((choice, verdict))
            if len(self._unidentified) >= AT_ONCE:
                self._ask()
            return
        if verdict.status == "ok" and choice.record is not None:
            self._keep(choice, verdict, identified=False)
        self._tell(choice, verdict)

    def _compared(self, verdict: Verdict) -> Verdict:
        """Hold a file of unknown origin against the contents that are known."""
        by = self._contents.get(verdict.sha256 or "")
        if by:
            return msgspec.structs.replace(verdict, status="ok", reason=None, by=by)
        return msgspec.structs.replace(verdict, reason=NOT_KNOWN)

    def _ask(self) -> None:
        if not self._unidentified:
            return
        from comfyfix.sources.identify import Identifier  # only where one asks

        if self._identifier is None:
            self._identifier = Identifier(self.run.services())
        asked = [(choice.model, verdict.sha256 or "") for choice, verdict in self._unidentified]
        answers = self._identifier.ask(asked)
        for (choice, verdict), answer in zip(self._unidentified, answers, strict=True):
            answered = _answered(verdict, answer)
            if answered.status == "ok":
                self._keep(choice, answered, identified=True)
            self._tell(choice, answered)
        self._unidentified.clear()
        self._save()

    def _tell(self, choice: Choice, verdict: Verdict) -> None:
        if verdict.status in ("damaged", "unsafe") and not self.wish.move:
            self.stayed += 1
        if choice.unit:
            if not verdict.good:
                self.bad_copies += 1
                self._bad_units[choice.unit] = choice
        elif self.wish.move:
            verdict = set_aside(self.run, choice.model, verdict, choice.receipt)
        self.unknown += verdict.reason == NOT_KNOWN
        self.count[verdict.status] += 1
        self.verdicts.append(verdict)
        say(checking.line(verdict))

    def _set_copies_aside(self) -> None:
        """Move copies that are not right away, each as a whole, once nothing of them is read."""
        for choice in self._bad_units.values() if self.wish.move else ():
            if line := set_copy_aside(self.run, choice, self.verdicts):
                say(line)

    def _keep(self, choice: Choice, verdict: Verdict, *, identified: bool) -> None:
        """Make a receipt, unless a true one is there or the file has changed since."""
        if not choice.loaded or not verdict.sha256:
            return
        with contextlib.suppress(OSError):
            info = choice.path.stat()
            old = choice.receipt
            if old and self.run.project.trust.holds(old, choice.path, info):
                if not old.verified:
                    self._receipts.append(
                        (choice.model, msgspec.structs.replace(old, verified=True))
                    )
            elif self.hasher.log.find(str(choice.path), info) == verdict.sha256:
                receipt = receipts.of_file(
                    choice.model,
                    choice.path,
                    verdict.sha256,
                    script="",
                    verified=True,
                    identified=identified,
                )
                self._receipts.append((choice.model, receipt))

    def _save(self) -> None:
        run = self.run
        try:
            run.receipts.save(run.project.folders.store, run.project.trust, self._receipts)
        except OSError as error:  # the verdicts hold all the same; the next run hashes anew
            self._unwritten = [unwritable(error, run.project.layout.receipts)]
        self._receipts.clear()


def _answered(verdict: Verdict, answer: Answer) -> Verdict:
    if answer.where and not answer.warning:
        by = because(Why.BY_PLACE, where=answer.where)
        return msgspec.structs.replace(verdict, status="ok", reason=None, by=by)
    if answer.where:
        reason = because(Why.SOURCE_WARNS, where=answer.where, warning=answer.warning)
    elif answer.not_asked:
        reason = because(Why.HASH_NOT_ASKED, sources=answer.not_asked)
    else:
        reason = because(Why.HASH_KNOWN_NOWHERE)
    return msgspec.structs.replace(verdict, reason=reason)
