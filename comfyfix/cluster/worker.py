"""What a worker does: it runs one script, answers its questions, and sends on what it tells.

Dask names these functions, and text is all that they are given and all that they give: no token
comes from elsewhere, each worker has its own. What a script tells goes by way of the scheduler,
which keeps it and shows it, so secrets are taken out of it here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Semaphore, Thread
from typing import Any

from comfyfix import __version__
from comfyfix.disk import regular
from comfyfix.errors import ModelProblem
from comfyfix.net import proxies
from comfyfix.net.exchange import authority
from comfyfix.process import Children
from comfyfix.screen import words
from comfyfix.script import channel
from comfyfix.script.channel import Told
from comfyfix.secrets import without as scrubbed
from comfyfix.settings.manifest import TOKEN_VARIABLES, PicklePolicy
from comfyfix.settings.secrets import without
from comfyfix.settings.store_key import STORE_KEY
from comfyfix.stages.talk import BEGUN, LOOKED, Slot, Talk
from comfyfix.why import Why

TOPIC = "comfyfix"
"""Of the scheduler's events. All who use a cluster share it, so that it keeps no more of them."""
LINE = "line"
STOPPED = 143  # as by SIGTERM
_LINE_MAX = 2000  # characters
_LOOKS_EACH = 0.3  # seconds
_TOKEN_IN = re.compile(r"^ *TOKEN_IN=(\w+)$", re.MULTILINE)
_SECRETS = (*(name for names in TOKEN_VARIABLES.values() for name in names), STORE_KEY)


def fetch(script: str, folder: str, paths: Sequence[str], seen: str) -> tuple[int, str]:
    """Run a script that looks after files of these `paths`, in this folder.

    Returns its exit code and no reason, or the reason for which nothing was run. `seen` is a file
    of the store that names the version which asks.
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


def _fetch(
    script: str, folder: str, paths: Sequence[str], seen: str, pickle: PicklePolicy
) -> tuple[int, str]:
    from distributed import get_worker

    worker = get_worker()
    key, children, over = worker.get_current_task(), Children(), Event()

    def hear(said: str | Told) -> None:
        told = Told(LINE, (said,)) if isinstance(said, str) else said
        shown = [scrubbed(each, *_secrets())[:_LINE_MAX] for each in told.fields]
        worker.log_event(TOPIC, [key, told.kind, *shown])

    hear(Told(BEGUN, (str(worker.name),)))
    if why := unfit(seen):
        return 1, why
    talk = Talk(frozenset(paths), hear, Slot(Semaphore()), pickle, words.sentence)
    env = _environment(script, folder) | {channel.VARIABLE: talk.word}
    Thread(target=_until_let_go, args=(worker, key, over, children), daemon=True).start()
    try:
        return children.run_bound(script, "download.sh", env, talk.keep, _looking(talk)), ""
    except ModelProblem as problem:
        if children.stopping:  # it was let go before it began
            return STOPPED, ""
        told = words.told(problem.reason)
        hear(Told("fail", ("tool", told.what, told.next_step)))
        return 1, ""
    finally:
        over.set()


def _looking(talk: Talk) -> Callable[[str], str | None]:
    """Answer as here; who has asked is told the identity of what was looked at, for its receipt."""

    def answer(line: str) -> str | None:
        count = len(talk.asked)
        said = talk.answer(line)
        if said == "0" and len(talk.asked) > count:
            talk.hear(Told(LOOKED, tuple(map(str, talk.asked[-1][1:]))))
        return said

    return answer


def _until_let_go(worker: Any, key: str, over: Event, children: Children) -> None:
    """Stop the script once nobody wants it any more: Dask only forgets a task that has begun."""
    while not over.wait(_LOOKS_EACH):
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            children.stop()


def _environment(script: str, folder: str) -> dict[str, str]:
    """What a script finds here: of this worker's tokens the one that it names, if there is one."""
    base = os.environ
    env = without(base) | proxies.for_curl(base) | {"COMFYFIX_FOLDER": folder}
    if authority(base):
        env.setdefault("CURL_CA_BUNDLE", authority(base))
    named = _TOKEN_IN.search(script)
    for names in TOKEN_VARIABLES.values():
        if named and named[1] == names[0]:
            env |= {name: base[name] for name in names if name in base}
    return env


def _secrets() -> list[str]:
    return [os.environ[name].strip() for name in _SECRETS if os.environ.get(name, "").strip()]
