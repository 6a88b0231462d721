"""Where the relay connects to: past a proxy or by it, and never to what a script may not ask."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from comfyfix.errors import HostRefused
from comfyfix.net import proxies
from comfyfix.net.addresses import public_addresses
from comfyfix.net.exchange import authority, goes_direct
from comfyfix.net.relay.faucet import Faucet
from comfyfix.why import Why

CONNECT_SECONDS = 15.0
"""Less than curl gives the relay for it."""
# What the relay answers in the place of a server that can't be reached. The engine knows these: the
# last digit is what curl ends with where it finds that out itself.
NO_PROXY_FOUND, NAME_UNKNOWN, NO_CONNECTION = 595, 596, 597
REFUSED = 403
_ANSWER_MAX = 16 << 10  # bytes of the head of a proxy's answer
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r\n")


@dataclass(frozen=True, slots=True)
class Place:
    """What is asked for. `plain`: by a request that the proxy reads, not through a tunnel."""

    host: str
    port: int
    plain: bool = False

    @property
    def url(self) -> str:
        """As an address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self.plain else 'https'}://{host}:{self.port}"

    @property
    def authority(self) -> str:
        """Host and port."""
        return self.url.partition("://")[2]


@dataclass(frozen=True, slots=True)
class Allowed:
    """What one script may ask: `own`, which the user has sent it to, wherever that is.

    So are the `mirrors`. Others too: of a service's script (`own` is there) all but link-local
    ones, else public ones.
    """

    own: Place | None = None
    mirrors: frozenset[Place] = frozenset()


class Unconnected(Exception):
    """There is no connection; `status` is what to answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Line:
    """A connection that was made; `by_proxy` to one that takes whole addresses, and this header."""

    faucet: Faucet
    by_proxy: bool = False
    header: bytes = b""


async def dial(place: Place, allowed: Allowed, environ: Mapping[str, str], size: int) -> Line:
    """Connect; `size` is how many bytes are to come at a time. Raises Unconnected."""
    variable = proxies.variable_for(place.url, environ)
    if variable and not goes_direct(place.url):
        with _answered(NO_PROXY_FOUND):
            if proxies.unfit(place.url, environ):
                raise OSError
            async with asyncio.timeout(CONNECT_SECONDS):
                return await _by_proxy(place, environ[variable], authority(environ), size)
    with _answered(NAME_UNKNOWN):
        found = await asyncio.get_running_loop().run_in_executor(None, _addresses, place, allowed)
    with _answered(NO_CONNECTION):
        async with asyncio.timeout(CONNECT_SECONDS):
            return Line(await _first(found, place.port, size))


@contextlib.contextmanager
def _answered(status: int) -> Iterator[None]:
    try:
        yield
    except HostRefused:
        raise Unconnected(REFUSED) from None
    except (OSError, ValueError):
        raise Unconnected(status) from None


def _addresses(place: Place, allowed: Allowed) -> list[str]:
    """What a name leads to, once all of it is allowed. Raises HostRefused, OSError."""
    if allowed.own is None and place not in allowed.mirrors:
        return public_addresses(place.host, place.port)
    found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    own = [(each.host, each.port) for each in (allowed.own, *allowed.mirrors) if each]
    if (place.host, place.port) not in own:
        for address in map(ipaddress.ip_address, addresses):
            inner = getattr(address, "ipv4_mapped", None) or address
            if inner.is_link_local:
                raise HostRefused(Why.HOST_NOT_PUBLIC, host=place.host)
    return addresses


async def _first(addresses: list[str], port: int, size: int) -> Faucet:
    """Connect to the first that can be reached. Raises OSError."""
    for address in addresses[:-1]:
        with contextlib.suppress(OSError):
            async with asyncio.timeout(CONNECT_SECONDS / len(addresses)):
                return await _connected(address, port, size)
    return await _connected(addresses[-1], port, size)


async def _connected(
    host: str, port: int, size: int, context: ssl.SSLContext | None = None
) -> Faucet:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    _, faucet = await loop.create_connection(lambda: Faucet(size), host, port, ssl=context)
    faucet.away = loop.time() - begun
    return faucet


async def _by_proxy(place: Place, proxy: str, trusted: str, size: int) -> Line:
    """Connect by a proxy of the user's. Raises OSError, ValueError, Unconnected."""
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    context = (
        ssl.create_default_context(cafile=trusted or None) if parts.scheme == "https" else None
    )
    port = parts.port or (443 if context else 1080)  # as curl has it
    faucet = await _connected(parts.hostname or "", port, size, context)
    header = b""
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        header = b"Proxy-Authorization: Basic " + base64.b64encode(user) + b"\r\n"
    if place.plain:
        return Line(faucet, by_proxy=True, header=header)
    try:
        name = place.authority.encode()
        question = b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (name, name, header)
        await faucet.write(question)
        head = _STATUS.match(await faucet.read_head(_ANSWER_MAX))
        status = int(head[1]) if head else NO_PROXY_FOUND
        if not 200 <= status < 300:  # noqa: PLR2004 - what HTTP calls success
            raise Unconnected(status)
    except BaseException:
        faucet.transport.abort()
        raise
    return Line(faucet)
