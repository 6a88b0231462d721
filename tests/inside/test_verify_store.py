"""`doit verify --store`: every file is looked at, nothing is asked or moved unbidden."""

from __future__ import annotations

import json
import os
import re
import signal
import struct
from collections import Counter
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.commands.checking import counts
from comfyfix.screen.words import t
from comfyfix.why import Why
from tests.behaviour.test_screen import ESCAPES, in_terminal
from tests.inside.test_unsafe import HOSTILE
from tests.rig import Site, kill_hard

UNKNOWN = words.sentence(because(Why.HASH_NOT_KNOWN_HERE))
LARGE = 60 << 30  # bytes that take longer to hash than any test


def change_unseen(path: Path) -> bytes:
    """Change a file without changing its size or time, so that only reading it shows that."""
    info = path.stat()
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    return data


def hashes(site: Site) -> dict[str, str]:
    lines = (site.output / ".cache" / "hashes.jsonl").read_bytes().split(b"\n")
    told = [json.loads(line) for line in lines if line]
    return {line["path"]: line["sha256"] for line in told}


def test_every_file_is_told_and_none_is_moved_unless_asked(site: Site, hub: Hub) -> None:
    good = site.put("loras", "SDXL/good.safetensors")
    site.put("vae", "cut.safetensors", file_for("cut.safetensors")[:-1])
    site.put("upscale_models", "bad.pth", HOSTILE)
    site.put("pack_models", "some.gguf")
    site.put("loras", "notes.txt", b"not a model")
    site.put("loras", ".hidden.safetensors")
    site.put("loras", "half.safetensors.1234.part")
    site.put("loras", "old.safetensors.damaged")
    extra = site.root / "elsewhere" / "deep"
    extra.mkdir(parents=True)
    (extra / "far.safetensors").write_bytes(file_for("far.safetensors"))
    (site.comfyui / "extra_model_paths.yaml").write_text(
        f"mine:\n  base_path: {site.root}\n  controlnet: elsewhere\n"
    )
    before = site.files()
    done = site.doit("verify", "--store")
    assert done.returncode == 1, done.stderr
    assert t("Verifying {count} files", count=5) in done.stdout
    for line in (
        f"! unverified loras/SDXL/good.safetensors ({UNKNOWN})",
        "! unverified pack_models/some.gguf (",
        "! unverified controlnet/deep/far.safetensors (",
        "✗ damaged    vae/cut.safetensors (",
        "✗ unsafe     upscale_models/bad.pth (",
        "os.system",
        counts(Counter(unverified=3, damaged=1, unsafe=1)),
        t("Nothing was moved. Next: `doit verify --store --move`"),
    ):
        assert line in done.stdout
    assert site.files() == before
    assert hub.seen == []
    assert hashes(site)[str(good)] == sha256(good.read_bytes())

    assert site.doit("verify", "--store", "--move").returncode == 1
    moved = {"vae/cut.safetensors.damaged", "upscale_models/bad.pth.unsafe"}
    assert set(site.files()) - set(before) == moved
    assert site.doit("verify", "--store").returncode == 0


BY_TIME = {"identity": "mtime"}  # so that a change can stay unseen, which shows who hashes


@pytest.mark.soak  # the same
def test_what_was_hashed_is_not_hashed_again(site: Site) -> None:
    site.manifest(verify=BY_TIME)
    path = site.put("loras", "a.safetensors")
    assert site.doit("verify", "--store").returncode == 0
    old = change_unseen(path)
    done = site.doit("verify", "--store")
    assert done.returncode == 0
    assert hashes(site)[str(path)] == sha256(old)
    assert site.doit("verify", "--store", "--anew").returncode == 0
    assert hashes(site)[str(path)] == sha256(path.read_bytes())
    path.write_bytes(file_for("other.safetensors"))
    assert site.doit("verify", "--store").returncode == 0
    assert hashes(site)[str(path)] == sha256(path.read_bytes())


@pytest.mark.soak  # several runs over a store
def test_a_receipt_that_is_true_spares_hashing(site: Site, hub: Hub) -> None:
    site.manifest(verify=BY_TIME)
    site.workflow("w.json", ("loras", "harbor_light.safetensors"))
    hub.add("maker/harbor_light", ["harbor_light.safetensors"])
    assert site.doit().returncode == 0
    path = site.models / "loras" / "harbor_light.safetensors"
    copy = site.put("vae", "copy.safetensors", path.read_bytes())
    done = site.doit("verify", "--store")
    assert done.returncode == 0
    by = t("its hash is that of {by}", by="maker/harbor_light")
    assert f"✓ ok         loras/harbor_light.safetensors ({by})" in done.stdout
    # The same content elsewhere is known by it.
    assert f"✓ ok         vae/copy.safetensors ({by})" in done.stdout
    assert set(hashes(site)) == {str(copy)}
    change_unseen(path)
    assert site.doit("verify", "--store").returncode == 0
    done = site.doit("verify", "--store", "--anew")
    assert done.returncode == 1
    assert "✗ wrong      loras/harbor_light.safetensors (" in done.stdout
    assert path.exists()
    assert site.doit("verify", "--store", "--anew", "--move").returncode == 1
    assert not path.exists()


