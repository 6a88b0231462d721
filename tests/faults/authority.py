"""A certificate authority of one's own, made by the openssl program."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's certificate with its key, and the authority that vouches for it."""

    chain: Path
    key: Path
    authority: Path

    @property
    def context(self) -> ssl.SSLContext:
        """What a server needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


def certificate(folder: Path, *names: str) -> Certificate:
    """Make an authority and a certificate for names and addresses (`DNS:x`, `IP:127.0.0.1`)."""
    _openssl(folder, "req", "-x509", "-subj", "/CN=authority", "-keyout", "ca.key",
             "-out", "ca.pem", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
             *_NEW_KEY)  # fmt: skip
    _openssl(folder, "req", "-x509", "-subj", "/CN=server", "-keyout", "server.key",
             "-out", "server.pem", "-CA", "ca.pem", "-CAkey", "ca.key",
             "-addext", f"subjectAltName={','.join(names)}",
             "-addext", "basicConstraints=critical,CA:FALSE", *_NEW_KEY)  # fmt: skip
    return Certificate(folder / "server.pem", folder / "server.key", folder / "ca.pem")


def self_signed(folder: Path, *names: str) -> Certificate:
    """Make a certificate that nobody vouches for."""
    _openssl(folder, "req", "-x509", "-subj", "/CN=server", "-keyout", "self.key",
             "-out", "self.pem", "-addext", f"subjectAltName={','.join(names)}",
             *_NEW_KEY)  # fmt: skip
    return Certificate(folder / "self.pem", folder / "self.key", folder / "self.pem")


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30")


def _openssl(folder: Path, *arguments: str) -> None:
    if not shutil.which("openssl"):
        pytest.skip("the openssl program is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=False,
                          text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
