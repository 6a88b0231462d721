"""What `help` and `info` tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from comfyfix.screen import words
from comfyfix.screen.commands.usage import wrapped
from comfyfix.screen.run import summary
from comfyfix.screen.words import t
from comfyfix.stages.needs.work import Planned

KINDS = ("download", "verify", "workflow")
"""The kinds of our tasks, as their names begin."""


def commands(
    program: str, version: str, ours: Mapping[str, str], doits: Mapping[str, str]
) -> Iterator[str]:
    """Tell all commands."""
    yield t("comfyfix {version}: the model files that ComfyUI workflows need", version=version)
    width = max(len(name) for name in (*ours, *doits))
    for title, purposes in ((t("Commands"), ours), (t("doit's own commands"), doits)):
        yield from ("", title)
        for name, purpose in purposes.items():
            begin = f"  {name:{width}}  "
            yield from wrapped(words.as_typed(purpose), begin, " " * len(begin))
    yield ""
    for line in (
        t("`{program}` alone is `{program} run`: all that is missing", program=program),
        t("`{program} download:NAME`, `{program} workflow:NAME`: a part of it", program=program),
        t("`{program} help COMMAND`, `{program} help TASK`: more of one", program=program),
        t("`{program} help task`: what a task in a dodo.py may say", program=program),
    ):
        yield f"  {line}"


def task(name: str, doc: str, kind: str, model: str) -> Iterator[str]:
    """Tell what one of our tasks does."""
    yield f"{name}  {doc}"
    if model:
        yield f"  {t('Searches for it, writes its script, downloads and checks it.')}"
        yield f"  {t('`doit why {model:shell}` shows where it is to be had.', model=model)}"
    elif kind == "download":
        yield f"  {t('Brings every missing model; `doit list` shows them.')}"
    elif kind == "verify":
        yield f"  {t('Brings its models, then checks them; `doit verify` only checks.')}"
    elif kind == "workflow":
        yield f"  {t('Brings the models that are missing and checks the others.')}"
    yield f"  {t('`doit info {name}` shows whether it has work to do.', name=name)}"


def status(planned: Planned | None, members: int, pending: int, *, ignored: str) -> Iterator[str]:
    """Tell why a task of ours would run; `ignored` is its name if it is ignored."""
    if ignored:
        yield f" * {summary.ignored(ignored)}"
    if planned is not None and planned.pending:
        yield f" * {words.sentence(planned.pending)}"
    elif pending:
        line = " * {count} of its {all:models} are pending; see `doit list`"
        yield t(line, count=pending, all=members)
    elif planned is None:
        yield f" * {t('none of its models is pending; what is there is looked at again')}"
