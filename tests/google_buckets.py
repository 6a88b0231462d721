"""A small server that speaks what Google's Cloud Storage does, behind keys of a service account.

Objects, parts and listings are as S3 has them. Who asks shows a token that the account has signed
for itself, or an address that it has signed for one object and for a time.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from tests.buckets import Asked, Buckets

EMAIL = "mirror@harbour.iam.gserviceaccount.com"
SIGNED_HOST = "storage.googleapis.com"
"""For which host addresses are signed, wherever the server is."""
_EXPONENT = 65537
_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")
"""What stands before a hash in a signature: which kind of hash it is (RFC 8017)."""


class GoogleBuckets(Buckets):
    """Serves one table of objects, by `/bucket/key`; use as a context manager."""

    scheme = "gs"
    endpoint_named = "GOOGLE_BASE_URL"

    def __init__(self, account: Path) -> None:
        """`account` is where the file of the account is written."""
        super().__init__()
        self.account = account
        told = {
            "type": "service_account",
            "client_email": EMAIL,
            "private_key_id": "first",
            "private_key": pem(),
        }
        account.write_text(json.dumps(told))

    @property
    def environment(self) -> dict[str, str]:
        """What opens it."""
        return {"GOOGLE_APPLICATION_CREDENTIALS": str(self.account)} | self.endpoint

    @property
    def secrets(self) -> list[str]:
        """What must stand nowhere: the lines of the key."""
        return pem().splitlines()[1:-1]

    def flaw(self, asked: Asked) -> str:
        """Why a request is not signed as it has to be; empty where it is."""
        if "X-Goog-Signature" in asked.query:
            return self._flaw_of_address(asked)
        scheme, _, token = asked.headers.get("Authorization", "").partition(" ")
        parts = token.split(".")
        if scheme != "Bearer" or len(parts) != 3:
            return "AccessDenied"
        if not verified(f"{parts[0]}.{parts[1]}".encode(), _decoded(parts[2])):
            return "SignatureDoesNotMatch"
        claims = json.loads(_decoded(parts[1]))
        if claims["iss"] != EMAIL or claims["sub"] != EMAIL:
            return "AccessDenied"
        return (
            "" if claims["iat"] - 60 <= self.now().timestamp() < claims["exp"] else "ExpiredToken"
        )

    def _flaw_of_address(self, asked: Asked) -> str:
        query = asked.query
        at, days = query["X-Goog-Date"], timedelta(seconds=int(query["X-Goog-Expires"]))
        moment = datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if self.now() > moment + days:
            return "ExpiredToken"
        scope = f"{at[:8]}/auto/storage/goog4_request"
        if query["X-Goog-Credential"] != f"{EMAIL}/{scope}":
            return "AccessDenied"
        pairs = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='-_.~')}"
            for name, value in sorted(query.items())
            if name != "X-Goog-Signature"
        )
        request = "\n".join(
            (asked.method, asked.path, pairs, f"host:{SIGNED_HOST}\n", "host", "UNSIGNED-PAYLOAD")
        )
        hashed = hashlib.sha256(request.encode()).hexdigest()
        to_sign = f"GOOG4-RSA-SHA256\n{at}\n{scope}\n{hashed}"
        right = verified(to_sign.encode(), bytes.fromhex(query["X-Goog-Signature"]))
        return "" if right else "SignatureDoesNotMatch"


def verified(data: bytes, signature: bytes) -> bool:
    """Tell whether the account has signed some bytes."""
    modulus = _key()[0] * _key()[1]
    size = (modulus.bit_length() + 7) // 8
    told = pow(int.from_bytes(signature, "big"), _EXPONENT, modulus).to_bytes(size, "big")
    tail = b"\x00" + _SHA256 + hashlib.sha256(data).digest()
    return told == b"\x00\x01".ljust(size - len(tail), b"\xff") + tail


@functools.cache
def pem() -> str:
    """The private key of the account, as PKCS #1 has it."""
    p, q = _key()
    d = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    numbers = (0, p * q, _EXPONENT, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    text = base64.encodebytes(_der(0x30, b"".join(map(_integer, numbers)))).decode()
    # In two parts: this is no key that anybody has, and looks like none.
    return "-----BEGIN RSA {0}-----\n{1}-----END RSA {0}-----\n".format("PRIVATE KEY", text)


@functools.cache
def _key() -> tuple[int, int]:
    """Two primes that are the same each time."""
    chance = random.Random(7)
    one, other = _prime(chance), _prime(chance)
    return max(one, other), min(one, other)


def _prime(chance: random.Random) -> int:
    while True:
        number = chance.getrandbits(1024) | 3 << 1022 | 1
        if all(number % small for small in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31)) and all(
            _is_prime_to(chance.randrange(2, number), number) for _ in range(8)
        ):
            return number


def _is_prime_to(base: int, number: int) -> bool:
    """The test of Miller and Rabin."""
    twos = ((number - 1) & (1 - number)).bit_length() - 1
    power = pow(base, (number - 1) >> twos, number)
    if power in (1, number - 1):
        return True
    return any((power := power * power % number) == number - 1 for _ in range(twos - 1))


def _integer(number: int) -> bytes:
    return _der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _der(kind: int, data: bytes) -> bytes:
    size = len(data)
    if size < 128:
        return bytes((kind, size)) + data
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((kind, 128 | len(length))) + length + data


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
