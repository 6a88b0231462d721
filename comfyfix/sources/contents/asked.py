"""What is asked of a repository's listing, and how the answer looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from comfyfix.providers.huggingface.answers import HubItem
from comfyfix.records import Reads, Reason

Listing = Mapping[str, HubItem]
"""Path in the repository, with forward slashes → what the Hub says of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One directory or set. `name` is its path as the workflow has it, with forward slashes.

    Of a set that is the path of the shard. `inside` is the folder of the repository that an
    address names; `files` are the names for `Reads.NAMED`; `variant` is the precision that the
    loader asks diffusers for. `code` tells whether code files may be fetched.
    """

    reads: Reads
    name: str
    inside: str = ""
    files: tuple[str, ...] = ()
    variant: str = ""
    code: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """The files that the loader reads: path below the directory → path in the repository.

    Of a set the paths begin where its shards lie. `size` is that of all, in bytes; `name` tells it
    from other choices. `code` are code files that are left out, and that the loader may need.
    """

    name: str
    files: Mapping[str, str]
    size: int
    code: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choices:
    """Several that the loader could read, of which no rule tells one. Their names differ."""

    of: tuple[Chosen, ...]


@dataclass(frozen=True, slots=True)
class Unfit:
    """There is nothing in it that the loader could read, or nothing whole."""

    reason: Reason
