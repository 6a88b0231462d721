"""HTTP to the services' APIs: what is asked again, what is waited for, what is not asked at all.

Small answers only (model files are fetched by the scripts). A service that fails is `SourceDown`,
never "not found".
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin, urlsplit

from comfyfix.errors import TokenRefused
from comfyfix.net import proxies
from comfyfix.net.addresses import require_public
from comfyfix.net.answer import REDIRECTS, Answer
from comfyfix.net.between import is_between
from comfyfix.net.deadline import Late
from comfyfix.net.exchange import WHOLE_SECONDS, Exchange, goes_direct
from comfyfix.net.failures import NO_ANSWER, REDIRECTS_MAX, reason, unreached, waited_for
from comfyfix.net.limits import UsedUp, backoff, retry_after
from comfyfix.net.reach import Reach, down, problem
from comfyfix.records import because
from comfyfix.why import Why

TRIES = 3
CONNECT_TRIES = 2  # where not even a connection can be made
WAIT_MAX = 60.0  # seconds; a longer Retry-After means the service is as good as down
_BETWEEN = because(Why.NETWORK_SIGN_IN)
_WHO_ASKS = because(Why.PROXY_WANTS_USER)
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})


class Web:
    """A session for all services of one run; safe to use from several threads."""

    def __init__(
        self,
        tokens: Mapping[str, str],
        *,
        wait: Callable[[float], object] = time.sleep,
        now: Callable[[], float] = time.monotonic,
        direct: bool = False,
        offline: str = "",
        seconds: float = WHOLE_SECONDS,
    ) -> None:
        """`tokens` maps an origin (`https://huggingface.co`) to the bearer token it may see.

        `direct` leaves proxies of the environment alone, for a hub inside this process; `seconds`
        is what one answer may take; `offline` is the variable that forbids every request.
        """
        self.reach = Reach(offline)
        self._exchange = Exchange(tokens, direct=direct, seconds=seconds)
        self._direct = direct
        self._wait = wait
        self._counted = threading.local()
        self._used_up = UsedUp(now)

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
        raise down(url, because(Why.REDIRECTS_MANY, limit=REDIRECTS_MAX))

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
        self.reach.require(url)
        self._count()
        try:
            return self._exchange.post(url, body, token=token, seconds=seconds)
        except Late:
            raise down(url, because(Why.ANSWER_LATE)) from None
        except NO_ANSWER as error:
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

    def _request(self, method: str, url: str, *, tries: int = TRIES, **options: Any) -> Answer:
        for attempt in range(1, tries + 1):
            self.reach.require(url)
            self._keep_the_limit(url)
            self._count()
            try:
                answer = self._exchange.ask(method, url, **options)
            except Late:
                raise down(url, because(Why.ANSWER_LATE)) from None
            except NO_ANSWER as error:
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
                self._used_up.note(url, answer.headers)
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

    def _keep_the_limit(self, url: str) -> None:
        """Wait until a used-up limit is open again. Raises SourceDown if that takes too long."""
        left = self._used_up.left(url)
        if left > WAIT_MAX:
            raise down(url, because(Why.RATE_LIMIT_USED_UP, seconds=round(left)))
        if left > 0:
            self._wait(left)


def _require_good_token(url: str, answer: Answer) -> None:
    """Raise TokenRefused where a service takes no question with this token, even a public one.

    The Hub answers so; it would give the same answer to every further question.
    """
    message = answer.headers.get("x-error-message", "")
    if answer.status == HTTPStatus.UNAUTHORIZED and "Invalid credentials" in message:
        raise TokenRefused(Why.TOKEN_REFUSED_AT, host=urlsplit(url).netloc)


def _require_public(url: str) -> None:
    try:
        require_public(url)
    except (OSError, ValueError):
        raise down(url, because(Why.HOST_UNKNOWN)) from None
