"""Judge mutants, and really load those that pass.

COMFYFIX_TORCH=PYTHON python -m tests.proof.mutants.run COUNT [options]
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import json
import multiprocessing
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from comfyfix.formats import look
from tests.proof.assemble import P4, STOP
from tests.proof.loads import Readers
from tests.proof.mutants.generate import Mutant, contained, mutant
from tests.proof.mutants.seeds import honest


@dataclass
class Sums:
    """What came of some mutants."""

    verdicts: collections.Counter[str] = field(default_factory=collections.Counter)
    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)
    failures: list[str] = field(default_factory=list)
    """Number, origin and events of mutants that passed and did something."""
    broken: list[str] = field(default_factory=list)
    """The same of those at which the reader crashed or hung."""
    slow: list[str] = field(default_factory=list)
    passing: set[bytes] = field(default_factory=set)
    """Hashes of what passes and loads: how many of them are different ones."""
    calls: dict[str, str] = field(default_factory=dict)
    """Functions that ran for no honest seed, each with the first mutant that reached it."""

    def add(self, other: Sums) -> None:
        """Take in what another process found."""
        self.verdicts += other.verdicts
        self.outcomes += other.outcomes
        self.failures += other.failures
        self.broken += other.broken
        self.slow += other.slow
        self.passing |= other.passing
        self.calls = {**other.calls, **self.calls}


@dataclass(frozen=True)
class Task:
    """A share of the work: every `step`-th number from `first` on."""

    seed: int
    first: int
    last: int
    step: int
    keep: Path
    known: frozenset[str]


SECONDS_MAX = 1.0  # that the judge may take for one mutant


def share(task: Task) -> Sums:
    """Judge and load one share."""
    sums = Sums()
    with tempfile.TemporaryDirectory(dir=_memory()) as told, Readers() as readers:
        folder = Path(told)
        known = set(task.known) | _of_seeds(readers, folder)
        for number in range(task.first, task.last, task.step):
            _one(mutant(task.seed, number), readers, folder, known, sums, task.keep)
    return sums


def _memory() -> str | None:
    """A folder in memory, where there is one: a file lives for a millisecond."""
    told = Path("/dev", "shm")
    return str(told) if told.is_dir() else None


def _of_seeds(readers: Readers, folder: Path) -> set[str]:
    calls = set[str]()
    for ending, reader in (
        ("pt", "torch.load"),
        ("old.pth", "torch.load"),
        ("joblib", "joblib.load"),
        ("npy", "numpy.load"),
    ):
        for name, built in honest().items():
            path = folder / f"{name}.{ending}"
            path.write_bytes(contained(P4 + built + STOP, ending))
            calls |= set(readers.load(reader, path)["calls"])
            path.unlink()
    return calls


def _one(
    one: Mutant, readers: Readers, folder: Path, known: set[str], sums: Sums, keep: Path
) -> None:
    path = folder / f"m{one.number}.{one.ending}"
    path.write_bytes(one.data)
    begin = time.process_time()
    finding = look.inspect(path)
    took = time.process_time() - begin
    told = f"{one.number} ({one.origin}; {one.ending})"
    if took > SECONDS_MAX:
        sums.slow.append(f"{told}: {took:.1f} s")
    sums.verdicts[finding.kind if finding else "passes"] += 1
    if finding is None:
        seen = readers.load(one.reader, path)
        sums.outcomes[seen["outcome"]] += 1
        if seen["outcome"] == "loaded":
            sums.passing.add(hashlib.sha256(one.data).digest()[:8])
        for call in set(seen["calls"]) - known:
            sums.calls.setdefault(call, told)
        known |= set(seen["calls"])
        if seen["outcome"] in ("crash", "hang"):
            sums.broken.append(f"{told}: {seen['outcome']}")
        if seen["events"]:
            sums.failures.append(f"{told}: {'; '.join(seen['events'][:4])}")
        if seen["events"] or seen["outcome"] in ("crash", "hang"):
            (keep / path.name).write_bytes(one.data)
    path.unlink()


def run(
    count: int, *, seed: int, processes: int, keep: Path, known: frozenset[str], first: int = 0
) -> Sums:
    """Judge and load so many mutants."""
    keep.mkdir(parents=True, exist_ok=True)
    tasks = [
        Task(seed, first + at, first + count, processes, keep, known) for at in range(processes)
    ]
    sums = Sums()
    if processes == 1:
        sums.add(share(tasks[0]))
        return sums
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for told in pool.imap_unordered(share, tasks):
            sums.add(told)
    return sums


def main() -> int:
    """Read the command line, print sums; return 1 if a mutant did something, or crashed."""
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("count", type=int)
    told.add_argument("--seed", type=int, default=1)
    told.add_argument("--first", type=int, default=0)
    told.add_argument("--processes", type=int, default=2)
    told.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir(), "mutants"))
    told.add_argument("--known", type=Path, help="functions that honest files reach, as JSON")
    options = told.parse_args()
    known = frozenset(json.loads(options.known.read_text())) if options.known else frozenset[str]()
    begin = time.monotonic()
    sums = run(
        options.count,
        seed=options.seed,
        processes=options.processes,
        keep=options.keep,
        known=known,
        first=options.first,
    )
    took = time.monotonic() - begin
    for title, lines in (
        (
            "functions that no honest file reached",
            [f"{call}: {by}" for call, by in sorted(sums.calls.items())],
        ),
        ("slow to judge", sums.slow),
        ("crashes and hangs", sums.broken),
        ("FAILURES", sums.failures),
    ):
        print(f"== {title}: {len(lines)}")
        print("".join(f"  {line}\n" for line in lines), end="")
    print(f"{options.count} mutants in {took:.0f} s: {dict(sums.verdicts)}")
    print(f"of those that pass: {dict(sums.outcomes)}; {len(sums.passing)} different ones load")
    return bool(sums.failures or sums.broken)


if __name__ == "__main__":
    sys.exit(main())
