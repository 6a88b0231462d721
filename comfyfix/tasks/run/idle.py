"""A project without work: its kept answer is found, told, and kept anew.

Only commands that can do with that answer look for it (`looking`); what they load then is little.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from comfyfix.disk import looked, regular
from comfyfix.disk.looked import Looked
from comfyfix.settings.store_key import store_key
from comfyfix.state import kept
from comfyfix.state.kept import Answer
from comfyfix.state.layout import Layout
from comfyfix.tasks.face.inside_doit import variables

if TYPE_CHECKING:
    from comfyfix.tasks.run.running import Run

_LOOKING: ContextVar[bool] = ContextVar("_LOOKING", default=False)
_GUESSES = 4
# Wherever a manifest may say it: a wrong guess finds no answer, or one that is about this manifest.
_OUTPUT = re.compile(r"""\boutput["']?[ \t]*:[ \t]*("[^"\n]*"|'[^'\n]*'|[^\s,#{}"']+)""")


class Settled(NamedTuple):
    """A project that has no work, and where its output lies."""

    layout: Layout
    answer: Answer


@contextmanager
def looking(*, wanted: bool) -> Iterator[Looked]:
    """Note what is looked at meanwhile; where it is `wanted`, a kept answer is taken."""
    token = _LOOKING.set(wanted and not variables())
    try:
        with looked.noting() as noted:
            yield noted
    finally:
        _LOOKING.reset(token)


def find(manifest: Path, prefix: str) -> Settled | None:
    """The answer that holds for a project, if one is wanted and there is one."""
    if not _LOOKING.get():
        return None
    try:
        text = regular.text(manifest, regular.NOTE_MAX, encoding="utf-8-sig")
    except FileNotFoundError:
        text = "output: ."  # in a ComfyUI without a manifest
    except (OSError, UnicodeDecodeError):
        return None  # whoever reads it in earnest tells that
    key = store_key(os.environ)
    for layout in _places(manifest, text):
        answer = kept.find(layout, _about(manifest, prefix), key)
        if answer is not None:
            return Settled(layout, answer)
    return None


def keep(manifest: Path, run: Run, noted: Looked, *, verified: bool) -> None:
    """Keep the answer that a project has no work, where that is all there is to say of it.

    `verified` where doit, too, has looked for work and found none.
    """
    project, tally = run.project, run.tally
    anything = tally.endings or tally.ignored or tally.bad_verdicts or tally.unverified
    if project.plan.pending or project.plan.unreadable or project.selected_workflow or anything:
        return
    from comfyfix.tasks.run.scope import default_tasks  # for what is looked at anew only

    answer = Answer(
        about=_about(manifest, run.prefix),
        models=len(project.plan.models) + len(project.plan.present),
        tasks=tuple(default_tasks(run)),
        verified=verified,
    )
    kept.keep(project.layout, answer, noted, project.trust.key)


def _about(manifest: Path, prefix: str) -> str:
    return f"{prefix}:{manifest}"


def _places(manifest: Path, text: str) -> Iterator[Layout]:
    """Where the output of a manifest may lie, told without reading it as YAML."""
    guesses = [match[1].strip("\"'") for match in _OUTPUT.finditer(text)]
    for name in dict.fromkeys([*guesses[:_GUESSES], "output"]):
        folder = os.path.expanduser(os.path.expandvars(name))
        yield Layout(Path(os.path.normpath(manifest.parent / folder)))
