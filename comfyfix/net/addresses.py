"""Where a name leads to: to public addresses alone, and a connection goes to what was checked.

A name may have another address the next time it is asked for, so that looking first and connecting
afterwards proves nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from comfyfix.errors import HostRefused
from comfyfix.why import Why


def require_public(url: str) -> None:
    """Refuse an address that is not public, or not https. Raises HostRefused, OSError, ValueError.

    OSError: its name is not known; ValueError: it can't be read.
    """
    parts = urlsplit(url)
    if parts.scheme != "https":
        raise _refused(parts.hostname or url)
    public_addresses(parts.hostname or "", parts.port or 443)


def is_link_local(host: str) -> bool:
    """Tell whether a name leads to where clouds keep their keys."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False  # it will not be reached either
    return any(ipaddress.ip_address(str(entry[4][0])).is_link_local for entry in found)


def public_addresses(host: str, port: int) -> list[str]:
    """Where a name leads to. Raises HostRefused unless all of it is public, and OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(ipaddress.ip_address(each).is_global for each in addresses):
        raise _refused(host)
    return list(dict.fromkeys(addresses))


def _refused(host: str) -> HostRefused:
    return HostRefused(Why.HOST_NOT_PUBLIC, host=host)


class _Connection(HTTPSConnection):
    """Looks its name up, checks, and connects to that; the certificate is still the name's."""

    def _new_conn(self) -> socket.socket:
        if self.proxy is not None:  # it makes the look-up, and may well be near
            return super()._new_conn()
        try:
            addresses = public_addresses(self.host, self.port or 443)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from None
        failure = ""
        for address in addresses:
            try:
                return create_connection((address, self.port or 443), self.timeout)
            except OSError as error:  # one of several; the next may be reached
                failure = str(error)
        raise NewConnectionError(self, failure)


class PublicPool(HTTPSConnectionPool):
    """Connections to public addresses, and to no other."""

    ConnectionCls = _Connection
