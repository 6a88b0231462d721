"""What a pickle wants to import, and may not."""

from __future__ import annotations

import re

from comfyfix.files import printable
from comfyfix.formats.finding import Refused

# What the import system may find: it ends a name at a NUL, and reads any script's letters.
_IMPORTABLE = re.compile(r"\w[\w.]*(\0.*)?", re.DOTALL)


class ForeignImport(Refused):
    """The pickle wants to import `module` and `name`, which are not among the allowed."""

    def __init__(self, module: str, name: str, place: int) -> None:
        self.module = module
        self.name = name
        shown = printable(f"{module}.{name}", 80)
        super().__init__("unsafe", f"its pickle wants to import {shown} (at byte {place})")

    @property
    def is_meant(self) -> bool:
        """False for what other bytes read by chance as an import: they hardly name a module."""
        return bool(_IMPORTABLE.fullmatch(self.module) and _IMPORTABLE.fullmatch(self.name))
