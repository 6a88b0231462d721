"""Write down what the real readers said, for machines that have none.

    COMFYFIX_TORCH=PYTHON python -m tests.proof.record FOLDER [hostile] [mutants] [honest]

Three lists in `recorded/`: hostile samples that were proven, mutants that acted when they were
loaded (whether they pass or not), and small honest files. The first two are names and numbers, as
any machine can make the files anew; the third holds the files, with zeros for weights.
"""

from __future__ import annotations

import base64
import collections
import hashlib
import io
import json
import lzma
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.proof.containers import zipped
from tests.proof.loads import Readers
from tests.proof.make_hostile import make as make_hostile
from tests.proof.mutants.generate import mutant
from tests.proof.samples import Entry, read_index
from tests.proof.torch_python import run

RECORDED = Path(__file__).with_name("recorded")
HOSTILE, MUTANTS, HONEST = "hostile.txt", "mutants.json", "honest.jsonl"
SEED, COUNT = 1, 6000
SMALL, LARGE = 900, 9000  # bytes of a packed honest file; of the one largest of each family
OF_FAMILY = 16


def digest(numbers: list[int]) -> str:
    """Return what changes when the mutants of these numbers do."""
    told = hashlib.sha256()
    for number in numbers:
        told.update(mutant(SEED, number).data)
    return told.hexdigest()


def main(folder: Path, *parts: str) -> None:
    """Make everything, or only some of the lists, load it, and write what was seen."""
    RECORDED.mkdir(exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    for name, write in (("hostile", _hostile), ("mutants", _mutants), ("honest", _honest)):
        if not parts or name in parts:
            print(f"{write(folder)} {name}")


def _hostile(folder: Path) -> int:
    proven, _ = make_hostile(folder / "hostile")
    names = sorted(entry.path.name for entry in proven)
    (RECORDED / HOSTILE).write_text("".join(f"{name}\n" for name in names))
    return len(names)


def _mutants(folder: Path) -> int:
    acting = list(_acting(folder))
    told = {"seed": SEED, "count": COUNT, "acting": acting, "sha256": digest(acting)}
    (RECORDED / MUTANTS).write_text(json.dumps(told) + "\n")
    return len(acting)


def _honest(folder: Path) -> int:
    run("legit", [str(folder / "legit"), str(folder / "may")])
    lines = [json.dumps(told) for told in _small(folder / "legit")]
    (RECORDED / HONEST).write_text("".join(f"{line}\n" for line in lines))
    return len(lines)


def _acting(folder: Path) -> Iterator[int]:
    with Readers() as readers:
        for number in range(COUNT):
            one = mutant(SEED, number)
            path = folder / f"m.{one.ending}"
            path.write_bytes(one.data)
            if readers.load(one.reader, path)["events"]:
                yield number


def _small(folder: Path) -> Iterator[dict[str, str]]:
    """Yield small files of each family, and one that is larger."""
    counts = collections.Counter[str]()
    # Any order that does not put alike files side by side.
    for entry in sorted(read_index(folder), key=lambda told: told.path.name[::-1]):
        packed = lzma.compress(_without_weights(entry))
        limit = LARGE if counts[f"large {entry.family}"] == 0 else SMALL
        if len(packed) > limit or counts[entry.family] >= OF_FAMILY:
            continue
        counts[entry.family] += 1
        counts[f"large {entry.family}"] += len(packed) > SMALL
        data = base64.b64encode(packed).decode()
        yield {"file": entry.path.name, "family": entry.family, "data": data}


def _without_weights(entry: Entry) -> bytes:
    data = entry.path.read_bytes()
    if entry.reader != "torch.load" or not data.startswith(b"PK"):
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    bare = {
        name: bytes(len(content)) if "/data/" in name else content
        for name, content in members.items()
    }
    return zipped(bare)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
