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


def manifest(proposal: Proposal, others: Sequence[Place], home: Path) -> str:
    """The text of a manifest. It is for its reader to see that it can be read again."""
    place = proposal.place
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
    if proposal.also:
        text += _comment([t("Models that other programs have: copied from, never changed.")])
        text += f"also_look_in: [{', '.join(scalar(path, home) for path in proposal.also)}]\n"
    text += "\n" + _comment([_workflows(proposal), t("Other places: files, folders, patterns.")])
    text += f"# workflows: [{scalar(proposal.saved, home)}]\n\n"
    text += _comment([t("New models go here, where ComfyUI looks for them.")])
    text += f"# store: {scalar(proposal.store, home)}\n\n"
    text += _comment([t("Records, scripts, logs and reports of comfyfix.")])
    return text + f"output: {proposal.output}\n"


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
    proposal: Proposal, others: Sequence[Place], path: Path, text: str, *, dry: bool
) -> Iterator[str]:
    """What was found, what was written, and what to do next."""
    yield t("✓ ComfyUI: {path} ({why})", path=str(proposal.place.path), why=proposal.place.said)
    yield f"  {_workflows(proposal)}"
    yield f"  {t('New models go to {path}', path=str(proposal.store))}"
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
    if proposal.workflows:
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
    proposal: Proposal, others: Sequence[Place], path: Path, text: str, *, dry: bool
) -> dict[str, object]:
    """The same, for programs."""
    return {
        "manifest": str(path),
        "written": not dry,
        "comfyui": _place(proposal.place),
        "others": [_place(other) for other in others],
        "workflows": proposal.workflows,
        "store": str(proposal.store),
        "output": proposal.output,
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


def _workflows(proposal: Proposal) -> str:
    count, path = proposal.workflows, str(proposal.saved)
    if not count:
        return t("No workflow is saved in {path} yet", path=path)
    if count == 1:
        return t("One workflow is saved in {path}", path=path)
    return t("{count} workflows are saved in {path}", count=count, path=path)


def _comment(lines: Sequence[str]) -> str:
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)
