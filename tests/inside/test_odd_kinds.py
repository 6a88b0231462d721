"""Odd things in the place of all that we read: every command ends in ten seconds, none is believed.

In the place of receipts, the log of hashes, locks, caches, the ledger, pins, the token, verdicts,
records and scripts lie pipes, devices without an end, holes of a terabyte, folders and links.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.disk.files import sha256_of
from comfyfix.screen.words import t
from tests.behaviour.test_script import identity
from tests.inside.test_receipts import NAME, WITH_KEY, change, forge, model, receipt_file, unseen
from tests.rig import PROGRAM, Site

pytestmark = pytest.mark.soak  # minutes of whole runs
SECONDS = 10
OTHER = "night_train.safetensors"
KINDS = ("pipe", "endless", "hole", "folder", "loop", "gone", "linked")
COMMANDS = (
    (), ("list",), ("scan",), ("plan",), ("verify",), ("verify", "--store"), ("why", OTHER),
)  # fmt: skip


def odd(path: Path, kind: str) -> None:
    """Put something of this kind in the place of a file."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
            (path / "x").write_bytes(b"x")
        case "hole":
            with path.open("wb") as out:
                out.truncate(1 << 40)
        case "endless":
            path.symlink_to("/dev/zero")
        case "loop":
            path.symlink_to(path.name)
        case "gone":
            path.symlink_to(path.parent / "nothing" / "here")
        case "linked":
            path.symlink_to("/etc/passwd")


def in_time(
    site: Site, prepare: Callable[[], object], *command: str, **extra: str
) -> subprocess.CompletedProcess[str]:
    """Run a command. Fails when it takes too long, or ends in a traceback."""
    # A busy machine may stand still for as long, but not twice; who waits for a pipe always does.
    with contextlib.suppress(subprocess.TimeoutExpired):
        return _once(site, prepare, *command, **extra)
    return _once(site, prepare, *command, **extra)


def _once(
    site: Site, prepare: Callable[[], object], *command: str, **extra: str
) -> subprocess.CompletedProcess[str]:
    prepare()
    done = subprocess.run(
        [*PROGRAM, *command], cwd=site.root, env=site.environment(**extra), capture_output=True,
        check=False, text=True, stdin=subprocess.DEVNULL, timeout=SECONDS,
    )  # fmt: skip
    assert "Traceback" not in done.stdout + done.stderr, command
    return done


def require_code(done: subprocess.CompletedProcess[str], command: tuple[str, ...]) -> None:
    """Each ends as if nothing were odd; that a model is missing, only verify minds."""
    code = 1 if command == ("verify",) else 0
    assert done.returncode == code, (command, done.stdout, done.stderr)


@pytest.fixture
def two(site: Site, hub: Hub) -> Site:
    """A store with two models that were fetched by somebody with the key."""
    site.workflow("w.json", ("loras", NAME), ("loras", OTHER))
    hub.add("maker/harbor_light", [NAME])
    hub.add("maker/night_train", [OTHER])
    # Node packs of the user, so that their cache is made too.
    pack = site.comfyui / "custom_nodes" / "pack"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text("NODE_CLASS_MAPPINGS = {}\n")
    assert site.doit(**WITH_KEY).returncode == 0
    return site


class Snapshot:
    """What was there, to be put back before each command; the models themselves stay."""

    def __init__(self, site: Site) -> None:
        self._site, self._kept = site, site.root / "kept"
        self._pairs = {
            "output": site.output, "store": site.models / ".comfyfix",
        }  # fmt: skip
        for name, place in self._pairs.items():
            shutil.copytree(place, self._kept / name)

    def restore(self) -> None:
        for name, place in self._pairs.items():
            shutil.rmtree(place)
            shutil.copytree(self._kept / name, place)


