"""What an expression of a node pack can come to, as far as reading tells."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import Any, Final

ITEMS_MAX = 4096  # of one list or text; so no pack can make one grow without end


class _Unknown:
    """The one value of what reading can't tell."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of choices: those of model folders, and those that stand there literally.

    Also one choice out of it, inside a loop. `altered`: the folder's names were changed (a prefix,
    no ending), so that a choice is no path inside the folder.
    """

    folders: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    altered: bool = False


@dataclass(frozen=True, slots=True)
class FolderPaths:
    """The directories of a model folder, or one of them."""

    folder: str


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function of a pack; `owner` is the class that it is a method of."""

    node: ast.FunctionDef
    module: Any
    owner: Class | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Class:
    """A class of a pack."""

    node: ast.ClassDef
    module: Any

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


@dataclass(frozen=True, slots=True)
class Declared:
    """A call of ComfyUI's newer interface: `io.Combo.Input(…)`, `io.Schema(…)`."""

    name: str
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)


def joined(left: Any, right: Any) -> Any:
    """`left + right` of texts, numbers and lists of choices."""
    if isinstance(left, str) and isinstance(right, str):
        return (left + right)[:ITEMS_MAX]
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        return [*left, *right][:ITEMS_MAX]
    if isinstance(left, Listing) or isinstance(right, Listing):
        a, b = listing(left), listing(right)
        return Listing(
            tuple(dict.fromkeys(a.folders + b.folders)),
            tuple(dict.fromkeys(a.names + b.names))[:ITEMS_MAX],
            a.altered or b.altered or isinstance(left, str) or isinstance(right, str),
        )
    return UNKNOWN


def listing(value: Any) -> Listing:
    """Any value as choices; what is no list of texts has none."""
    if isinstance(value, Listing):
        return value
    if isinstance(value, FolderPaths):
        return Listing((value.folder,))
    found = Listing()
    if isinstance(value, list | tuple):
        for item in value:
            if isinstance(item, str):
                found = Listing(found.folders, (*found.names, item), found.altered)
            elif isinstance(item, Listing):
                found = joined(found, item)
    return found


def items(value: Any) -> list[Any]:
    """What a loop over a value would give; of a folder's files just that there are some."""
    if isinstance(value, list | tuple | dict):
        return list(value)
    return [value] if isinstance(value, Listing | FolderPaths) else []


def altered(value: Any) -> Listing:
    """The choices of a folder after their names were changed."""
    return replace(listing(value), altered=True)
