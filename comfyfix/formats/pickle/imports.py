"""What a pickle wants to import, and may not."""

from __future__ import annotations

import re
import sys

from comfyfix.formats.finding import Refused
from comfyfix.formats.flaws import Flaw

_NAME = re.compile(r"\w[\w.]*(\0.*)?", re.DOTALL)
# Parts of Python that do something when they are imported, whatever is asked of them then.
_ACTS_WHEN_IMPORTED = {"__main__", "antigravity", "idlelib", "this", "turtledemo"}


class ForeignImport(Refused):
    """The pickle wants to import `module` and `name`, which are not among the allowed."""

    def __init__(self, module: str, name: str, place: int) -> None:
        self.module = module
        self.name = name
        super().__init__("unsafe", Flaw.PICKLE_IMPORTS, module=module, name=name, place=place)

    @property
    def is_of_python(self) -> bool:
        """Whether this is a module that every Python has: then it hardly reads so by chance.

        The import system passes over dots before a name, and ends it at a NUL.
        """
        parts = self.module.partition("\0")[0].lstrip(".").split(".")
        if parts[0] not in sys.stdlib_module_names and parts[0] != "__builtin__":
            return False
        acts = not _ACTS_WHEN_IMPORTED.isdisjoint(parts)
        return acts or _NAME.fullmatch(self.name) is not None