def of_ours(site: Site) -> list[Path]:
    """Everything that we read and another could have placed, whether it is there now or not."""
    output, folder = site.output, site.models / "loras"
    owner = f"{identity()}.{os.getpid()}"
    work = folder / f".{OTHER}.{owner}.work"
    return [
        *(path for path in output.rglob("*") if path.is_file()),
        output / "ledger.json", output / ".ledger.lock", output / ".pins.lock",
        output / ".cache" / ".hashes.jsonl.lock", output / ".cache" / "hashes.jsonl",
        output / ".cache" / "server.json", output / ".cache" / "packs.json",
        output / ".cache" / "doit.json", output / "download_counter.txt",
        output / "log" / "qwen_search_history.log", output / "missing_models.json",
        receipt_file(site), receipt_file(site, OTHER),
        folder / f".{NAME}.lock", folder / f".{OTHER}.lock",
        *(work / name for name in ("beat", "who", "work.pid", "have", "0.headers", "hash")),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_ours_is_odd_at_once(two: Site, hub: Hub, kind: str) -> None:
    """One model is there, one is to be fetched."""
    snapshot = Snapshot(two)
    other = two.models / "loras" / OTHER
    good = dict(two.files())

    def prepare() -> None:
        snapshot.restore()
        other.unlink(missing_ok=True)
        for path in of_ours(two):
            odd(path, kind)

    for command in COMMANDS:
        done = in_time(two, prepare, *command, **WITH_KEY)
        require_code(done, command)
        if not command:
            assert sha256_of(other) == good[f"loras/{OTHER}"]
            assert t("Nothing to do") in two.doit(**WITH_KEY).stdout


@pytest.mark.parametrize("kind", ["pipe", "linked"])
@pytest.mark.parametrize("below", [".comfyfix", ".comfyfix/receipts/loras"])
def test_the_folders_of_receipts_are_odd(two: Site, below: str, kind: str) -> None:
    """What another has put in their place is left alone, and read by nobody."""
    other = two.models / "loras" / OTHER
    place = two.models / below
    odd(place, kind)
    was = place.lstat()
    for command in COMMANDS:
        done = in_time(two, lambda: other.unlink(missing_ok=True), *command, **WITH_KEY)
        require_code(done, command)
    assert (place.lstat().st_ino, place.lstat().st_mode) == (was.st_ino, was.st_mode)


@pytest.mark.parametrize("kind", ["pipe", "endless", "hole", "linked"])
def test_an_odd_receipt_keeps_no_fresh_checkout(two: Site, kind: str) -> None:
    other = two.models / "loras" / OTHER
    for name in (NAME, OTHER):
        odd(receipt_file(two, name), kind)

    def prepare() -> None:
        shutil.rmtree(two.output)
        other.unlink(missing_ok=True)

    for command in COMMANDS:
        require_code(in_time(two, prepare, *command, **WITH_KEY), command)


@pytest.mark.parametrize("kind", ["pipe", "endless", "hole", "gone", "linked"])
@pytest.mark.parametrize("name", ["pins.yaml", "token"])
def test_what_is_the_users_own_is_told(two: Site, name: str, kind: str) -> None:
    odd(two.root / name, kind)
    for command in COMMANDS:
        done = in_time(two, bool, *command, HF_TOKEN_PATH=str(two.root / "token"), **WITH_KEY)
        if name == "token" and (
            command == ("scan",) or kind == "gone"
        ):  # it is not needed, or not there
            assert (done.returncode, done.stderr) == (0, ""), command
        else:
            assert done.returncode == 3, command
            assert done.stdout == ""
            assert len(done.stderr.splitlines()) == 1
    assert os.path.lexists(two.root / name)


def replayed(site: Site) -> None:
    """The receipt of the right bytes, and signed, beside wrong ones of the same size and time."""
    unseen(model(site))


def moved(site: Site) -> None:
    """The signed receipt of another, good file."""
    unseen(model(site))
    receipt_file(site).write_bytes(receipt_file(site, OTHER).read_bytes())


def linked(site: Site) -> None:
    """The same by way of a link."""
    unseen(model(site))
    receipt_file(site).unlink()
    receipt_file(site).symlink_to(receipt_file(site, OTHER))


def linked_elsewhere(site: Site) -> None:
    """A link to a receipt that somebody has forged outside the store."""
    forge(site)
    elsewhere = site.root / "forged.json"
    receipt_file(site).rename(elsewhere)
    receipt_file(site).symlink_to(elsewhere)


def forged_unsigned(site: Site) -> None:
    """Wrong bytes, and one without a signature that says they are right."""
    forge(site)
    change(site, mac="", key_id="")


def forged_place(site: Site) -> None:
    """Wrong bytes, their own sha256 in it, and the place of another."""
    forge(site)
    change(site, sha256=sha256(model(site).read_bytes()), place=f"loras/{OTHER}")


UNTRUE: dict[str, Callable[[Site], None]] = {
    each.__name__: each
    for each in (forge, forged_unsigned, forged_place, replayed, moved, linked, linked_elsewhere)
}


@pytest.mark.parametrize("fresh", [True, False], ids=["another checkout", "its own"])
@pytest.mark.parametrize("how", UNTRUE)
def test_nothing_untrue_is_believed(two: Site, how: str, fresh: bool) -> None:
    """What the manifest says of the file is what it is held against."""
    two.manifest(models={NAME: {"sha256": sha256(file_for(NAME))}})
    assert two.doit(**WITH_KEY).returncode == 0
    good = model(two).read_bytes()
    UNTRUE[how](two)
    bad, stat = model(two).read_bytes(), model(two).stat()
    assert bad != good
    snapshot = Snapshot(two)

    def prepare() -> None:
        snapshot.restore()
        if fresh:
            shutil.rmtree(two.output)
        if not model(two).exists() or model(two).read_bytes() != bad:  # it was mended
            model(two).write_bytes(bad)
            os.utime(model(two), ns=(stat.st_atime_ns, stat.st_mtime_ns))

    for command in COMMANDS:
        done = in_time(two, prepare, *command, **WITH_KEY)
        if not command or command[0] == "verify":
            mended = model(two).exists() and model(two).read_bytes() == good
            assert mended or done.returncode == 1, (command, done.stdout, done.stderr)
