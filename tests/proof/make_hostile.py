"""Make the hostile samples, and keep those that the real readers prove.

COMFYFIX_TORCH=PYTHON python -m tests.proof.make_hostile FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from tests.proof.samples import Entry, Sample, write_index
from tests.proof.torch_python import run

FAMILIES = """
asked made_of steps filled hashed names odd_names files torch_files odd_steps archives programs
formats
""".split()


def samples() -> Iterator[Sample]:
    """Yield every try, proven or not."""
    for name in FAMILIES:
        yield from import_module(f"tests.proof.hostile.{name}").samples()


def make(
    folder: Path, names: str = "", *, every: int = 1
) -> tuple[list[Entry], list[tuple[Entry, str]]]:
    """Write the tries into a folder, keep those that are proven; return them and the others.

    `names`: only those whose name holds this; `every`: only each so many of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tries: dict[Path, Entry] = {}
    for place, sample in enumerate(samples()):
        if names not in sample.name or place % every:
            continue
        path = folder / sample.name
        if path in tries:
            raise ValueError(f"two samples are called {sample.name}")
        path.write_bytes(sample.data)
        for other, content in sample.beside.items():
            (folder / f"{sample.name}+{other}").write_bytes(content)
        tries[path] = Entry(path, sample.family, sample.reader)
    lines = "".join(f"{entry.reader}\t{entry.path}\n" for entry in tries.values())
    kept: list[Entry] = []
    dropped: list[tuple[Entry, str]] = []
    for line in run("prove", [], lines).splitlines():
        name, outcome, said = line.split("\t", 2)
        entry = tries[Path(name)]
        if outcome == "mark":
            kept.append(entry)
            continue
        dropped.append((entry, f"{outcome}: {said}"))
        for path in (entry.path, *folder.glob(f"{entry.path.name}+*")):
            path.unlink()
    write_index(folder, kept)
    return kept, dropped


if __name__ == "__main__":
    proven, others = make(Path(sys.argv[1]), *sys.argv[2:])
    for entry, why in others:
        print(f"not proven: {entry.path.name}: {why}")
    families = {entry.family for entry in proven}
    print(f"{len(proven)} proven of {len(families)} families, {len(others)} not")
