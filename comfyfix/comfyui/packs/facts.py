"""What is learnt from one pack."""

from __future__ import annotations

import msgspec

from comfyfix.comfyui.loaders.table import Loader


class PackFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Node type → its inputs that choose models; folder key → directories that were registered."""

    loaders: dict[str, Loader] = {}
    folders: dict[str, tuple[str, ...]] = {}
