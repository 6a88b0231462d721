"""Why a request has failed, by what requests and the libraries below it raise."""

from __future__ import annotations

import errno
import http.client
from collections.abc import Iterator

import requests
from urllib3.exceptions import NameResolutionError, NewConnectionError, ReadTimeoutError

from comfyfix.records import Reason, because
from comfyfix.why import Why

REDIRECTS_MAX = 5
NO_ANSWER = (requests.RequestException, ValueError)
"""What a question raises that gets no answer; ValueError: a redirect to what is no address."""
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)


class TooLarge(requests.RequestException):
    """An answer has more bytes than any that we ask for."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(limit)


def reason(error: Exception) -> Reason:
    """Why a request, or the answer to it, was not what it has to be."""
    chain = list(_causes(error))
    if isinstance(error, requests.exceptions.SSLError):
        return because(Why.CERTIFICATE_UNTRUSTED)
    if any(isinstance(each, requests.Timeout | ReadTimeoutError) for each in chain):
        return because(Why.ANSWER_LATE)
    if any(
        isinstance(each, http.client.HTTPException)
        and not isinstance(each, http.client.RemoteDisconnected | http.client.IncompleteRead)
        for each in chain
    ):
        return because(Why.ANSWER_NOT_HTTP)
    if isinstance(error, requests.TooManyRedirects):
        return because(Why.REDIRECTS_MANY, limit=REDIRECTS_MAX)
    if isinstance(error, TooLarge):
        return because(Why.TOO_LARGE, limit=error.limit)
    whys = (
        (requests.ConnectionError, Why.NO_CONNECTION),
        (requests.exceptions.ChunkedEncodingError, Why.ANSWER_BREAKS_OFF),
        (requests.exceptions.ContentDecodingError, Why.ANSWER_PACKED),
        (ValueError, Why.REDIRECT_NO_ADDRESS),
    )
    for kind, why in whys:
        if isinstance(error, kind):
            return because(why)
    return because(Why.REQUEST_FAILED, error=type(error).__name__)


def unreached(error: Exception) -> Reason | None:
    """Why no connection could be made; None where it was made, and something else is wrong."""
    chain = list(_causes(error))
    if isinstance(error, requests.exceptions.ProxyError):
        asks = any("407" in str(each) for each in chain)  # http.client tells it in words alone
        return because(Why.PROXY_WANTS_USER if asks else Why.PROXY_UNREACHED)
    if isinstance(error, requests.exceptions.SSLError):
        return because(Why.CERTIFICATE_UNTRUSTED)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return because(Why.CONNECT_LATE)
    if any(isinstance(each, NameResolutionError) for each in chain):
        return because(Why.NAME_UNRESOLVED)
    for each in chain:
        if isinstance(each, ConnectionRefusedError):
            return because(Why.CONNECTION_REFUSED)
        if isinstance(each, OSError) and each.errno in _NO_WAY:
            return because(Why.NO_WAY)
    if any(isinstance(each, NewConnectionError) for each in chain):
        return because(Why.NO_CONNECTION)
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it has come of, also where one only holds another."""
    while error is not None:
        yield error
        for inner in (getattr(error, "reason", None), *error.args[:1]):
            if isinstance(inner, BaseException) and inner is not error.__context__:
                yield from _causes(inner)
        error = error.__cause__ or error.__context__


def waited_for(error: Exception) -> bool:
    """Tell whether that was tried so long that a second time would tell no more."""
    return isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.SSLError)
