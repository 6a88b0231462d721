"""What `forget` has done."""

from __future__ import annotations

from comfyfix.screen.words import t


def searched_again(task: str) -> str:
    """Tell that a model will be searched anew."""
    line = "{task}: the next run searches it again; record, script and file stay as they are"
    return t(line, task=task)


def ignored_no_more(task: str) -> str:
    """Tell that an `ignore` is taken back."""
    return f"{task}: {t('ignored no more')}"


def memory(count: int) -> str:
    """Tell that doit's memory is gone, and nothing else."""
    return t(
        "Forgot what doit remembers of {count:tasks} of comfyfix; records, scripts and models "
        "stay. To search a model again: `doit forget download:NAME`",
        count=count,
    )
