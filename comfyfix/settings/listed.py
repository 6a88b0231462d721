"""Words that stand in lists of the manifest: one that can never fit is a mistake, and is told."""

from __future__ import annotations

import re
from collections.abc import Iterator

from comfyfix.records import Reason, because
from comfyfix.settings.manifest import Manifest
from comfyfix.why import Why

HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_WORDS = ("licences", "publishers", "formats")


def flaws(manifest: Manifest) -> Iterator[tuple[str, Reason]]:
    """The places of such words, as keys, each with what is wrong with it.

    An empty word comes of a variable that is empty: no licence at all must not be what it allows.
    """
    for rule in _WORDS:
        for number, word in enumerate(getattr(manifest.policy, rule)):
            if not word.strip():
                yield f"policy.{rule}[{number}]", because(Why.WORD_EMPTY)
    lists = (("policy.hosts", manifest.policy.hosts),
             ("download.allow_hosts", manifest.download.allow_hosts))  # fmt: skip
    for key, hosts in lists:
        for number, host in enumerate(hosts):
            if not HOST.fullmatch(host):
                yield f"{key}[{number}]", because(Why.HOST_UNFIT, host=host)
    limit = manifest.download.limit
    seen: set[str] = set()
    for host in limit if isinstance(limit, dict) else ():
        if host.lower() in seen:
            yield f"download.limit.{host}", because(Why.KEY_TWICE, name=host.lower())
        seen.add(host.lower())
