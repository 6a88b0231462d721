"""Options of every command that are variables too: what an option sets reaches all that is started.

Each is on where its variable, or one of the other names in use, says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from comfyfix.errors import SetupProblem
from comfyfix.why import Why

OFFLINE = ("COMFYFIX_OFFLINE", "HF_HUB_OFFLINE")
"""No request is sent."""
LOCKED = ("COMFYFIX_LOCKED",)
"""An error where lock file and workflows disagree; the lock file is not written."""
FROZEN = ("COMFYFIX_FROZEN",)
"""What is needed is what the lock file says; workflows are not looked at."""
_ON = ("1", "on", "yes", "true")  # as huggingface_hub reads its own
_OFF = ("", "0", "off", "no", "false")
_OWN = "COMFYFIX_"


def on(names: Iterable[str], environ: Mapping[str, str]) -> str:
    """The variable that switches something on; empty if none does."""
    return next((name for name in names if environ.get(name, "").lower() in _ON), "")


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether nobody is there to answer, and what a repository holds is to stay as it is."""
    return environ.get("CI", "").lower() not in _OFF


def require_plain(environ: Mapping[str, str]) -> None:
    """Raise SetupProblem for a switch of ours that says neither yes nor no: it is relied on."""
    for name in (*OFFLINE, *LOCKED, *FROZEN):
        value = environ.get(name, "")
        if name.startswith(_OWN) and value.lower() not in (*_ON, *_OFF):
            raise SetupProblem(Why.SWITCH_UNFIT, variable=name, told=value)


@contextmanager
def kept_on(names: Iterable[str]) -> Iterator[None]:
    """Set variables, also for the programs that are started meanwhile."""
    names = list(names)
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
