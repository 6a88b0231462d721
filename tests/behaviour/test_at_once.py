"""The first try of a small file goes where the Hub keeps its files; all else is looked at first."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.net.urls.hosts import CIVITAI
from comfyfix.script import engine
from tests.behaviour.test_script import DATA, NAME, REPO, script_for
from tests.faults.rig import wait_until
from tests.rig import Site, is_alive

ORIGIN = "https://hub.example"
ASKED = f"{ORIGIN}/o/n/resolve/main/x"
STORAGE = (
    "https://us.aws.cdn.hf.co/xet-bridge-us/1/2?X-Amz-Signature=3&~a=b%20c",
    "https://us.gcp.cdn.hf.co/x", "https://cas-bridge.xethub.hf.co/x",
    "https://cdn-lfs-us-1.huggingface.co/x?y", "https://cdn-lfs.hf.co/x", "https://hf.co/x",
    "https://new-next-year.eu.hf.co?x", "https://huggingface.co",
)  # fmt: skip
SAME = ("/api/resolve-cache/models/o/n/1/x?etag=%221%22", f"{ORIGIN}/cdn/x", "/x")
ELSEWHERE = (  # looked at before it is asked
    "https://evilhf.co/x", "https://hf.co.evil.com/x", "https://hf.co.evil.com:443/x",
    "https://huggingface.co.example/x", "https://cdn.hf.co./x", "https://CDN.HF.CO/x",
    "https://cdn.hf.co:8443/x", "https://evil.com#.hf.co/x", "https://evil.com?.hf.co",
    "https://evil.com/.hf.co", "http://cdn.hf.co/x", "https://xn--hf-eka.co/x",
    "https://evil.com%2f.hf.co/x", "https://evil.com&.hf.co/x", "https://169.254.169.254/hf.co",
    "https://hub.example.evil.com/x", "http://hub.example/x", "https://hub.example:444/x",
)  # fmt: skip
NO_ADDRESS = (
    "https://hf.co@evil.com/x", "https://evil.com\\.hf.co/x", "https://a b.hf.co/x",
    "https://\u217d\u0064n.hf.co/x", "//cdn.hf.co/x", "", 'https://cdn.hf.co/"x',
)  # fmt: skip


def led(tmp_path: Path, heads: list[str], endpoint: str = "huggingface") -> list[tuple[str, str]]:
    """Where each answer leads at once, and where it would after a look: by the engine's words."""
    parts = {name: re.search(rf"(?ms)^{name}\(\) \{{$.*?^\}}$", engine.text())
             for name in ("is_plain", "leads_on")}  # fmt: skip
    lines = [found[0] for found in parts.values() if found]
    assert len(lines) == len(parts)
    for number, head in enumerate(heads):
        (tmp_path / f"{number}").write_bytes(head.encode())
        lines.append(
            f"ENDPOINT={endpoint} ORIGIN={ORIGIN} TARGET={ASKED} STRAYED= LED= NEXT=\n"
            f'SAID="$(cat {tmp_path / str(number)})"; leads_on || TARGET=\n'
            'printf \'%s\\t%s\\t%s\\n\' "$TARGET" "$NEXT" "$STRAYED"'
        )
    done = subprocess.run(
        ["bash", "-uc", "export LC_ALL=C\n" + "\n".join(lines)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    strangers = [target for target, _, strayed in rows if target and not strayed]
    assert all(target.startswith(f"{ORIGIN}/") for target in strangers), "a token would go there"
    return [(target, following) for target, following, _ in rows]


def redirect(place: str, status: str = "302 Found") -> str:
    return f"HTTP/1.1 {status}\r\nX-A: b\r\nLocation: {place}\r\nX-Repo-Commit: c\r\n\r\n"


def test_a_storage_host_is_known_by_its_end_and_can_not_be_feigned(tmp_path: Path) -> None:
    places = [*STORAGE, *SAME, *ELSEWHERE, *NO_ADDRESS]
    found = dict(zip(places, led(tmp_path, [redirect(place) for place in places]), strict=True))
    assert {place: found[place] for place in STORAGE} == {p: (p, p) for p in STORAGE}
    whole = {place: place if "//" in place else ORIGIN + place for place in SAME}
    assert {place: found[place] for place in SAME} == {p: (w, w) for p, w in whole.items()}
    assert {place: found[place] for place in ELSEWHERE} == {p: ("", p) for p in ELSEWHERE}
    assert {place: found[place] for place in NO_ADDRESS} == dict.fromkeys(NO_ADDRESS, ("", ""))


def test_of_civitai_no_storage_is_known(tmp_path: Path) -> None:
    (found,) = led(tmp_path, [redirect(STORAGE[0])], endpoint="civitai")
    assert found == ("", STORAGE[0])


def test_only_a_redirect_leads_on(tmp_path: Path) -> None:
    place = STORAGE[1]
    others = ("200 OK", "304 Not Modified", "404 x 302", "403", "")
    assert set(led(tmp_path, [redirect(place, each) for each in others])) == {("", "")}
    spelled = [
        f"HTTP/2 307\r\nlocation:{place}\r\n\r\n", f"HTTP/1.1 308\r\nLocation:   {place}\r\n\r\n",
        redirect(place).replace("\r", ""), redirect(place) + "X: y\r\n" * 9000,
    ]  # fmt: skip
    assert set(led(tmp_path, spelled)) == {(place, place)}


def asked(hub: Hub, glob: str) -> int:
    return hub.count("GET", glob) + hub.count("HEAD", glob)


def test_one_question_and_one_file_also_by_an_old_name(site: Site, hub: Hub) -> None:
    script = script_for(site, hub)
    done = site.script(script)
    assert done.returncode == 0, done.stdout
    assert (asked(hub, "/*/resolve/*"), asked(hub, "/cdn/*")) == (1, 1)
    assert len(hub.seen) == 2
    (site.models / "loras" / NAME).unlink()
    hub.renamed["old/name"] = REPO
    old = script_for(
        site, hub, url=f"https://huggingface.co/old/name/resolve/main/{NAME}", destination=(
            str(site.models / "vae" / NAME)))  # fmt: skip
    hub.seen.clear()
    done = site.script(old)
    assert done.returncode == 0, done.stdout
    assert len(hub.seen) == 3


@pytest.mark.parametrize("proxy", ["", "http://127.0.0.1:9"])
def test_one_that_is_not_in_lfs_gets_its_token_on_the_same_server(
    site: Site, hub: Hub, proxy: str
) -> None:
    script = script_for(site, hub)
    repository = hub.repositories[REPO]
    repository.plain, repository.gated, hub.tokens = {NAME}, True, {"hf_good"}
    done = site.script(script, HF_TOKEN="hf_good", HTTPS_PROXY=proxy)
    assert done.returncode == 0, done.stdout
    assert [seen.token for seen in hub.seen] == ["hf_good"] * 2
    assert site.files() == {f"loras/{NAME}": sha256(DATA)}


def test_another_host_is_asked_where_the_first_answer_leads(site: Site, hub: Hub) -> None:
    """It has been looked at meanwhile; the first server is not asked again, since that may count
    as a download."""
    version = hub.add_civitai("Night Train", NAME)
    with Hub() as elsewhere:
        hub.cdn = elsewhere.url
        elsewhere.civitai = hub.civitai
        script = script_for(
            site, hub, url=f"{CIVITAI}/api/download/models/{version.id}", source="civitai",
            repo="", size=len(version.data), sha256=sha256(version.data),
        )  # fmt: skip
        done = site.script(script, CIVITAI_ENDPOINT=hub.url)
        assert done.returncode == 0, done.stdout
        assert asked(hub, "/api/download/*") == 1
        assert len(elsewhere.seen) <= 1


@pytest.mark.parametrize("kind", ["503", "reset", "cut", "expire"])
def test_what_fails_behind_a_redirect_is_tried_again(site: Site, hub: Hub, kind: str) -> None:
    script = script_for(site, hub)
    hub.faults.append(Fault("file *", kind, times=1))
    done = site.script(script)
    assert done.returncode == 0, done.stdout
    assert site.files() == {f"loras/{NAME}": sha256(DATA)}
    assert asked(hub, "/cdn/*") <= 3


def before(site: Site, program: str, *lines: str) -> str:
    """A PATH on which lines of a shell run before a program, which is `"$real"` there."""
    folder = site.root / "tools"
    folder.mkdir(exist_ok=True)
    real = shutil.which(program)
    path = folder / program
    path.write_text("\n".join(["#!/bin/bash", f"real={real}", *lines, 'exec "$real" "$@"', ""]))
    path.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_where_a_server_leads_to_itself_one_curl_brings_the_file(site: Site, hub: Hub) -> None:
    hub.cdn = hub.url
    script = script_for(site, hub)
    path = before(site, "curl", f"echo >>{site.root}/begun")
    assert site.script(script, PATH=path, HTTPS_PROXY="").returncode == 0
    assert (asked(hub, "/*/resolve/*"), asked(hub, "/cdn/*")) == (1, 1)
    assert (site.root / "begun").read_text() == "\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost"])
