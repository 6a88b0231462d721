"""Buckets of S3 and of Google, by obstore: the only module that knows it.

What opens them comes from the environment alone, by the variables of their own programs; where none
is set nothing is asked, also not the machine's cloud. It reads and writes whole objects, large ones
in parts; readers that are no Python get a signed address for one object and for a time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from comfyfix.records import Reason, because
from comfyfix.why import Why

SIGNED_FOR = timedelta(hours=12)
"""How long a signed address is good for: a script may wait for another before it begins."""
PART_BYTES = 16 << 20
"""Bytes of a part of a large object; S3 takes ten thousand of them."""
PARTS_MAX = 9_000
_KEYS = {
    "s3": (
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE",),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI",),
    ),
    "gs": (
        ("GOOGLE_APPLICATION_CREDENTIALS",),
        ("GOOGLE_SERVICE_ACCOUNT",),
        ("GOOGLE_SERVICE_ACCOUNT_PATH",),
        ("GOOGLE_SERVICE_ACCOUNT_KEY",),
    ),
}
"""What has to be set in the environment, one of these each."""
_ENDPOINTS = {"s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), "gs": ("GOOGLE_BASE_URL",)}
"""Where it is, if that is not its own service; it may be without https, as the user's own may."""
_WHYS = {
    "PermissionDeniedError": Why.MIRROR_REFUSES,
    "UnauthenticatedError": Why.MIRROR_REFUSES,
    "401": Why.MIRROR_REFUSES,
    "403": Why.MIRROR_REFUSES,
    "404": Why.MIRROR_NO_BUCKET,
}
_STATUS = re.compile(r"returned non-2xx status code: (\d{3})\b")
"""What a listing was answered is told in a text alone."""


class BucketFailed(Exception):
    """A bucket can't be asked, or does not do what it is asked for; carries the reason."""

    def __init__(self, why: Why, **fields: object) -> None:
        self.reason: Reason = because(why, **fields)
        super().__init__(self.reason.why)


class Bucket:
    """One bucket, or what lies below a prefix in it: `s3://bucket/prefix`."""

    def __init__(self, place: str) -> None:
        """Raises BucketFailed."""
        scheme, _, rest = place.partition("://")
        bucket, _, prefix = rest.partition("/")
        keys = ["+".join(names) for names in _KEYS[scheme] if all(map(os.environ.get, names))]
        if not keys:
            names = ["+".join(names) for names in _KEYS[scheme]]
            raise BucketFailed(Why.MIRROR_NO_KEY, names=names)
        try:
            import obstore
            from obstore.store import GCSStore, S3Store
        except ImportError:
            raise BucketFailed(Why.MIRROR_LIBRARY_ABSENT) from None
        self._library: Any = obstore
        client: Any = {"connect_timeout": "20s", "read_timeout": "60s", "timeout": "1h"}
        retry: Any = {"max_retries": 4, "retry_timeout": timedelta(minutes=5)}
        endpoint = next(filter(None, map(os.environ.get, _ENDPOINTS[scheme])), "")
        client["allow_http"] = endpoint.startswith("http://")
        named: dict[str, Any] = {
            "prefix": prefix.strip("/") or None,
            "client_options": client,
            "retry_config": retry,
        }
        kind: Any = S3Store if scheme == "s3" else GCSStore
        try:
            self._store = kind(bucket, **named)
        except obstore.exceptions.BaseError:  # its text may tell what is in a key
            raise BucketFailed(Why.MIRROR_KEY_UNFIT, names=keys) from None

    def signed(self, paths: Sequence[str]) -> list[str]:
        """Addresses at which these objects can be read for a time. Raises BucketFailed."""
        with self._asked():
            return list(self._library.sign(self._store, "GET", list(paths), SIGNED_FOR))

    def listed(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Objects below a prefix, each with its bytes. Raises BucketFailed."""
        with self._asked():
            for chunk in self._library.list(self._store, prefix, chunk_size=1000):
                yield from ((str(each["path"]), int(each["size"])) for each in chunk)

    def size(self, path: str) -> int | None:
        """The bytes of an object; None where there is none. Raises BucketFailed."""
        with self._asked():
            try:
                return int(self._library.head(self._store, path)["size"])
            except FileNotFoundError:
                return None

    def put(self, path: str, data: bytes) -> None:
        """Write a small object, whole or not at all. Raises BucketFailed."""
        with self._asked():
            self._library.put(self._store, path, data, use_multipart=False)

    def put_parts(self, path: str, blocks: Iterator[bytes], size: int) -> None:
        """Write a large one in parts: it is there once the last has come.

        Raises BucketFailed, and what the blocks raise: then nothing has been written.
        """
        part = max(PART_BYTES, -(-size // PARTS_MAX))
        failed: list[BaseException] = []

        def given() -> Iterator[bytes]:
            try:
                yield from blocks
            except BaseException as error:
                failed.append(error)
                raise

        try:
            with self._asked():
                self._library.put(
                    self._store,
                    path,
                    given(),
                    use_multipart=True,
                    chunk_size=part,
                    max_concurrency=4,
                )
        except Exception:
            if failed:
                raise failed[0] from None
            raise

    def blocks(self, path: str) -> Iterator[bytes]:
        """What an object holds. Raises BucketFailed."""
        with self._asked():
            yield from map(bytes, self._library.get(self._store, path).stream())

    def _asked(self) -> _Asked:
        return _Asked()


class _Asked:
    """Turns what the library raises into reasons: its texts name addresses and headers."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if error is None or isinstance(error, BucketFailed | GeneratorExit | KeyboardInterrupt):
            return
        if not type(error).__module__.startswith("obstore"):
            if isinstance(error, FileNotFoundError) and error.errno is None:
                raise BucketFailed(Why.MIRROR_NO_BUCKET) from None
            return
        why = _WHYS.get(type(error).__name__)
        if why is None and (status := _STATUS.search(str(error))):
            why = _WHYS.get(status[1])
        raise BucketFailed(why or Why.MIRROR_NOT_REACHED) from None
