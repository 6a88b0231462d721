"""What a worker does: it runs one script, answers its questions, and sends on what it tells.

Dask names these functions, and text is all that they are given and all that they give: no token
comes from elsewhere, each worker has its own. What a script tells goes by way of the scheduler,
which keeps it and shows it, so secrets are taken out of it here.
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

from comfyfix import __version__
from comfyfix.disk import regular
from comfyfix.disk.files import write_atomic
from comfyfix.errors import ModelProblem
from comfyfix.net import proxies
from comfyfix.net.exchange import authority
from comfyfix.process import GRACE_SECONDS, Children
from comfyfix.screen import words
from comfyfix.script import channel
from comfyfix.script.channel import Told
from comfyfix.secrets import without as scrubbed
from comfyfix.settings import MANIFEST
from comfyfix.settings.manifest import TOKEN_VARIABLES, PicklePolicy
from comfyfix.settings.mirror import VARIABLE as MIRROR
from comfyfix.settings.overrides import LOCK_FILE
from comfyfix.settings.secrets import known_to, without
from comfyfix.stages.slots import Slot, Slots
from comfyfix.stages.talk import BEGUN, LOOKED, Talk
from comfyfix.why import Why

TOPIC = "comfyfix"
"""Of the scheduler's events. All who use a cluster share it, so that it keeps no more of them."""
LINE = "line"
STOPPED = 143  # as by SIGTERM
UNFIT = -1000
"""In the place of an exit code, where nothing was run."""
_LINE_MAX = 2000  # characters
_LOOKS_EACH = 0.3  # seconds
_REPORT_MAX = 256_000_000  # bytes
_PROGRAM = "from comfyfix.tasks.program import main; main()"
_TOKEN_IN = re.compile(r"^ *TOKEN_IN=(\w+)$", re.MULTILINE)


def fetch(script: str, folder: str, paths: Sequence[str], seen: str) -> tuple[int, str]:
    """Run a script that looks after files of these `paths`, in this folder.

    Returns its exit code, or UNFIT and why nothing was run. `seen` is a file of the store that
    names the version which asks.
    """
    return _fetch(script, folder, paths, seen, "scan")


def fetch_any(script: str, folder: str, paths: Sequence[str], seen: str) -> tuple[int, str]:
    """The same where the user allows whatever pickle files hold."""
    return _fetch(script, folder, paths, seen, "allow")


def unfit(seen: str) -> str:
    """Why this worker can do nothing for who asks: a name of `Why`, empty where it can."""
    try:
        version = regular.text(Path(seen)).strip()
    except OSError:
        return Why.CLUSTER_STORE_UNSEEN.value
    return "" if version == __version__ else Why.CLUSTER_VERSION_DIFFERS.value


def every(settings: str, lock: str) -> tuple[int, str]:
    """Bring all that a lock file says to the store of this worker, and verify it, by a run here.

    `settings` is its manifest, headed by the version that asks. Returns the exit code, and what
    `results` makes of the report; or UNFIT and why nothing was run.
    """
    head, _, body = settings.partition("\n")
    if head != f"# {__version__}":
        return UNFIT, Why.CLUSTER_VERSION_DIFFERS.value
    store = json.loads(body)["store"]
    if not os.path.isdir(store):  # its disk may not be mounted: nothing is made in its place
        return UNFIT, Why.CLUSTER_STORE_UNSEEN.value
    folder = _own_folder(store)
    for name, text in ((MANIFEST, body), (LOCK_FILE, lock)):
        write_atomic(folder / name, text.encode())
    report = folder / "output" / "report" / "report.json"
    report.unlink(missing_ok=True)  # it would be that of another run
    program = f"{shlex.quote(sys.executable)} -c {shlex.quote(_PROGRAM)} --frozen"
    script = f"cd {shlex.quote(str(folder))} && exec {program}"

    def run(task: _Task) -> tuple[int, str]:
        started = task.children.run_bound
        code = started(script, "comfyfix", os.environ, task.hear, _nothing, grace=GRACE_SECONDS)
        return code, results(report)

    return _as_task(run)


