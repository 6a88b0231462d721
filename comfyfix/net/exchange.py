"""One question to a service, and its answer: the only module that opens sessions.

A token goes to its own origin and nowhere else; redirects are followed inside one origin only.
What is asked again, or not at all, is told in `http`.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from comfyfix.net.addresses import PublicPool
from comfyfix.net.answer import Answer
from comfyfix.net.deadline import Late, within
from comfyfix.net.failures import REDIRECTS_MAX, TooLarge
from comfyfix.net.urls.origin import origin_of
from comfyfix.version import __version__

USER_AGENT = f"comfyfix/{__version__}"
TIMEOUT = (10.0, 30.0)  # seconds to connect, seconds between bytes
WHOLE_SECONDS = 45.0
"""Until an answer has to be there, head and body: a byte now and then is no answer."""
ANSWER_MAX = 64 << 20  # bytes; a listing of the largest repositories is a few MB
CHAT_MAX = 4 << 20  # bytes; an answer of a language model
_SAME_QUESTION = frozenset({307, 308})  # the method stays, and the body


def goes_direct(url: str) -> bool:
    """Tell whether the environment's `NO_PROXY` spares this address a proxy."""
    return bool(requests.utils.should_bypass_proxies(url, no_proxy=None))


def authority(environ: Mapping[str, str]) -> str:
    """Return the file of certificate authorities that the user has named, by any usual variable."""
    names = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
    return next((environ[name] for name in names if environ.get(name)), "")


class _NoNetrc(requests.auth.AuthBase):
    """Keeps requests from adding credentials of a ~/.netrc behind our back."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _PublicAdapter(HTTPAdapter):
    """Connects to public addresses only."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"https": PublicPool}


class Exchange:
    """Asks one question at a time, in a session for each thread."""

    def __init__(self, tokens: Mapping[str, str], *, direct: bool, seconds: float) -> None:
        """`tokens` maps an origin to the token it may see; see `http.Web` for the others."""
        self._tokens = {origin.rstrip("/"): token for origin, token in tokens.items() if token}
        self._direct, self._seconds = direct, seconds
        self._local = threading.local()

    def ask(self, method: str, url: str, *, public: bool = False, **options: Any) -> Answer:
        """Ask once, redirects included. Raises Late, and what requests raises.

        `public` where only public addresses may be connected to.
        """
        session = self._session(public=public)
        try:
            return _in_time(
                self._seconds, lambda begun: self._once(session, begun, method, url, **options)
            )
        except Late:
            self._local.__dict__.clear()  # its connection may still be waited for
            raise

    def post(self, url: str, body: bytes, *, token: str, seconds: float) -> Answer:
        """POST JSON, follow no redirect, and send no other token than this. Raises as `ask`."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        options: dict[str, Any] = {"data": body, "headers": headers, "allow_redirects": False}

        def ask(begun: list[requests.Response]) -> Answer:
            limits = (min(TIMEOUT[0], seconds), seconds)
            with (
                self._open() as session,
                session.post(url, stream=True, timeout=limits, **options) as response,
            ):
                begun.append(response)
                return _answer(url, response, CHAT_MAX)

        return _in_time(seconds, ask)

    def _session(self, *, public: bool) -> requests.Session:
        name = "public" if public else "session"
        session: requests.Session | None = getattr(self._local, name, None)
        if session is None:
            session = self._open()
            if public:
                session.mount("https://", _PublicAdapter(max_retries=0))
            setattr(self._local, name, session)
        return session

    def _open(self) -> requests.Session:
        session = requests.Session()
        session.auth = _NoNetrc()
        session.trust_env = not self._direct
        session.verify = authority(os.environ) or True
        session.headers["User-Agent"] = USER_AGENT
        session.mount("http://", HTTPAdapter(max_retries=0))
        session.mount("https://", HTTPAdapter(max_retries=0))
        return session

    def _once(
        self,
        session: requests.Session,
        begun: list[requests.Response],
        method: str,
        url: str,
        *,
        follow: bool = True,
        most: int | None = None,
        **options: Any,
    ) -> Answer:
        options.setdefault("timeout", TIMEOUT)
        for _ in range(REDIRECTS_MAX + 1):
            headers = {"Accept-Encoding": "identity"} if method == "HEAD" else {}
            token = self._tokens.get(origin_of(url))
            if token:
                headers["Authorization"] = f"Bearer {token}"
            with session.request(
                method, url, headers=headers, allow_redirects=False, stream=True, **options
            ) as response:
                begun.append(response)
                target = urljoin(url, response.headers.get("Location", ""))
                # A Hub answer with these headers is the answer, wherever it redirects to.
                final = "X-Repo-Commit" in response.headers
                inside = origin_of(target) == origin_of(url) and target != url and not final
                same = method in ("GET", "HEAD") or response.status_code in _SAME_QUESTION
                if follow and response.is_redirect and inside and same:
                    url, options["params"] = _asked_again(target, response.request.url), None
                    continue
                limit = ANSWER_MAX if follow else 0
                return _answer(url, response, limit if most is None else most)
        raise requests.TooManyRedirects


def _in_time(seconds: float, ask: Callable[[list[requests.Response]], Answer]) -> Answer:
    """Wait for an answer no longer than this; what has begun to come by then is dropped."""
    begun: list[requests.Response] = []
    try:
        return within(seconds, lambda: ask(begun))
    except Late:
        for response in begun:
            with contextlib.suppress(OSError, ValueError):
                response.raw.shutdown()
        raise


def _asked_again(target: str, asked: str | None) -> str:
    """Where a redirect leads, with the question that was asked: one of a repository that has got
    another name tells the path alone."""
    parts = urlsplit(target)
    return target if parts.query else parts._replace(query=urlsplit(asked or "").query).geturl()


def _answer(url: str, response: requests.Response, most: int) -> Answer:
    """Read a body of at most `most` bytes; of one that is only peeked at (0), its beginning."""
    body = bytearray()
    for block in response.iter_content(1 << 16):
        body += block
        if not most:
            break
        if len(body) > most:
            raise TooLarge(most)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(url=url, status=response.status_code, headers=headers, body=bytes(body))
