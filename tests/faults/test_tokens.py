"""Where a token goes: to its own service, and into no redirect, argument list, log or file."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from comfyfix.demo.hub import Fault, Hub, sha256
from tests.behaviour.test_script import script_for
from tests.faults.authority import certificate
from tests.faults.rig import Case, Rig, file_of
from tests.faults.server import Ask, Reply, Server
from tests.faults.shelf import Shelf, Thing, base_of
from tests.faults.world import apart
from tests.rig import Site, children_of

pytestmark = pytest.mark.faults
TOKEN = "hf_canary"
DATA = file_of(50_000)


def leaks(*others: Server) -> list[str]:
    """Requests that carried the token to a server that is not the Hub."""
    return [
        f"{server.url}{seen.ask.path}"
        for server in others
        for seen in server.seen
        if "canary" in f"{seen.ask.path} {dict(seen.ask.headers)}"
    ]


def judge(case: Case, hub: Server, *others: Server, arrives: bool = True, **extra: str) -> None:
    done = case.run(HF_TOKEN=TOKEN, **extra)
    assert leaks(*others) == []
    assert any(seen.ask.headers.get("authorization") == f"Bearer {TOKEN}" for seen in hub.seen)
    assert "canary" not in done.stdout + done.stderr
    if arrives:
        assert done.returncode == 0, done.stdout
        assert any(other.seen for other in others)
        assert case.got == sha256(DATA)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_another_port_and_another_host(rig: Rig, shelf: Shelf, server: Server, host: str) -> None:
    with Server(shelf, host=host) as other:
        shelf.cdn = other.url
        judge(rig.case("token", Thing(DATA)), server, other)


def test_another_host_at_the_same_port(rig: Rig, shelf: Shelf, server: Server) -> None:
    with Server(shelf, host="127.0.0.2", port=server.port) as other:
        shelf.cdn = other.url
        judge(rig.case("token", Thing(DATA)), server, other)


def test_five_hops(rig: Rig, shelf: Shelf, server: Server) -> None:
    """Over other hosts and ports, back to the Hub itself, and away again."""
    with contextlib.ExitStack() as stack:
        places = [server]
        places += [stack.enter_context(Server(shelf, host=f"127.0.0.{n}")) for n in (2, 1, 3, 2)]
        a, b, c, d = places[1:]
        way = [b, server, c, d]

        def resolve(ask: Ask, number: int) -> Reply | None:
            hop = int(ask.path.partition("hop=")[2] or 0)
            if hop == len(way):
                return None
            target = f"{way[hop].url}{ask.path.partition('?')[0]}?hop={hop + 1}"
            return Reply(302, b"", {"Location": target})

        shelf.cdn = a.url
        judge(rig.case("token", Thing(DATA, resolve=resolve)), server, a, b, c, d)


@pytest.mark.parametrize("target", ["http", "https"])
def test_from_https_to_http_and_to_other_https(
    rig: Rig, shelf: Shelf, tmp_path: Path, target: str
) -> None:
    made = certificate(tmp_path / "keys", "IP:127.0.0.1")
    tls = made.context if target == "https" else None
    with Server(shelf, tls=made.context) as hub, Server(shelf, tls=tls) as other:
        shelf.cdn = other.url
        judge(
            rig.case("token", Thing(DATA)), hub, other, arrives=target == "https",
            HF_ENDPOINT=hub.url, CURL_CA_BUNDLE=str(made.authority),
        )  # fmt: skip


def test_a_subdomain_is_another_host(rig: Rig, shelf: Shelf, tmp_path: Path) -> None:
    names = {"hub.example.com": "127.0.0.3", "cdn.hub.example.com": "127.0.0.4"}
    case = rig.case("token", Thing(DATA))

    def work() -> None:
        with (
            Server(shelf, host="127.0.0.3", port=8080) as hub,
            Server(shelf, host="127.0.0.4", port=8080) as other,
        ):
            shelf.cdn = "http://cdn.hub.example.com:8080"
            judge(case, hub, other, HF_ENDPOINT="http://hub.example.com:8080", NO_PROXY="*")

    apart(work, tmp_path / "world", names=names)


@pytest.mark.parametrize("status", [301, 303, 307, 308])
def test_every_kind_of_redirect(rig: Rig, shelf: Shelf, server: Server, status: int) -> None:
    with Server(shelf) as other:

        def resolve(ask: Ask, number: int) -> Reply | None:
            place = f"{other.url}/cdn/someone/token/x"
            return Reply(status, b"", {"Location": place}) if base_of(ask) == server.url else None

        judge(rig.case("token", Thing(DATA, resolve=resolve)), server, other)


@contextlib.contextmanager
def command_lines(pid: Callable[[], int]) -> Iterator[set[bytes]]:
    """Collect the argument lists of a process and of all below it, all the time."""
    found: set[bytes] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.003):
            for each in [pid(), *children_of(pid())]:
                with contextlib.suppress(OSError):
                    found.add(Path(f"/proc/{each}/cmdline").read_bytes())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("traced", [(), ("-x",), ("-v",), ("-xv",)])
def test_a_script_shows_it_to_no_one(site: Site, hub: Hub, traced: tuple[str, ...]) -> None:
    hub.delays["file"] = 0.5
    hub.faults.append(Fault("file *", "503", times=1))
    hub.add("someone/night-train", []).gated = True
    hub.tokens = {TOKEN}
    script = script_for(site, hub)
    env = site.environment(HF_ENDPOINT=hub.url, HF_TOKEN=TOKEN)
    with (
        subprocess.Popen(["bash", *traced, str(script)], env=env, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True) as running,
        command_lines(lambda: running.pid) as lines,
    ):  # fmt: skip
        printed = running.communicate(timeout=60)[0]
    assert running.returncode == 0, printed
    assert any(line.split(b"\0")[0].endswith(b"curl") for line in lines)
    assert [line for line in lines if b"canary" in line] == []
    assert "canary" not in printed
    assert "canary" not in script.read_text()
    assert any(seen.token == TOKEN for seen in hub.seen)


def test_no_program_that_a_script_calls_has_it(site: Site, hub: Hub, tmp_path: Path) -> None:
    wrappers, told = tmp_path / "bin", tmp_path / "told"
    wrappers.mkdir()
    for name in ("curl", "df", "sleep", "mkdir", "rm", "mv", "sync", "sha256sum", "openssl", "dd"):
        real = shutil.which(name)
        assert real
        wrapper = wrappers / name
        wrapper.write_text(f'#!/bin/sh\necho "{name}" >>{told}\nenv >>{told}\nexec {real} "$@"\n')
        wrapper.chmod(0o755)
    hub.faults.append(Fault("file *", "503", times=1))
    hub.add("someone/night-train", []).gated = True
    hub.tokens = {TOKEN}
    secrets = {"HF_TOKEN": TOKEN, "CIVITAI_TOKEN": "a_canary", "QWEN_API_KEY": "b_canary",
               "COMFYFIX_STORE_KEY": "c_canary", "HF_API_TOKEN": "d_canary",
               "HUGGING_FACE_HUB_TOKEN": "e_canary", "CIVITAI_API_KEY": "f_canary"}  # fmt: skip
    env = site.environment(HF_ENDPOINT=hub.url, **secrets)
    env["PATH"] = f"{wrappers}:{env['PATH']}"
    done = subprocess.run(
        ["bash", str(script_for(site, hub))], env=env, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout
    called = told.read_text()
    assert {"curl", "df", "mkdir"} <= set(called.splitlines())
    assert "canary" not in called


def test_a_whole_run_keeps_it_to_itself(site: Site, hub: Hub) -> None:
    """A gated file, one of Civitai, one that fails and one that nobody has; then every command."""
    hub.delays["file"] = 0.3
    hub.add("AlexWortega/RIFE", ["rife49.pth"], gated=True)
    hub.add("maker/harbor_light", ["harbor_light.safetensors"])
    hub.add_civitai("Cobalt Veil", "cobalt_veil_v2.safetensors").access = "login"
    hub.faults.append(Fault("file maker/*", "flip"))
    hub.tokens = {TOKEN, "civitai_canary"}
    site.workflow(
        "w.json", ("upscale_models", "rife49.pth"), ("loras", "harbor_light.safetensors"),
        ("loras", "cobalt_veil_v2.safetensors"), ("vae", "nobody_has_this.safetensors"),
    )  # fmt: skip
    site.manifest(qwen={"base_url": f"{hub.url}/v1", "model": "q"})
    tokens = {
        "HF_TOKEN": TOKEN, "CIVITAI_TOKEN": "civitai_canary", "QWEN_API_KEY": "qwen_canary",
    }  # fmt: skip
    running = site.start(**tokens)
    with command_lines(lambda: running.pid) as lines:
        printed = [running.communicate(timeout=200)[0]]
    assert running.returncode == 1, printed[0]
    assert "upscale_models/rife49.pth" in site.files()
    commands = (("plan", "--json"), ("why", "rife49.pth"), ("list",), ("info", "download:rife49"),
                ("scan", "--json"), ("verify",), ("-v", "2"))  # fmt: skip
    for command in commands:
        done = site.doit(*command, **tokens)
        printed += [done.stdout, done.stderr]
    assert any(line.split(b"\0")[0].endswith(b"curl") for line in lines)
    assert [line for line in lines if b"canary" in line] == []
    assert [text for text in printed if "canary" in text] == []
    told = [path for path in site.root.rglob("*") if path.is_file() and holds_canary(path)]
    assert told == []
    seen = {seen.token for seen in hub.seen}
    assert {TOKEN, "qwen_canary"} <= seen


def holds_canary(path: Path) -> bool:
    return b"canary" in path.read_bytes()
