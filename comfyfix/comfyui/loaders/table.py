"""Loaders: which inputs of which node classes name model files, and in which folder each looks.

The folder is a fact of the *input*: one node may take a checkpoint here and a text encoder there.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Literal

import msgspec

from comfyfix.endings import CORE
from comfyfix.records import Reads

_OF_CORE = tuple(sorted(CORE))


class FileSet(msgspec.Struct, frozen=True, kw_only=True):
    """Files that one value stands for, such as the two halves of a tiny VAE."""

    folder: str
    files: tuple[str, ...]


class Widget(msgspec.Struct, frozen=True, kw_only=True):
    """A widget that is no model: its name, for files that tell names, and its position."""

    name: str
    index: int


class LoaderInput(msgspec.Struct, frozen=True, kw_only=True):
    """What one input of a loader takes: folder key (None: unknown), widget position, kind.

    `switch` is the widget that turns the input on; `also` are further folders
    in which the node looks for the same name; `optional` that the node fetches the file itself;
    `sets` the values that are no file names but stand for several files. `endings` are all that
    the input lists, in lower case (empty: not known). `prefixed` are texts that stand in front of
    the names of other folders: `bbox/` + a name of `ultralytics_bbox`. `listed` is false where the
    node takes any text, which ComfyUI holds against no list of its own. `offers` is what it lists
    beside files (None: not known, packs offer what they like), `names` some of it, as a pack's own
    source says, and all of it where that is `closed`. `begins` is what the names of one of
    the further folders begin with to be listed; what has nothing after it lies only there.
    `reads`, `variant` and `repos` are of directories: how the node reads one, which precision it
    asks diffusers for, and the repositories of the Hub that its own source names, by the last part
    of their names.
    """

    folder: str | None = None
    index: int | None = None
    kind: Literal["file", "directory", "directory_or_file", "hub_repo", "label", "config"] = "file"
    optional: bool = False
    switch: Widget | None = None
    also: tuple[str, ...] = ()
    sets: dict[str, FileSet] = {}
    listed: bool = True
    endings: tuple[str, ...] = ()
    prefixed: dict[str, str] = {}
    offers: tuple[str, ...] | None = None
    names: tuple[str, ...] = ()
    closed: bool = False
    begins: dict[str, tuple[str, ...]] = {}
    reads: Reads = Reads.ANY
    variant: str = ""
    repos: tuple[str, ...] = ()

    def repo(self, path: str) -> str:
        """The repository that the node's source names for a directory; empty for none."""
        name = path.rpartition("/")[2]
        return next((repo for repo in self.repos if repo.rpartition("/")[2] == name), "")


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """A loader whose widgets are, or hold, rows such as `{on: true, lora: x, strength: 1}`.

    ComfyUI holds them against no list, and their nodes find a file by its name alone, in any
    subfolder and without its ending.
    """

    folder: str
    name: str
    on: str
    strength: tuple[str, ...] = ()


class Loader(msgspec.Struct, frozen=True, kw_only=True):
    """One node class. `count` is the widget that says how many of the inputs are used.

    `tags` is the folder of the models that its texts name as `<lora:name:strength>`.
    """

    inputs: dict[str, LoaderInput] = {}
    count: Widget | None = None
    rows: Rows | None = None
    pattern: dict[str, str] = {}
    tags: str | None = None


Loaders = Mapping[str, Loader]
"""Node class → what its inputs take."""

# Packs that run loaders of others on a device of the user's choice add one of these to a name;
# what they add to the widgets comes last.
_ELSEWHERE = re.compile(r"(DisTorch2?)?MultiGPU$")


def find(loaders: Loaders, node_type: str) -> Loader | None:
    """The loader of a node class, or of the class that it is made from."""
    return loaders.get(node_type) or loaders.get(_ELSEWHERE.sub("", node_type))


@functools.cache
def built_in() -> Loaders:
    """The table that comes with comfyfix."""
    data = resources.files(__package__).joinpath("loaders.json").read_bytes()
    table = msgspec.json.decode(data, type=dict[str, Loader])
    return {name: _with_endings(loader) for name, loader in table.items()}


def _with_endings(loader: Loader) -> Loader:
    """Let inputs of the core, which are those that tell what they offer, list what it lists."""
    narrowed = {
        name: msgspec.structs.replace(entry, endings=_OF_CORE)
        for name, entry in loader.inputs.items()
        if entry.offers is not None and entry.kind == "file"
    }
    if not narrowed:
        return loader
    return msgspec.structs.replace(loader, inputs={**loader.inputs, **narrowed})


def merged(*tables: Loaders) -> Loaders:
    """One table of several, the most trusted first, input by input.

    A better table's folders and position count; what only a worse one knows (kind, switch, count,
    rows) stays.
    """
    result: dict[str, Loader] = dict(tables[-1])
    for table in reversed(tables[:-1]):
        for name, loader in table.items():
            known = result.get(name)
            result[name] = joined(known, loader, _over) if known else loader
    return result


def joined(
    known: Loader, more: Loader, of_both: Callable[[LoaderInput, LoaderInput], LoaderInput]
) -> Loader:
    """A loader with all inputs of two: `of_both` says what holds of one that both know."""
    inputs = dict(known.inputs)
    for name, entry in more.inputs.items():
        old = inputs.get(name)
        inputs[name] = of_both(old, entry) if old else entry
    return msgspec.structs.replace(known, inputs=inputs)


def _over(old: LoaderInput, better: LoaderInput) -> LoaderInput:
    if better.folder is None and not better.prefixed:
        return old
    folders = dict.fromkeys(key for key in (better.folder, *better.also) if key)
    # A choice of several folders is listed in the pack's order; the table knows the main one.
    first = old.folder if old.folder in folders else better.folder
    return msgspec.structs.replace(
        old,
        folder=first,
        also=tuple(folder for folder in folders if folder != first),
        index=old.index if better.index is None else better.index,
        endings=better.endings,
        prefixed=better.prefixed,
        names=better.names,
        closed=better.closed,
        listed=better.listed and old.listed,
    )
