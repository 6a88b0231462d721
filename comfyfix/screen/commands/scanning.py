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
class Found:
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
    models: Sequence[Found]
    refused: Sequence[Refusal] = ()
    strange: Sequence[str] = ()

    @property
    def wanted(self) -> int:
        """How many models it needs."""
        return sum(found.needed for found in self.models)

    @property
    def lacking(self) -> int:
        """How many of them are not there."""
        return sum(found.needed and not found.there for found in self.models)


def table(sheets: Sequence[Sheet]) -> Iterator[str]:
    """Return the workflows with their models; at the end, how many are ready."""
    for sheet in sheets:
        if sheet.models or sheet.strange:
            verdict = _verdict(sheet)
            (name,) = fitted([sheet.workflow], taken=len(verdict) + 2)
            yield f"{name}: {verdict}"
            for found, line in zip(sheet.models, _lines(sheet.models), strict=True):
                yield line
                yield from (f"      {near.line(miss)}" for miss in found.near)
            yield from (f"  ✗ {line}" for line in dict.fromkeys(map(refused.line, sheet.refused)))
            yield from (f"      {refused.next_step()}",) if sheet.refused else ()
            if sheet.strange:
                types = sheet.strange[:STRANGE_SHOWN]
                yield f"  ! {t('no pack here names the node types {types}', types=types)}"
                yield f"      {t('ComfyUI refuses the whole workflow until they are installed')}"
            yield ""
    yield _counts(sheets)


def _verdict(sheet: Sheet) -> str:
    told = []
    if sheet.lacking:
        told.append(t("lacks {lacking} of {wanted}", lacking=sheet.lacking, wanted=sheet.wanted))
    if sheet.refused:
        values = len({refusal.reference.value for refusal in sheet.refused})
        told.append(t("not ready, ComfyUI refuses {count} of its values", count=values))
    return "; ".join(told) or t("has its models" if sheet.strange else "ready")


def _counts(sheets: Sequence[Sheet]) -> str:
    lack = sum(bool(sheet.lacking) for sheet in sheets)
    others = sum(bool(sheet.refused and not sheet.lacking) for sheet in sheets)
    without = sum(not sheet.models for sheet in sheets)
    count = t("{count:workflows}", count=len(sheets))
    odd = sum(bool(sheet.strange and not sheet.lacking and not sheet.refused) for sheet in sheets)
    ready = len(sheets) - lack - others - odd
    lacking = (
        "{ready} ready, {lack} lacks models" if lack == 1 else "{ready} ready, {lack} lack models"
    )
    rest = t(lacking, ready=ready, lack=lack)
    if others:
        rest += f", {t('{count} hold values that ComfyUI refuses', count=others)}"
    if odd:
        rest += f", {t('{count} hold nodes of no pack here', count=odd)}"
    return f"{count}: {rest}" + (f" ({t('{count} name none', count=without)})" if without else "")


def _lines(models: Sequence[Found]) -> Iterator[str]:
    """A line for each model: the remarks have a row of their own where the name takes its own."""
    there, absent, part = t("present"), t("absent"), t("incomplete")
    words = [there if one.there else part if one.part else absent for one in models]
    state = max(map(len, (there, absent, *words)))
    names = [f"{found.reference.folder or '?'}/{found.reference.path}" for found in models]
    for found, word, name in zip(models, words, fitted(names, taken=state + 6), strict=True):
        mark = "✓" if found.there else "✗" if found.needed else "·"
        remarks = ", ".join(_remarks(found.reference))
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
