"""The script alone: real bash and curl against a hub that fails in every way."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.disk.files import sha256_of
from comfyfix.records import Model, Record
from comfyfix.script import engine
from tests.faults.rig import wait_until
from tests.rig import Site, children_of, is_alive, put_script

NAME = "night_train.safetensors"
DATA = file_for(NAME, size=300_000)
REPO = "someone/night-train"


def script_for(
    site: Site, hub: Hub, name: str = NAME, *, alone: bool = False, **changes: object
) -> Path:
    """Render the script of a file on the hub, as the program would."""
    repository = hub.add(REPO, [])
    repository.files[name] = DATA
    values: dict[str, object] = {
        "number": 1,
        "model": Model(folder="loras", path=name),
        "destination": str(site.models / "loras" / name),
        "store": str(site.models),
        "source": "huggingface",
        "where": REPO,
        "repo": REPO,
        "url": f"https://huggingface.co/{REPO}/resolve/{repository.commit}/{name}",
        "size": len(DATA),
        "sha256": sha256(DATA),
        **changes,
    }
    retries, reserve = values.pop("retries", 3), values.pop("reserve", 0)
    record = Record(**values)  # type: ignore[arg-type]
    path = site.root / "download.sh"
    return put_script(path, record, alone=alone, retries=retries, reserve=reserve)


@pytest.fixture
def folder(site: Site) -> Path:
    return site.models / "loras"


def left(folder: Path) -> list[str]:
    """Names in the folder, locks and hidden files included."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_it_brings_the_file_and_a_second_run_does_nothing(
    site: Site, hub: Hub, folder: Path
) -> None:
    script = script_for(site, hub)
    first = site.script(script)
    assert first.returncode == 0, first.stdout + first.stderr
    assert sha256_of(folder / NAME) == sha256(DATA)
    assert left(folder) == [NAME]
    asked = len(hub.seen)
    second = site.script(script)
    assert second.returncode == 0
    assert "Already there" in second.stdout
    assert len(hub.seen) == asked


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_connection_is_taken_up_again(
    site: Site, hub: Hub, folder: Path, ranges: bool
) -> None:
    hub.ranges = ranges
    hub.faults.append(Fault("file *", "cut", times=2))
    done = site.script(script_for(site, hub))
    assert done.returncode == 0, done.stdout
    assert sha256_of(folder / NAME) == sha256(DATA)
    answers = [seen.status for seen in hub.seen if seen.path.startswith("/cdn/")]
    assert answers[0] == 200
    assert (206 in answers) is ranges


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("flip", 14),
        ("html", 14),
        ("reset", 15),
        ("cut", 0),  # every try brings half of the rest
        ("404", 12),
        ("410", 12),
        ("500", 15),
        ("503", 15),
        ("429", 15),
    ],
)
def test_what_fails_for_ever_ends_with_its_code(
    site: Site, hub: Hub, folder: Path, kind: str, code: int
) -> None:
    hub.faults.append(Fault("file *", kind))
    done = site.script(script_for(site, hub))
    assert done.returncode == code, done.stdout
    if code:
        assert NAME not in left(folder)
        assert "Next: " in done.stdout
        hub.faults.clear()
        assert site.script(site.root / "download.sh").returncode == 0
    assert sha256_of(folder / NAME) == sha256(DATA)
    assert left(folder) == [NAME]


@pytest.mark.parametrize(
    ("kind", "times"), [("expire", 1), ("503", 2), ("429", 2), ("500", 2), ("reset", 2)]
)
def test_what_passes_is_tried_again(
    site: Site, hub: Hub, folder: Path, kind: str, times: int
) -> None:
    hub.faults.append(Fault("file *", kind, times=times, headers={"Retry-After": "0"}))
    done = site.script(script_for(site, hub))
    assert done.returncode == 0, done.stdout
    assert sha256_of(folder / NAME) == sha256(DATA)


