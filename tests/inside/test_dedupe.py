"""`dedupe`: equal files of a store share their bytes, and nothing is lost or changed by it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.disk import alone, swap, writers
from comfyfix.disk.lease.owner import where
from comfyfix.why import Why
from tests.inprocess import InProcess

SAME = file_for("same.safetensors", size=20_000)


def told(site: InProcess, *options: str, code: int = 0, **extra: str) -> dict[str, Any]:
    ran = site.run("dedupe", "--json", *options, **extra)
    assert ran.code == code, (ran.out, ran.err)
    answer: dict[str, Any] = json.loads(ran.out)
    return answer


def why(answer: dict[str, Any]) -> list[str | None]:
    return [pair["stays"] and pair["stays"]["why"] for pair in answer["pairs"]]


@pytest.fixture
def two(inprocess: InProcess) -> tuple[Path, Path]:
    """Two equal files, the older first."""
    old = inprocess.put("loras", "old.safetensors", SAME)
    new = inprocess.put("vae", "sub/new.safetensors", SAME)
    os.utime(old, ns=(1, 1_600_000_000_123_456_789))
    inprocess.workflow("w.json", ("loras", "old.safetensors"))
    return old, new


def one(old: Path, new: Path) -> bool:
    return os.path.samefile(old, new)


def left_over(site: InProcess) -> list[Path]:
    return list(site.models.rglob(".*.same"))


def test_it_shows_first_and_then_makes_links_of_the_oldest(
    inprocess: InProcess, two: tuple[Path, Path]
) -> None:
    before = inprocess.files()
    answer = told(inprocess)
    assert (answer["did"], answer["bytes"]) == ("shown", len(SAME))
    assert [(p["model"], p["equal_to"], p["way"]) for p in answer["pairs"]] == [
        ("vae/sub/new.safetensors", "loras/old.safetensors", "link")
    ]
    assert not one(*two)
    answer = told(inprocess, "--yes")
    assert (answer["did"], answer["bytes"]) == ("shared", len(SAME))
    assert one(*two)
    assert two[1].stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert inprocess.files() == before
    assert left_over(inprocess) == []
    answer = told(inprocess, "--yes")
    assert answer["pairs"] == []
    assert answer["shared"] == {"files": 1, "bytes": len(SAME)}


def test_all_names_of_a_file_go_over(inprocess: InProcess, two: tuple[Path, Path]) -> None:
    more = inprocess.models / "loras" / "more.safetensors"
    os.link(two[1], more)
    told(inprocess, "--yes")
    assert one(*two)
    assert one(two[0], more)


def test_receipts_hold_as_before(inprocess: InProcess, hub: Hub) -> None:
    """Signed ones too, for a checkout that has none of its own."""
    names = ["autumn_grain.safetensors", "winter_light.safetensors"]
    hub.add("maker/autumn_grain", names[:1])
    hub.add("maker/winter_light", names[1:]).files[names[1]] = file_for(names[0])
    inprocess.workflow("w.json", *(("loras", name) for name in names))
    ran = inprocess.run("run", COMFYFIX_STORE_KEY="secret")
    assert ran.code == 0, ran.out
    paths = [inprocess.models / "loras" / name for name in names]
    if one(*paths):  # it was linked: a file of its own again, as a copy would be
        paths[0].unlink()
        paths[0].write_bytes(file_for(names[0]))
        assert inprocess.run("run", COMFYFIX_STORE_KEY="secret").code == 0
        assert inprocess.run("verify", COMFYFIX_STORE_KEY="secret").code == 0
    assert not one(*paths)
    assert why(told(inprocess)) == [Why.DEDUPE_NO_KEY]
    assert told(inprocess, "--yes", COMFYFIX_STORE_KEY="secret")["bytes"]
    assert one(*paths)
    known = json.loads((inprocess.output / "downloaded_models.json").read_text())["models"]
    info = paths[0].stat()
    assert known
    for receipt in known.values():
        assert (receipt["ctime_ns"], receipt["inode"]) == (info.st_ctime_ns, info.st_ino)
    (inprocess.output / "downloaded_models.json").unlink()
    there = inprocess.project(COMFYFIX_STORE_KEY="secret").plan.present
    assert len([one for one in there if one.receipt]) == len(known)


def of_another_mode(old: Path, new: Path) -> None:
    new.chmod(0o600)


def of_another_attribute(old: Path, new: Path) -> None:
    os.setxattr(new, "user.note", b"mine")


def of_another_name(old: Path, new: Path) -> None:
    os.link(new, old.parents[3] / "elsewhere.bin")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (of_another_mode, Why.DEDUPE_ATTRIBUTES),
        (of_another_attribute, Why.DEDUPE_ATTRIBUTES),
        (of_another_name, Why.GC_OTHER_NAMES),
    ],
)
def test_what_is_not_alike_in_all_is_no_link(
    inprocess: InProcess,
    two: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path, Path], object],
    reason: Why,
) -> None:
    monkeypatch.setattr("comfyfix.disk.twins.blocks.can_share", lambda *_: False)
    change(*two)
    assert why(told(inprocess, "--yes")) == [reason]
    assert not one(*two)


def test_what_another_holds_or_writes_to_stays(
    inprocess: InProcess, two: tuple[Path, Path]
) -> None:
    for path in two:
        lock = path.with_name(f".{path.name}.lock")
        lock.symlink_to("elsewhere.7")
        assert why(told(inprocess, "--yes", code=1)) == [Why.GC_AT_WORK]
        lock.unlink()
        with path.open("ab"):
            assert why(told(inprocess, "--yes", code=1)) == [Why.DEDUPE_WRITTEN]
    assert not one(*two)
    assert left_over(inprocess) == []


def test_a_writer_is_seen_without_leases_of_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x")
    monkeypatch.delattr(fcntl, "F_SETLEASE", raising=False)
    with path.open("rb") as stream:
        with writers.kept_from(stream.fileno()) as held:
            assert held == "unknown"
            with path.open("ab"):
                assert writers.wanted(stream.fileno(), held)
        with path.open("ab"), writers.kept_from(stream.fileno()) as held:
            assert held == "written"


def test_files_of_other_programs_and_outside_stay(
    inprocess: InProcess, two: tuple[Path, Path]
) -> None:
    inprocess.manifest(also_look_in=[str(two[1].parent)])
    assert why(told(inprocess, "--yes")) == [Why.DEDUPE_OTHERS]
    inprocess.manifest()
    outside = inprocess.root / "outside"
    two[1].parent.rename(outside)
    two[1].parent.symlink_to(outside)
    assert why(told(inprocess, "--yes")) == [Why.DEDUPE_OTHERS] or not one(*two)
    assert not one(*two)


def test_a_symbolic_link_is_a_further_name_and_stays_one(
    inprocess: InProcess, two: tuple[Path, Path]
) -> None:
    link = two[0].with_name("link.safetensors")
    link.symlink_to("../vae/sub/new.safetensors")
    assert told(inprocess, "--yes")["bytes"] == len(SAME)
    assert one(*two)
    assert link.is_symlink()


@pytest.mark.parametrize("when", ["hashed", "exchanged"])
def test_what_changes_in_between_is_not_lost(
    inprocess: InProcess, two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Another puts a new file into the place, just before the names change places."""
    real = swap.exchange
    fresh = two[1].with_name("fresh.bin")
    fresh.write_bytes(b"of another")

    def exchange(*given: Any) -> None:
        if fresh.exists():
            if when == "hashed":
                fresh.replace(two[1])
            else:
                fresh.replace(two[0])
        real(*given)

    monkeypatch.setattr(swap, "exchange", exchange)
    told(inprocess, "--yes", code=int(when == "hashed"))
    monkeypatch.undo()
    told(inprocess)
    contents = {two[0].read_bytes(), two[1].read_bytes()}
    assert contents == {SAME, b"of another"}
    assert left_over(inprocess) == []


