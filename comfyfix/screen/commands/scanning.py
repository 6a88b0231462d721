"""The references of workflows: each workflow with what it has and lacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from comfyfix.records import Reference
from comfyfix.screen import near, refused
from comfyfix.screen.text import fitted
from comfyfix.screen.words import t
from comfyfix.stages.values.near import NearMiss
from comfyfix.stages.values.refused import Refusal

STRANGE_SHOWN = 6
"""Node types of one workflow that are told."""


@dataclass(frozen=True, slots=True)
class Named:
    """One model that a workflow names: `there` in the store, `needed` by what counts.

    `part` where of a directory or a set some is there, and some is not.
    """

    reference: Reference
    there: bool
    needed: bool
    near: Sequence[NearMiss] = ()
    part: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """One workflow and the models that it names, each once; `refused` are values of its own.

    `strange` are the types of its nodes that nothing names where ComfyUI looks for them.
    """

    workflow: str
    models: Sequence[Named]
    refused: Sequence[Refusal] = ()
    strange: Sequence[str] = ()

    @property
    def lacking(self) -> int:
        """How many of the models that it needs are not there."""
        return sum(model.needed and not model.there for model in self.models)


def table(sheets: Sequence[Sheet]) -> Iterator[str]:
    """Return the workflows with their models; at the end, how many are ready."""
    for sheet in sheets:
        if sheet.models or sheet.strange:
            verdict = _verdict(sheet)
            (name,) = fitted([sheet.workflow], taken=len(verdict) + 2)
            yield f"{name}: {verdict}"
            for model, line in zip(sheet.models, _lines(sheet.models), strict=True):
                yield line
                yield from (f"      {near.line(miss)}" for miss in model.near)
            yield from (f"  ✗ {line}" for line in dict.fromkeys(map(refused.line, sheet.refused)))
            yield from (f"      {refused.next_step()}",) if sheet.refused else ()
            if sheet.strange:
                types = sheet.strange[:STRANGE_SHOWN]
                yield f"  ! {t('no pack here names the node types {types}', types=types)}"
                yield f"      {t('ComfyUI refuses the whole workflow until they are installed')}"
            yield ""
    yield _counts(sheets)


def _verdict(sheet: Sheet) -> str:
    faults = []
    if sheet.lacking:
        needed = sum(model.needed for model in sheet.models)
        faults.append(t("lacks {lacking} of {needed}", lacking=sheet.lacking, needed=needed))
    if sheet.refused:
        values = len({refusal.reference.value for refusal in sheet.refused})
        faults.append(t("not ready, ComfyUI refuses {count} of its values", count=values))
    return "; ".join(faults) or t("has its models" if sheet.strange else "ready")


def _counts(sheets: Sequence[Sheet]) -> str:
    lack = sum(bool(sheet.lacking) for sheet in sheets)
    refused = sum(bool(sheet.refused and not sheet.lacking) for sheet in sheets)
    odd = sum(bool(sheet.strange and not sheet.lacking and not sheet.refused) for sheet in sheets)
    without = sum(not sheet.models for sheet in sheets)
    line = "{count:workflows}: {ready} ready, {lack} " + (
        "lacks models" if lack == 1 else "lack models"
    )
    line += ", {refused} hold values that ComfyUI refuses" if refused else ""
    line += ", {odd} hold nodes of no pack here" if odd else ""
    line += " ({without} name none)" if without else ""
    count = len(sheets)
    ready = count - lack - refused - odd
    return t(line, count=count, ready=ready, lack=lack, refused=refused, odd=odd, without=without)


def _lines(models: Sequence[Named]) -> Iterator[str]:
    """A line for each model: the remarks have a row of their own where the name takes its own."""
    present, absent, part = t("present"), t("absent"), t("incomplete")
    words = [present if model.there else part if model.part else absent for model in models]
    state = max(map(len, (present, absent, *words)))
    names = [f"{model.reference.folder or '?'}/{model.reference.path}" for model in models]
    for model, word, name in zip(models, words, fitted(names, taken=state + 6), strict=True):
        mark = "✓" if model.there else "✗" if model.needed else "·"
        remarks = ", ".join(_remarks(model.reference))
        yield f"  {mark} {word.ljust(state)}  {name}" + (f"  ({remarks})" if remarks else "")


def _remarks(reference: Reference) -> Iterator[str]:
    if not reference.active:
        yield t("off")
    if reference.optional and reference.kind != "implied":
        yield t("fetched by its node")
    if reference.kind == "implied":
        yield t("its node looks for it, the workflow does not name it")
    elif reference.kind != "file":
        yield t(reference.kind.replace("_", " "))
    if reference.files and reference.files != (reference.path,):
        yield t("needs {files}", files=reference.files)
    if reference.folder is None:
        yield t("folder unknown")
    elif reference.guessed:
        yield t("folder guessed")
