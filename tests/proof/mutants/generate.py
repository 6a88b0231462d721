"""Mutants, number by number: each has its own chance, so any of them can be made again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

from tests.proof.assemble import P2, P4, STOP, text
from tests.proof.containers import npy, torch_old, torch_zip
from tests.proof.mutants.pool import Pool, pool_of
from tests.proof.mutants.reshape import CHANGES
from tests.proof.mutants.seeds import STORAGE, WEIGHTS, WHOLE, trees
from tests.proof.mutants.tree import Node

HOSTILE = 0.15  # of the mutants begin as a hostile pickle
SIZE_MAX = 20_000  # bytes
_KINDS = (
    (("pt", "torch.load"),) * 14
    + (("ckpt", "torch.load"),) * 2
    + (
        ("old.pth", "torch.load"),
        ("pkl", "pickle.load"),
        ("joblib", "joblib.load"),
        ("npy", "numpy.load"),
    )
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mutant: its number, what it came of, its file."""

    number: int
    origin: str
    ending: str
    reader: str
    data: bytes


@cache
def _material() -> tuple[
    tuple[str, ...], tuple[Node, ...], tuple[str, ...], tuple[Node, ...], Pool
]:
    good, bad = trees()
    return (
        tuple(good),
        tuple(good.values()),
        tuple(bad),
        tuple(bad.values()),
        pool_of(list(good.values()), bad.values()),
    )


def mutant(seed: int, number: int) -> Mutant:
    """Make the mutant of this number."""
    draw = Random(f"{seed}/{number}")
    names, good, bad_names, bad, pool = _material()
    if draw.random() < HOSTILE:
        place = draw.randrange(len(bad))
        tree, told = bad[place], [bad_names[place]]
    else:
        place = draw.randrange(len(good))
        tree, told = good[place], [names[place]]
    changes = [change for change, _ in CHANGES]
    weights = [weight for _, weight in CHANGES]
    for _ in range(draw.choice((1, 1, 1, 2, 2, 3, 4, 6))):
        change = draw.choices(changes, weights)[0]
        after = change(tree, draw, pool)
        if after is not tree:
            told.append(change.__name__)
            tree = after
    ending, reader = draw.choice(_KINDS)
    pickled = draw.choice((P2, P4, P4)) + tree.write()[:SIZE_MAX] + STOP
    return Mutant(number, " ".join(told), ending, reader, contained(pickled, ending))


def contained(pickled: bytes, ending: str) -> bytes:
    """Put a pickle into a file of this kind, with the weights that it names."""
    used = {key: WEIGHTS[key] for key in WEIGHTS if b"Storage\n" + text(key) in pickled}
    if ending in ("pt", "ckpt"):
        return torch_zip(pickled, used)
    if ending == "npy":
        return npy(pickled)
    if ending != "old.pth":
        return pickled
    for storage in (STORAGE, WHOLE):
        # In this format the identifier has one part more.
        pickled = pickled.replace(storage, storage.removesuffix(b"tQ") + b"NtQ")
    return torch_old(pickled, used, items={"0": 4, "1": 2})
