"""The proxies that the environment names: by the variables that curl and requests read alike.

What such a variable holds is never told: there may be a password in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from comfyfix.records import Reason, because
from comfyfix.why import Why

_SCHEMES = ("http", "https")


def variable_for(url: str, environ: Mapping[str, str]) -> str:
    """The variable that names the proxy for an address; empty if none does."""
    own = f"{urlsplit(url).scheme}_proxy"
    names = (own, own.upper(), "all_proxy", "ALL_PROXY")
    return next((name for name in names if environ.get(name)), "")


def unfit(url: str, environ: Mapping[str, str]) -> Reason | None:
    """Why the proxy for an address can't be used: it is of another kind, or no address at all."""
    variable = variable_for(url, environ)
    if not variable or _is_fit(environ[variable]):
        return None
    return because(Why.PROXY_UNFIT, variable=variable)


def for_curl(environ: Mapping[str, str]) -> dict[str, str]:
    """What curl has to be told besides, so that it goes as our searches do.

    It does not read `HTTP_PROXY`, since a web server may have made that of what a client sent; in a
    program that one has started (`REQUEST_METHOD`) Python does not read it either.
    """
    named = environ.get("HTTP_PROXY", "")
    if not named or environ.get("http_proxy") or environ.get("REQUEST_METHOD"):
        return {}
    return {"http_proxy": named}


def _is_fit(address: str) -> bool:
    if "@" in address and "://" not in address:
        return False  # curl takes it, requests takes the user for a scheme
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        return parts.scheme in _SCHEMES and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
