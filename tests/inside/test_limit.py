"""`download.limit`: what comes at the same time keeps one limit, and all else stays as it is."""

from __future__ import annotations

import itertools
import os
import secrets
import time
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.net.relay import relay
from comfyfix.net.relay.pace import BURST_SECONDS
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.why import Why
from tests.inprocess import InProcess
from tests.inside.test_messages import closed_port
from tests.inside.test_proxies import HOST, NONE, USER, keeps_silent
from tests.proxies import proxy

NAMES = ("amber_dawn.safetensors", "harbor_light.safetensors", "night_train.safetensors")
SIZE = 250_000
SERVICES = ("huggingface", "civitai", "openmodeldb")


@pytest.fixture
def three(inprocess: InProcess, hub: Hub) -> InProcess:
    """Three models to bring at the same time."""
    inprocess.workflow("w.json", *(("loras", name) for name in NAMES))
    for name in NAMES:
        stem = name.partition(".")[0]
        hub.add(f"maker/{stem}", []).files[name] = file_for(name, size=SIZE)
    return inprocess


def all_there(site: InProcess) -> bool:
    return set(site.files()) == {f"loras/{name}" for name in NAMES}


def test_three_models_keep_one_limit(three: InProcess) -> None:
    """All bytes over all the time: a busy machine makes it slower, and nothing faster."""
    rate = 500_000
    three.manifest(download={"limit": rate})
    begun = time.monotonic()
    done = three.run()
    took = time.monotonic() - begun
    assert done.code == 0, done
    assert all_there(three)
    assert took >= len(NAMES) * SIZE / rate - BURST_SECONDS


@pytest.mark.soak
def test_models_of_several_connections_keep_one_limit(three: InProcess, hub: Hub) -> None:
    size, rate, hub.rate = 70_000_000, 30_000_000, 8_000_000.0
    for name in NAMES:
        hub.repositories[f"maker/{name.partition('.')[0]}"].files[name] = file_for(name, size=size)
    three.manifest(download={"limit": {"total": rate, "127.0.0.1": "25MB/s"}})
    begun = time.monotonic()
    done = three.run()
    took = time.monotonic() - begun
    assert done.code == 0, done
    assert all_there(three)
    assert sum("/cdn/" in seen.path for seen in hub.seen) > 2 * len(NAMES)
    assert took >= len(NAMES) * size / 25_000_000 - BURST_SECONDS


def test_without_a_limit_there_is_no_relay(
    three: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay.Relay, "__init__", None)
    assert three.run().code == 0
    assert all_there(three)


def test_a_limit_goes_by_the_users_own_proxy_and_keeps_its_secret(
    three: InProcess, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy alone knows where the hub is, and serves nobody who does not say who he is."""
    number = itertools.count()
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _: f"canary-{next(number)}")
    port = int(hub.url.rpartition(":")[2])
    with proxy({HOST: ("127.0.0.1", port)}, USER) as between:
        hub.cdn = f"http://{HOST}"
        limit = {"total": "50MB/s", "example.com": "40MB/s"}
        three.manifest(
            endpoints=dict.fromkeys(SERVICES, f"http://{HOST}"), download={"limit": limit}
        )
        done = three.run(**{**NONE, "HTTP_PROXY": between.url})
        assert done.code == 0, done
        assert all_there(three)
        assert any("/cdn/" in line for line in between.asked)
        keeps_silent(three, done.out, done.err)


@pytest.mark.parametrize("limit", [None, "50MB/s"])
def test_what_can_not_be_reached_is_told_in_the_same_words(
    three: InProcess, hub: Hub, limit: str | None
) -> None:
    hub.cdn = closed_port()
    three.manifest(download={"limit": limit, "retries": 3})
    done = three.run()
    assert done.code == 1
    host = hub.cdn.partition("://")[2]
    cause = because(Why.NO_CONNECTION)
    told = words.sentence(because(Why.SERVICE_UNREACHABLE, host=host, cause=cause))
    assert told in done.out


HF = """#!/bin/sh
while [ "$1" != -- ]; do [ "$1" != --local-dir ] || place="$2"; shift; done
printf '%s\\n' "$https_proxy" >"$HOME/by"
mkdir -p "$place" && curl -sSf -o "$place/$3" "$HF_ENDPOINT/$2/resolve/main/$3" -L
"""


def test_what_hf_fetches_keeps_the_limit_too(three: InProcess, hub: Hub, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "hf").write_text(HF)
    (programs / "hf").chmod(0o755)
    rate = 500_000
    three.manifest(download={"limit": rate})
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    begun = time.monotonic()
    # Larger than a first try takes: of these its own program is asked beyond the limit.
    name = NAMES[0]
    three.workflow("w.json", ("loras", name))
    data = file_for(name, size=1_500_000)
    hub.repositories[f"maker/{name.partition('.')[0]}"].files[name] = data
    done = three.run(PATH=path, COMFYFIX_BRIDGE="1000000")
    took = time.monotonic() - begun
    assert done.code == 0, done
    assert (three.home / "by").read_text().startswith("http://comfyfix:")
    assert three.files()[f"loras/{name}"] == sha256(data)
    assert took >= len(data) / rate - BURST_SECONDS
