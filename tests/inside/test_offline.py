"""Offline nothing is asked, by any command; without a way it is known soon, and told once."""

from __future__ import annotations

import time

import pytest

from comfyfix.demo.hub import Fault, Hub
from comfyfix.errors import SourceDown, Unreachable
from comfyfix.net import reach
from comfyfix.net.http import Web
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.words import t
from comfyfix.why import Why
from tests.rig import Site

NAMES = tuple(f"harbor_light_{number}.safetensors" for number in range(12))
SWITCHES = ("HF_HUB_OFFLINE", "COMFYFIX_OFFLINE")
ASKING = (
    ("run",), ("plan",), ("why", NAMES[0]), ("script", NAMES[0]), ("verify", "--ask"), ("list",),
    ("scan",), ("pin", NAMES[0], "https://huggingface.co/o/n/resolve/main/a.safetensors"),
    ("relink",), ("info", "download:harbor_light_0"), ("help",), ("plan", "--json"), ("clean",),
    ("forget",), ("ignore", "download:harbor_light_1"),
)  # fmt: skip


@pytest.fixture
def full(site: Site, hub: Hub) -> Site:
    hub.add("maker/harbor_light", NAMES)
    site.workflow("w.json", *(("loras", name) for name in NAMES))
    site.put("vae", "there.safetensors")
    site.manifest(
        qwen={"base_url": f"{hub.url}/v1", "model": "q"}, comfyui_url=hub.url, verify={"qwen": True}
    )
    return site


@pytest.mark.parametrize(
    "way", ["--offline", *(pytest.param(w, marks=pytest.mark.soak) for w in (*SWITCHES, "--offl"))]
)
def test_no_command_sends_a_request(full: Site, hub: Hub, way: str) -> None:
    variables = {way: "TRUE"} if way in SWITCHES else {}
    option = [] if variables else [way]
    for command in ASKING:
        done = full.doit(*command, *option, **variables)
        assert "Traceback" not in done.stderr, command
        assert hub.seen == [], f"{command} has asked"
    for one in (["download:harbor_light_2"], []):
        done = full.doit(*one, *option, **variables)
        assert done.returncode == 1
        assert hub.seen == []
    full.doit("list")
    assert hub.seen != [], "the switch outlives its command"


@pytest.mark.parametrize("value", ["", "0", "no", "off", "false"])
def test_a_switch_may_be_off(full: Site, hub: Hub, value: str) -> None:
    assert full.doit("plan", HF_HUB_OFFLINE=value, COMFYFIX_OFFLINE=value).returncode == 0
    assert hub.seen


def test_what_is_known_is_not_fetched_offline_and_what_is_there_is_linked(
    full: Site, hub: Hub
) -> None:
    assert full.doit("plan").returncode == 0
    hub.seen.clear()
    done = full.doit("--offline")
    assert done.returncode == 1
    assert hub.seen == []
    told = words.sentence(because(Why.OFFLINE, variable="COMFYFIX_OFFLINE"))
    assert done.stdout.count(told) == 2, "once as it happens, once in the summary"
    assert full.doit().returncode == 0


@pytest.mark.parametrize("switch", SWITCHES)
@pytest.mark.parametrize("large", [True, False])
def test_a_script_sends_none_either(site: Site, hub: Hub, switch: str, large: bool) -> None:
    hub.add("maker/harbor_light", NAMES[:1])
    if large:
        hub.repositories["maker/harbor_light"].files[NAMES[0]] = b"x" * (2 << 20)
    site.workflow("w.json", ("loras", NAMES[0]))
    assert site.doit("plan").returncode == 0
    site.doit("--offline")
    (script,) = list(site.output.glob("*.sh")) or [site.root / "alone.sh"]
    if not script.exists():
        script.write_text(site.doit("script", NAMES[0]).stdout)
    hub.seen.clear()
    done = site.script(script, **{switch: "1"})
    assert (done.returncode, hub.seen) == (15, [])
    assert switch in done.stdout
    assert site.files() == {}


def test_no_program_asks_for_us_either(full: Site) -> None:
    marker, program = full.root / "ran", full.root / "qwen"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    full.manifest(qwen={"command": str(program)}, search={"sources": ["qwen"]})
    assert full.doit("plan", "--offline").returncode == 1
    assert not marker.exists()


CLOSED = {  # where nobody answers
    "refused": ({"HF_ENDPOINT": "http://127.0.0.1:1"}, Why.CONNECTION_REFUSED),
    "no name": (
        {"HF_ENDPOINT": "http://hub.invalid", "NO_PROXY": "*", "no_proxy": "*"},
        Why.NAME_UNRESOLVED,
    ),
    "no proxy": ({"HF_ENDPOINT": "http://hub.invalid"}, Why.PROXY_UNREACHED),
}


