"""What searches share: sessions, tokens and, for the demo, its hub."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from comfyfix.nearby import hub_cache
from comfyfix.nearby.leads import Nearby
from comfyfix.net.http import Web
from comfyfix.net.urls.hosts import tokens_by_origin
from comfyfix.process import Children
from comfyfix.project import Project
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.switches import OFFLINE, on
from comfyfix.sources.base import Services
from comfyfix.state import receipts

if TYPE_CHECKING:
    from comfyfix.net.relay.relay import Relay


def services(project: Project, environ: Mapping[str, str], children: Children) -> Services:
    """Open sessions and, for the demo, start the hub."""
    manifest = project.manifest
    if manifest.is_demo:
        from comfyfix.demo import example  # only the demo needs it

        manifest = example.start_hub(manifest, environ)
    return Services(
        manifest=manifest,
        folders=project.folders,
        layout=project.layout,
        web=Web(
            tokens_by_origin(manifest.endpoints, project.tokens),
            direct=project.manifest.is_demo,
            offline="" if project.manifest.is_demo else on(OFFLINE, environ),
        ),
        tokens=project.tokens,
        children=children,
        trust=project.trust,
        nearby=_nearby(manifest, environ),
        receipts=receipts.load(project.layout),
        qwen_gate=threading.Semaphore(manifest.qwen.parallel),
        relay=_relay(manifest, environ),
        mirrored=bool(project.mirrors),
    )


def _relay(manifest: Manifest, environ: Mapping[str, str]) -> Relay | None:
    """By which scripts keep to a limit; None where there is none. The demo goes by no proxy."""
    limits = manifest.download.limits
    if not limits:
        return None
    from comfyfix.net.relay.relay import Relay  # for those with a limit

    return Relay(limits, {} if manifest.is_demo else environ)


def _nearby(manifest: Manifest, environ: Mapping[str, str]) -> Nearby:
    """The user's own places; the demo has none."""
    if manifest.is_demo:
        return Nearby()
    return Nearby(hub_cache.folder(environ), manifest.also_look_in, manifest.tiers.fast or "")
