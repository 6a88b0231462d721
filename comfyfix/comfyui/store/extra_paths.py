"""extra_model_paths.yaml: further directories of model folders, read as ComfyUI reads it.

Each section stands alone; its `base_path` and `is_default` are for its own lines. A file that was
written for Windows names drives: where they lead, `disk/windows.py` knows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comfyfix.disk import looked, windows
from comfyfix.errors import SetupProblem
from comfyfix.records import Reason, because
from comfyfix.settings import yamlfile
from comfyfix.why import Why

FAST = "comfyfix_fast"
"""The section in which `doit paths` tells of a fast tier: copies lie there, and no models."""
_SETTINGS = ("base_path", "is_default")
Hear = Callable[[Reason], object]


def read(path: Path, hear: Hear = bool) -> Iterator[tuple[str, Path, bool, str]]:
    """Yield (folder name as written, directory, is it a default, section) in the file's order.

    A path that leads nowhere on this system is left out, and told to `hear`. Raises SetupProblem.
    """
    value, root = yamlfile.read_loosely(path)
    if value is None:
        return
    if not isinstance(value, dict):
        raise yamlfile.refused(path, 1, because(Why.SECTIONS_MISSING))
    lines = {str(key.value): (key, node) for key, node in root.value}
    for name, section in value.items():
        if section is None:
            continue
        key, node = lines.get(str(name), (root, root))
        if not isinstance(section, dict):
            cause = because(Why.SECTION_NO_MAPPING)
            raise yamlfile.refused(path, yamlfile.line_of(key), cause, str(name))
        entries = {str(k.value): (k, v) for k, v in node.value}
        for place in _Section(path, str(name), entries, hear).places(section):
            yield *place, str(name)


@dataclass(frozen=True, slots=True)
class _Section:
    """One section: its file and name, and the nodes of its keys and values, by key."""

    file: Path
    name: str
    nodes: dict[str, tuple[Any, Any]]
    hear: Hear

    def places(self, section: dict[Any, Any]) -> Iterator[tuple[str, Path, bool]]:
        """Yield what the section says."""
        # ComfyUI takes both out, so that a second section which is an alias has them no more.
        given, is_default = section.pop("base_path", None), section.pop("is_default", False)
        # In this order: a `~` that comes out of a variable stays as it is; so does an unknown user.
        text = os.path.expandvars(os.path.expanduser(str(given or "")))
        base = self._place(text, self._line("base_path"), self.file.parent.absolute())
        from_windows = windows.is_windows(text)
        for key, value in section.items():
            if not isinstance(value, str | None):
                raise self._refused(str(key), Why.SECTION_PATHS)
            for number, line in enumerate((value or "").split("\n")):
                if not line or base is None:
                    continue
                plain = windows.slashes(line) if from_windows else line
                place = self._place(plain, self._line(str(key), number), base)
                if place is not None:
                    theirs = from_windows or windows.is_windows(line)
                    away = theirs and windows.drive_away(str(place))
                    yield str(key), place, bool(is_default) and not away

    def _place(self, text: str, line: int, below: Path) -> Path | None:
        """A path as it is on this system; None: it leads nowhere here, which is told."""
        place: str | None = text
        if windows.is_windows(text):
            place = windows.here(text)
            away = windows.drive_away(place) if place else None
            if place is None:
                self.hear(because(Why.WINDOWS_PATH, file=self.file, line=line, path=text))
            elif away:
                fields = {"file": self.file, "line": line, "path": text, "drive": away}
                self.hear(because(Why.DRIVE_AWAY, **fields))
        elif "\\" in text and windows.in_wsl() and looked.at(below / text) is None:
            place = windows.slashes(text)
        return None if place is None else Path(os.path.normpath(below / place))

    def _line(self, key: str, number: int = 0) -> int:
        """The line of a value, or of one of its lines where it is a block of them."""
        key_node, value = self.nodes.get(key, (None, None))
        if key_node is None:
            return 1
        if getattr(value, "style", None) == "|":
            return yamlfile.line_of(value) + 1 + number
        return yamlfile.line_of(key_node)

    def _refused(self, key: str, why: Why) -> SetupProblem:
        return yamlfile.refused(self.file, self._line(key), because(why), f"{self.name}.{key}")