@pytest.mark.parametrize("token", ["", "hf_good"])
def test_the_first_try_connects_to_nobody_else(site: Site, hub: Hub, host: str, token: str) -> None:
    """Of the engine nothing is left but that try: no one looks at where it leads."""
    script = script_for(site, hub)
    path = site.root / engine.name()
    path.write_text(path.read_text().partition("\nat_once\n")[0] + "\nat_once\n")
    with socket.create_server((host, 0)) as stranger:
        hub.cdn = f"http://{host}:{stranger.getsockname()[1]}"
        done = site.script(script, HF_TOKEN=token, HTTPS_PROXY="")
        assert done.returncode == 1
        stranger.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.accept()
    assert asked(hub, "/*/resolve/*") == 1
    assert site.files() == {}


@pytest.mark.parametrize("ends", [True, False])
def test_a_server_that_leads_on_and_on(site: Site, hub: Hub, ends: bool) -> None:
    hub.cdn = hub.url
    names = ["a/a", "b/b", "c/c", "d/d", "e/e", REPO if ends else "a/a"]
    hub.renamed = dict(itertools.pairwise(names))
    script = script_for(site, hub, url=f"https://huggingface.co/a/a/resolve/main/{NAME}")
    done = site.script(script, HTTPS_PROXY="")
    assert done.returncode == (0 if ends else 15), done.stdout
    assert site.files() == ({f"loras/{NAME}": sha256(DATA)} if ends else {})
    assert len(hub.seen) <= (7 if ends else 20)


