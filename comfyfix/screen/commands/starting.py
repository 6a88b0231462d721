"""What `init` writes and says: a manifest that tells what was found, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from comfyfix.comfyui.store.elsewhere import Place
from comfyfix.disk.files import printable
from comfyfix.screen import words
from comfyfix.screen.words import t
from comfyfix.stages.installs import Proposal

_OTHERS_MAX = 8


def manifest(found: Proposal, others: Sequence[Place], home: Path) -> str:
    """The text of a manifest. It is for its reader to see that it can be read again."""
    place = found.place
    lines = [
        t("What comfyfix works with; `comfyfix init` has written it. All keys: the README."),
        "",
        t("ComfyUI: {why}.", why=place.said),
        *_other_lines(others, home),
    ]
    text = _comment(lines) + f"comfyui: {scalar(place.path, home)}\n"
    if place.base is not None:
        text += _comment([t("Its models, workflows and pictures lie there.")])
        text += f"base_directory: {scalar(place.base, home)}\n"
    if place.extra:
        text += _comment([t("Its program reads these further model folders.")])
        text += f"extra_model_paths: [{', '.join(scalar(path, home) for path in place.extra)}]\n"
    if found.also:
        text += _comment([t("Models that other programs have: copied from, never changed.")])
        text += f"also_look_in: [{', '.join(scalar(path, home) for path in found.also)}]\n"
    text += "\n" + _comment([_workflows(found), t("Other places: files, folders, patterns.")])
    text += f"# workflows: [{scalar(found.saved, home)}]\n\n"
    text += _comment([t("New models go here, where ComfyUI looks for them.")])
    text += f"# store: {scalar(found.store, home)}\n\n"
    text += _comment([t("Records, scripts, logs and reports of comfyfix.")])
    return text + f"output: {found.output}\n"


def scalar(path: Path, home: Path) -> str:
    """A path as YAML takes it: below the home with `~`, in quotes where it needs them."""
    below = path.is_relative_to(home) and path != home
    text = f"~/{path.relative_to(home)}" if below else str(path)
    if text.isascii() and all(c.isalnum() or c in "~/._-" for c in text):
        return text
    shown = printable(text, len(text)) == text
    escaped = (c if c not in '"\\' and (shown or c.isalnum()) else f"\\U{ord(c):08x}" for c in text)
    return f'"{"".join(escaped)}"'


def lines(
    found: Proposal, others: Sequence[Place], path: Path, text: str, *, dry: bool
) -> Iterator[str]:
    """What was found, what was written, and what to do next."""
    yield t("✓ ComfyUI: {path} ({why})", path=str(found.place.path), why=found.place.said)
    yield f"  {_workflows(found)}"
    yield f"  {t('New models go to {path}', path=str(found.store))}"
    for other in others[:_OTHERS_MAX]:
        yield t("! Another one: {path} ({why})", path=str(other.path), why=other.said)
    if len(others) > _OTHERS_MAX:
        yield f"  {t('and {count} more', count=len(others) - _OTHERS_MAX)}"
    if dry:
        yield t("Would be written to {path}:", path=str(path))
        yield ""
        yield from text.rstrip("\n").split("\n")
        return
    yield t("✓ Written: {path}", path=str(path))
    if found.workflows:
        yield t(
            "Next: `comfyfix doctor` looks whether all is well; "
            "`comfyfix plan` tells what is missing"
        )
    else:
        yield t(
            "Next: save a workflow in ComfyUI, or name yours at `workflows:`; "
            "`comfyfix doctor` looks whether all is well"
        )


def as_data(
    found: Proposal, others: Sequence[Place], path: Path, text: str, *, dry: bool
) -> dict[str, object]:
    """The same, for programs."""
    return {
        "manifest": str(path),
        "written": not dry,
        "comfyui": _place(found.place),
        "others": [_place(other) for other in others],
        "workflows": found.workflows,
        "store": str(found.store),
        "output": found.output,
        "text": text,
    }


def _place(place: Place) -> dict[str, object]:
    return {
        "path": str(place.path),
        "base_directory": str(place.base) if place.base else None,
        "why": place.said.why,
        "message": words.sentence(place.said),
    }


def _other_lines(others: Sequence[Place], home: Path) -> Iterator[str]:
    if others:
        yield t("Others were found; put the one that you use in its place:")
    for other in others[:_OTHERS_MAX]:
        yield f"  {scalar(other.path, home)} ({words.sentence(other.said)})"


def _workflows(found: Proposal) -> str:
    if not found.workflows:
        return t("No workflow is saved in {path} yet", path=str(found.saved))
    if found.workflows == 1:
        return t("One workflow is saved in {path}", path=str(found.saved))
    return t("{count} workflows are saved in {path}", count=found.workflows, path=str(found.saved))


def _comment(lines: Sequence[str]) -> str:
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)