def test_a_store_in_use_is_not_waited_for(inprocess: InProcess, two: tuple[Path, Path]) -> None:
    with alone.opened(inprocess.models):
        assert told(inprocess, "--yes", code=3)["error"]["why"] == Why.DEDUPE_BUSY
    assert not one(*two)


def test_what_was_left_is_finished_or_undone(inprocess: InProcess, two: tuple[Path, Path]) -> None:
    old, new = two
    beside = new.with_name(f".{new.name}.0123abcd.same")
    os.link(old, beside)  # not exchanged yet
    told(inprocess)
    assert not beside.exists()
    assert not one(old, new)
    os.link(old, beside)
    folder = os.open(new.parent, os.O_RDONLY)
    swap.exchange(folder, beside.name, folder, new.name)
    told(inprocess)
    assert not beside.exists()
    assert one(old, new)
    # What it was is another by now: it gets its place back.
    beside.write_bytes(b"what it was")
    os.chmod(beside, new.stat().st_mode)
    told(inprocess)
    os.close(folder)
    assert new.read_bytes() == b"what it was"
    assert old.read_bytes() == SAME
    assert not beside.exists()


def test_receipts_hold_where_it_is_finished_later(inprocess: InProcess, hub: Hub) -> None:
    name = "autumn_grain.safetensors"
    hub.add("maker/autumn_grain", [name])
    inprocess.workflow("w.json", ("loras", name))
    assert inprocess.run("run").code == 0
    old = inprocess.models / "loras" / name
    new = inprocess.put("vae", "copy.safetensors", old.read_bytes())
    beside = new.with_name(f".{new.name}.0123abcd.same")
    os.link(old, beside)
    folder = os.open(new.parent, os.O_RDONLY)
    swap.exchange(folder, beside.name, folder, new.name)
    os.close(folder)
    told(inprocess)
    assert one(old, new)
    known = json.loads((inprocess.output / "downloaded_models.json").read_text())["models"]
    assert known[f"loras/{name}"]["ctime_ns"] == old.stat().st_ctime_ns


