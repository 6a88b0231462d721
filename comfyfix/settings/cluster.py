"""`cluster:` where a scheduler of Dask may be: an open port of one runs anybody's program.

So the way there is encrypted, and both ends show a certificate; plain TCP is for this machine.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from comfyfix.records import Reason, because
from comfyfix.secrets import open_address
from comfyfix.why import Why


def flaw(address: str) -> Reason | None:
    """What is wrong with the address of a scheduler, None if nothing is."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    rest = address.partition("://")[2]
    plain = re.fullmatch(r"(tls|tcp)://[\x21-\x7e]+", address) and not re.search(r"[@/?#\\]", rest)
    if not plain or not host or not port:
        return because(Why.CLUSTER_UNFIT, address=open_address(address))
    if parts.scheme == "tcp" and not _is_loopback(host):
        return because(Why.CLUSTER_PLAIN, address=address)
    return None


def _is_loopback(host: str) -> bool:
    # A name may lead elsewhere tomorrow, but for the one that is reserved.
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
