"""Options of commands, in doit's shape."""

from __future__ import annotations

from typing import Any

from comfyfix.screen.words import t
from comfyfix.settings.switches import FROZEN, LOCKED, OFFLINE

Option = dict[str, Any]


def option(long: str, default: str | int, help_text: str, *, short: str = "") -> Option:
    """An option that takes a value of the kind that its default has."""
    return {
        "name": long.replace("-", "_"), "short": short, "long": long, "type": type(default),
        "default": default, "help": help_text,
    }  # fmt: skip


def switch(long: str, help_text: str) -> Option:
    """An option that is on or off."""
    return option(long, False, help_text)


JSON_OPTION = switch("json", t("print one object of JSON, and nothing else, on stdout"))
JSON_OPTION["name"] = "as_json"
CHECK_OPTION = switch(
    "check", t("exit with 1 where something is missing, or can't be used as it is")
)

VARIABLES = {"offline": OFFLINE, "locked": LOCKED, "frozen": FROZEN}
"""What options of all commands switch on: the first variable of each is set."""
COMMON = (
    JSON_OPTION,
    switch("offline", t("send no request, as with `COMFYFIX_OFFLINE=1` or `HF_HUB_OFFLINE=1`")),
    switch("locked", t("stop where lock file and workflows disagree (`COMFYFIX_LOCKED=1`)")),
    switch("frozen", t("take the lock file, and read no workflow (`COMFYFIX_FROZEN=1`)")),
)
"""The options that all commands have."""
_SHORTEST = 4
"""Letters that tell one of them, with its dashes: options may be cut short."""


def variable_of(word: str) -> str:
    """The variable that a word of the command line sets, if it is one of these options; or ""."""
    meant = [names[0] for long, names in VARIABLES.items() if f"--{long}".startswith(word)]
    return meant[0] if len(word) >= _SHORTEST and len(meant) == 1 else ""


def is_common(word: str) -> bool:
    """Tell whether a word is one of the options that all commands have."""
    return word == f"--{JSON_OPTION['long']}" or bool(variable_of(word))
