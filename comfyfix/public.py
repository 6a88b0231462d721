"""Public addresses: a host that a stranger has named may lead to no machine near the user.

A name is looked up before it is asked, and the machine that answers is looked at once more when
the connection stands, before a byte is sent: a name may lead elsewhere the second time.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter  # noqa: TID251 - opens no session
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection

from comfyfix.errors import HostRefused


def require_public(url: str) -> None:
    """Look a host up. Raises HostRefused unless all its addresses are public; OSError, ValueError
    when there are none.
    """
    parts = urlsplit(url)
    found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    if parts.scheme != "https" or not all(_is_public(str(entry[4][0])) for entry in found):
        raise _refused(str(parts.hostname))


def _is_public(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_global


def _refused(host: str) -> HostRefused:
    return HostRefused(
        f"{host} is refused",
        cause="it leads to an address that is not public",
        next_step="give another address under models: in manifest.yaml",
    )


class _Connection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        if not _is_public(str(connected.getpeername()[0])):
            connected.close()
            raise _refused(self.host)
        return connected


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


class PublicAdapter(HTTPAdapter):
    """Connects to public machines only. Through a proxy, the proxy decides."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the pool of connections, as requests asks for it."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"https": _Pool}
