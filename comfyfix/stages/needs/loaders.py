"""Knowledge: what is known of loaders and folders, the best source first.

The user's own installation, then a running ComfyUI, then the table that comes with comfyfix.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from comfyfix.comfyui.loaders import server
from comfyfix.comfyui.loaders.server import ServerFacts
from comfyfix.comfyui.loaders.table import Loaders, built_in, merged
from comfyfix.comfyui.packs import installed
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.reported import with_endings, with_registered, with_searched
from comfyfix.disk import json_file, looked
from comfyfix.errors import SourceDown
from comfyfix.records import Reason, because
from comfyfix.state.layout import Layout
from comfyfix.why import Why

_OF_CORE = "CheckpointLoaderSimple"
FRESH_SECONDS = 600
"""How long a server's answer is used again: its nodes change when it is started anew."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What inputs take, where folders are, and what could not be asked.

    `nodes` are the node types that the installation is seen to have; none where its core is not.
    """

    loaders: Loaders
    folders: Folders
    nodes: frozenset[str] = frozenset()
    warning: Reason | None = None


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    version: Literal[2] = 2
    url: str
    at: float
    facts: ServerFacts


def gather(folders: Folders, layout: Layout, comfyui_url: str | None) -> Knowledge:
    """Read the installation and, where the manifest names one, ask the running ComfyUI."""
    packs = folders.paths.get("custom_nodes", ())
    own = installed.read(folders.comfyui, packs, layout.pack_cache, folders.paths)
    running, warning = (
        _ask(comfyui_url, layout.server_cache) if comfyui_url else (ServerFacts(), None)
    )
    tables = [table for table in (own.loaders, running.loaders) if table]
    folders = with_registered(folders, own.folders) if own.folders else folders
    if running.folders:
        places = {key: tuple(server.here(paths)) for key, paths in running.folders.items()}
        # What it registers below its own folders is ours too, also where nothing is there yet.
        folders = with_searched(with_registered(folders, running.folders), places)
    return Knowledge(
        loaders=merged(*tables, built_in()) if tables else built_in(),
        folders=with_endings(folders, running.endings) if running.endings else folders,
        nodes=frozenset(own.nodes if _OF_CORE in own.nodes else ()),
        warning=warning,
    )


def _ask(url: str, cache: Path) -> tuple[ServerFacts, Reason | None]:
    looked.unsure()  # what a server says is no file, and holds for a while
    last = json_file.cached(cache, _Answer)
    if last and last.url != url:
        last = None
    if last and 0 <= time.time() - last.at < FRESH_SECONDS:
        return last.facts, None
    from comfyfix.net.http import Web  # only where a server is named
    from comfyfix.settings.switches import OFFLINE, on

    try:
        facts = server.ask(url, Web({}, offline=on(OFFLINE, os.environ)))
    except SourceDown as problem:
        # The host is that of the address; what is wrong with it alone is left to tell.
        cause = problem.reason.told.get("cause", problem.reason)
        warning = because(Why.COMFYUI_UNASKED, url=url, cause=cause)
        return last.facts if last else ServerFacts(), warning
    json_file.keep(cache, _Answer(url=url, at=time.time(), facts=facts))
    return facts, None
