"""What comfyfix says of the samples in a folder.

python -m tests.proof.judge FOLDER…
"""

from __future__ import annotations

import collections
import sys
from collections.abc import Iterator
from pathlib import Path

from comfyfix.formats import look
from comfyfix.screen.words import sentence
from tests.proof.samples import Entry, read_index


def verdicts(folder: Path) -> Iterator[tuple[Entry, str]]:
    """Yield each sample with `passes`, or kind and reason of what is wrong with it."""
    for entry in read_index(folder):
        finding = look.inspect(entry.path)
        reason = finding and f"{finding.kind}: {sentence(finding.reason)}"
        yield entry, reason or "passes"


def main(*folders: str) -> None:
    """Print what is not as it should be, and sums."""
    for name in folders:
        hostile = Path(name).name == "hostile"
        wrong: list[tuple[Entry, str]] = []
        kinds = collections.Counter[str]()
        for entry, verdict in verdicts(Path(name)):
            kinds[verdict.partition(":")[0]] += 1
            if hostile is (verdict == "passes"):
                wrong.append((entry, verdict))
        families = collections.Counter(entry.family for entry, _ in wrong)
        what = "hostile that pass" if hostile else "alarms"
        print(f"== {name}: {sum(kinds.values())} files, {dict(kinds)}, {len(wrong)} {what}")
        for family, count in families.most_common():
            print(f"{count:5} {family}")
        for entry, verdict in wrong:
            print(f"  {entry.path.name} ({entry.reader}): {verdict}")


if __name__ == "__main__":
    main(*sys.argv[1:])
