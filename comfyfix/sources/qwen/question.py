"""The question to Qwen: the model first, then what is known around it, as data in a template."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from comfyfix import templates
from comfyfix.disk.files import printable
from comfyfix.sources.base import Wanted
from comfyfix.sources.qwen.reply import CANDIDATES_MAX
from comfyfix.sources.qwen.transcript import as_text

if TYPE_CHECKING:
    import jinja2

ENTRIES_MAX = 8
VALUE_MAX = 160  # characters


def system(*, tools: bool) -> str:
    """What Qwen is to do; `tools` tells whether it can look anything up."""
    return _rendered("qwen_system.md.j2", tools=tools, most=CANDIDATES_MAX)


def question(wanted: Wanted) -> str:
    """What is asked of one model. Every value is cleaned, bounded and written as JSON."""
    model = wanted.model
    return _rendered(
        "qwen_question.md.j2",
        name=_clean(model.name, 250),
        path=_clean(model.path, 250),
        folder=model.folder,
        loaded_by=_some(r.node_type for r in wanted.references),
        workflows=_some(r.workflow for r in wanted.references),
        neighbours=_some(wanted.neighbours),
        rejected=[
            {"source": r.source, "where": _clean(r.where), "reason": _clean(as_text(r.reason))}
            for r in wanted.seen[:ENTRIES_MAX]
        ],
        doubted=[
            {"where": _clean(d.candidate.where), "reason": _clean(as_text(d.reason))}
            for d in wanted.doubted[:ENTRIES_MAX]
        ],
    )


def opinion_system() -> str:
    """What Qwen is to do when it is asked for its opinion."""
    return _rendered("qwen_opinion_system.md.j2")


def opinion_question(batch: str, files: Sequence[dict[str, Any]]) -> str:
    """What is asked of the files of a batch. Every value is written as JSON."""
    return _rendered("qwen_opinion_question.md.j2", batch=batch, files=list(files))


def _clean(text: str, limit: int = VALUE_MAX) -> str:
    return printable(text, limit)


def _some(values: Iterable[str]) -> list[str]:
    return [_clean(value) for value in sorted(dict.fromkeys(values))[:ENTRIES_MAX]]


def _rendered(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(values)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = templates.environment(_only_data)
    environment.filters["data"] = _Data.of
    return environment


class _Data(str):
    __slots__ = ()

    @classmethod
    def of(cls, value: Any) -> _Data:
        """A value as JSON, which no value can break out of."""
        return cls(json.dumps(value, ensure_ascii=False))


def _only_data(value: Any) -> Any:
    """Refuse a value that a template author forgot to encode."""
    if isinstance(value, _Data):
        return value
    raise TypeError("every value in a prompt template needs `| data`")
