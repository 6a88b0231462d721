"""Addresses that lead to machines near the user: not one connection is made to them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from comfyfix.demo.hub import Hub, sha256
from comfyfix.disk.files import sha256_of
from tests.behaviour.test_script import script_for
from tests.faults.authority import Certificate, certificate
from tests.faults.near import NAMESERVER, Loopback443, Near, nameserver
from tests.faults.rig import NAME, Rig, file_of
from tests.faults.server import Ask, Reply, Server
from tests.faults.shelf import Shelf, Thing, proper
from tests.faults.world import apart
from tests.rig import Site, ui_workflow
from tests.unit.test_hosts import REFUSED

pytestmark = pytest.mark.faults
PUBLIC = "140.82.121.3"  # an address of github.com's, here one of the loopback interface
SECOND = "140.82.121.4"
DATA = file_of(50_000)
DIRECT = f"https://github.com/o/n/releases/download/v1/{NAME}"
URLS = [
    "file:///etc/passwd", "http://169.254.169.254/{name}", "http://127.1:{port}/{name}",
    "http://127.0.0.1:{port}/{name}", "https://127.0.0.1:{port}/{name}",
    "http://2130706433:{port}/{name}", "http://0x7f000001:{port}/{name}",
    "http://0177.0.0.1:{port}/{name}", "http://0:{port}/{name}", "http://localhost:{port}/{name}",
    "http://[::1]:{port}/{name}", "http://[::ffff:127.0.0.1]:{port}/{name}",
    "http://[::ffff:7f00:1]:{port}/{name}", "https://[64:ff9b::7f00:1]/{name}",
    "https://huggingface.co@127.0.0.1:{port}/o/n/resolve/main/{name}",
    "https://huggingface.co:x@127.0.0.1:{port}/{name}", "https://github.com@localhost:{port}/{name}",
    "https://127.0.0.1.nip.io:{port}/{name}", "https://localhost.:{port}/{name}",
    "https://github.com:{port}/{name}", "http://huggingface.co:{port}/o/n/resolve/main/{name}",
    "https://huggingface.co/o/n/blob/main/{name}", "https://huggingface.co/o/n/raw/main/{name}",
    "https://huggingface.co/o/n/blob/../../127.0.0.1:{port}/{name}", "gopher://127.0.0.1:{port}/x",
    "ftp://127.0.0.1:{port}/{name}", "dict://127.0.0.1:{port}/x", "//127.0.0.1:{port}/{name}",
    "https://github.com\\@127.0.0.1:{port}/{name}", "http://metadata.google.internal/{name}",
]  # fmt: skip


def test_no_address_of_a_workflow_reaches_a_machine_near_the_user(site: Site, hub: Hub) -> None:
    """One run over all of them; the canary is a second server on loopback."""
    with Server(lambda ask: proper(DATA, ask)) as canary:
        urls = {
            f"model_{n}.safetensors": url.format(port=canary.port, name=f"model_{n}.safetensors")
            for n, url in enumerate([*URLS, *REFUSED])
        }
        wanted = [("loras", name) for name in urls]
        (site.workflows / "evil.json").write_text(json.dumps(ui_workflow(wanted, urls)))
        site.manifest(search={"sources": ["workflow", "catalog", "huggingface"]})
        done = site.doit()
        assert done.returncode == 1
        assert "Traceback" not in done.stdout + done.stderr
        assert canary.seen == []
        assert site.files() == {}
        # The user's own word in the manifest opens no way to them either.
        site.manifest(models={name: {"url": url} for name, url in urls.items() if url.isascii()})
        done = site.doit()
        assert done.returncode in (1, 3)
        assert canary.seen == []
        assert site.files() == {}
    assert hub.count("GET", "/cdn/*") == 0


TARGETS = [
    "http://127.0.0.1/x", "https://127.0.0.1/x", "https://127.1/x", "https://2130706433/x",
    "https://0x7f.1/x", "https://0/x", "https://[::1]/x", "https://[::ffff:127.0.0.1]/x",
    "https://localhost/x", "https://near.example.com/x", "https://169.254.169.254/x",
    "http://169.254.169.254/latest/meta-data", "https://10.0.0.1/x", "https://192.168.1.1/x",
    "https://metadata.google.internal/x", "https://127.0.0.1:8080/x", "//127.0.0.1/x",
    "https://user@127.0.0.1/x", "https://fe80.example.com/x", "file:///etc/passwd",
    "https://100.64.0.1/x", "https://[fd00::1]/x", "https://[64:ff9b::7f00:1]/x",
]  # fmt: skip
NAMES = {
    "github.com": PUBLIC, "objects.githubusercontent.com": SECOND, "near.example.com": "127.0.0.1",
    "metadata.google.internal": "169.254.169.254", "fe80.example.com": "10.0.0.1",
}  # fmt: skip
ADDRESSES = (f"{PUBLIC}/32", f"{SECOND}/32", f"{NAMESERVER}/32", "169.254.169.254/32",
             "10.0.0.1/32", "192.168.1.1/32", "100.64.0.1/32", "fd00::1/128")  # fmt: skip


@pytest.fixture
def keys(tmp_path: Path) -> Certificate:
    names = ["github.com", "objects.githubusercontent.com", "rebind.example.com"]
    return certificate(tmp_path / "keys", *[f"DNS:{name}" for name in names])


def direct(site: Site, hub: Hub, url: str = DIRECT) -> Path:
    return script_for(site, hub, url=url, source="workflow", where="github.com", sha256=None,
                      size=None)  # fmt: skip


def test_no_redirect_of_a_listed_host_leads_near(
    site: Site, hub: Hub, keys: Certificate, tmp_path: Path
) -> None:
    """The script is sent to each of them, at once and by way of another public host."""

    def answer(ask: Ask) -> Reply:
        aim = int(ask.path.rpartition("=")[2] or 0)
        if "hop" not in ask.path and aim % 2:
            place = f"https://objects.githubusercontent.com/hop?aim={aim}"
            return Reply(302, b"", {"Location": place})
        return Reply(302, b"", {"Location": TARGETS[aim]})

    def work() -> None:
        with (
            Server(answer, host=PUBLIC, port=443, tls=keys.context) as one,
            Server(answer, host=SECOND, port=443, tls=keys.context) as two,
            Near((80, 8080)) as near,
            Loopback443() as also,
        ):
            for aim, target in enumerate(TARGETS):
                script = direct(site, hub, f"{DIRECT}?aim={aim}")
                done = run(site, script, keys)
                assert done != 0, target
                assert near.private + also.private == [], target
            assert len(one.seen) >= len(TARGETS)
            assert two.seen
        assert not list((site.models / "loras").glob("*"))

    apart(work, tmp_path / "world", names=NAMES, addresses=ADDRESSES)


def run(site: Site, script: Path, keys: Certificate) -> int:
    env = {"CURL_CA_BUNDLE": str(keys.authority), "NO_PROXY": "*", "no_proxy": "*"}
    return site.script(script, **env).returncode


def test_a_listed_host_that_is_public_is_fetched(
    site: Site, hub: Hub, keys: Certificate, tmp_path: Path
) -> None:
    """The same way, without a trap at its end: so the others fail for their address alone."""

    def answer(ask: Ask) -> Reply:
        if "hop" in ask.path:
            return proper(DATA, ask)
        place = "https://objects.githubusercontent.com/hop?sig=1"
        return Reply(302, b"", {"Location": place})

    def work() -> None:
        with (
            Server(answer, host=PUBLIC, port=443, tls=keys.context),
            Server(answer, host=SECOND, port=443, tls=keys.context) as two,
        ):
            assert run(site, direct(site, hub), keys) == 0
            assert two.seen
        assert sha256_of(site.models / "loras" / NAME) == sha256(DATA)

    apart(work, tmp_path / "world", names=NAMES, addresses=ADDRESSES)


@pytest.mark.parametrize("private_at", [1, 2, 3, 4, "every other", "always"])
def test_a_name_that_turns_private_is_not_followed(
    site: Site, hub: Hub, keys: Certificate, tmp_path: Path, private_at: int | str
) -> None:
    """DNS rebinding: the name is public when it is looked at, and private when it is used."""

    def address(number: int) -> str:
        private = private_at == "always" or (
            number % 2 == 0 if private_at == "every other" else number >= int(private_at)
            if private_at != "always" else True
        )  # fmt: skip
        return "127.0.0.1" if private else PUBLIC

    def work() -> None:
        with (
            nameserver(address) as asked,
            Server(lambda ask: proper(DATA, ask), host=PUBLIC, port=443, tls=keys.context),
            Loopback443() as near,
            Near((80, 8080)) as also,
        ):
            script = direct(site, hub, f"https://rebind.example.com/{NAME}")
            run(site, script, keys)
            assert asked
            assert near.private + also.private == []

    apart(work, tmp_path / "world", addresses=ADDRESSES, nameserver=NAMESERVER)


def test_the_redirects_of_a_configured_endpoint_may_be_near(
    rig: Rig, shelf: Shelf, server: Server
) -> None:
    with Server(shelf, host="127.0.0.2") as cdn:
        shelf.cdn = cdn.url
        case = rig.case("near", Thing(DATA))
        assert case.run().returncode == 0
        assert cdn.seen


@pytest.mark.parametrize("private_at", [2, 3, 4, "every other"])
def test_a_search_follows_no_name_that_turns_private(
    site: Site, hub: Hub, keys: Certificate, tmp_path: Path, private_at: int | str
) -> None:
    """The same for doit's own question, whether the file that a workflow names is there."""

    def address(number: int) -> str:
        late = number % 2 == 0 if private_at == "every other" else number >= int(private_at)
        return "127.0.0.1" if late else PUBLIC

    def work() -> None:
        with (
            Hub() as near_hub,
            nameserver(address) as asked,
            Server(lambda ask: proper(DATA, ask), host=PUBLIC, port=443, tls=keys.context),
            Loopback443() as near,
        ):
            places = dict.fromkeys(("huggingface", "civitai", "openmodeldb"), near_hub.url)
            site.manifest(endpoints=places, download={"allow_hosts": ["rebind.example.com"]})
            site.workflow(
                "w.json", ("loras", NAME), urls={NAME: f"https://rebind.example.com/{NAME}"}
            )
            env = {"HTTPS_PROXY": "", "HTTP_PROXY": "", "SSL_CERT_FILE": str(keys.authority)}
            done = site.doit("plan", **env)
            assert "Traceback" not in done.stdout + done.stderr
            assert asked
            assert near.private == [], done.stdout

    apart(work, tmp_path / "world", addresses=ADDRESSES, nameserver=NAMESERVER)