def test_the_manifest_knows_hashes_and_the_users_own_file_stays(site: Site) -> None:
    path = site.put("loras", "mine.safetensors")
    site.manifest(models={"loras/mine.safetensors": {"sha256": sha256(path.read_bytes()).upper()}})
    done = site.doit("verify", "--store")
    by = t("its hash is that of {by}", by="manifest.yaml")
    assert f"✓ ok         loras/mine.safetensors ({by})" in done.stdout
    path.write_bytes(file_for("another.safetensors"))
    done = site.doit("verify", "--store", "--move")
    assert done.returncode == 1
    assert "wrong" in done.stdout
    assert path.exists(), "it came without us, and is merely another"


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_stopped_in_the_middle_it_goes_on_where_it_was(
    site: Site, number: signal.Signals, code: int
) -> None:
    site.manifest(verify=BY_TIME)
    small = [site.put("loras", f"small{i}.safetensors") for i in range(3)]
    large = site.models / "loras" / "large.safetensors"
    header = {"w": {"dtype": "U8", "shape": [LARGE], "data_offsets": [0, LARGE]}}
    text = json.dumps(header).encode()
    with large.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        out.truncate(8 + len(text) + LARGE)  # a hole: it takes no room
    running = site.start("verify", "--store", "--jobs", "2")
    assert running.stdout
    seen = [running.stdout.readline() for _ in range(4)]
    assert t("Verifying {count} files", count=4) in seen[0]
    assert sum("small" in line for line in seen) == 3
    if number == signal.SIGKILL:
        kill_hard(running)
        printed = ""
    else:
        running.send_signal(number)
        printed = running.communicate(timeout=30)[0]
        assert t("Stopped: {done} of {count} files done", done=3, count=4) in printed
        assert t("Next: run the same command again to go on") in printed
    assert running.returncode == code
    assert "Traceback" not in printed

    large.unlink()
    old = {str(path): sha256(change_unseen(path)) for path in small}
    assert site.doit("verify", "--store").returncode == 0
    assert hashes(site) == old


def test_links_are_told_once_each_and_circles_end(site: Site) -> None:
    path = site.put("loras", "a.safetensors")
    (site.models / "loras" / "soft.safetensors").symlink_to(path)
    os.link(path, site.models / "loras" / "hard.safetensors")
    (site.models / "loras" / "circle").symlink_to(site.models)
    (site.models / "loras" / "self").symlink_to("self")
    below = site.put("loras", "sub/c.safetensors")
    (below.parent / "again").symlink_to(below.parent)
    (site.models / "loras" / "gone.safetensors").symlink_to("nowhere")
    (site.models / "all_loras").symlink_to(site.models / "loras")
    outside = site.root / "outside"
    outside.mkdir()
    (outside / "b.safetensors").write_bytes(file_for("b.safetensors"))
    (site.models / "vae").symlink_to(outside)
    every = (path, outside / "b.safetensors", below)
    size = sum(file.stat().st_size for file in every)
    done = site.doit("verify", "--store")
    assert done.returncode == 0
    names = ("loras/a", "loras/hard", "loras/soft", "loras/sub/c", "vae/b")
    told = [f"! unverified {name}.safetensors" for name in names]
    assert sorted(line.partition(" (")[0].strip() for line in done.stdout.splitlines()
                  if line.startswith("  ")) == told  # fmt: skip
    assert f"({size / 1000:.1f} kB)" in done.stdout, "each content counts once"


def test_names_from_the_disk_can_do_nothing(site: Site) -> None:
    folder = site.put("loras", "a.safetensors").parent
    bad = os.fsencode(folder) + b"/esc\x1b[2Jnew\nline\xff.safetensors"
    Path(os.fsdecode(bad)).write_bytes(file_for("x.safetensors"))
    for _ in range(2):
        done = site.doit("verify", "--store", "--ask")
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert "\x1b" not in done.stdout
        assert r"loras/esc\x1b[2Jnew\nline\udcff.safetensors" in done.stdout
    assert set(hashes(site)) == {str(folder / "a.safetensors")}


@pytest.mark.parametrize(
    "arguments", [("--store", "rife49"), ("--store", "--jobs", "65"), ("--jobs", "-1")]
)
def test_what_makes_no_sense_is_an_error_of_the_command_line(
    site: Site, arguments: tuple[str, ...]
) -> None:
    site.workflow("w.json", ("loras", "a.safetensors"))
    done = site.doit("verify", *arguments)
    assert done.returncode == 3
    assert t("Next:") in done.stderr


def test_on_a_terminal_progress_is_drawn_and_gone_at_the_end(site: Site) -> None:
    for number in range(3):
        site.put("loras", f"a{number}.safetensors", file_for("a.safetensors", size=30_000_000))
    code, written = in_terminal(site, "verify", "--store")
    assert code == 0
    assert t("of {size:size}", size=90_000_000) in written
    assert t("of {count} files", count=3) in written
    lines = re.split(r"[\r\n]+", ESCAPES.sub("", written))
    assert max(len(line) for line in lines if "━" in line) <= 80
    assert not any("━" in line for line in lines[lines.index(last(lines)) :])


def last(lines: list[str]) -> str:
    told = f"{counts(Counter(unverified=3))}, {t('{size:size} in', size=90_000_000)}"
    return next(line for line in lines if line.startswith(told))
