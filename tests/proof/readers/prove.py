"""Keep the hostile samples that make their mark; run in the Python with the readers.

    python -m tests.proof.readers.prove FOLDER < list of files

Reads lines `READER<tab>PATH`; writes a line for each, `PATH<tab>mark|none|STATUS<tab>error`. Each
file is loaded in a fork of this process, in a folder of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import warnings
from pathlib import Path

from tests.proof.readers.load import READERS
from tests.proof.readers.preload import everything

SECONDS = 20


def main() -> None:
    """Load every file that standard input names."""
    warnings.simplefilter("ignore")
    everything()
    for line in sys.stdin:
        reader, name = line.rstrip("\n").split("\t")
        print(name, *_prove(reader, Path(name)), sep="\t", flush=True)


def _prove(reader: str, path: Path) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as told:
        folder = Path(told, "inner", "folder")
        folder.mkdir(parents=True)
        mark, said = Path(told, "mark"), Path(told, "said")
        for other in (path, *path.parent.glob(f"{path.name}+*")):
            target = folder / other.name.removeprefix(f"{path.name}+")
            shutil.copyfile(other, target)
        child = os.fork()
        if child == 0:
            _in_child(reader, folder / path.name, mark, said)
        _, status = os.waitpid(child, 0)
        text = said.read_text() if said.exists() else ""
        outcome = "mark" if mark.exists() else f"status {status}" if status else "none"
        return outcome, text.replace("\n", " ").replace("\t", " ")[:300]


def _in_child(reader: str, path: Path, mark: Path, said: Path) -> None:
    signal.alarm(SECONDS)
    os.environ["HELD_MARK"] = str(mark)
    os.chdir(path.parent)
    devnull = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(devnull, descriptor)
    try:
        READERS[reader](path)
    except BaseException as error:
        said.write_text(f"{type(error).__name__}: {error}")
    os._exit(0)


if __name__ == "__main__":
    main()
