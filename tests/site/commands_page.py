"""`docs/commands.md`: every command, its help, and what it shows on the demo."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from comfyfix.tasks.face.command_names import COMMANDS

DOITS = ("dumpdb", "help", "strace", "ignore", "reset-dep", "tabcompletion", "forget", "clean")
"""Those that doit has by these names, too: they come last."""
EXAMPLES: dict[str, tuple[str, ...]] = {
    "scan": ("scan",),
    "list": ("list",),
    "plan": ("plan",),
    "run": (),
    "why": ("why", "rife49.pth"),
    "lock": ("lock",),
    "report": ("report",),
    "verify": ("verify",),
    "info": ("info", "download:rife49"),
    "explain": ("explain", "not found"),
    "relink": ("relink", "--dry-run"),
    "embed": ("embed", "--dry-run"),
    "forget": ("forget", "rife49.pth"),
    "clean": ("clean", "--dry-run"),
}
"""What each command is shown with, in an order in which one leads to the next."""
_HEAD = """# Commands

`comfyfix …` and `doit …` are the same: the first works wherever a `manifest.yaml` lies, the second
in a folder with a `dodo.py` that loads comfyfix. Below is what each command says of itself, and
what it shows on the example that comes with comfyfix (`comfyui: demo`), as it came."""


def page(help_of: Callable[[str], str], shown: Callable[[str], str]) -> str:
    """The whole page: `help_of` tells what a command says of itself, `shown` what it printed."""
    return "\n".join(_lines(help_of, shown)) + "\n"


def order() -> list[str]:
    """The commands, those of an example first."""
    ours = [name for name in COMMANDS if name not in EXAMPLES and name not in DOITS]
    first = [name for name in EXAMPLES if name not in DOITS]
    return [*first, *sorted(ours), *sorted(DOITS)]


def _lines(help_of: Callable[[str], str], shown: Callable[[str], str]) -> Iterator[str]:
    yield _HEAD
    for name in order():
        yield from ("", f"## {name}", "", *_block(help_of(name)))
        if name in EXAMPLES:
            typed = " ".join(("comfyfix", *EXAMPLES[name]))
            yield from ("", f"`{typed}` on the example:", "", *_block(shown(name)))


def _block(text: str) -> Iterator[str]:
    yield "```text"
    yield from (line.rstrip() for line in text.strip("\n").split("\n"))
    yield "```"
