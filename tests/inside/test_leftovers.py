"""What a killed script has left: gone with the next run, however late its parent asks how it ended.

In many containers nobody ever does, and the killed stay zombies. Here the tests are such parents.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from comfyfix import templates
from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.disk.files import sha256_of
from comfyfix.disk.lease.owner import where
from comfyfix.screen.words import t
from tests.behaviour.test_script import DATA, NAME, identity, left, script_for, wait_for_part
from tests.rig import PROGRAM, Site, children_of, is_alive, is_zombie

# All that loses its parent becomes a child of this program, which asks nobody how it ended.
LATE = """\
import ctypes, subprocess, sys
PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
print(child.pid, flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def ended(*argv: str, **options: object) -> Iterator[int]:
    """The process id of a zombie."""
    child = subprocess.Popen(argv or ["true"], **options)  # type: ignore[call-overload]
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    try:
        yield child.pid
        assert is_zombie(child.pid)
    finally:
        child.wait()


@contextlib.contextmanager
def killed(script: Path, site: Site, hub: Hub, *, group: bool) -> Iterator[list[int]]:
    """A script that is killed in the middle and stays a zombie; yields what it had started."""
    still = "12"  # so it gives a sign of life each other second
    hub.faults.append(Fault("file *", "stall", times=1))
    running = subprocess.Popen(
        ["bash", str(script)],
        env=site.environment(HF_ENDPOINT=hub.url, COMFYFIX_LOCK_STILL=still),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for_part(site.models / "loras", len(DATA) // 2)
        below = children_of(running.pid)
        (os.killpg if group else os.kill)(running.pid, signal.SIGKILL)
        os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)
        yield below
        assert is_zombie(running.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def wait_until(true: Callable[[], bool]) -> None:
    """Look again and again until something is so."""
    pause = threading.Event()
    for _ in range(1000):
        if true():
            return
        pause.wait(0.02)
    raise AssertionError("what was waited for did not come")


@pytest.mark.parametrize("group", [True, False], ids=["all killed", "script killed"])
@pytest.mark.parametrize("hashed", [True, False], ids=["at once", "with notes"])
class TestOneThatNobodyAsks:
    """A script that was killed and is a zombie to the end of the test."""

    def script(self, site: Site, hub: Hub, hashed: bool) -> Path:
        return script_for(site, hub) if hashed else script_for(site, hub, sha256=None)

    def test_its_part_is_taken_over_at_once(
        self, site: Site, hub: Hub, hashed: bool, group: bool
    ) -> None:
        script, folder = self.script(site, hub, hashed), site.models / "loras"
        with killed(script, site, hub, group=group) as below:
            done = site.script(script, COMFYFIX_LOCK_WAIT="0")
            assert done.returncode == 0, done.stdout
            assert sha256_of(folder / NAME) == sha256(DATA)
            assert left(folder) == [NAME]
            wait_until(lambda: not any(is_alive(pid) for pid in below))
        # Without a hash a part counts only with the server's mark, which is noted for large files.
        after = [206] if hashed else [200]
        assert [s.status for s in hub.seen if s.path.startswith("/cdn/")] == [200, *after]

    def test_what_it_left_goes_where_the_model_is_there(
        self, site: Site, hub: Hub, hashed: bool, group: bool
    ) -> None:
        script, folder = self.script(site, hub, hashed), site.models / "loras"
        with killed(script, site, hub, group=group) as below:
            (folder / NAME).write_bytes(DATA)
            done = site.script(script, COMFYFIX_LOCK_WAIT="0")
            assert "Already there" in done.stdout
            assert left(folder) == [NAME]
            wait_until(lambda: not any(is_alive(pid) for pid in below))


def test_an_old_bash_notes_whom_it_has_started_too(site: Site, hub: Hub) -> None:
    """3.2 has no BASHPID; nor has a newer one that has unset it."""
    script = script_for(site, hub, alone=True)
    script.write_text(script.read_text().replace("set -u\n", "set -u\nunset BASHPID\n", 1))
    with killed(script, site, hub, group=False) as below:
        (curl,) = [p for p in below if b"curl" in Path(f"/proc/{p}/cmdline").read_bytes()]
        (note,) = (site.models / "loras").glob(".*.work/0.pid")
        assert int(note.read_text()) == curl
        assert site.script(script).returncode == 0
        wait_until(lambda: not is_alive(curl))
    assert left(site.models / "loras") == [NAME]


def test_nobody_gives_a_sign_of_life_for_a_zombie(site: Site, hub: Hub) -> None:
    """Another machine, which can't look at the process, would wait for ever."""
    script = script_for(site, hub, sha256=None)
    with killed(script, site, hub, group=False) as below:
        command = f"bash\0{script}\0".encode()
        shells = [p for p in below if Path(f"/proc/{p}/cmdline").read_bytes() == command]
        assert shells
        wait_until(lambda: not any(is_alive(pid) for pid in shells))


def test_a_killed_run_whose_scripts_nobody_asks(site: Site, hub: Hub) -> None:
    """The model is put there by hand then: there is nothing to fetch, but something to clear."""
    site.workflow("w.json", ("loras", NAME))
    hub.add("someone/train", []).files[NAME] = DATA
    hub.faults.append(Fault("file *", "stall", times=1))
    late = subprocess.Popen(
        [sys.executable, "-c", LATE, *PROGRAM], cwd=site.root, env=site.environment(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with late:
        assert late.stdout is not None
        doit = int(late.stdout.readline())
        part = wait_for_part(site.models / "loras", len(DATA) // 2)
        script = int(part.name.split(".")[-2])
        for pid in (doit, script):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: is_zombie(doit) and is_zombie(script))
        site.put("loras", NAME, DATA)
        done = site.doit()
        assert done.returncode == 0, done.stdout
        assert t("There already, now verified: {count}", count=1) in done.stdout
        assert left(site.models / "loras") == [NAME]
        assert is_zombie(script)


def leave(folder: Path, name: str, owner: str) -> set[str]:
    """All that a killed script may leave; returns the names."""
    notes = folder / f".{name}.{owner}.work"
    notes.mkdir()
    (notes / "work.pid").write_text("4194305\n")
    files = [f"{name}.{kind}.{owner}.{end}" for kind in ("0123abcd", "nohash")
             for end in ("part", "have")]  # fmt: skip
    for file in files:
        (folder / file).write_bytes(b"half")
    links = [f".{name}.lock", f".{name}.lock.{owner}"]
    for link in links:
        (folder / link).symlink_to(owner)
    return {notes.name, *files, *links}


OTHERS = [  # below folders/, what is no script's of ours for this model: as names of files
    "{name}.part",
    "{name}.old.part",
    "{name}.0123abcd.part",
    "{name}.0123abcdef.{dead}.part",
    "{name}.0123ABCD.{dead}.part",
    "{name}.mine.{dead}.part",
    "{name}.0123abcd.{dead}.7.part",
    "{name}.0123abcd.a-{dead}.part",
    "{name}.0123abcd.{dead}x.have",
    "{name}.0123abcd.elsewhere.7.part",
    "my {name}.0123abcd.{dead}.part",
    ".{name}.{dead}.works",
]


@pytest.mark.parametrize("ours", [True, False], ids=["downloaded", "was there before"])
def test_a_run_with_nothing_to_do_clears_up(site: Site, hub: Hub, ours: bool) -> None:
    name, folder = "rife49.pth", site.models / "upscale_models"
    site.workflow("w.json", ("upscale_models", name))
    if ours:
        hub.add("AlexWortega/RIFE", [name])
        assert site.doit().returncode == 0
    else:
        site.put("upscale_models", name)
        assert site.doit().returncode == 0
        assert not list(site.output.glob("*.sh"))
    with ended() as pid:
        dead, living = f"{identity()}.{pid}", f"{identity()}.{os.getpid()}"
        gone = leave(folder, name, dead)
        stay = {name} | leave(folder, f"{name}.safetensors", living)
        stay |= leave(folder, "other.pth", dead)  # no model that is needed
        for other in OTHERS:
            (folder / other.format(name=name, dead=dead)).write_bytes(b"mine")
        directory = folder / f"{name}.0123abcd.{dead}.have2.part"
        for made in (directory, folder / f"{name}.89abcdef.{dead}.part"):
            made.mkdir()
            (made / "precious").write_bytes(b"mine")
            stay.add(made.name)
        stay |= {other.format(name=name, dead=dead) for other in OTHERS}
        done = site.doit()
        assert done.returncode == 0, done.stdout
        assert t("Nothing to do") in done.stdout
        assert set(left(folder)) & gone == set()
        assert set(left(folder)) == stay
        for made in folder.glob("*/precious"):
            assert made.read_bytes() == b"mine"
        stays = leave(folder, name, living)
        assert site.doit().returncode == 0
        assert set(left(folder)) == stay | stays


@pytest.mark.parametrize("there", [True, False], ids=["there", "still to come"])
def test_what_was_left_goes_though_another_has_the_number(
    site: Site, hub: Hub, there: bool
) -> None:
    site.workflow("w.json", ("loras", NAME))
    hub.add("someone/train", []).files[NAME] = DATA
    folder = site.models / "loras"
    folder.mkdir()
    owner = f"{where()}t1.{os.getpid()}"  # this process began later
    leave(folder, NAME, owner)
    (folder / f"{NAME}.{sha256(DATA)[:8]}.{owner}.part").write_bytes(DATA[:-9])
    if there:
        site.put("loras", NAME, DATA)
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert left(folder) == [NAME]
    assert sha256_of(folder / NAME) == sha256(DATA)
    assert [s.status for s in hub.seen if s.path.startswith("/cdn/")] == ([] if there else [206])


def test_what_dies_while_a_run_goes_on_is_cleared_up_at_its_end(site: Site, hub: Hub) -> None:
    site.workflow("w.json", ("upscale_models", "rife49.pth"), ("loras", NAME))
    hub.add("someone/train", []).files[NAME] = DATA
    folder = site.put("upscale_models", "rife49.pth").parent
    with ended() as pid:
        owner = f"{identity()}.{pid}"

        def dies(what: str) -> None:
            if what.startswith("file ") and len(left(folder)) == 1:
                leave(folder, "rife49.pth", owner)

        hub.on_request = dies
        done = site.doit()
        assert done.returncode == 0, done.stdout
        assert left(folder) == ["rife49.pth"]


def test_what_killed_writes_have_left_goes(site: Site, hub: Hub) -> None:
    """Of dead processes at once, of others after a day; nothing that is not ours to the letter."""
    site.workflow("w.json", ("vae", "soft_vae.safetensors"))
    hub.add("someone/soft_vae", ["soft_vae.safetensors"])
    assert site.doit().returncode == 0
    beside = site.models / ".comfyfix" / "receipts" / "vae"
    within = (site.output / name for name in (".cache", "log", "sources", "verified"))
    folders = [site.output, *within, beside]
    with subprocess.Popen(["true"]) as child:
        pass
    alive, dead, there = os.getpid(), child.pid, where()
    goes = [f".a.json.{there}.{dead}.abcdefgh.tmp"]
    old = [".a.json.elsewhere.1.abcdefgh.tmp", f".b.json.{there}.{alive}.abcdefgh.tmp"]
    stays = [
        f".a.json.{there}.{alive}.abcd_f9h.tmp",
        ".a.json.elsewhere.77.abcdefgh.tmp",
        f"a.json.{there}.{dead}.abcdefgh.tmp",
        f".a.json.{there}.{dead}.abcdefgh.tmp.bak",
        f".a.json.{there}.{dead}.ABCDEFGH.tmp",
        f".a.json.{dead}.abcdefgh.tmp",
        ".a.json.abcdefgh.tmp",
    ]
    for folder in folders:
        for name in (*goes, *old, *stays):
            (folder / name).write_text("half")
        for name in old:
            os.utime(folder / name, (1e9, 1e9))
    assert site.doit().returncode == 0
    for folder in folders:
        left = {path.name for path in folder.iterdir() if "tmp" in path.name}
        assert left == set(stays)


def test_what_was_left_goes_where_the_model_lies_elsewhere_now(site: Site) -> None:
    """A download was killed, and then the user brought the file to another of ComfyUI's folders."""
    site.workflow("w.json", ("loras", NAME))
    elsewhere, folder = site.root / "elsewhere", site.models / "loras"
    elsewhere.mkdir()
    folder.mkdir()
    (elsewhere / NAME).write_bytes(file_for(NAME))
    paths = f"mine:\n  base_path: {site.root}\n  loras: elsewhere\n"
    (site.comfyui / "extra_model_paths.yaml").write_text(paths)
    with ended() as pid:
        leave(folder, NAME, f"{identity()}.{pid}")
        leave(elsewhere, NAME, f"{identity()}.{pid}")
        assert site.doit().returncode == 0
    assert (left(folder), left(elsewhere)) == ([], [NAME])


def test_a_part_of_a_model_that_is_still_to_come_stays(site: Site, hub: Hub) -> None:
    """The search for it fails today: what has arrived is for the day it doesn't."""
    site.workflow("w.json", ("loras", NAME), ("vae", "soft_vae.safetensors"))
    hub.add("someone/soft_vae", ["soft_vae.safetensors"])
    folder = site.models / "loras"
    folder.mkdir()
    with ended() as pid:
        part = folder / f"{NAME}.0123abcd.{identity()}.{pid}.part"
        part.write_bytes(b"half")
        assert site.doit().returncode == 1
        assert left(folder) == [part.name]


def test_a_part_of_a_model_that_is_to_be_replaced_stays(site: Site, hub: Hub) -> None:
    site.workflow("w.json", ("loras", NAME))
    hub.add("someone/train", []).files[NAME] = DATA
    assert site.doit().returncode == 0
    path = site.put("loras", NAME, DATA[:-1])
    hub.faults.append(Fault("file *", "cut"))
    assert site.doit("download:night_train").returncode == 1
    assert sha256_of(path) == sha256(DATA[:-1])
    assert len(left(path.parent)) == 2
    hub.faults.clear()
    assert site.doit().returncode == 0
    assert left(path.parent) == [NAME, f"{NAME}.damaged"]
    assert [s.status for s in hub.seen if s.path.startswith("/cdn/")][-1] == 206


def test_what_was_left_outside_the_model_folders_is_not_touched(site: Site, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / NAME).write_bytes(file_for(NAME))
    (site.models / "loras").mkdir()
    (site.models / "loras" / "sub").symlink_to(outside)
    site.workflow("w.json", ("loras", f"sub/{NAME}"))
    with ended() as pid:
        names = leave(outside, NAME, f"{identity()}.{pid}")
        assert site.doit().returncode == 0
        assert set(left(outside)) == names | {NAME}


def lives(pid: object, proc: str, path: str) -> bool:
    """Ask the scripts' own function; `proc` stands in for /proc."""
    text = templates.text("script/children.sh").replace("/proc/", f"{proc}/")
    program = f'set -u; export LC_ALL=C; {text}\nlives "$1"'
    done = subprocess.run(
        [shutil.which("bash") or "", "-c", program, "lives", str(pid)], env={"PATH": path},
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode == 0


@pytest.mark.parametrize("proc", ["/proc", "/nowhere"])
@pytest.mark.parametrize("path", [os.environ["PATH"], "/nowhere"], ids=["ps", "no ps"])
def test_who_lives(proc: str, path: str) -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    for nobody in (gone.pid, "", 0, "007", -1, "x", "99999999999999999999", "$(echo 1)"):
        assert not lives(nobody, proc, path)
    assert lives(os.getpid(), proc, path)
    with ended() as pid:
        # Where nothing tells the state, what can be signalled counts as alive: that only waits.
        assert lives(pid, proc, path) == ((proc, path) == ("/nowhere", "/nowhere"))
