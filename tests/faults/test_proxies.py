"""A private authority and a proxy work by the usual variables; a self-signed server never does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from comfyfix.demo.hub import Hub, sha256
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.why import Why
from tests.faults.authority import Certificate, certificate, self_signed
from tests.faults.rig import Rig, file_of
from tests.faults.server import Server
from tests.faults.shelf import Shelf, Thing
from tests.proxies import proxy
from tests.rig import REPO, Site

pytestmark = pytest.mark.faults
DATA = file_of(50_000)
VARIABLES = ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
RIFE = ("upscale_models", "rife49.pth")


@pytest.fixture
def keys(tmp_path: Path) -> Certificate:
    return certificate(tmp_path / "keys", "IP:127.0.0.1", "DNS:hub.example.com")


@contextmanager
def https_hub(hub: Hub, keys: Certificate) -> Iterator[str]:
    """The demo hub over HTTPS: its own server, with a certificate."""
    server = hub._server
    server.socket = keys.context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    yield hub.url.replace("http:", "https:")


@pytest.mark.parametrize("variable", ["CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_script_trusts_the_authority_that_is_named(
    rig: Rig, shelf: Shelf, keys: Certificate, variable: str
) -> None:
    with Server(shelf, tls=keys.context) as hub:
        shelf.cdn = hub.url
        case = rig.case("private", Thing(DATA))
        assert case.run(HF_ENDPOINT=hub.url).returncode == 15
        assert (case.got, hub.seen, case.left) == (None, [], [])
        done = case.run(HF_ENDPOINT=hub.url, **{variable: str(keys.authority)})
        assert done.returncode == 0, done.stdout
        assert case.got == sha256(DATA)


@pytest.mark.parametrize("named", ["nothing", "another authority", "the wrong name"])
def test_a_script_never_trusts_a_self_signed_server(
    rig: Rig, shelf: Shelf, keys: Certificate, tmp_path: Path, named: str
) -> None:
    own = self_signed(tmp_path / "self", "IP:127.0.0.1")
    wrong_name = certificate(tmp_path / "other", "DNS:hub.example.com")
    used = wrong_name if named == "the wrong name" else own
    env = {"nothing": {}, "another authority": {"CURL_CA_BUNDLE": str(keys.authority)},
           "the wrong name": {"CURL_CA_BUNDLE": str(wrong_name.authority)}}[named]  # fmt: skip
    with Server(shelf, tls=used.context) as hub:
        case = rig.case("self", Thing(DATA))
        done = case.run(HF_ENDPOINT=hub.url, **env)
        assert done.returncode == 15, done.stdout
        assert hub.seen == []
        assert case.left == []
    (rig.home / ".curlrc").write_text("insecure\n")  # a user's own -k is not taken over
    with Server(shelf, tls=used.context) as hub:
        assert case.run(HF_ENDPOINT=hub.url, **env).returncode == 15
        assert hub.seen == []


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_a_script_goes_by_the_proxy(
    rig: Rig, shelf: Shelf, keys: Certificate, variable: str
) -> None:
    """The name is known to the proxy alone, as inside a company."""
    with Server(shelf, tls=keys.context) as hub, proxy(
        {"hub.example.com:443": ("127.0.0.1", hub.port)}
    ) as between:  # fmt: skip
        shelf.cdn = "https://hub.example.com"
        case = rig.case("proxy", Thing(DATA))
        env = {"HF_ENDPOINT": "https://hub.example.com", "CURL_CA_BUNDLE": str(keys.authority)}
        done = case.run(**env, **{variable: between.url})
        assert done.returncode == 0, done.stdout
        assert case.got == sha256(DATA)
        assert set(between.asked) == {"CONNECT hub.example.com:443 HTTP/1.1"}


def test_a_small_file_takes_one_request_of_each_through_a_proxy(
    rig: Rig, shelf: Shelf, tmp_path: Path
) -> None:
    """The storage is one that nobody has listed, and no request goes to nowhere."""
    names = ("hub.example.com", "us.aws.cdn.hf.co")
    keys = certificate(tmp_path / "both", *(f"DNS:{name}" for name in names))
    with Server(shelf, tls=keys.context) as hub, proxy(
        {f"{name}:443": ("127.0.0.1", hub.port) for name in names}
    ) as between:  # fmt: skip
        shelf.cdn = f"https://{names[1]}"
        case = rig.case("small", Thing(DATA))
        env = {"HF_ENDPOINT": f"https://{names[0]}", "CURL_CA_BUNDLE": str(keys.authority)}
        done = case.run(**env, HTTPS_PROXY=between.url, HF_TOKEN="hf_canary")
        assert done.returncode == 0, done.stdout
        assert case.got == sha256(DATA)
        assert between.asked == [f"CONNECT {name}:443 HTTP/1.1" for name in names]
        assert [(s.ask.path.startswith("/cdn/"), s.ask.headers.get("authorization"))
            for s in hub.seen] == [(False, "Bearer hf_canary"), (True, None)]  # fmt: skip


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_a_script_leaves_the_proxy_aside_where_told(
    rig: Rig, server: Server, variable: str
) -> None:
    with proxy({}) as between:
        case = rig.case("direct", Thing(DATA))
        env = {"http_proxy": between.url, "HTTPS_PROXY": between.url, "NO_PROXY": ""}
        assert case.run(**(env | {variable: "127.0.0.1"})).returncode == 0
        assert (case.got, between.asked) == (sha256(DATA), [])


@pytest.mark.parametrize("variable", VARIABLES)
def test_doit_trusts_the_authority_that_is_named(
    site: Site, hub: Hub, keys: Certificate, variable: str
) -> None:
    """Searches and downloads alike, whichever of the usual variables names it."""
    site.workflow("w.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    with https_hub(hub, keys) as url:
        hub.cdn = url
        site.manifest(endpoints=dict.fromkeys(("huggingface", "civitai", "openmodeldb"), url))
        done = site.doit()
        assert done.returncode == 1
        assert words.sentence(because(Why.CERTIFICATE_UNTRUSTED)) in done.stdout
        assert hub.seen == []
        done = site.doit(**{variable: str(keys.authority)})
        assert done.returncode == 0, done.stdout
    assert set(site.files()) == {"upscale_models/rife49.pth"}


def test_doit_goes_by_the_proxy(site: Site, hub: Hub, keys: Certificate) -> None:
    site.workflow("w.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    with https_hub(hub, keys) as url, proxy(
        {"hub.example.com:443": ("127.0.0.1", int(url.rpartition(":")[2]))}
    ) as between:  # fmt: skip
        hub.cdn = near = "https://hub.example.com"
        site.manifest(endpoints=dict.fromkeys(("huggingface", "civitai", "openmodeldb"), near))
        done = site.doit(HTTPS_PROXY=between.url, SSL_CERT_FILE=str(keys.authority))
        assert done.returncode == 0, done.stdout
        assert len(between.asked) >= 2
    assert set(site.files()) == {"upscale_models/rife49.pth"}


def test_the_password_of_a_proxy_goes_to_it_alone(site: Site, hub: Hub, keys: Certificate) -> None:
    """Searches and scripts tell it by CONNECT; nothing that is written or said has it."""
    site.workflow("w.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    with https_hub(hub, keys) as url, proxy(
        {"hub.example.com:443": ("127.0.0.1", int(url.rpartition(":")[2]))}, "corp:canary-4711"
    ) as between:  # fmt: skip
        hub.cdn = near = "https://hub.example.com"
        site.manifest(endpoints=dict.fromkeys(("huggingface", "civitai", "openmodeldb"), near))
        trusting = {"SSL_CERT_FILE": str(keys.authority)}
        told = words.sentence(because(Why.PROXY_WANTS_USER))
        nobody = between.url.replace("corp:canary-4711@", "")
        done = site.doit(HTTPS_PROXY=nobody, **trusting)
        assert done.returncode == 1
        assert told in done.stdout
        done = site.doit(HTTPS_PROXY=between.url, **trusting)
        assert done.returncode == 0, done.stdout
        (script,) = site.output.glob("download_*.sh")
        (site.models / "upscale_models" / "rife49.pth").unlink()
        by_hand = site.script(script, HTTPS_PROXY=nobody, HF_ENDPOINT=near, **trusting)
        assert by_hand.returncode == 15
        assert "407" not in by_hand.stdout, "it says what that means"
        done = site.doit(HTTPS_PROXY=nobody, **trusting)
        assert done.returncode == 1
        assert told in done.stdout
    assert "canary-4711" not in done.stdout + done.stderr + by_hand.stdout
    for path in site.root.rglob("*"):
        assert not path.is_file() or b"canary-4711" not in path.read_bytes(), path


def test_nothing_of_ours_switches_the_check_off() -> None:
    """No `-k`, no `--insecure`, no `verify=False` in the script or the program."""
    for path in [*REPO.glob("templates/**/*.*"), *REPO.glob("comfyfix/**/*.py")]:
        text = path.read_text().replace("du -k --", "")
        for word in ("--insecure", " -k ", "verify=False", "CERT_NONE", "verify = False"):
            assert word not in text, path
