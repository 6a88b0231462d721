"""Mirrors as scripts use them: asked first, by sha256, and never believed more than their bytes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.disk.files import sha256_of
from comfyfix.screen.words import t
from tests.behaviour.test_script import DATA, NAME, REPO, folder, left, script_for
from tests.faults.rig import wait_until
from tests.faults.server import Ask, Reply, Server
from tests.faults.shelf import cut, proper
from tests.rig import Site

__all__ = ["folder"]
DIGEST = sha256(DATA)
LARGE = DATA * 250  # beyond what comes on one connection without a clock
LARGE_DIGEST = sha256(LARGE)
WRONG = bytes(len(DATA))
sizes = pytest.mark.parametrize(
    "data", [DATA, pytest.param(LARGE, marks=pytest.mark.soak)], ids=["small", "large"]
)


def place_of(digest: str) -> str:
    return f"/sha256/{digest[:2]}/{digest}"


def script_of(site: Site, hub: Hub, data: bytes, **changes: object) -> Path:
    """The script of other data under the same name."""
    repository = hub.add(REPO, [])
    repository.files[NAME] = data
    url = f"https://huggingface.co/{REPO}/resolve/{repository.commit}/{NAME}"
    told = {"url": url, "size": len(data), "sha256": sha256(data), **changes}
    made = script_for(site, hub, **told)  # type: ignore[arg-type]
    repository.files[NAME] = data
    return made


def put(root: Path, data: bytes, digest: str = "") -> Path:
    path = root / place_of(digest or sha256(data))[1:]
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return path


@contextmanager
def serving(data: bytes, digest: str = DIGEST) -> Iterator[Server]:
    """A mirror that has one file under a hash."""

    def answer(ask: Ask) -> Reply:
        found = ask.path.partition("?")[0] == f"/models{place_of(digest)}"
        return proper(data, ask) if found else Reply(404)

    with Server(answer) as server:
        yield server


def is_right(folder: Path, digest: str = DIGEST) -> None:
    assert sha256_of(folder / NAME) == digest
    assert left(folder) == [NAME]


def answers(hub: Hub) -> list[int]:
    """What the storage of the origin has answered: 206 where a part was continued."""
    return [seen.status for seen in hub.seen if seen.path.startswith("/cdn/")]


def test_a_folder_is_asked_first(site: Site, hub: Hub, folder: Path, tmp_path: Path) -> None:
    put(tmp_path / "mirror", DATA)
    done = site.script(script_for(site, hub), COMFYFIX_MIRROR=str(tmp_path / "mirror"))
    assert done.returncode == 0, done.stdout
    is_right(folder)
    assert "Fetched from mirror 1" in done.stdout
    assert not hub.seen


def test_so_is_an_address_and_no_token_goes_there(site: Site, hub: Hub, folder: Path) -> None:
    script = script_for(site, hub)
    with serving(DATA) as mirror:
        done = site.script(script, COMFYFIX_MIRROR=f"{mirror.url}/models/", HF_TOKEN="hf_a_token")
    assert done.returncode == 0, done.stdout
    is_right(folder)
    assert not hub.seen
    assert [seen.ask.path for seen in mirror.seen] == [f"/models{place_of(DIGEST)}"]
    assert not any("authorization" in seen.ask.headers for seen in mirror.seen)


def test_a_file_of_unknown_hash_is_asked_of_no_mirror(site: Site, hub: Hub, folder: Path) -> None:
    script = script_for(site, hub, sha256=None)
    with serving(DATA) as mirror:
        done = site.script(script, COMFYFIX_MIRROR=f"{mirror.url}/models")
    assert done.returncode == 0, done.stdout
    is_right(folder)
    assert not mirror.seen


@sizes
@pytest.mark.parametrize("how", ["address", "folder"])
def test_wrong_bytes_are_dropped_and_the_origin_is_asked(
    site: Site, hub: Hub, folder: Path, tmp_path: Path, data: bytes, how: str
) -> None:
    wrong, digest = bytes(len(data)), sha256(data)
    script = script_of(site, hub, data)
    put(tmp_path / "mirror", wrong, digest)
    with serving(wrong, digest) as mirror:
        place = f"{mirror.url}/models" if how == "address" else str(tmp_path / "mirror")
        done = site.script(script, COMFYFIX_MIRROR=place)
    assert done.returncode == 0, done.stdout
    assert "Mirror 1 has other bytes under this hash" in done.stdout
    is_right(folder, digest)


@sizes
def test_a_cut_transfer_goes_on_at_the_mirror(
    site: Site, hub: Hub, folder: Path, data: bytes
) -> None:
    script = script_of(site, hub, data)
    cuts: list[Ask] = []

    def answer(ask: Ask) -> Reply:
        if cuts:
            return proper(data, ask)
        cuts.append(ask)
        return cut(proper(data, ask), len(data) // 2)

    with Server(answer) as mirror:
        done = site.script(script, COMFYFIX_MIRROR=mirror.url)
    assert done.returncode == 0, done.stdout
    is_right(folder, sha256(data))
    assert [seen.ask.start for seen in mirror.seen][:2] == [None, len(data) // 2] or data is LARGE
    assert mirror.sent("/") <= len(data)
    assert not hub.seen


@sizes
@pytest.mark.parametrize("status", [0, 200, 302, 403, 404, 500])
def test_a_mirror_that_fails_costs_nothing_but_time(
    site: Site, hub: Hub, folder: Path, status: int, data: bytes
) -> None:
    script = script_of(site, hub, data, retries=2)

    def answer(ask: Ask) -> Reply:
        if status == 200:  # half of it, and then no more
            if ask.start:
                return Reply(0)
            return cut(proper(bytes(len(data)), ask), len(data) // 2)
        return Reply(status, b"<html>", {"Location": "file:///etc/passwd"})

    with Server(answer) as mirror:
        done = site.script(script, COMFYFIX_MIRROR=mirror.url)
    assert mirror.seen
    assert done.returncode == 0, done.stdout
    is_right(folder, sha256(data))
    assert answers(hub)[0] == (206 if data is LARGE else 200)  # nothing of the mirror was continued


def test_the_second_mirror_is_asked_where_the_first_has_nothing(
    site: Site, hub: Hub, folder: Path, tmp_path: Path
) -> None:
    spaced = tmp_path / "my mirror"
    put(spaced, DATA)
    with serving(DATA, "0" * 64) as mirror:
        places = (
            f"{mirror.url}/models\n{mirror.url}/models/sha256/00/{'0' * 64}?sig=1 {tmp_path}/no"
        )
        places += f" s3://bucket/a \n  file://{str(spaced).replace(' ', '%20')}"
        done = site.script(script_for(site, hub), COMFYFIX_MIRROR=places)
    assert done.returncode == 0, done.stdout
    is_right(folder)
    assert "Fetched from mirror 5" in done.stdout
    assert len(mirror.seen) == 1  # the address of another file is not asked
    assert not hub.seen


@pytest.mark.parametrize("form", ["one file", "all files"])
def test_a_signed_address_is_sent_whole_and_shown_nowhere(
    site: Site, hub: Hub, folder: Path, form: str
) -> None:
    secret = "X-Amz-Signature=abcdef0123456789"
    script = script_for(site, hub)
    with serving(DATA) as mirror:
        file = place_of(DIGEST) if form == "one file" else ""
        done = site.script(script, COMFYFIX_MIRROR=f"{mirror.url}/models{file}?{secret}")
    assert done.returncode == 0, done.stdout
    is_right(folder)
    assert [seen.ask.path for seen in mirror.seen] == [f"/models{place_of(DIGEST)}?{secret}"]
    assert secret not in done.stdout + done.stderr


def test_offline_only_folders_are_looked_into(
    site: Site, hub: Hub, folder: Path, tmp_path: Path
) -> None:
    script = script_for(site, hub)
    with serving(DATA) as mirror:
        places = f"{mirror.url}/models {tmp_path}/mirror"
        done = site.script(script, COMFYFIX_MIRROR=places, COMFYFIX_OFFLINE="1")
        assert done.returncode == 15, done.stdout
        put(tmp_path / "mirror", DATA)
        done = site.script(script, COMFYFIX_MIRROR=places, COMFYFIX_OFFLINE="1")
    assert done.returncode == 0, done.stdout
    is_right(folder)
    assert not mirror.seen
    assert not hub.seen


def arrived(folder: Path) -> int:
    """Up to where a part has no gap, as its script has noted."""
    told = [path.read_text() for path in folder.glob("*.have")]
    return max(
        (int(m[1]) for text in told if (m := re.search(r"^0 (\d+)$", text, re.M))), default=0
    )


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    secret = path.with_name("secret")
    secret.write_bytes(DATA)
    path.symlink_to(secret)


def _folder(path: Path) -> None:
    path.mkdir()


def _longer(path: Path) -> None:
    path.write_bytes(DATA + b"x")


def _hollow(path: Path) -> None:
    with path.open("wb") as out:
        out.truncate(1 << 43)


@pytest.mark.parametrize("made", [_pipe, _link, _folder, _longer, _hollow])
def test_what_is_no_plain_file_of_the_size_is_left(
    site: Site, hub: Hub, folder: Path, tmp_path: Path, made: Callable[[Path], None]
) -> None:
    path = put(tmp_path / "mirror", b"", DIGEST)
    path.unlink()
    made(path)
    done = site.script(script_for(site, hub), COMFYFIX_MIRROR=str(tmp_path / "mirror"))
    assert done.returncode == 0, done.stdout
    is_right(folder)
    assert hub.seen


@pytest.mark.soak
def test_a_pipe_that_takes_the_place_while_it_is_opened_is_not_waited_for(
    site: Site, hub: Hub, folder: Path, tmp_path: Path
) -> None:
    """The look is past; what is opened then is a pipe without a writer."""
    path = put(tmp_path / "mirror", DATA)
    tools = tmp_path / "tools"
    tools.mkdir()
    swap = f"[ -p {path} ] || {{ rm -f {path}; mkfifo {path}; }}"
    (tools / "cp").write_text(f'#!/bin/sh\n{swap}\nexec /bin/cp "$@"\n')
    (tools / "cp").chmod(0o755)
    done = site.script(
        script_for(site, hub),
        COMFYFIX_MIRROR=str(tmp_path / "mirror"),
        COMFYFIX_LOCK_STILL="1",
        PATH=f"{tools}:{os.environ['PATH']}",
    )
    assert done.returncode == 0, done.stdout
    assert path.is_fifo()
    is_right(folder)


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_stopped_script_goes_on_at_the_mirror_and_not_at_the_origin(
    site: Site, hub: Hub, folder: Path, number: signal.Signals
) -> None:
    script = script_of(site, hub, LARGE)
    go_on = threading.Event()

    def answer(ask: Ask) -> Reply:
        reply = proper(LARGE, ask)
        late = (ask.start or 0) >= 4 << 20 and not go_on.is_set()
        return cut(reply, 1000, stall=True) if late else reply

    with Server(answer) as mirror:
        env = site.environment(HF_ENDPOINT=hub.url, COMFYFIX_MIRROR=mirror.url)
        process = subprocess.Popen(
            ["bash", str(script)], env=env, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            wait_until(lambda: arrived(folder) >= 4 << 20 and len(mirror.seen) > 1)
            if number is signal.SIGKILL:  # and its children, as when the machine goes down
                os.killpg(process.pid, number)
            process.send_signal(number)
            assert process.wait(60) == (143 if number is signal.SIGTERM else -number)
        finally:
            process.kill()
            process.wait()
        if number is signal.SIGTERM:
            wait_until(lambda: len(left(folder)) == 2)  # the part and its list: no lock, no notes
        go_on.set()
        before = len(mirror.seen)
        done = site.script(script, COMFYFIX_MIRROR=mirror.url)
        assert done.returncode == 0, done.stdout
        is_right(folder, LARGE_DIGEST)
        assert "Going on at byte" in done.stdout
        assert all((seen.ask.start or 0) >= 4 << 20 for seen in mirror.seen[before:])
    assert not hub.seen


def test_what_a_mirror_has_sent_is_not_continued_without_it(
    site: Site, hub: Hub, folder: Path
) -> None:
    script = script_for(site, hub)
    folder.mkdir(parents=True)
    dead = f"{NAME}.{DIGEST[8:16]}.elsewhere.1.part"
    (folder / dead).write_bytes(WRONG[:1000])
    done = site.script(script)
    assert done.returncode == 0, done.stdout
    assert answers(hub) == [200]
    is_right(folder)


def test_a_part_of_the_origin_outlives_a_bad_mirror(
    site: Site, hub: Hub, folder: Path, tmp_path: Path
) -> None:
    script = script_for(site, hub)
    put(tmp_path / "mirror", WRONG, DIGEST)
    folder.mkdir(parents=True)
    (folder / f"{NAME}.{DIGEST[:8]}.elsewhere.1.part").write_bytes(DATA[:200_000])
    done = site.script(script, COMFYFIX_MIRROR=str(tmp_path / "mirror"))
    assert done.returncode == 0, done.stdout
    assert answers(hub) == [206]
    is_right(folder)


def test_where_neither_has_it_the_code_is_that_of_the_origin(
    site: Site, hub: Hub, folder: Path, tmp_path: Path
) -> None:
    hub.faults.append(Fault("file *", "404"))
    put(tmp_path / "mirror", WRONG, DIGEST)
    done = site.script(script_for(site, hub), COMFYFIX_MIRROR=f"{tmp_path}/mirror {hub.url}/none")
    assert done.returncode == 12, done.stdout
    assert left(folder) == []


@pytest.mark.soak
def test_a_filling_that_is_stopped_goes_on_where_it_was(
    site: Site, hub: Hub, tmp_path: Path
) -> None:
    data = file_for(NAME, size=5_000_000)
    hub.add(REPO, []).files[NAME] = data
    site.workflow("w.json", ("loras", NAME))
    assert site.doit("lock").returncode == 0
    hub.faults.append(Fault("file *", "stall", times=1))
    mirror = tmp_path / "mirror"
    folder = (mirror / place_of(sha256(data))[1:]).parent
    process = site.start("mirror", str(mirror))
    wait_until(lambda: any(p.stat().st_size for p in folder.glob("*.part")))
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 143, told
    assert t("Stopped. What is there by now stays; the same command goes on.") in told
    assert not list(folder.glob(sha256(data)))
    hub.seen.clear()
    done = site.doit("mirror", str(mirror))
    assert done.returncode == 0, done.stdout + done.stderr
    assert answers(hub) == [206]
    assert left(folder) == [sha256(data)]
    assert sha256_of(folder / sha256(data)) == sha256(data)
