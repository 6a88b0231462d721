"""A mirror below a path, such as Artifactory has it: `HF_ENDPOINT`, and a token of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from comfyfix.demo.hub import Hub, sha256
from comfyfix.demo.server import _Handler
from tests.inprocess import InProcess

BELOW = "/artifactory/api/huggingfaceml/remote"
TOKEN = "hf_canary_of_the_mirror"
RIFE = ("upscale_models", "rife49.pth")


@contextmanager
def mirror(hub: Hub, *, files_alone: bool = False) -> Iterator[str]:
    """The hub below a path, for those with the token.

    `files_alone`: files are given at once, and nothing else is known there: no search, no API.
    """

    class Mounted(_Handler):
        def _route(self) -> None:
            path = urlsplit(self.path).path
            if not path.startswith(f"{BELOW}/"):
                self.json(404, {"errors": [{"status": 404}]})
            elif self.token != TOKEN:
                self.json(401, {"errors": [{"status": 401, "message": "Bad credentials"}]})
            elif not files_alone:
                self.path = self.path.removeprefix(BELOW)
                super()._route()
            elif match := re.fullmatch(f"{BELOW}/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
                data = self.hub.repositories[match.group(1)].files[match.group(2)]
                self.file(data, X_Checksum_Sha256=sha256(data))
            else:
                self.json(404, {"errors": [{"status": 404}]})

        def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            where = headers.get("Location", "")
            here = {"Location": BELOW + where} if where.startswith("/") else {}
            super().send(status, body, {**headers, **here})

    hub._server.RequestHandlerClass = Mounted
    yield hub.url + BELOW
    hub._server.RequestHandlerClass = _Handler


@pytest.fixture
def needing(inprocess: InProcess, hub: Hub) -> InProcess:
    """A project that needs one model of the Hub."""
    inprocess.workflow("w.json", RIFE)
    hub.add("AlexWortega/RIFE", [RIFE[1]])
    return inprocess


def nothing_tells_the_token(site: InProcess, *said: str) -> None:
    assert not any(TOKEN in text for text in said)
    for path in site.root.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path


def endpoints(url: str, hub: Hub) -> dict[str, Any]:
    return {"HF_ENDPOINT": url, "HF_TOKEN": TOKEN, "CIVITAI_ENDPOINT": f"{hub.url}/none"}


def test_a_mirror_that_speaks_the_whole_api_is_searched(needing: InProcess, hub: Hub) -> None:
    with mirror(hub) as url:
        done = needing.run(**endpoints(url, hub))
        assert done.code == 0, done
    assert set(needing.files()) == {"upscale_models/rife49.pth"}
    (script,) = needing.output.glob("download_*.sh")
    assert "artifactory" not in script.read_text(), "the place is the user's affair"
    storage = [seen for seen in hub.seen if seen.path.startswith("/cdn/")]
    assert [seen.token for seen in storage] == [""], "another origin gets no token"
    nothing_tells_the_token(needing, done.out, done.err)


def test_a_mirror_of_files_alone_does_with_a_lock_file(needing: InProcess, hub: Hub) -> None:
    """It gives files at once, and ranges never; nothing else is asked of it."""
    assert needing.run("lock").code == 0
    assert (needing.root / "manifest.lock.yaml").read_text().count("huggingface.co") == 1
    hub.seen.clear()
    hub.ranges = False
    with mirror(hub, files_alone=True) as url:
        done = needing.run("--locked", **endpoints(url, hub))
        assert done.code == 0, done
        assert {urlsplit(seen.path).path.split("/resolve/")[0] for seen in hub.seen} == {
            f"{BELOW}/AlexWortega/RIFE"
        }
        (script,) = needing.output.glob("download_*.sh")
        (needing.models / "upscale_models" / "rife49.pth").unlink()
        by_hand = needing.script(script, HF_ENDPOINT=f"{url}/", HF_TOKEN=TOKEN)
        assert by_hand.returncode == 0, by_hand.stdout
        (needing.models / "upscale_models" / "rife49.pth").unlink()
        assert needing.script(script, HF_ENDPOINT=url).returncode == 10, "it wants the token"
    nothing_tells_the_token(needing, done.out, done.err, by_hand.stdout)


def test_an_address_of_the_mirror_in_a_workflow_is_one_of_the_hub(
    needing: InProcess, hub: Hub
) -> None:
    with mirror(hub) as url:
        there = f"{url}/AlexWortega/RIFE/resolve/main/rife49.pth"
        needing.workflow("w.json", RIFE, urls={RIFE[1]: there})
        done = needing.run(**endpoints(url, hub))
        assert done.code == 0, done
    assert Path(needing.models / "upscale_models" / "rife49.pth").is_file()
    assert not [seen for seen in hub.seen if "/api/models?" in seen.path], "nothing is searched"
