"""One answer of a service, and what is wrong with one that is not what was asked for."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from comfyfix.errors import SourceDown
from comfyfix.net.reach import down
from comfyfix.records import Reason, because
from comfyfix.why import Why

_Kind = TypeVar("_Kind")
REDIRECTS = frozenset({301, 302, 303, 307, 308})


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
            if self.status in REDIRECTS:
                raise down(self.url, because(Why.ANSWER_REDIRECTS)) from None
            host = urlsplit(self.url).netloc
            raise SourceDown(
                Why.ANSWER_NOT_JSON, host=host, cause=self._why_no_json(error)
            ) from None

    def json_of(self, kind: type[_Kind], why: Why, **fields: object) -> _Kind:
        """Decode the body of a good answer. Raises SourceDown, `why` for one of another kind."""
        value = self.json()
        if self.status != HTTPStatus.OK or not isinstance(value, kind):
            raise self.of_no_use(why, **fields)
        return value

    def require_good(self, why: Why, also: Collection[int] = (), **fields: object) -> None:
        """Raise SourceDown for a status that is neither good nor one of `also`."""
        if self.status != HTTPStatus.OK and self.status not in also:
            raise self.of_no_use(why, **fields)

    def of_no_use(self, why: Why, **fields: object) -> SourceDown:
        """The problem that this is not what was asked for: its status, or its kind."""
        cause = because(Why.ANSWER_OF_ANOTHER_KIND)
        if self.status != HTTPStatus.OK:
            cause = because(Why.ANSWER_STATUS, status=self.status)
        return SourceDown(why, cause=cause, **fields)

    def _why_no_json(self, error: Exception) -> Reason:
        if isinstance(error, RecursionError):
            return because(Why.ANSWER_DEEP)
        if isinstance(error, UnicodeDecodeError):
            return because(Why.ANSWER_NOT_UTF8)
        if not self.body:
            return because(Why.ANSWER_EMPTY)
        if self.body.lstrip()[:1] == b"<":
            return because(Why.ANSWER_IS_PAGE)
        return because(Why.ANSWER_MALFORMED, error=error)
