"""`comfyfix doctor`: what a run needs, a line each; what fails or hangs hides nothing else."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from comfyfix.demo.hub import Fault, Hub
from comfyfix.net.http import Web
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.commands import checkup as shown
from comfyfix.settings import MANIFEST
from comfyfix.stages import checkup
from comfyfix.stages.checkup import machine, services
from comfyfix.stages.checkup.base import Line, Patient
from comfyfix.why import Why
from tests.inprocess import InProcess

SECRETS = {"HF_TOKEN": "hf_S3cret", "CIVITAI_API_KEY": "civ_S3cret", "COMFYFIX_STORE_KEY": "S3cret"}


@pytest.fixture
def well(inprocess: InProcess) -> InProcess:
    inprocess.workflow("w.json", ("loras", "ant.safetensors"))
    return inprocess


def told(site: InProcess, *arguments: str, **extra: str) -> tuple[int, dict[str, list[Any]]]:
    """The exit code, and by the name of a check the reasons that are not well."""
    done = site.run(
        "doctor", "--json", *arguments, **{"HTTPS_PROXY": "", "HTTP_PROXY": "", **extra}
    )
    assert "S3cret" not in done.out + done.err
    value = json.loads(done.out)
    assert value["version"] == 1
    bad: dict[str, list[Any]] = {}
    for check in value["checks"]:
        if not check["good"]:
            assert check["next"], check
            bad.setdefault(check["name"], []).append(check["why"])
    assert value["good"] is (not bad)
    return done.code, bad


def test_all_is_well(well: InProcess, hub: Hub) -> None:
    assert told(well, **SECRETS) == (0, {})
    done = well.run("doctor", **SECRETS)
    assert done.code == 0, done.out
    lines = [line for line in done.out.splitlines() if line][:-1]
    assert all(line.startswith("✓ ") for line in lines), lines
    assert "S3cret" not in done.out
    assert {"HF_TOKEN", "demo", "read", "CIVITAI_API_KEY", "bash", "curl"} <= {
        word.strip("(),`:") for word in done.out.split()
    }
    assert not [path for path in well.models.iterdir() if path.name != ".comfyfix"]


def test_offline_asks_nobody(well: InProcess, hub: Hub) -> None:
    well.manifest(qwen={"base_url": f"{hub.url}/v1"})
    assert told(well, "--offline", **SECRETS) == (0, {})
    assert hub.seen == []


def test_what_is_wrong_is_told_and_hides_nothing(well: InProcess, hub: Hub) -> None:
    hub.refused_tokens |= {"hf_S3cret", "civ_S3cret"}
    hub.faults.append(Fault("openmodeldb *", "500"))
    hub.faults.append(Fault("search *", "reset"))
    well.manifest(download={"reserve": 1 << 59}, qwen={"base_url": "http://127.0.0.1:9/v1"})
    code, bad = told(well, https_proxy="http://:1", PATH=str(well.home), **SECRETS)
    assert code == 1
    assert (bad["bash"], bad["curl"]) == ([Why.TOOL_ABSENT], [Why.TOOL_ABSENT])
    assert bad["room"] == [Why.CHECK_ROOM_LOW]
    assert bad["tokens"] == [Why.CHECK_TOKEN_REFUSED, Why.CHECK_TOKEN_REFUSED]
    assert bad["proxies"] == [Why.CHECK_PROXY_UNFIT]
    assert {"qwen", "huggingface"} <= bad.keys()
    assert "civitai" not in bad


def test_a_step_that_many_share_is_told_once() -> None:
    step = words.worded(because(Why.SERVICE_UNREACHABLE, host="a", cause="")).next_step
    bad = [
        Line("x", good=False, said=because(Why.SERVICE_UNREACHABLE, host=host, cause=""))
        for host in ("a", "b", "c")
    ]
    good = Line("y", good=True, said=because(Why.CHECK_SETUP, comfyui="c", manifest="m"))
    lines = list(shown.lines([*bad, good, bad[0]]))
    assert [step in line for line in lines[:7]] == [False] * 3 + [True, False, False, True]


def test_qwen_answers(well: InProcess, hub: Hub) -> None:
    well.manifest(qwen={"base_url": f"{hub.url}/v1"})
    assert told(well) == (0, {})
    hub.faults.append(Fault("qwen *", "401"))
    assert "qwen" in told(well)[1]


@pytest.mark.parametrize("text", [None, "a: [", "comfyui: nowhere\n", "comfyui: ComfyUI\nx: 1\n"])
def test_without_a_manifest_that_can_be_read(well: InProcess, hub: Hub, text: str | None) -> None:
    (well.root / MANIFEST).unlink()
    if text:
        (well.root / MANIFEST).write_text(text)
    code, bad = told(well, "--offline")
    assert (code, list(bad)) == (1, ["setup"])


def test_a_store_that_comfyui_does_not_see(well: InProcess, tmp_path: Path) -> None:
    store = tmp_path / "far"
    store.mkdir()
    well.manifest(store=str(store))
    assert told(well)[1]["store"] == [Why.CHECK_STORE_UNSEEN]
    (well.comfyui / "extra_model_paths.yaml").write_text(
        "a:\n" + "".join(f"  {key}: {store}/{key}\n" for key in machine._KEYS)
    )
    assert told(well) == (0, {})


def test_proxies_are_shown_without_their_passwords(well: InProcess) -> None:
    done = well.run("doctor", "--offline", HTTPS_PROXY="http://me:S3cret@proxy.example:8080")
    assert "proxy.example:8080" in done.out
    assert "S3cret" not in done.out
    assert "me:" not in done.out


@pytest.mark.parametrize(
    ("environ", "lines"),
    [
        ({}, [Why.CHECK_PROXY_NONE]),
        ({"http_proxy": "p.example"}, ["http_proxy=p.example"]),
        ({"ALL_PROXY": "socks5://a:b@p.example:1"}, ["ALL_PROXY=p.example:1"]),
        ({"HTTPS_PROXY": "http://:3"}, [Why.CHECK_PROXY_UNFIT]),
        ({"HTTPS_PROXY": "http://p.example:x"}, [Why.CHECK_PROXY_UNFIT]),
        ({"NO_PROXY": "a,b"}, [Why.CHECK_PROXY_NONE, "NO_PROXY=a,b"]),
        ({"HTTP_PROXY": "p:1", "no_proxy": "c"}, ["HTTP_PROXY=p:1", "no_proxy=c"]),
    ],
)
def test_every_proxy_is_told(well: InProcess, environ: dict[str, str], lines: list[str]) -> None:
    said = machine._proxies(Patient(well.project().manifest, environ))
    assert [
        f"{line.said.told['variable']}={line.said.told['proxy']}"
        if line.said.why == Why.CHECK_PROXY
        else line.said.why
        for line in said
    ] == lines


@pytest.mark.parametrize(
    ("account", "user", "scope"),
    [
        ({"name": "me", "auth": {"accessToken": {"role": "read"}}}, "me", "read"),
        ({"username": "her", "name": 7}, "her", "?"),
        ({"auth": {"accessToken": "x"}}, "?", "?"),
        ({"auth": {"accessToken": {"role": 1}}}, "?", "?"),
    ],
)
def test_whose_a_token_is_and_what_it_may_do(
    well: InProcess, hub: Hub, monkeypatch: pytest.MonkeyPatch,
    account: dict[str, Any], user: str, scope: str,
) -> None:  # fmt: skip
    answer = SimpleNamespace(status=200, body=json.dumps(account).encode())
    monkeypatch.setattr(Web, "get", lambda *_, **__: answer)
    environ = {"HF_API_TOKEN": "hf_S3cret"}
    patient = Patient(well.project().manifest, environ, tokens={"huggingface": "hf_S3cret"})
    said = {line.said.why: line.said.told for line in services._tokens(patient)}
    told_of = said[Why.CHECK_TOKEN]
    assert (told_of["user"], told_of["scope"], told_of["variable"]) == (user, scope, "HF_API_TOKEN")
    assert said[Why.CHECK_TOKEN_NONE]["service"] == "Civitai"


def test_a_token_that_is_none_is_told(well: InProcess) -> None:
    assert told(well, "--offline", HF_TOKEN="hf S3cret")[1] == {"tokens": [Why.TOKEN_UNUSABLE]}


def test_a_check_that_hangs_or_breaks_hides_no_other(
    well: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()

    def hangs(_patient: Patient) -> Iterator[Line]:
        held.wait(60)
        yield Line("x", good=True, said=because(Why.CHECK_KEY))

    def breaks(_patient: Patient) -> Iterator[Line]:
        yield Line("y", good=True, said=because(Why.CHECK_KEY))
        raise ValueError("no")

    monkeypatch.setattr(checkup, "CHECKS", {"x": hangs, "y": breaks, "z": machine._versions})
    patient = Patient(well.project().manifest, dict(os.environ))
    try:
        found = checkup.look(patient, seconds=0.2)
    finally:
        held.set()
    assert [(line.name, line.said.why) for line in found] == [
        ("x", Why.CHECK_LATE),
        ("y", Why.CHECK_KEY),
        ("y", Why.CHECK_FAILED),
        ("versions", Why.CHECK_VERSIONS),
    ]


@pytest.mark.parametrize(
    ("date", "why"),
    [
        ("Sun, 29 Nov 2020 00:00:00 GMT", Why.CHECK_CLOCK_OFF),
        ("Sun, 29 Nov 2099 00:00:00 GMT", Why.CHECK_CLOCK_OFF),
        ("yesterday", None),
        ("", None),
        ("Sun, 29 Nov 99999999 00:00:00 GMT", None),
    ],
)
def test_the_clock_is_held_against_a_service(date: str, why: Why | None) -> None:
    assert [line.said.why for line in services._clock(date, "h")] == ([why] if why else [])


@pytest.mark.parametrize(
    ("off", "why"),
    [(120, Why.CHECK_CLOCK), (121, Why.CHECK_CLOCK_OFF), (-121, Why.CHECK_CLOCK_OFF)],
)
def test_a_clock_may_be_two_minutes_off(
    off: int, why: Why, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_600_000_000.0 + off)
    date = "Sun, 13 Sep 2020 12:26:40 GMT"
    assert [line.said.why for line in services._clock(date, "h")] == [why]


@pytest.mark.parametrize(("free", "good"), [(2_000_000_000, False), (2_000_000_001, True)])
def test_room_is_what_is_beyond_the_reserve(
    well: InProcess, monkeypatch: pytest.MonkeyPatch, free: int, good: bool
) -> None:
    well.manifest(download={"reserve": "2GB"})
    usage = shutil.disk_usage("/")._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    bad = told(well, "--offline")[1]
    assert bad.get("room", []) == ([] if good else [Why.CHECK_ROOM_LOW])


def program_saying(text: str, folder: Path) -> str:
    """A program that tells this version of itself; returns its name."""
    name = text.split(maxsplit=1)[0]
    folder.mkdir()
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{text}'\n")
    program.chmod(0o755)
    return name


@pytest.mark.parametrize(
    ("text", "version"), [("bash 3.1.9(1)", (3, 1, 9)), ("curl 7.62.0", (7, 62, 0))]
)
def test_an_old_program_is_told(
    well: InProcess, tmp_path: Path, text: str, version: tuple[int, ...]
) -> None:
    name = program_saying(text, tmp_path / "bin")
    assert machine._version(name, {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}) == version
    bad = told(well, "--offline", PATH=f"{tmp_path}/bin:{os.environ['PATH']}")[1]
    assert bad == {name: [Why.CHECK_PROGRAM_OLD]}


@pytest.mark.parametrize("text", ["bash 3.2", "curl 7.63 (Darwin)"])
def test_a_program_that_is_just_new_enough_is_well(
    well: InProcess, tmp_path: Path, text: str
) -> None:
    program_saying(text, tmp_path / "bin")
    assert told(well, "--offline", PATH=f"{tmp_path}/bin:{os.environ['PATH']}")[1] == {}
