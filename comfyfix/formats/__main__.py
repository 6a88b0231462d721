"""`python -m comfyfix.formats FILE NAME POLICY`: may this file bear that name? For scripts.

Prints the reason and ends with 4 for an unsafe file, 5 for a damaged one or one of another kind,
0 for a good one. POLICY is the manifest's `verify.pickle`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from comfyfix.files import printable
from comfyfix.formats import inspect

UNSAFE, NOT_IT = 4, 5


def main(path: str, name: str, policy: str) -> int:
    """Look at one file."""
    found = inspect(Path(path), name=name, look_inside=policy != "allow")
    if found is None:
        return 0
    print(printable(found.reason, 300))  # noqa: T201 - the script reads it
    return UNSAFE if found.kind == "unsafe" else NOT_IT


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
