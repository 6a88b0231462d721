"""`cluster:` in the manifest: what may be named there, and where the mistake is."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.settings.cluster import flaw
from comfyfix.settings.manifest import Cluster
from comfyfix.why import Why
from tests.unit.test_manifest import load, refusal

FINE = [
    "tls://scheduler:8786", "tls://10.0.0.7:8786", "tls://[2001:db8::1]:8786",
    "tcp://127.0.0.1:8786", "tcp://localhost:8786", "tcp://[::1]:8786", "tcp://127.8.9.1:1",
]  # fmt: skip
PLAIN = [
    "tcp://scheduler:8786", "tcp://10.0.0.7:8786", "tcp://0.0.0.0:8786", "tcp://[::]:8786",
    "tcp://localhost.example.org:8786", "tcp://127.0.0.1.example.org:8786", "tcp://127.1:8786",
    "tcp://2130706433:8786", "tcp://[::ffff:10.0.0.7]:8786",
]  # fmt: skip
UNFIT = [
    "", "scheduler:8786", "tls://scheduler", "tls://:8786", "http://127.0.0.1:8786",
    "inproc://1/2", "ucx://127.0.0.1:8786", "tls://me:secret@scheduler:8786", "tls://a:99999",
    "tls://a:8786/path", "tls://a:8786?x", "tls://a:8786#x", "tls://a b:8786", "tls://a:8786\n",
    "tls://[::1:8786", "TLS://scheduler:8786", "Tcp://127.0.0.1:8786", "tls://a:0", "tls://a\\b:1",
    "tls://me@a:1", "tcp://me:secret@127.0.0.1:1", "tls:///a:1", "tls://a:1,tls://b:1", "tls://a:-1",
]  # fmt: skip


@pytest.mark.parametrize("address", FINE)
def test_a_scheduler_behind_tls_or_on_this_machine(address: str, tmp_path: Path) -> None:
    assert flaw(address) is None
    assert load(tmp_path, f"comfyui: c\ncluster: {address}").dask == Cluster(address=address)
    text = f"comfyui: c\ncluster: {{address: '{address}', ca: keys/ca.pem, key: ~/k}}"
    told = load(tmp_path, text).dask
    assert told is not None
    assert (told.address, told.ca) == (address, str(tmp_path / "keys/ca.pem"))
    assert told.key == str(Path("~/k").expanduser())
    assert told.cert == ""


@pytest.mark.parametrize(
    ("address", "why"),
    [
        *((each, Why.CLUSTER_PLAIN) for each in PLAIN),
        *((each, Why.CLUSTER_UNFIT) for each in UNFIT),
    ],
)
def test_others_are_refused_with_their_line(address: str, why: Why, tmp_path: Path) -> None:
    found = flaw(address)
    assert found is not None
    assert found.why == why
    assert "secret" not in str(found.told)
    quoted = address.replace("\n", "\\n")
    for text, key, line in (
        (f'comfyui: c\ncluster: "{quoted}"', "cluster", 2),
        (f'comfyui: c\ncluster:\n  address: "{quoted}"', "cluster.address", 3),
    ):
        reason = refusal(tmp_path, text)
        assert (reason.told["key"], reason.told["line"]) == (key, line)
        assert reason.told["cause"].why == why  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("comfyui: c\ncluster: [tls://a:1]", Why.VALUE_UNFIT),
        ("comfyui: c\ncluster: {ca: x}", Why.VALUE_UNFIT),
        ("comfyui: c\ncluster: {address: 'tls://a:1', token: x}", Why.KEY_UNKNOWN),
    ],
)
def test_what_is_no_cluster(text: str, why: Why, tmp_path: Path) -> None:
    reason = refusal(tmp_path, text)
    assert reason.told["cause"].why == why  # type: ignore[union-attr]
    assert reason.told["line"] == 2


def test_the_demo_runs_here(tmp_path: Path) -> None:
    assert load(tmp_path, "comfyui: demo\ncluster: tls://a:1").dask is None
    assert load(tmp_path, "comfyui: c").dask is None


@given(st.text(max_size=40) | st.from_regex(r"(tcp|tls)://[a-z0-9.\[\]:@/%-]{1,20}:[0-9]{1,6}"))
def test_whatever_is_written_there_no_plain_one_leads_elsewhere(address: str) -> None:
    if flaw(address) is None:
        parts = urlsplit(address)
        assert parts.hostname
        assert parts.port is not None
        assert parts.username is None
        if parts.scheme != "tls":
            host = parts.hostname
            assert host in ("localhost", "::1") or host.startswith(("127.", "0:", "::")), host
