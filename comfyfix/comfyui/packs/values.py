"""What an expression of a node pack can come to, as far as reading tells."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any, Final

ITEMS_MAX = 4096  # of one list or text; so no pack can make one grow without end
NAMES_MAX = 64  # literal choices beside those of folders
NESTED_MAX = 2  # lists inside of lists of choices
SHARED = "*"
"""Among endings: those of the one set that the core's keys share."""
PLAIN_WALK = "\0"
"""Among endings: the pack looks into directories itself, where no set of ComfyUI's counts."""
DIRECTORY = "/"
"""Stands among endings for the directories of a list."""


class Unknown:
    """The one value of what reading can't tell."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of choices: those of model folders, and those that stand there literally.

    `folders` are keys, and directories by their absolute paths. `one` is a choice out of the list,
    inside a loop; `full` when choices are whole paths; `altered` when they are no path inside the
    folder any more; `prefix` what was put in front of them; `endings` are those that a condition of
    the pack leaves, in lower case (empty: all); `walked` when the pack looks into the directories
    of a key itself; `closed` when `names` are all that stands beside the files, as far as each step
    that led here could be read.
    """

    folders: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    altered: bool = False
    one: bool = False
    full: bool = False
    prefix: str = ""
    endings: tuple[str, ...] = ()
    walked: bool = False
    closed: bool = False


@dataclass(frozen=True, slots=True)
class FolderPaths:
    """The directories of a model folder, or one of them; `live` is the list that ComfyUI uses."""

    folder: str
    live: bool = False


@dataclass(frozen=True, slots=True)
class Endings:
    """The set of endings that ComfyUI uses for a folder key; SHARED for the set of its own."""

    folder: str


@dataclass(frozen=True, slots=True)
class Registry:
    """`folder_paths.folder_names_and_paths`."""


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function of a pack, by a `def` or a `lambda`.

    `owner` is the class that it is a method of, `bound` the class that it is called on, `around`
    the names of the function that it stands in.
    """

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    module: Any
    owner: Class | None = None
    bound: Class | None = None
    around: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Class:
    """A class of a pack, or an instance of one; `given` are attributes set from outside."""

    node: ast.ClassDef
    module: Any
    around: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name in the source."""
        return self.node.name


@dataclass(frozen=True, slots=True)
class Dotted:
    """Something outside the pack, by its dotted name: `folder_paths.get_filename_list`."""

    name: str

    @property
    def last(self) -> str:
        """The name after the last dot."""
        return self.name.rpartition(".")[2]

    def ends(self, *names: str) -> bool:
        """Tell whether it is one of these, however long the way to its module is."""
        return f".{self.name}".endswith(tuple(f".{name}" for name in names))


def as_key(value: Any) -> Any:
    """What stands for a value among the keys of a dict: UNKNOWN for what can't be told."""
    return value if isinstance(value, str | int | Listing) else UNKNOWN


@dataclass(frozen=True, slots=True, eq=False)
class Declared:
    """A call of ComfyUI's newer interface: `io.Combo.Input(…)`, `io.Schema(…)`."""

    name: str
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)
