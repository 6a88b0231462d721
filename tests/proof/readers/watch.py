"""Load files with their real readers and tell all that happens meanwhile.

    python -m tests.proof.readers.watch < lines of READER<tab>PATH

Answers each line by one JSON object: `outcome` (`loaded`, `error`, `crash`, `hang`), `said`,
`events` (what an audit hook saw and a load has no need for), `calls` (functions of Python that ran
here for the first time). Files are loaded by a fork that goes on to the next one; where it dies or
hangs, the file is loaded once more in a fork of its own, and that outcome counts.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.proof.readers.audit import Audit
from tests.proof.readers.load import READERS
from tests.proof.readers.preload import everything
from tests.proof.readers.state import State

SECONDS = 20.0
SWEEP = 100  # files between two collections of garbage


def main() -> None:
    """Answer every line of standard input."""
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    everything()
    _warm_up()
    gc.freeze()
    audit = Audit()
    worker: Worker | None = None
    for line in sys.stdin:
        worker = worker or Worker(audit)
        told = worker.asked(line)
        broken = told["outcome"] in ("crash", "hang")
        if broken or told["events"]:
            # It may have changed what the next file is loaded into.
            worker.end()
            worker = None
        if broken:
            alone = Worker(audit)
            told = {**alone.asked(line), "first": told["outcome"]}
            alone.end()
        print(json.dumps(told), flush=True)
    if worker is not None:
        worker.end()


def _warm_up() -> None:
    """Do once what readers do only at their first call: some import or compile then."""
    import io

    import numpy
    import torch

    stream = io.BytesIO()
    torch.save({"a": torch.ones(1), "b": torch.ones(1, 1).to_sparse_csr()}, stream)
    stream.seek(0)
    torch.load(stream, weights_only=False)
    torch.serialization._get_layout("torch.strided")
    numpy.lib.format.descr_to_dtype("<f4")
    repr(torch.ones(1))
    numpy.dtype("i4,i4")


class Worker:
    """A fork that loads one file after another, as it is asked."""

    def __init__(self, audit: Audit) -> None:
        self.audit = audit
        ask_read, self.ask = os.pipe()
        answer_read, answer = os.pipe()
        sys.stdout.flush()
        self.process = os.fork()
        if self.process == 0:
            os.close(self.ask)
            os.close(answer_read)
            _serve(ask_read, answer, audit)
        os.close(ask_read)
        os.close(answer)
        self.answers = answer_read

    def asked(self, line: str) -> dict[str, Any]:
        """Let it load one file."""
        file = line.rstrip("\n").split("\t")[1]
        try:
            os.write(self.ask, line.encode())
        except BrokenPipeError:
            return {"file": file, "outcome": "crash", "said": "", "events": [], "calls": []}
        data = b""
        while not data.endswith(b"\n"):
            ready, _, _ = select.select([self.answers], [], [], SECONDS)
            part = os.read(self.answers, 1 << 16) if ready else b""
            if not part:
                outcome = "crash" if ready else "hang"
                return {"file": file, "outcome": outcome, "said": "", "events": [], "calls": []}
            data += part
        told: dict[str, Any] = json.loads(data)
        return told

    def end(self) -> None:
        """Stop it."""
        os.close(self.ask)
        os.close(self.answers)
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


def _serve(ask: int, answer: int, audit: Audit) -> None:
    scratch = Path(os.environ["HOME"])
    mark = scratch / f"mark-{os.getpid()}"
    os.environ["HELD_MARK"] = str(mark)
    os.chdir(scratch)
    devnull = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(devnull, descriptor)
    state = State()
    for count, line in enumerate(_lines(ask)):
        reader, name = line.split("\t")
        told = _loaded(reader, Path(name), audit)
        told["events"] += state.changes()
        if mark.exists():
            told["events"].append("made its mark")
            mark.unlink()
        os.write(answer, json.dumps(told).encode() + b"\n")
        if count % SWEEP == 0:
            gc.collect()
    os._exit(0)


def _lines(descriptor: int) -> Iterator[str]:
    with os.fdopen(descriptor) as stream:
        for line in stream:
            yield line.rstrip("\n")


def _loaded(reader: str, path: Path, audit: Audit) -> dict[str, Any]:
    read = READERS[reader]
    outcome, said = "loaded", ""
    with audit.watching(path) as seen:
        try:
            result = read(path)
            del result
        except BaseException as error:
            outcome, said = "error", f"{type(error).__name__}: {error}"[:300]
            del error
    return {
        "file": str(path),
        "outcome": outcome,
        "said": said,
        "events": seen.events,
        "calls": audit.new_calls(),
    }


if __name__ == "__main__":
    main()
