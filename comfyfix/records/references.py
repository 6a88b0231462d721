"""What workflows name: a reference each, joined into models."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import msgspec

from comfyfix.file_names import shards
from comfyfix.records.directories import Reads
from comfyfix.records.reasons import Reason

Kind = Literal["file", "directory", "embedding", "hub_repo", "implied"]


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """What a workflow itself says of a model: where it is, in which folder, with which hash."""

    name: str
    url: str
    folder: str | None = None
    sha256: str | None = None


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """One place in a workflow that names a model file.

    `value` is as stored; `path` is the value with forward slashes, relative to the folder;
    `name` its last part; `folder` the ComfyUI folder key, None if unknown, `also` further
    ones in which its node looks; `guessed` when
    no loader told the folder. `active` is false for muted or bypassed nodes, `optional` for
    files that their node fetches itself. `files` are what has to be there where the value is no
    file name itself: the halves of `taesd`, or `name.safetensors` of `embedding:name`; `endings`
    those that the node lists, in lower case, none if that is not known.
    `listed`: ComfyUI holds the value against its own list and refuses any other, also that of a
    row which is switched off. A reference of kind `implied` is named by no value, it follows from
    its node, and is always optional. `by_name`: the node finds a file in any subfolder by its
    name. `reads` and `variant` are how its node reads a directory, and the precision that it asks
    diffusers for.
    """

    workflow: str
    node_id: str
    node_type: str
    input: str
    value: str
    name: str
    path: str
    folder: str | None
    also: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    kind: Kind = "file"
    active: bool = True
    optional: bool = False
    guessed: bool = False
    listed: bool = False
    by_name: bool = False
    reads: Reads = Reads.ANY
    variant: str = ""
    hint: Hint | None = None

    @property
    def is_directory(self) -> bool:
        """Tell whether it names a directory, or files that are one together."""
        return self.kind == "directory" or self.reads is Reads.NAMED


class Model(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A folder key and a relative path inside it; what references are joined into."""

    folder: str | None
    path: str

    @cached_property  # asked for a dozen times of each
    def key(self) -> str:
        """`loras/SDXL/detail.safetensors`: the model's name in every file of ours."""
        return f"{self.folder or '?'}/{self.path}"

    @property
    def name(self) -> str:
        """The file name alone."""
        return self.path.rpartition("/")[2]

    @property
    def shards(self) -> tuple[str, ...]:
        """The paths of all parts, where it is a set that is named by one of them."""
        return shards(self.path)


class Left(msgspec.Struct, frozen=True):
    """One value of a workflow that is left as it is, and why."""

    reference: Reference
    reason: Reason
