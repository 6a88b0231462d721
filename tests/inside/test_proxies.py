"""Searches and scripts go by the same proxy, or past it, and what is wrong with one is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.net import proxies
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.why import Why
from tests.inprocess import InProcess
from tests.inside.test_messages import closed_port
from tests.proxies import Proxy, proxy

HOST = "hub.example.com"  # which the proxy alone knows
USER = "corp:canary-4711"
NONE = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "no_proxy"), "")


SOAK = pytest.mark.soak  # the same way, once more


@pytest.fixture(params=[pytest.param("", marks=SOAK), USER], ids=["open", "with a user"])
def between(inprocess: InProcess, hub: Hub, request: pytest.FixtureRequest) -> Iterator[Proxy]:
    """The proxy before a hub of plain http, and a project that needs one model of it."""
    inprocess.workflow("w.json", ("upscale_models", "rife49.pth"))
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.cdn = f"http://{HOST}"
    names = ("huggingface", "civitai", "openmodeldb")
    inprocess.manifest(endpoints=dict.fromkeys(names, f"http://{HOST}"))
    with proxy({HOST: ("127.0.0.1", int(hub.url.rpartition(":")[2]))}, request.param) as made:
        yield made


def keeps_silent(site: InProcess, *said: str) -> None:
    """The password stands in no file, and nothing says it."""
    assert not any("canary" in text for text in said)
    for path in site.root.rglob("*"):
        assert not path.is_file() or b"canary" not in path.read_bytes(), path


@pytest.mark.parametrize(
    "variable",
    [
        "HTTP_PROXY",
        *(pytest.param(n, marks=SOAK) for n in ("http_proxy", "ALL_PROXY", "all_proxy")),
    ],
)
def test_all_goes_by_the_proxy_whichever_variable_names_it(
    inprocess: InProcess, between: Proxy, variable: str
) -> None:
    done = inprocess.run(**{**NONE, variable: between.url})
    assert done.code == 0, done
    assert set(inprocess.files()) == {"upscale_models/rife49.pth"}
    assert any("/api/models" in line for line in between.asked)
    assert any("/cdn/" in line for line in between.asked)
    keeps_silent(inprocess, done.out, done.err)


@pytest.mark.parametrize(
    "spared", ["example.com, 127.0.0.1", *(pytest.param(n, marks=SOAK) for n in ("127.0.0.1", "*"))]
)
def test_what_is_spared_is_asked_past_it(
    inprocess: InProcess, hub: Hub, between: Proxy, spared: str
) -> None:
    hub.cdn = ""
    inprocess.manifest(endpoints=dict.fromkeys(("huggingface", "civitai", "openmodeldb"), hub.url))
    done = inprocess.run(
        **{**NONE, "http_proxy": between.url, "NO_PROXY": spared, "no_proxy": spared}
    )
    assert done.code == 0, done
    assert between.asked == []


WRONG: dict[str, tuple[Callable[[str], dict[str, str]], Why]] = {
    "socks": (lambda _: {"ALL_PROXY": f"socks5://{USER}@127.0.0.1:9"}, Why.PROXY_UNFIT),
    "no host": (lambda _: {"HTTP_PROXY": "http://"}, Why.PROXY_UNFIT),
    "no port": (lambda _: {"http_proxy": f"http://{USER}@127.0.0.1:99999"}, Why.PROXY_UNFIT),
    "no scheme": (lambda _: {"http_proxy": f"{USER}@127.0.0.1:9"}, Why.PROXY_UNFIT),
    "closed": (
        lambda _: {"http_proxy": closed_port().replace("//", f"//{USER}@")}, Why.PROXY_UNREACHED,
    ),
    "nobody": (
        lambda url: {"http_proxy": f"http://{url.rpartition('@')[2]}"}, Why.PROXY_WANTS_USER,
    ),
}  # fmt: skip


@pytest.mark.parametrize("between", [USER], indirect=True, ids=[""])
@pytest.mark.parametrize(
    "how", [how if how in ("socks", "nobody") else pytest.param(how, marks=SOAK) for how in WRONG]
)
def test_what_is_wrong_with_a_proxy_is_told_and_not_what_it_is(
    inprocess: InProcess, between: Proxy, how: str
) -> None:
    variables, why = WRONG[how]
    given = variables(between.url)
    done = inprocess.run(**{**NONE, **given})
    assert done.code == 1, done
    (variable,) = given
    fields = {"variable": variable} if why == Why.PROXY_UNFIT else {}
    cause = because(why, **fields)
    told = words.sentence(because(Why.SERVICE_UNREACHABLE, host=HOST, cause=cause))
    assert told in done.out
    assert between.asked == []
    keeps_silent(inprocess, done.out, done.err)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"HTTP_PROXY": "http://a:1"}, {"http_proxy": "http://a:1"}),
        ({"HTTP_PROXY": "http://a:1", "http_proxy": "http://b:1"}, {}),
        ({"HTTP_PROXY": "http://a:1", "REQUEST_METHOD": "GET"}, {}),
        ({"HTTPS_PROXY": "http://a:1"}, {}),
    ],
)
def test_curl_is_told_what_it_does_not_read(environ: dict[str, str], told: dict[str, str]) -> None:
    assert proxies.for_curl(environ) == told
