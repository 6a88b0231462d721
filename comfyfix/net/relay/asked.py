"""What a script asks of the relay, and how that is handed on."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from comfyfix.net.relay.dialling import Line, Place

_REQUEST = re.compile(r"([A-Z]{1,16}) ([!-~]+) HTTP/1\.[01]")
_OWN = re.compile(r"(?i)(?:proxy-|connection:|keep-alive:)")


class Asked:
    """One request."""

    def __init__(self, data: bytes) -> None:
        """Read it. Raises ValueError."""
        first, *self.lines = data.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        found = _REQUEST.fullmatch(first)
        if not found:
            raise ValueError(first)
        self.method, self.target = found.groups()

    @property
    def place(self) -> Place | None:
        """Where it wants to go; None for what is not done. Raises ValueError."""
        if self.method == "CONNECT":
            return place_of(f"https://{self.target}")
        if self.method in ("GET", "HEAD") and self.target.startswith("http://"):
            return place_of(self.target)
        return None

    def told(self, name: str) -> str:
        """The value of a header; empty where it is not there."""
        for line in self.lines:
            key, _, value = line.partition(":")
            if key.strip().lower() == name:
                return value.strip()
        return ""

    def to_hand_on(self, line: Line) -> bytes:
        """The same question as the server, or another proxy, is asked it: once, without secrets."""
        rest = self.target.partition("://")[2]
        path = rest[len(rest.split("/")[0].split("?")[0]) :]
        target = self.target if line.by_proxy else f"{'' if path[:1] == '/' else '/'}{path}"
        kept = [each for each in self.lines if not _OWN.match(each)]
        head = "\r\n".join([f"{self.method} {target} HTTP/1.1", *kept, "Connection: close", ""])
        return head.encode("latin-1") + line.header + b"\r\n"


def place_of(url: str) -> Place:
    """Where an address leads. Raises ValueError."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None:
        raise ValueError(url)
    plain = parts.scheme == "http"
    return Place(parts.hostname, parts.port or (80 if plain else 443), plain)