def results(report: Path) -> str:
    """What a report says of each model, as JSON: `[model, status, size, sha256, message]`."""
    try:
        told = json.loads(regular.read(report, _REPORT_MAX))
    except (OSError, ValueError):
        return "[]"
    rows = [
        [m["model"], m["status"], m["size"], m["sha256"], (m["reason"] or {}).get("message", "")]
        for m in told["models"]
    ]
    return json.dumps(rows)


def _fetch(
    script: str, folder: str, paths: Sequence[str], seen: str, pickle: PicklePolicy
) -> tuple[int, str]:
    def run(task: _Task) -> tuple[int, str]:
        if why := unfit(seen):
            return UNFIT, why
        talk = Talk(frozenset(paths), task.hear, Slot(Slots()), pickle, words.sentence)
        env = _environment(script, folder) | {channel.VARIABLE: talk.word}
        with contextlib.closing(talk.inside):
            code = task.children.run_bound(script, "download.sh", env, talk.keep, _looking(talk))
        return code, ""

    return _as_task(run)


@dataclass(frozen=True, slots=True)
class _Task:
    """The task that runs in this thread: what it has started, and where what is said goes."""

    worker: Any
    key: str
    children: Children = field(default_factory=Children)

    def hear(self, said: str | Told) -> None:
        """Send something to who has asked for the task."""
        told = Told(LINE, (said,)) if isinstance(said, str) else said
        secrets = known_to(os.environ)
        shown = [scrubbed(each, *secrets)[:_LINE_MAX] for each in told.fields]
        self.worker.log_event(TOPIC, [self.key, told.kind, *shown])

    def until_let_go(self, over: Event) -> None:
        """Stop it once nobody wants it any more: Dask only forgets a task that has begun."""
        while not over.wait(_LOOKS_EACH):
            task = self.worker.state.tasks.get(self.key)
            if task is None or task.state == "cancelled":
                self.children.stop()


def _as_task(run: Callable[[_Task], tuple[int, str]]) -> tuple[int, str]:
    """Run something that ends when its task is let go."""
    from distributed import get_worker

    worker = get_worker()
    task, over = _Task(worker, str(worker.get_current_task())), Event()
    task.hear(Told(BEGUN, (str(worker.name),)))
    Thread(target=task.until_let_go, args=(over,), daemon=True).start()
    try:
        return run(task)
    except ModelProblem as problem:
        if task.children.stopping:  # it was let go before it began
            return STOPPED, ""
        told = words.told(problem.reason)
        task.hear(Told("fail", ("tool", told.what, told.next_step)))
        return 1, ""
    finally:
        over.set()


def _own_folder(store: str) -> Path:
    """Where this user keeps what is known of a store: who else may write to that is not asked."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(state) / "comfyfix" / hashlib.sha256(store.encode()).hexdigest()[:16]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _nothing(_line: str) -> str | None:
    """Answer nothing."""
    return None


def _looking(talk: Talk) -> Callable[[str], str | None]:
    """Answer as here; who has asked is told the identity of what was looked at, for its receipt."""

    def answer(line: str) -> str | None:
        count = len(talk.asked)
        said = talk.answer(line)
        if len(talk.asked) > count:
            talk.hear(Told(LOOKED, tuple(map(str, talk.asked[-1][1:]))))
        return said

    return answer


def _environment(script: str, folder: str) -> dict[str, str]:
    """What a script finds here: of this worker's tokens the one that it names, if there is one."""
    base = os.environ
    env = without(base) | proxies.for_curl(base) | {"COMFYFIX_FOLDER": folder}
    if authority(base):
        env.setdefault("CURL_CA_BUNDLE", authority(base))
    # A signed address is a secret, and what a script says goes by way of the scheduler.
    mirrors = [place for place in base.get(MIRROR, "").split() if "?" not in place]
    if mirrors:
        env[MIRROR] = "\n".join(mirrors)
    named = _TOKEN_IN.search(script)
    for names in TOKEN_VARIABLES.values():
        if named and named[1] == names[0]:
            env |= {name: base[name] for name in names if name in base}
    return env
