"""Which addresses are asked for a workflow, hop by hop, and by what name it is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from comfyfix.errors import SetupProblem, SourceDown
from comfyfix.net.answer import Answer
from comfyfix.records import Reason, because
from comfyfix.settings.manifest import Download, Endpoints, Manifest
from comfyfix.stages.needs.address import bring, shown
from comfyfix.state.layout import Layout
from comfyfix.why import Why
from tests.rig import ui_workflow

GITHUB, HUB = "https://github.com/o/r", "https://huggingface.co"
GIST, GISTS = "https://gist.github.com/me", "https://gist.githubusercontent.com/me/01/raw/02/w.json"
RAWS, LOCAL = "https://raw.githubusercontent.com/o/r/main", "http://127.0.0.1:8188/userdata/w.json"
GRAPH = json.dumps(ui_workflow([("vae", "x.safetensors")])).encode()
RAW = "https://raw.githubusercontent.com/o/r/main/w.json"


class Net:
    """Answers by address: a body, or where it redirects to; notes what was asked, and how."""

    def __init__(self, answers: Mapping[str, bytes | str | int]) -> None:
        self._answers = answers
        self.asked: dict[str, bool] = {}

    def take(self, url: str, most: int, *, public: bool) -> Answer:
        assert most
        self.asked[url] = public
        told = self._answers.get(url, 404)
        if isinstance(told, int):
            return Answer(url=url, status=told, headers={}, body=b"")
        if isinstance(told, str):
            return Answer(url=url, status=302, headers={"location": told}, body=b"")
        return Answer(url=url, status=200, headers={}, body=told)


def manifest(*allowed: str, hub: str = "https://huggingface.co") -> Manifest:
    return Manifest(
        comfyui="-",
        endpoints=Endpoints(huggingface=hub),
        download=Download(allow_hosts=allowed),
        comfyui_url="http://127.0.0.1:8188",
    )


def got(address: str, net: Net, folder: Path, settings: Manifest | None = None) -> str:
    """The name that a workflow is kept under."""
    path = bring(address, settings or manifest(), Layout(folder), net, bool)
    assert path.read_bytes() == GRAPH
    return path.name


def refused(address: str, net: Net, folder: Path, settings: Manifest | None = None) -> Reason:
    with pytest.raises(SetupProblem) as caught:
        bring(address, settings or manifest(), Layout(folder), net, bool)
    assert not list(folder.rglob("*.*"))
    return caught.value.reason


@pytest.mark.parametrize(
    ("address", "first", "name"),
    [
        (f"{GITHUB}/blob/main/a/w.json#L3", f"{GITHUB}/raw/main/a/w.json", "w.json"),
        (f"https://www.{GITHUB[8:]}/blob/v1/w.json?x=1", f"{GITHUB}/raw/v1/w.json?x=1", "w.json"),
        (f"{GIST}/0123456789abcdef", f"{GIST}/0123456789abcdef/raw", "0123456789abcdef.json"),
        (GISTS, GISTS, "w.json"),
        (f"{HUB}/o/r/blob/main/a%20b.json", f"{HUB}/o/r/resolve/main/a%20b.json", "a b.json"),
        ("https://hf.co/datasets/o/r/raw/v/w.png", f"{HUB}/datasets/o/r/resolve/v/w.png", "w.png"),
        ("hf://o/r@v2/w.json", f"{HUB}/o/r/resolve/v2/w.json", "w.json"),
        (f"  {RAW}?token=SECRET#x ", f"{RAW}?token=SECRET", "w.json"),
        (LOCAL, LOCAL, "w.json"),
        (f"{RAWS}/.hidden", f"{RAWS}/.hidden", "workflow.json"),
        (f"{RAWS}/pack.zip", f"{RAWS}/pack.zip", "pack.zip.json"),
        (f"{RAWS}/..%2F..%2Fx.json", f"{RAWS}/..%2F..%2Fx.json", "x.json"),
        (f"{RAWS}/{'w' * 300}.json", f"{RAWS}/{'w' * 300}.json", "workflow.json"),
    ],
)
def test_what_a_page_stands_for_is_asked(
    tmp_path: Path, address: str, first: str, name: str
) -> None:
    net = Net({first: GRAPH})
    assert got(address, net, tmp_path) == name
    trusted = "huggingface" in first or "127" in first
    assert net.asked == {first: not trusted}


def test_a_redirect_of_a_stranger_is_an_address_like_any_other(tmp_path: Path) -> None:
    net = Net({"https://github.com/o/r/raw/main/w.json": RAW, RAW: GRAPH})
    assert got("https://github.com/o/r/blob/main/w.json", net, tmp_path / "a") == "w.json"
    assert net.asked == dict.fromkeys(net.asked, True)
    for target in (
        "https://elsewhere.example/w.json", "http://raw.githubusercontent.com/w.json",
        "https://127.0.0.1/w.json", "https://[", "https://user@github.com/w.json", "file:///etc",
    ):  # fmt: skip
        net = Net({RAW: target, target: GRAPH})
        told = refused(RAW, net, tmp_path / "b")
        assert told.told["address"] == RAW
        assert list(net.asked) == [RAW], target
    net = Net({RAW: RAW})
    assert refused(RAW, net, tmp_path / "b").told["cause"] == because(Why.REDIRECTS_MANY, limit=5)


def test_where_the_users_own_endpoint_leads_is_followed(tmp_path: Path) -> None:
    address, cdn = "https://huggingface.co/o/r/blob/main/w.json", "https://cdn.example/x?sig=1"
    first = "https://huggingface.co/o/r/resolve/main/w.json"
    net = Net({first: cdn, cdn: "/y", "https://cdn.example/y": GRAPH})
    assert got(address, net, tmp_path / "a") == "w.json"
    assert net.asked == {first: False, cdn: True, "https://cdn.example/y": True}
    near = "http://127.0.0.2:9/x"
    own = "http://127.0.0.1:8/o/r/resolve/main/w.json"
    net = Net({own: near, near: GRAPH})
    assert got(address, net, tmp_path / "b", manifest(hub="http://127.0.0.1:8")) == "w.json"
    assert net.asked == {own: False, near: False}
    for never in ("http://169.254.169.254/x", "ftp://cdn.example/x"):
        net = Net({own: never, never: GRAPH})
        refused(address, net, tmp_path / "c", manifest(hub="http://127.0.0.1:8"))
        assert list(net.asked) == [own]


def test_a_host_is_allowed_by_the_user_alone(tmp_path: Path) -> None:
    address = "https://share.example/w.json"
    told = refused(address, Net({address: GRAPH}), tmp_path)
    assert (told.why, told.told["host"]) == (Why.WORKFLOW_HOST, "share.example")
    assert got(address, Net({address: GRAPH}), tmp_path, manifest("share.example")) == "w.json"
    page = "https://openart.ai/w.json"
    assert got(page, Net({page: GRAPH}), tmp_path, manifest("openart.ai")) == "w.json"


class Down:
    """Gives no answer, for a reason."""

    def __init__(self, why: Why) -> None:
        self._problem = SourceDown(Why.SERVICE_UNASKED, host="h", cause=because(why))

    def take(self, url: str, most: int, *, public: bool) -> Answer:  # noqa: ARG002 - as `Asks`
        raise self._problem


def test_what_could_not_be_asked_is_as_it_was(tmp_path: Path) -> None:
    layout, heard = Layout(tmp_path), list[Reason]()
    path = bring(RAW, manifest(), layout, Net({RAW: GRAPH}), heard.append)
    assert not heard
    assert bring(RAW, manifest(), layout, Down(Why.ANSWER_LATE), heard.append) == path
    [told] = heard
    assert (told.why, told.told["cause"]) == (Why.WORKFLOW_AS_KEPT, because(Why.ANSWER_LATE))
    for net in (Down(Why.TOO_LARGE), Net({RAW: 404}), Net({RAW: b""}), Net({RAW: b"{}"})):
        with pytest.raises(SetupProblem):
            bring(RAW, manifest(), layout, net, heard.append)
    assert path.read_bytes() == GRAPH


def test_an_address_is_told_without_what_signs_it() -> None:
    assert shown("https://me:pw@h.example/w.json?token=T#x") == "https://h.example/w.json"
