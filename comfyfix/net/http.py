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
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter

from comfyfix.errors import RETRY, SourceDown, TokenRefused
from comfyfix.net.addresses import PublicPool, require_public
from comfyfix.net.deadline import Late, within
from comfyfix.net.limits import backoff, limited, retry_after, used_up_for
from comfyfix.net.origin import origin_of

USER_AGENT = "comfyfix/0.1"
TIMEOUT = (10.0, 30.0)  # seconds to connect, seconds between bytes
WHOLE_SECONDS = 45.0
"""Until an answer has to be there, head and body: a byte now and then is no answer."""
TRIES = 3
ANSWER_MAX = 64 << 20  # bytes; a listing of the largest repositories is a few MB
CHAT_MAX = 4 << 20  # bytes; an answer of a language model
WAIT_MAX = 60.0  # seconds; a longer Retry-After means the service is as good as down
REDIRECTS_MAX = 5
_UNAUTHORIZED = 401
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer: status, headers with lower-case names, and the body."""

    url: str
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Decode the body. Raises SourceDown when it is not JSON (a login page, half an answer)."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            host = urlsplit(self.url).netloc
            raise SourceDown(
                f"{host} gave an answer that is not JSON", cause=str(error), next_step=RETRY
            ) from None


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
        seconds: float = WHOLE_SECONDS,
    ) -> None:
        """`tokens` maps an origin (`https://huggingface.co`) to the bearer token it may see.

        `direct` leaves proxies of the environment alone, for a hub inside this process; `seconds`
        is what one answer may take.
        """
        self._seconds = seconds
        self._direct = direct
        self._tokens = {origin.rstrip("/"): token for origin, token in tokens.items() if token}
        self._wait = wait
        self._local = threading.local()
        self._used_up: dict[tuple[str, bool], float] = {}  # until when, by the monotonic clock

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
            _require_public(url)
            answer = self._request("HEAD", url, public=True)
            target = answer.headers.get("location", "")
            if answer.status not in (301, 302, 303, 307, 308) or not target:
                return answer
            try:
                url = urljoin(url, target)
            except ValueError:
                raise _down(url, "it redirects to what is no address") from None
        raise _down(url, f"more than {REDIRECTS_MAX} redirects")

    def peek(self, url: str) -> Answer:
        """GET without following a redirect, and without more than the beginning of the body."""
        return self._request("GET", url, follow=False)

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

        begun: list[requests.Response] = []

        def ask() -> Answer:
            limits = (min(TIMEOUT[0], seconds), seconds)
            with (
                self._open() as session,
                session.post(url, stream=True, timeout=limits, **options) as response,
            ):
                begun.append(response)
                return _answer(url, response, CHAT_MAX)

        try:
            return within(seconds, ask)
        except Late:
            _drop(begun)
            raise _down(url, "it does not answer in time") from None
        except (requests.RequestException, ValueError) as error:
            raise _down(url, _reason(error)) from None

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
            self._keep_the_limit(url)
            try:
                answer = self._in_time(method, url, **options)
            except Late:
                raise _down(url, "it does not answer in time") from None
            except (requests.RequestException, ValueError) as error:
                # ValueError: a redirect to what is no address
                if attempt == tries:
                    raise _down(url, _reason(error)) from None
                pause = backoff(attempt)
            else:
                self._note_the_limit(url, answer)
                _require_good_token(url, answer)
                if answer.status not in _RETRIED:
                    return answer
                pause = retry_after(answer.headers, backoff(attempt))
                if attempt == tries or pause > WAIT_MAX:
                    raise _down(url, f"it answers {answer.status}")
            self._wait(pause)
        raise AssertionError("unreachable: the last try returns or raises")

    def _note_the_limit(self, url: str, answer: Answer) -> None:
        """Remember a limit that this answer has used up, so that no thread asks into it."""
        seconds = used_up_for(answer.headers)
        if seconds is not None:
            self._used_up[limited(url)] = time.monotonic() + seconds

    def _keep_the_limit(self, url: str) -> None:
        """Wait until a used-up limit is open again. Raises SourceDown if that takes too long."""
        left = self._used_up.get(limited(url), 0.0) - time.monotonic()
        if left > WAIT_MAX:
            raise _down(url, f"its limit of requests is used up for {left:.0f} s")
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
                if follow and response.is_redirect and inside and method in ("GET", "HEAD"):
                    url, options["params"] = target, None
                    continue
                return _answer(url, response, ANSWER_MAX if follow else 0)
        raise requests.TooManyRedirects(f"more than {REDIRECTS_MAX} redirects")


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
    if answer.status == _UNAUTHORIZED and "Invalid credentials" in told:
        raise TokenRefused(
            f"{urlsplit(url).netloc} refuses the token",
            cause="it is wrong or has expired, and nothing is answered with it",
            next_step="set a valid HF_TOKEN, or unset it (`hf auth logout` for a stored one)",
        )


def _answer(url: str, response: requests.Response, most: int) -> Answer:
    """Read a body of at most `most` bytes; of one that is only peeked at (0), its beginning."""
    body = bytearray()
    for block in response.iter_content(1 << 16):
        body += block
        if not most:
            break
        if len(body) > most:
            raise requests.exceptions.ContentDecodingError("the answer is too large")
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(url=url, status=response.status_code, headers=headers, body=bytes(body))


def _require_public(url: str) -> None:
    try:
        require_public(url)
    except (OSError, ValueError):
        raise _down(url, "its name is not known") from None


def _reason(error: Exception) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, requests.Timeout):
        return "it does not answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__


def _down(url: str, cause: str) -> SourceDown:
    host = urlsplit(url).netloc
    return SourceDown(f"{host} could not be asked", cause=cause, next_step=RETRY)