def test_a_part_of_another_file_is_thrown_away(site: Site, hub: Hub, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / f"{NAME}.{sha256(DATA)[:8]}.elsewhere.7.part").write_bytes(b"x" * 1000)
    (folder / f"{NAME}.00000000.elsewhere.7.part").write_bytes(b"of an older source")
    done = site.script(script_for(site, hub))
    assert done.returncode == 0, done.stdout
    assert sha256_of(folder / NAME) == sha256(DATA)
    assert left(folder) == [NAME]


def test_a_wrong_file_in_the_place_is_moved_aside(site: Site, hub: Hub, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(b"x" * len(DATA))
    (folder / f"{NAME}.damaged").write_bytes(b"an earlier one")
    assert site.script(script_for(site, hub)).returncode == 0
    assert sha256_of(folder / NAME) == sha256(DATA)
    assert (folder / f"{NAME}.damaged").read_bytes() == b"an earlier one"
    assert sha256_of(folder / f"{NAME}.damaged.1") == sha256(b"x" * len(DATA))


@pytest.fixture
def elsewhere() -> Iterator[Hub]:
    with Hub() as other:
        yield other


def test_gated_files_and_where_the_token_goes(
    site: Site, hub: Hub, elsewhere: Hub, folder: Path
) -> None:
    script = script_for(site, hub)
    hub.repositories[REPO].gated = True
    hub.tokens = {"hf_accepted"}
    hub.cdn = elsewhere.url
    elsewhere.repositories = hub.repositories
    assert site.script(script).returncode == 10
    assert site.script(script, HF_TOKEN="hf_unknown").returncode == 11
    done = site.script(script, HF_TOKEN="hf_accepted")
    assert done.returncode == 0, done.stdout
    assert {seen.token for seen in hub.seen} == {"", "hf_unknown", "hf_accepted"}
    assert {seen.token for seen in elsewhere.seen} == {""}
    assert "hf_accepted" not in script.read_text() + done.stdout + done.stderr


@pytest.mark.parametrize("alone", [True, False])
def test_a_token_of_another_name_counts_too(site: Site, hub: Hub, alone: bool) -> None:
    script = script_for(site, hub, alone=alone)
    hub.repositories[REPO].gated = True
    hub.tokens = {"hf_second"}
    others = {"HUGGING_FACE_HUB_TOKEN": "hf_second\r\n", "HF_API_TOKEN": "hf_third"}
    assert site.script(script, HF_TOKEN="hf_first", **others).returncode == 11
    done = site.script(script, HF_TOKEN=" ", **others)
    assert done.returncode == 0, done.stdout
    assert [seen.token for seen in hub.seen if "/resolve/" in seen.path][-1] == "hf_second"
    assert not any(token in done.stdout + done.stderr for token in hub.tokens)


def test_stopped_it_keeps_the_part_and_goes_on_later(site: Site, hub: Hub, folder: Path) -> None:
    hub.faults.append(Fault("file *", "stall", times=1))
    script = script_for(site, hub)
    with subprocess.Popen(["bash", str(script)], env=site.environment(HF_ENDPOINT=hub.url),
                          stdout=subprocess.PIPE, text=True) as running:  # fmt: skip
        part = wait_for_part(folder, len(DATA) // 2)
        below = children_of(running.pid)
        running.terminate()
        assert "What has arrived is kept" in running.communicate(timeout=20)[0]
    assert running.returncode == 143
    wait_until(lambda: not any(is_alive(pid) for pid in below))
    assert left(folder) == [part.name]
    assert site.script(script).returncode == 0
    assert sha256_of(folder / NAME) == sha256(DATA)
    assert [s.status for s in hub.seen if s.path.startswith("/cdn/")] == [200, 206]


def wait_for_part(folder: Path, size: int, but: tuple[Path, ...] = ()) -> Path:
    """Wait until a part file has this much, but for what curl keeps in its buffer."""
    pause = threading.Event()
    for _ in range(3000):
        for path in folder.glob("*.part"):
            with contextlib.suppress(FileNotFoundError):  # it has got its name meanwhile
                if path not in but and path.stat().st_size >= size - 16_384:
                    return path
        pause.wait(0.01)
    raise AssertionError(f"no part file in {folder} ever reached {size} bytes")


def test_two_at_once_make_one_download(site: Site, hub: Hub, folder: Path) -> None:
    hub.delays["file"] = 0.5
    script = script_for(site, hub)
    env = site.environment(HF_ENDPOINT=hub.url)
    both = [subprocess.Popen(["bash", str(script)], env=env) for _ in range(6)]
    assert [process.wait(60) for process in both] == [0] * 6
    assert sha256_of(folder / NAME) == sha256(DATA)
    assert hub.count("GET", "/cdn/*") == 1
    assert left(folder) == [NAME]


def identity() -> str:
    """How a script of this machine calls itself, but for its process id."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    space = "".join(c for c in str(Path("/proc/self/ns/pid").readlink()) if c.isdigit())
    return boot + space


def test_a_lock_of_the_living_is_waited_for(site: Site, hub: Hub, folder: Path) -> None:
    script = script_for(site, hub)
    folder.mkdir(parents=True)
    lock = folder / f".{NAME}.lock"
    lock.symlink_to(f"{identity()}.{os.getpid()}")
    locked = site.script(script, COMFYFIX_LOCK_WAIT="1")
    assert locked.returncode == 16
    assert "is locked by" in locked.stdout
    assert lock.is_symlink()


def test_a_lock_of_the_dead_is_taken_over(site: Site, hub: Hub, folder: Path) -> None:
    script = script_for(site, hub)
    folder.mkdir(parents=True)
    with subprocess.Popen(["true"]) as gone:
        pass
    (folder / f".{NAME}.lock").symlink_to(f"{identity()}.{gone.pid}")
    assert site.script(script, COMFYFIX_LOCK_WAIT="1").returncode == 0
    assert left(folder) == [NAME]


def test_a_lock_without_a_sign_of_life_is_taken_over(site: Site, hub: Hub, folder: Path) -> None:
    script = script_for(site, hub)
    folder.mkdir(parents=True)
    (folder / f".{NAME}.lock").symlink_to("anothermachine.7")
    assert site.script(script, COMFYFIX_LOCK_STILL="2").returncode == 0
    assert left(folder) == [NAME]


def command_of(pid: int) -> bytes:
    """What a process was started with; nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_a_part_of_a_dead_run_is_taken_over(site: Site, hub: Hub, folder: Path) -> None:
    """kill -9 of the script alone: its curl lives on, and must not write into our file."""
    hub.faults.append(Fault("file *", "stall", times=1))
    script = script_for(site, hub)
    with subprocess.Popen(["bash", str(script)], env=site.environment(HF_ENDPOINT=hub.url),
                          stdout=subprocess.PIPE, text=True) as running:  # fmt: skip
        wait_for_part(folder, len(DATA) // 2)
        below = children_of(running.pid)
        running.kill()
    curls = [pid for pid in below if b"curl" in command_of(pid)]
    assert [pid for pid in curls if is_alive(pid)]
    assert site.script(script).returncode == 0
    assert sha256_of(folder / NAME) == sha256(DATA)
    assert left(folder) == [NAME]
    assert not any(is_alive(pid) for pid in curls)
    assert [s.status for s in hub.seen if s.path.startswith("/cdn/")] == [200, 206]


def test_without_locks_nothing_wrong_gets_the_name(site: Site, hub: Hub, folder: Path) -> None:
    hub.delays["file"] = 0.2
    hub.faults.append(Fault("file *", "cut", times=4))
    script = script_for(site, hub, alone=True)
    head, _, tail = script.read_text().rpartition("\nmain\n")
    script.write_text(f"{head}\ntake_lock() {{ :; }}\nmain\n{tail}")
    env = site.environment(HF_ENDPOINT=hub.url)
    every = [subprocess.Popen(["bash", str(script)], env=env) for _ in range(8)]
    assert [process.wait(60) for process in every] == [0] * 8
    assert sha256_of(folder / NAME) == sha256(DATA)
    assert left(folder) == [NAME]


def test_a_link_in_the_place_of_a_part_is_not_written_through(
    site: Site, hub: Hub, folder: Path
) -> None:
    folder.mkdir(parents=True)
    victim = site.root / "victim"
    victim.write_bytes(b"precious\n")
    part = folder / f"{NAME}.{sha256(DATA)[:8]}.{identity()}.999999.part"
    part.symlink_to(victim)
    os.mkfifo(folder / f"{NAME}.{sha256(DATA)[:8]}.elsewhere.1.part")
    assert site.script(script_for(site, hub)).returncode == 0
    assert victim.read_bytes() == b"precious\n"
    assert len(left(folder)) == 3  # no regular files, so none of ours
    assert sha256_of(folder / NAME) == sha256(DATA)


@pytest.mark.parametrize("asked", ["99999999999999999999", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_wait_that_is_no_number_is_bounded(
    site: Site, hub: Hub, folder: Path, asked: str
) -> None:
    hub.faults.append(Fault("file *", "503", times=1, headers={"Retry-After": asked}))
    script = script_for(site, hub, alone=True)
    head, _, tail = script.read_text().rpartition("\nmain\n")
    script.write_text(f'{head}\npause() {{ say "pause $1"; }}\nmain\n{tail}')
    done = site.script(script)
    assert done.returncode == 0, done.stdout
    waits = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("pause")]
    assert all(0 <= wait <= 300 for wait in waits)


def test_without_a_hash_only_the_same_object_is_taken_up_again(
    site: Site, hub: Hub, folder: Path
) -> None:
    hub.faults.append(Fault("file *", "cut", times=1))
    script = script_for(site, hub, sha256=None)
    done = site.script(script)
    assert done.returncode == 0, done.stdout
    assert sha256_of(folder / NAME) == sha256(DATA)
    assert [s.status for s in hub.seen if s.path.startswith("/cdn/")] == [200, 206]


@pytest.mark.parametrize("there", [True, False])
def test_without_a_tool_that_hashes_nothing_is_judged(
    site: Site, hub: Hub, folder: Path, tmp_path: Path, there: bool
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    needed = (
        "bash sh curl awk cat cut df head ln ls mkdir mv readlink rm sleep sync tail tr uname wc"
    )
    for name in needed.split():
        found = shutil.which(name)
        if found:
            (tools / name).symlink_to(found)
    if there:
        folder.mkdir(parents=True)
        (folder / NAME).write_bytes(DATA)
    script = script_for(site, hub)
    done = site.script(script, PATH=str(tools))
    assert done.returncode == 1
    assert "Can't compute the sha256" in done.stdout
    if there:
        assert left(folder) == [NAME]
    else:
        assert left(folder)[0].endswith(".part")
        assert site.script(script).returncode == 0


def test_a_full_disk_is_known_before_the_first_byte(site: Site, hub: Hub, folder: Path) -> None:
    done = site.script(script_for(site, hub, reserve=1 << 60))
    assert done.returncode == 13
    assert "Not enough space" in done.stdout
    assert hub.seen == []
    assert left(folder) == []


def test_a_linked_file_is_checked_and_not_copied(site: Site, hub: Hub, folder: Path) -> None:
    other = site.put("checkpoints", "same.safetensors", DATA)
    script = script_for(site, hub, url="", local=str(other))
    assert site.script(script).returncode == 0
    assert (folder / NAME).samefile(other)
    (folder / NAME).unlink()
    other.write_bytes(b"changed")
    assert site.script(script).returncode == 14
    other.unlink()
    assert site.script(script).returncode == 12
    assert hub.seen == []
    assert left(folder) == []


PAYLOADS = [
    "$(touch pwned).safetensors",
    "`touch pwned`.safetensors",
    "a'; touch pwned; '.safetensors",
    "a b.safetensors",
    "${IFS}touch${IFS}pwned.safetensors",
    "a&touch pwned&.safetensors",
    "a;touch pwned;.safetensors",
    "!!.safetensors",
    "{a,b}.safetensors",
    "[x].safetensors",
    "#x.safetensors",
    "%s%n.safetensors",
    "ünï.safetensors",
]


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_name_is_data_wherever_it_stands(site: Site, hub: Hub, folder: Path, name: str) -> None:
    from urllib.parse import quote  # one use

    commit = hub.add(REPO, [])
    commit.files[name] = DATA
    url = f"https://huggingface.co/{REPO}/resolve/{commit.commit}/{quote(name)}"
    script = script_for(site, hub, name=name, url=url)
    done = site.script(script)
    assert done.returncode == 0, done.stdout + done.stderr
    assert left(folder) == [name]
    assert not list(site.root.rglob("pwned*"))
    assert not Path("/pwned").exists()


def bash_tries_at_once() -> bool:
    """Tell whether bash is newer than 4.0: older ones make no try before they have read all."""
    told = subprocess.run(
        ["bash", "-c", 'echo "${BASH_VERSINFO[0]}.${BASH_VERSINFO[1]}"'],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return tuple(map(int, told.stdout.split("."))) > (4, 0)


SHARES = (0.02, 0.1, 0.3, 0.6, 0.9, 0.999)


@pytest.mark.parametrize("hashed", [True, False])
def test_half_an_engine_does_nothing_or_all_of_it(
    site: Site, hub: Hub, folder: Path, hashed: bool
) -> None:
    """What tries at once does so as soon as it is read, and needs nothing of the rest."""
    hub.cdn = hub.url  # storage on another server would be looked at first
    script = script_for(site, hub) if hashed else script_for(site, hub, sha256=None)
    path = site.root / engine.name()
    text = path.read_text()
    begins = text.find("\nat_once\n")
    assert begins > 0
    for share in SHARES:
        path.write_text(text[: int(len(text) * share)])
        done = site.script(script)
        tried = int(len(text) * share) >= begins + len("\nat_once")
        whole = hashed and tried and bash_tries_at_once()
        assert left(folder) == ([NAME] if whole else [])
        assert whole or (done.returncode == 1 and "doit script" in done.stderr)
        assert not whole or sha256_of(folder / NAME) == sha256(DATA)
        (folder / NAME).unlink(missing_ok=True)
    assert hashed or hub.seen == []


@pytest.mark.parametrize("alone", [True, False])
def test_half_a_script_does_nothing(site: Site, hub: Hub, alone: bool) -> None:
    script = script_for(site, hub, alone=alone)
    text = script.read_text().rpartition(". ")[0] if not alone else script.read_text()
    for share in SHARES:
        script.write_text(text[: int(len(text) * share)])
        site.script(script)
    assert hub.seen == []
    assert site.files() == {}


@pytest.mark.parametrize("token", ["", "hf_secret"])
@pytest.mark.parametrize(
    "endpoint",
    [
        "http://a:b@{host}",
        "http://{host}/x\nuser-agent = evil\n#",
        "http://{host}/x\\",
        'http://{host}/"',
        "http://{host}/é",
        "file://{host}",
    ],
)
def test_an_endpoint_that_is_no_plain_address_is_refused(
    site: Site, hub: Hub, folder: Path, endpoint: str, token: str
) -> None:
    script = script_for(site, hub)
    endpoint = endpoint.format(host=hub.url.partition("//")[2])
    done = site.script(script, HF_ENDPOINT=endpoint, HF_TOKEN=token)
    assert done.returncode == 1, done.stdout
    assert "is refused" in done.stdout
    assert hub.seen == []
    assert left(folder) == []


@pytest.mark.soak  # ten seconds of shellcheck
def test_shellcheck_has_nothing_to_say(site: Site, hub: Hub) -> None:
    checker = shutil.which("shellcheck")
    if checker is None:
        pytest.skip("shellcheck is not installed")
    clears = site.root / "clear.sh"
    clears.write_text(f"#!/usr/bin/env bash\n{engine.clearing()}")
    scripts = [script_for(site, hub), site.root / engine.name(), clears]
    scripts.append(script_for(site, hub, alone=True, sha256=None).rename(site.root / "alone.sh"))
    script_for(site, hub)
    for script in scripts:
        done = subprocess.run([checker, str(script)], capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode()