def test_a_store_that_can_not_be_held_is_told(inprocess: InProcess, two: tuple[Path, Path]) -> None:
    (inprocess.models / ".comfyfix").write_text("of somebody")
    assert told(inprocess, "--yes", code=3)["error"]["why"] == Why.DEDUPE_ODD
    assert not one(*two)


def test_what_another_has_put_there_is_not_taken_away(
    inprocess: InProcess, two: tuple[Path, Path]
) -> None:
    beside = two[1].with_name(f".{two[1].name}.0123abcd.same")
    two[1].rename(beside)
    two[1].write_bytes(b"a new one")
    assert [r["why"] for r in told(inprocess, code=1)["unfinished"]] == [Why.DEDUPE_LEFT_OVER]
    assert two[1].read_bytes() == b"a new one"
    assert beside.read_bytes() == SAME


def test_who_waits_to_write_gets_the_file_that_it_has_opened(
    inprocess: InProcess, two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that comes once the names have changed places, just before the old file goes."""
    real = writers.wanted
    waits: list[bool] = []

    def wanted(handle: int, held: writers.Held) -> bool:
        names = {path.name for path in left_over(inprocess)}
        exchanged = bool(names) and one(*two)
        waits.append(exchanged and os.fstat(handle).st_nlink == 1)
        return waits[-1] or real(handle, held)

    monkeypatch.setattr(writers, "wanted", wanted)
    assert why(told(inprocess, "--yes", code=1)) == [Why.DEDUPE_WRITTEN]
    assert any(waits)
    assert not one(*two)
    assert left_over(inprocess) == []


def test_a_name_that_was_taken_away_comes_back(
    inprocess: InProcess, two: tuple[Path, Path]
) -> None:
    old, new = two
    new.rename(new.with_name(f".{new.name}.0123abcd.same"))
    told(inprocess)
    assert new.read_bytes() == SAME
    assert where() and old.exists()


def test_a_file_of_others_that_is_called_so_is_left(
    inprocess: InProcess, two: tuple[Path, Path]
) -> None:
    beside = two[1].with_name(f".{two[1].name}.0123abcd.same")
    beside.write_bytes(b"evil")
    beside.chmod(0o777)
    assert [r["why"] for r in told(inprocess, code=1)["unfinished"]] == [Why.DEDUPE_LEFT_OVER]
    assert two[1].read_bytes() == SAME
    assert beside.read_bytes() == b"evil"


def test_the_table(inprocess: InProcess, two: tuple[Path, Path]) -> None:
    assert "vae/sub/new.safetensors" in inprocess.run("dedupe").out
    assert inprocess.run("dedupe", "name").code == 3
    assert inprocess.run("dedupe", "--yes").code == 0
