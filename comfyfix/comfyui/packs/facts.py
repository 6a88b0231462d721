"""What is learnt from one pack."""

from __future__ import annotations

import msgspec

from comfyfix.comfyui.loaders.table import Loader


class PackFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Node type → its inputs that choose models; folder key → what was registered for it.

    `folders` are its directories: absolute paths, or other keys whose directories are meant.
    `endings` are those that it takes, in lower case, none for any; SHARED stands for the set that
    the core's keys share, which has an entry of its own where packs add to it. `nodes` are all node
    types that it is seen to have.
    """

    loaders: dict[str, Loader] = {}
    folders: dict[str, tuple[str, ...]] = {}
    endings: dict[str, tuple[str, ...]] = {}
    nodes: tuple[str, ...] = ()