@pytest.mark.soak
@pytest.mark.parametrize("how", CLOSED)
def test_no_way_is_known_soon_and_told_once(site: Site, how: str) -> None:
    variables, cause = CLOSED[how]
    site.workflow("w.json", *(("loras", name) for name in NAMES))
    host = variables["HF_ENDPOINT"].partition("//")[2]
    told = words.sentence(because(Why.SERVICE_UNREACHABLE, host=host, cause=because(cause)))
    everywhere = {**variables, "CIVITAI_ENDPOINT": variables["HF_ENDPOINT"]}
    begun = time.monotonic()
    plan = site.doit("plan", **everywhere)
    assert time.monotonic() - begun < 10, "a figure for a busy machine; alone it is one second"
    assert plan.returncode == 1
    assert plan.stdout.count(told) == 1
    assert all(f"loras/{name}" in plan.stdout for name in NAMES)
    assert t("Without a source:") not in plan.stdout
    done = site.doit(**everywhere)
    assert done.returncode == 1
    assert done.stdout.count(told) == 2
    assert done.stdout.count(t("Not asked: see above")) == len(NAMES) - 1


def test_scripts_without_a_way_are_not_all_started(site: Site, hub: Hub) -> None:
    hub.add("maker/harbor_light", NAMES)
    site.workflow("w.json", *(("loras", name) for name in NAMES))
    site.manifest(download={"retries": 5, "parallel": 1})
    assert site.doit("plan").returncode == 0
    done = site.doit(HF_ENDPOINT="http://127.0.0.1:1")
    assert done.returncode == 1
    host = because(Why.SERVICE_UNREACHABLE, host="127.0.0.1:1", cause=because(Why.NO_CONNECTION))
    assert done.stdout.count(words.sentence(host)) == 2
    started = words.fixed("Executing download: {script}", script="")
    assert done.stdout.count(started) == 1
    assert site.doit().returncode == 0


def test_one_dead_host_stops_no_other_and_may_come_back(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = Web({}, wait=lambda _: None, direct=True)
    dead = "http://127.0.0.1:1/api/models"
    for _ in range(3):
        with pytest.raises(Unreachable):
            web.get(dead)
    assert web.get(f"{hub.url}/api/models").status == 200
    web.reach.hold(hub.url, because(Why.NO_CONNECTION))
    with pytest.raises(Unreachable):
        web.get(f"{hub.url}/api/models")
    later = time.monotonic() + reach.HELD_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert web.get(f"{hub.url}/api/models").status == 200
    with pytest.raises(Unreachable):
        web.post_once(dead, b"{}", token="", seconds=5)


SIGN_IN = {  # what a network answers for every service
    "page": ("html", {}),
    "status": ("511", {}),
    "elsewhere": ("302", {"Location": "http://portal.invalid/login"}),
}


@pytest.mark.soak
@pytest.mark.parametrize("how", SIGN_IN)
def test_a_network_that_wants_a_sign_in_is_told_once(site: Site, hub: Hub, how: str) -> None:
    kind, headers = SIGN_IN[how]
    hub.add("maker/harbor_light", NAMES)
    site.workflow("w.json", *(("loras", name) for name in NAMES))
    portal = [Fault("*", kind, headers=headers)]
    hub.faults = portal
    cause = because(Why.NETWORK_SIGN_IN)
    host = hub.url.partition("//")[2]
    told = words.sentence(because(Why.SERVICE_UNREACHABLE, host=host, cause=cause))
    plan = site.doit("plan")
    assert plan.returncode == 1
    assert plan.stdout.count(told) == 1
    assert t("Without a source:") not in plan.stdout
    assert len(hub.seen) <= 12
    assert site.doit().stdout.count(told) == 2
    hub.faults = []
    assert site.doit("plan").returncode == 0
    if how != "elsewhere":  # an endpoint is https, so curl follows no such way
        hub.faults = portal
        site.manifest(download={"parallel": 1})
        hub.seen.clear()
        assert site.doit().stdout.count(told) == 2
        assert len(hub.seen) <= 3
        hub.faults = []
    assert site.doit().returncode == 0


def test_one_page_of_a_service_that_answers_else_stops_nothing(hub: Hub) -> None:
    hub.add("maker/harbor_light", NAMES)
    web = Web({}, wait=lambda _: None, direct=True)
    url = f"{hub.url}/api/models"
    hub.faults = [Fault("search *", "html", times=1)]
    assert web.get(url).json(), "the first is asked again"
    hub.faults = [Fault("search *", "html", times=2)]
    for _ in range(2):
        with pytest.raises(SourceDown) as problem:
            web.get(url).json()
        assert not isinstance(problem.value, Unreachable)
    assert web.get(url).json()
    hub.faults = [Fault("search *", "html")]
    reasons = []
    for _ in range(4):
        with pytest.raises(SourceDown) as problem:
            web.get(url).json()
        reasons.append(isinstance(problem.value, Unreachable))
    assert reasons == [False, False, True, True]
