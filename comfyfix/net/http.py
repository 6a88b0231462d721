"""HTTP to the services' APIs: the only module that opens sessions.

Small answers only (model files are fetched by the scripts). Tokens go to their own endpoint
and nowhere else; redirects are followed inside one origin only; a service that fails is
`SourceDown`, never "not found".
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from comfyfix import __version__
from comfyfix.errors import TokenRefused
from comfyfix.net import proxies
from comfyfix.net.addresses import PublicPool, require_public
from comfyfix.net.answer import REDIRECTS, Answer
from comfyfix.net.between import is_between
from comfyfix.net.deadline import Late, within
from comfyfix.net.failures import (
    REDIRECTS_MAX,
    TooLarge,
    reason,
    unreached,
    waited_for,
)
from comfyfix.net.limits import backoff, limited, retry_after, used_up_for
from comfyfix.net.origin import origin_of
from comfyfix.net.reach import Reach, down, problem
from comfyfix.records import because
from comfyfix.why import Why

USER_AGENT = f"comfyfix/{__version__}"
TIMEOUT = (10.0, 30.0)  # seconds to connect, seconds between bytes
WHOLE_SECONDS = 45.0
"""Until an answer has to be there, head and body: a byte now and then is no answer."""
TRIES = 3
CONNECT_TRIES = 2  # where not even a connection can be made
ANSWER_MAX = 64 << 20  # bytes; a listing of the largest repositories is a few MB
CHAT_MAX = 4 << 20  # bytes; an answer of a language model
WAIT_MAX = 60.0  # seconds; a longer Retry-After means the service is as good as down
_SAME_QUESTION = frozenset({307, 308})  # the method stays, and the body
_BETWEEN = because(Why.NETWORK_SIGN_IN)
_WHO_ASKS = because(Why.PROXY_WANTS_USER)
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})


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


class Web:
    """A session for all services of one run; safe to use from several threads."""

    def __init__(
        self,
        tokens: Mapping[str, str],
        *,
        wait: Callable[[float], object] = time.sleep,
        direct: bool = False,
        offline: str = "",
        seconds: float = WHOLE_SECONDS,
    ) -> None:
        """`tokens` maps an origin (`https://huggingface.co`) to the bearer token it may see.

        `direct` leaves proxies of the environment alone, for a hub inside this process; `seconds`
        is what one answer may take; `offline` is the variable that forbids every request.
        """
        self.reach = Reach(offline)
        self._seconds = seconds
        self._direct = direct
        self._tokens = {origin.rstrip("/"): token for origin, token in tokens.items() if token}
        self._wait = wait
        self._local, self._counted = threading.local(), threading.local()
        self._used_up: dict[tuple[str, bool], float] = {}  # until when, by the monotonic clock

    @property
    def sent(self) -> int:
        """How many requests this thread has made so far; a redirect is none."""
        return getattr(self._counted, "requests", 0)

    def _count(self) -> None:
        self._counted.requests = self.sent + 1

    def get(
        self, url: str, params: Mapping[str, Any] | None = None, *, tries: int = TRIES
    ) -> Answer:
        """GET; raises SourceDown when the service does not answer properly."""
        return self._request("GET", url, params=params, tries=tries)

    def head(self, url: str) -> Answer:
        """HEAD, the compressed form refused so that sizes are true."""
        return self._request("HEAD", url)

    def probe(self, url: str) -> Answer:
        """HEAD a file on a listed host, following its redirects; every hop must be public."""
        for _ in range(REDIRECTS_MAX + 1):
            self.reach.require(url)  # also a name may be asked for
            _require_public(url)
            answer = self._request("HEAD", url, public=True)
            target = answer.headers.get("location", "")
            if answer.status not in REDIRECTS or not target:
                return answer
            try:
                url = urljoin(url, target)
            except ValueError:
                raise down(url, because(Why.REDIRECT_UNFIT)) from None
        raise down(url, reason(requests.TooManyRedirects()))

    def peek(self, url: str) -> Answer:
        """GET without following a redirect, and without more than the beginning of the body."""
        return self._request("GET", url, follow=False)

    def take(self, url: str, most: int, *, public: bool) -> Answer:
        """GET a file of at most `most` bytes, without following a redirect; see `probe`."""
        if public:
            self.reach.require(url)  # also a name may be asked for
            _require_public(url)
        return self._request("GET", url, tries=1, public=public, follow=False, most=most)

    def post_form(self, url: str, data: list[tuple[str, str]]) -> Answer:
        """POST a form."""
        return self._request("POST", url, data=data)

    def post_json(self, url: str, value: Any) -> Answer:
        """POST JSON to a service that only looks something up by it."""
        return self._request("POST", url, json=value)

    def post_once(self, url: str, body: bytes, *, token: str, seconds: float) -> Answer:
        """POST JSON: no retry, no redirect, and over after `seconds`, even if bytes drip in.

        Only the token given here is sent, whatever other token its origin may see. Raises
        SourceDown.
        """
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        options: dict[str, Any] = {"data": body, "headers": headers, "allow_redirects": False}

        self.reach.require(url)
        begun: list[requests.Response] = []

        def ask() -> Answer:
            limits = (min(TIMEOUT[0], seconds), seconds)
            with (
                self._open() as session,
                session.post(url, stream=True, timeout=limits, **options) as response,
            ):
                begun.append(response)
                return _answer(url, response, CHAT_MAX)

        self._count()
        try:
            return within(seconds, ask)
        except Late:
            _drop(begun)
            raise down(url, because(Why.ANSWER_LATE)) from None
        except (requests.RequestException, ValueError) as error:
            self._hold_unreached(url, error)
            raise down(url, reason(error)) from None

    def _hold_unreached(self, url: str, error: Exception) -> None:
        """Raise Unreachable where no connection could be made, and leave it alone for a while."""
        cause = unreached(error)
        if cause is None and not self._direct and not goes_direct(url):
            cause = proxies.unfit(url, os.environ)
        if cause is not None:
            self.reach.hold(url, cause)
            raise problem(url, cause) from None

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

    def _request(self, method: str, url: str, *, tries: int = TRIES, **options: Any) -> Answer:
        for attempt in range(1, tries + 1):
            self.reach.require(url)
            self._keep_the_limit(url)
            self._count()
            try:
                answer = self._in_time(method, url, **options)
            except Late:
                raise down(url, because(Why.ANSWER_LATE)) from None
            except (requests.RequestException, ValueError) as error:
                # ValueError: a redirect to what is no address
                if attempt >= min(tries, CONNECT_TRIES) or waited_for(error):
                    self._hold_unreached(url, error)
                if attempt == tries:
                    raise down(url, reason(error)) from None
                pause = backoff(attempt)
            else:
                if answer.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                    self.reach.hold(url, _WHO_ASKS)
                    raise problem(url, _WHO_ASKS)
                if self._is_cut_off(url, answer):
                    if attempt >= min(tries, CONNECT_TRIES):
                        self.reach.hold(url, _BETWEEN)
                        raise problem(url, _BETWEEN)
                    self._wait(backoff(attempt))
                    continue
                self._note_the_limit(url, answer)
                _require_good_token(url, answer)
                if answer.status not in _RETRIED:
                    return answer
                pause = retry_after(answer.headers, backoff(attempt))
                if attempt == tries or pause > WAIT_MAX:
                    raise down(url, because(Why.STATUS, status=answer.status))
            self._wait(pause)
        raise AssertionError("unreachable: the last try returns or raises")

    def _is_cut_off(self, url: str, answer: Answer) -> bool:
        """Tell whether something in between has answered, and the service itself is not heard."""
        if is_between(url, answer):
            return self.reach.cut_off(url)
        self.reach.reached(url)
        return False

    def _note_the_limit(self, url: str, answer: Answer) -> None:
        """Remember a limit that this answer has used up, so that no thread asks into it."""
        seconds = used_up_for(answer.headers)
        if seconds is not None:
            self._used_up[limited(url)] = time.monotonic() + seconds

    def _keep_the_limit(self, url: str) -> None:
        """Wait until a used-up limit is open again. Raises SourceDown if that takes too long."""
        left = self._used_up.get(limited(url), 0.0) - time.monotonic()
        if left > WAIT_MAX:
            raise down(url, because(Why.RATE_LIMIT_USED_UP, seconds=round(left)))
        if left > 0:
            self._wait(left)

    def _in_time(self, method: str, url: str, *, public: bool = False, **options: Any) -> Answer:
        """Ask once, redirects included. Raises Late, and what requests raises."""
        session = self._session(public=public)
        begun: list[requests.Response] = []
        try:
            return within(self._seconds, lambda: self._once(session, begun, method, url, **options))
        except Late:
            _drop(begun)
            self._local.__dict__.clear()  # its connection may still be waited for
            raise

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


def _asked_again(target: str, asked: str | None) -> str:
    """Where a redirect leads, with the question that was asked: one of a repository that has got
    another name tells the path alone."""
    parts = urlsplit(target)
    return target if parts.query else parts._replace(query=urlsplit(asked or "").query).geturl()


def _drop(begun: list[requests.Response]) -> None:
    """End what nobody waits for any more."""
    for response in begun:
        with contextlib.suppress(OSError, ValueError):
            response.raw.shutdown()


def _require_good_token(url: str, answer: Answer) -> None:
    """Raise TokenRefused where a service takes no question with this token, even a public one.

    The Hub answers so; it would give the same answer to every further question.
    """
    told = answer.headers.get("x-error-message", "")
    if answer.status == HTTPStatus.UNAUTHORIZED and "Invalid credentials" in told:
        raise TokenRefused(Why.TOKEN_REFUSED_AT, host=urlsplit(url).netloc)


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


def _require_public(url: str) -> None:
    try:
        require_public(url)
    except (OSError, ValueError):
        raise down(url, because(Why.HOST_UNKNOWN)) from None
