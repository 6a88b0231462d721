"""How to use one command: what it does, its options with a line each, and examples."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from comfyfix.screen import words
from comfyfix.screen.words import t

_NARROWEST, _WIDEST, _INDENT_MAX = 40, 100, 26
_EXAMPLES = {
    "choose": ("doit choose rife49.pth",),
    "clean": ("doit clean --dry-run",),
    "doctor": ("doit doctor", "doit doctor --offline"),
    "embed": ("doit embed", "doit embed --in-place portrait.json"),
    "explain": ("doit explain uncertain",),
    "forget": ("doit forget rife49.pth",),
    "help": ("doit help plan", "doit help download:rife49"),
    "ignore": ("doit ignore rife49.pth",),
    "import": ("doit import pack.cpack.zip",),
    "info": ("doit info download:rife49",),
    "init": ("doit init", "doit init ~/ComfyUI --dry-run"),
    "list": ("doit list", "doit list --check"),
    "lock": ("doit lock", "doit lock --check"),
    "pin": ("doit pin rife49.pth https://huggingface.co/OWNER/NAME/blob/main/rife49.pth",),
    "plan": ("doit plan", "doit plan workflow:portrait"),
    "relink": ("doit relink --dry-run",),
    "report": ("doit report", "doit report --schema"),
    "run": ("doit", "doit download:rife49", "doit workflow=portrait.json"),
    "scan": ("doit scan", "doit scan portrait.json --json"),
    "script": ("doit script rife49.pth >rife49.sh",),
    "tabcompletion": ('eval "$(doit tabcompletion)"',),
    "unpin": ("doit unpin rife49.pth",),
    "verify": ("doit verify", "doit verify --store"),
    "why": ("doit why rife49.pth",),
}
# What doit tells of its own options is written for whoever writes a dodo.
_OF_DOIT = {
    "always": t("look at all of it again; what is there is checked, not fetched"),
    "auto_delayed_regex": t("look for a name among tasks that are made later, too"),
    "backend": t("the kind of file that doit's memory lies in"),
    "check_file_uptodate": t("how doit tells that a file has changed"),
    "codec_cls": t("how doit's memory is written"),
    "continue": t("go on with other tasks when one has failed"),
    "cwdPath": t("work in this folder"),
    "dep_file": t("the file of doit's memory"),
    "dodoFile": t("read this file in place of dodo.py"),
    "failure_verbosity": t("how much is told of a task that failed: 0, 1 or 2"),
    "list_deps": t("list the files that each task depends on"),
    "num_process": t("how many tasks at a time"),
    "outfile": t("write the lines into this file"),
    "par_type": t("thread, or process (which runs threads, too)"),
    "pdb": t("open Python's debugger where an error comes up"),
    "private": t("list tasks that begin with `_`, too"),
    "reporter": t("how the run is told: comfyfix, console, json, zero …"),
    "seek_file": t("look for dodo.py in the folders above, too"),
    "single": t("only the named tasks, without what they depend on"),
    "sort": t("the order of the list: name or definition"),
    "status": t("show of each task whether it is up to date"),
    "subtasks": t("list every task"),
    "template": t("how a line of the list is made"),
    "verbosity": t("how much of a task's own output is shown: 0, 1 or 2"),
}


class Option(NamedTuple):
    """One option, as doit has it: `value` where it takes one."""

    name: str
    short: str
    long: str
    inverse: str
    value: bool
    about: str


def lines(
    program: str, name: str, purpose: str, usage: str, about: str, options: Sequence[Option]
) -> Iterator[str]:
    """Tell how to use a command, within the width of the screen."""
    yield from wrapped(f"{program} {name} {usage}".rstrip(), "", "  ")
    yield from wrapped(words.as_typed(purpose), "  ", "  ")
    if about:
        yield ""
        yield from wrapped(words.as_typed(about))
    shown = [(_typed(option), option) for option in options if option.short or option.long]
    if shown:
        yield from ("", t("Options"))
        indent = min(_INDENT_MAX, max(len(typed) for typed, _ in shown)) + 4
        for typed, option in shown:
            text = words.as_typed(_OF_DOIT.get(option.name) or option.about)
            yield from _row(typed, text, indent)
    if examples := _EXAMPLES.get(name):
        yield from ("", t("Examples"))
        # In backticks our texts name the program that was typed.
        yield from (f"  {words.as_typed(f'`{example}`')[1:-1]}" for example in examples)


def _typed(option: Option) -> str:
    long = f"--{option.long}" if option.long else ""
    both = ", ".join(filter(None, (f"-{option.short}" if option.short else "", long)))
    both += (" X" if option.short and not long else "=X") if option.value else ""
    return f"{both}, --{option.inverse}" if option.inverse else both


def _row(typed: str, text: str, indent: int) -> Iterator[str]:
    first = f"  {typed}"
    if len(first) > indent - 2:
        yield first
        first = ""
    yield from wrapped(" ".join(text.split()), first.ljust(indent), " " * indent)


def wrapped(text: str, first: str = "", further: str = "") -> list[str]:
    """Break a text between words, within the width of the screen; with these before its rows."""
    return textwrap.wrap(
        text, max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns)),
        initial_indent=first, subsequent_indent=further,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
