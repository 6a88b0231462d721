"""The engine asks nothing of curl that came after the oldest one it works with."""

from __future__ import annotations

import re

from comfyfix.script import engine

# The version in which each came, as curl's own list of its options has it.
OPTIONS = {
    "config": "4.10", "connect-timeout": "7.7", "connect-to": "7.49.0", "disable": "5.0",
    "dump-header": "5.7", "fail": "4.0", "globoff": "7.6", "location": "4.9",
    "max-filesize": "7.10.8", "max-redirs": "7.5", "max-time": "4.0", "no-buffer": "6.5",
    "output": "4.0", "proto": "7.20.2", "range": "4.0", "show-error": "5.9", "silent": "4.0",
    "speed-limit": "4.7", "speed-time": "4.7", "suppress-connect-headers": "7.54.0",
    "user-agent": "4.5.1", "write-out": "6.5",
    "no-fail": "7.19.0", "no-location": "7.19.0",  # "no-" before any that is on or off
}  # fmt: skip
LINES = {"url": "7.5", "header": "5.0", "resolve": "7.59.0"}  # of several addresses
VARIABLES = {
    "stderr": "7.63.0", "size_download": "6.5", "time_starttransfer": "7.9.2",
    "time_total": "6.5", "redirect_url": "7.18.2",
}  # fmt: skip
OTHERS = {  # of other programs
    "keep-size", "length",  # fallocate
    "revision", "local-dir", "repo-type",  # hf
}  # fmt: skip


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def test_nothing_is_newer_than_the_curl_that_people_are_told_to_install() -> None:
    text = "\n".join(line.partition(" # ")[0] for line in engine.text().splitlines())
    (told,) = set(re.findall(r"install curl ([\d.]+) or newer", text))
    used = {
        "options": (set(re.findall(r"(?<![\w-])--([a-z][a-z0-9-]+)", text)) - OTHERS, OPTIONS),
        "lines": (set(re.findall(r"printf '([a-z-]+) = ", text)), LINES),
        "variables": (set(re.findall(r"%\{([a-z_]+)\}", text)), VARIABLES),
    }
    for kind, (found, known) in used.items():
        assert found == known.keys(), kind
        assert {each for each in found if version(known[each]) > (*version(told), 0)} == set()