@pytest.mark.parametrize("links", ["none", "elsewhere"])
def test_a_filesystem_without_second_names(site: Site, hub: Hub, links: str) -> None:
    """Or one on which somebody has put a folder there at that very moment."""
    hub.cdn = hub.url
    script = script_for(site, hub)
    final = site.models / "loras" / NAME
    refuses = '[ "$1" = -s ] || exit 1'
    path = before(site, "ln", refuses if links == "none" else f'[ "$1" = -s ] || mkdir {final}')
    done = site.script(script, PATH=path)
    if links == "none":
        assert done.returncode == 0, done.stdout
        assert site.files() == {f"loras/{NAME}": sha256(DATA)}
        assert len(hub.seen) == 2
    else:
        assert done.returncode == 1
        assert final.is_dir()


def test_killed_between_its_two_names_leaves_one_file(site: Site, hub: Hub) -> None:
    hub.cdn = hub.url
    script = script_for(site, hub)
    path = before(site, "ln", '[ "$1" = -s ] || { "$real" "$@"; kill -9 $PPID; exit; }')
    assert site.script(script, PATH=path).returncode == -signal.SIGKILL
    assert len(list((site.models / "loras").iterdir())) == 3  # with its part and its lock
    assert site.script(script).returncode == 0
    assert [found.name for found in (site.models / "loras").iterdir()] == [NAME]
    assert len(hub.seen) == 2


def test_without_room_nothing_is_kept(site: Site, hub: Hub) -> None:
    script = script_for(site, hub, reserve=1 << 60)
    assert site.script(script).returncode == 13
    assert list((site.models / "loras").iterdir()) == []


def test_who_finds_the_file_locked_at_that_moment_asks_for_nothing(site: Site, hub: Hub) -> None:
    """The second curl waits for the end of the first one, which has been begun for nothing."""
    hub.cdn = hub.url
    script = script_for(site, hub)
    before(site, "ln", f'[ "$1" != -s ] || mkdir {site.root}/raced 2>/dev/null && exit 1')
    path = before(
        site, "curl",
        f"if mkdir {site.root}/first 2>/dev/null; then",
        f'"$real" "$@"; touch {site.root}/ended; exit 2; fi',
        f"until [ -e {site.root}/ended ]; do sleep 0.01; done",
    )  # fmt: skip
    done = site.script(script, PATH=path)
    assert done.returncode == 0, done.stdout
    assert (site.root / "raced").is_dir()
    assert site.files() == {f"loras/{NAME}": sha256(DATA)}
    assert (asked(hub, "/*/resolve/*"), asked(hub, "/cdn/*")) == (1, 1)


def test_a_script_that_is_killed_leaves_no_curl_that_waits(site: Site, hub: Hub) -> None:
    script = script_for(site, hub)
    before(site, "curl", f"echo $$ >{site.root}/pid")
    path = before(
        site, "ln", f"until [ -s {site.root}/pid ]; do sleep 0.01; done", "kill -9 $PPID; exit"
    )
    assert site.script(script, PATH=path).returncode == -signal.SIGKILL
    wait_until(lambda: not is_alive(int((site.root / "pid").read_text())))
    assert hub.seen == []
    assert list((site.models / "loras").iterdir()) == []


@pytest.mark.parametrize("token", ["", "hf_good"])
def test_a_curl_that_ends_before_it_is_asked(site: Site, hub: Hub, token: str) -> None:
    """What could not be handed to it stays secret, and the next one is asked."""
    script = script_for(site, hub)
    before(site, "ln", f"until [ -e {site.root}/ended ]; do sleep 0.01; done")
    path = before(site, "curl", f"! mkdir {site.root}/ended 2>/dev/null || exit 1")
    done = site.script(script, PATH=path, HF_TOKEN=token)
    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    assert "hf_good" not in done.stdout
    assert site.files() == {f"loras/{NAME}": sha256(DATA)}
    assert {seen.token for seen in hub.seen if "/resolve/" in seen.path} == {token}
