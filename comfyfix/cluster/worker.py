"""What a worker does: it runs one script, answers its questions, and sends on what it tells.

Dask names these functions, and text is all that they are given and all that they give: no token
comes from elsewhere, each worker has its own. `fetch` and `every` keep their names: a worker of
another version has to find them to say which version it is. What a script tells goes by way of the
scheduler, which keeps it and shows it, so secrets are taken out of it here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec

from comfyfix import __version__
from comfyfix.disk import regular
from comfyfix.disk.files import write_atomic
from comfyfix.errors import ModelProblem
from comfyfix.process import GRACE_SECONDS, Children
from comfyfix.screen import words
from comfyfix.script import channel
from comfyfix.script.channel import Message
from comfyfix.secrets import without as scrubbed
from comfyfix.settings import MANIFEST
from comfyfix.settings.manifest import TOKEN_VARIABLES, PicklePolicy
from comfyfix.settings.mirror import VARIABLE as MIRROR
from comfyfix.settings.overrides import LOCK_FILE
from comfyfix.settings.secrets import at_hand
from comfyfix.stages.download.fetch import bare
from comfyfix.stages.download.slots import Slot, Slots
from comfyfix.stages.download.talk import BEGUN, Talk
from comfyfix.why import Why

TOPIC = "comfyfix"
"""Of the scheduler's events. All who use a cluster share it, so that it keeps no more of them."""
LINE = "line"
STOPPED = 143  # as by SIGTERM
_LINE_MAX = 2000  # characters
_LOOKS_EACH = 0.3  # seconds
_REPORT_MAX = 256_000_000  # bytes
_PROGRAM = "from comfyfix.tasks.declare.program import main; main()"
_TOKEN_IN = re.compile(r"^ *TOKEN_IN=(\w+)$", re.MULTILINE)


class Unfit(Exception):
    """This worker can do nothing for who asks: the first argument is the name of a `Why`."""


def require_fit(version: str, probe: str) -> None:
    """Raise Unfit for another version, and where what the one who asks sees can't be seen here.

    `probe` is a file of the shared store, or the folder of a store of its own.
    """
    if version != __version__:
        raise Unfit(Why.CLUSTER_VERSION_DIFFERS.value)
    try:
        read_only = os.statvfs(probe).f_flag & os.ST_RDONLY
    except OSError:
        raise Unfit(Why.CLUSTER_STORE_UNSEEN.value) from None
    if read_only:
        raise Unfit(Why.CLUSTER_STORE_READ_ONLY.value)


def fetch(text: str, folder: str, paths: Sequence[str], probe: str) -> int:
    """Run a script that looks after files of these `paths`, in this folder; returns its exit code.

    Its first line is `headed`: the version that asks, and what its user allows pickles. Raises
    Unfit; `probe` is a file of the store.
    """
    version, pickle = _header(text)
    require_fit(version, probe)

    def run(task: _Task) -> int:
        policy = msgspec.convert(pickle, PicklePolicy)
        talk = Talk(frozenset(paths), task.hear, Slot(Slots()), policy, words.sentence)
        env = _environment(text, folder) | {channel.VARIABLE: talk.word}
        with contextlib.closing(talk.inside):
            return task.children.run_bound(text, "download.sh", env, talk.keep, talk.answer)

    return _run_as_task(run)


def every(text: str, lock: str) -> tuple[int, str]:
    """Bring all that a lock file says to the store of this worker, and verify it, by a run here.

    `text` is its manifest, headed by the version that asks. Returns the exit code, and what
    `results` makes of the report. Raises Unfit, also for a disk that is not mounted: nothing is
    made in its place.
    """
    store = json.loads(text.partition("\n")[2])["store"]
    require_fit(_header(text)[0], store)
    folder = _own_folder(store)
    for name, content in ((MANIFEST, text), (LOCK_FILE, lock)):
        write_atomic(folder / name, content.encode())
    report = folder / "output" / "report" / "report.json"
    report.unlink(missing_ok=True)  # it would be that of another run
    program = f"{shlex.quote(sys.executable)} -c {shlex.quote(_PROGRAM)} --frozen"
    script = f"cd {shlex.quote(str(folder))} && exec {program}"

    def run(task: _Task) -> int:
        begin, nothing = task.children.run_bound, lambda _: None
        return begin(script, "comfyfix", os.environ, task.hear, nothing, grace=GRACE_SECONDS)

    return _run_as_task(run), results(report)


def headed(text: str, *more: str) -> str:
    """Put what a worker must know first above a script or manifest, as a comment."""
    return f"# {' '.join((__version__, *more))}\n{text}"


def _header(text: str) -> list[str]:
    return text.partition("\n")[0].split()[1:]


def results(report: Path) -> str:
    """What a report says of each model, as JSON: an object of five fields for each."""
    try:
        content = json.loads(regular.read(report, _REPORT_MAX))
    except (OSError, ValueError):
        return "[]"
    names = ("model", "status", "size", "sha256")
    rows = [
        {name: row[name] for name in names} | {"message": (row["reason"] or {}).get("message", "")}
        for row in content["models"]
    ]
    return json.dumps(rows)


@dataclass(frozen=True, slots=True)
class _Task:
    """The task that runs in this thread: what it has started, and where what is said goes."""

    worker: Any
    key: str
    children: Children = field(default_factory=Children)

    def hear(self, said: str | Message) -> None:
        """Send something to who has asked for the task."""
        message = Message(LINE, (said,)) if isinstance(said, str) else said
        secrets = at_hand(os.environ)
        fields = [scrubbed(field, *secrets)[:_LINE_MAX] for field in message.fields]
        self.worker.log_event(TOPIC, [self.key, message.kind, *fields])

    def until_let_go(self, over: Event) -> None:
        """Stop it once nobody wants it any more: Dask only forgets a task that has begun."""
        while not over.wait(_LOOKS_EACH):
            task = self.worker.state.tasks.get(self.key)
            if task is None or task.state == "cancelled":
                self.children.stop()


def _run_as_task(run: Callable[[_Task], int]) -> int:
    """Run something that ends when its task is let go; returns its exit code."""
    from distributed import get_worker

    worker = get_worker()
    task, over = _Task(worker, str(worker.get_current_task())), Event()
    task.hear(Message(BEGUN, (str(worker.name),)))
    Thread(target=task.until_let_go, args=(over,), daemon=True).start()
    try:
        return run(task)
    except ModelProblem as problem:
        if task.children.stopping:  # it was let go before it began
            return STOPPED
        text = words.worded(problem.reason)
        task.hear(Message("fail", ("tool", text.what, text.next_step)))
        return 1
    finally:
        over.set()


def _own_folder(store: str) -> Path:
    """Where this user keeps what is known of a store: who else may write to that is not asked."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(state) / "comfyfix" / hashlib.sha256(store.encode()).hexdigest()[:16]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _environment(script: str, folder: str) -> dict[str, str]:
    """What a script finds here: of this worker's tokens the one that it names, if there is one."""
    base = os.environ
    env = bare(base, folder)
    # A signed address is a secret, and what a script says goes by way of the scheduler.
    mirrors = [place for place in base.get(MIRROR, "").split() if "?" not in place]
    if mirrors:
        env[MIRROR] = "\n".join(mirrors)
    token_in = _TOKEN_IN.search(script)
    names = next((n for n in TOKEN_VARIABLES.values() if token_in and n[0] == token_in[1]), ())
    return env | {name: base[name] for name in names if name in base}
