"""Which files are equal, which of them stays, and how the others could share its bytes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from comfyfix.comfyui.store import folders
from comfyfix.disk.twins import blocks
from comfyfix.records import Model, because
from comfyfix.stages.store import dedupe
from comfyfix.stages.store.dedupe import Copy, Duplicates, Pair
from comfyfix.stages.store.sweep import Choice
from comfyfix.state.hashing import identity_of
from comfyfix.why import Why

SIZE = dedupe.CLONED_MIN


def put(root: Path, name: str, data: bytes = b"x" * SIZE, age: int = 0) -> Choice:
    path = root / "ComfyUI/models/loras" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (1_600_000_000 - age,) * 2)
    return choice(path)


def choice(path: Path) -> Choice:
    model = Model(folder="loras", path=path.name)
    return Choice(model, path, None, None, None, identity=identity_of(str(path), path.stat()))


def copies(
    root: Path, choices: Iterable[Choice], others: Iterable[Path] = (), no_key: Iterable[str] = ()
) -> list[Copy]:
    store = folders.read(root / "ComfyUI", [], None)
    lost = {f"loras/{name}" for name in no_key}
    return dedupe.copies(choices, store, list(map(str, others)), lambda m: m.key in lost)


def equal(made: list[Copy]) -> Duplicates:
    """As if the content of each file were its hash."""
    return dedupe.duplicates(made, {c.path: Path(c.path).read_bytes().hex() for c in made})


def changed(info: os.stat_result, at: int, value: int) -> os.stat_result:
    values = list(info)
    values[at] = value
    return os.stat_result(values, {"st_mtime_ns": info.st_mtime_ns})


def told(found: Duplicates) -> list[tuple[str, str, str]]:
    return [
        (p.kept.model.name, p.other.model.name, p.way or (p.reason.why if p.reason else ""))
        for p in found.pairs
    ]


def test_only_what_has_the_size_of_another_can_be_equal(tmp_path: Path) -> None:
    names = {"a.pt": b"1", "b.pt": b"2", "c.pt": b"33", "d.pt": b"", "e.pt": b""}
    made = copies(tmp_path, [put(tmp_path, name, data) for name, data in names.items()])
    assert [copy.model.name for copy in dedupe.of_equal_size(made)] == ["a.pt", "b.pt"]
    assert told(equal(made)) == []


def test_the_oldest_stays_and_of_one_age_the_first_by_its_name(tmp_path: Path) -> None:
    made = copies(
        tmp_path,
        [put(tmp_path, "c.pt"), put(tmp_path, "b.pt", age=60), put(tmp_path, "a.pt")],
    )
    found = equal(made)
    assert told(found) == [("b.pt", "a.pt", "link"), ("b.pt", "c.pt", "link")]
    assert (found.planned, found.left, found.shared) == (found.pairs, [], 0)
    same = copies(tmp_path, [put(tmp_path, "c.pt"), put(tmp_path, "a.pt")])
    assert told(equal(same)) == [("a.pt", "c.pt", "link")]


def test_names_of_one_file_are_shared_already(tmp_path: Path) -> None:
    first = put(tmp_path, "a.pt")
    for name in ("b.pt", "c.pt"):
        os.link(first.path, first.path.with_name(name))
    link = first.path.with_name("d.pt")
    link.symlink_to(first.path)
    every = [choice(first.path.with_name(f"{letter}.pt")) for letter in "abcd"]
    (copy,) = copies(tmp_path, every)
    assert copy.places == ("loras/a.pt", "loras/b.pt", "loras/c.pt")
    assert copy.reason is None
    found = equal([copy])
    assert (found.shared, found.shared_bytes, found.pairs) == (2, 2 * SIZE, [])


def test_what_is_not_ours_to_touch_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = put(tmp_path, "own.pt", age=9)
    theirs = put(tmp_path, "theirs/a.pt")
    unsigned = put(tmp_path, "b.pt")
    locked = put(tmp_path, "locked/c.pt")
    alone = put(tmp_path, "d.pt", b"y" * SIZE)
    link = own.path.with_name("e.pt")
    outside = tmp_path / "outside.pt"
    outside.write_bytes(b"x" * SIZE)
    link.symlink_to(outside)
    real = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: "locked" not in str(path) and real(path, mode)
    )
    made = copies(
        tmp_path, [own, theirs, unsigned, locked, alone, choice(link)],
        others=[theirs.path.parent], no_key=["b.pt", "a.pt"],
    )  # fmt: skip
    reasons = {copy.model.name: copy.reason for copy in made}
    assert reasons == {
        "own.pt": None, "a.pt": because(Why.DEDUPE_OTHERS), "b.pt": because(Why.DEDUPE_NO_KEY),
        "c.pt": because(Why.DEDUPE_READ_ONLY, path=locked.path.parent), "d.pt": None,
        "e.pt": because(Why.GC_IS_LINK),
    }  # fmt: skip
    assert told(equal(made)) == [
        ("own.pt", "a.pt", Why.DEDUPE_OTHERS), ("own.pt", "b.pt", Why.DEDUPE_NO_KEY),
        ("own.pt", "c.pt", Why.DEDUPE_READ_ONLY), ("own.pt", "e.pt", Why.GC_IS_LINK),
    ]  # fmt: skip
    found = equal([copy for copy in made if copy.reason])  # none of them can share
    assert [pair.reason for pair in found.left] == [pair.other.reason for pair in found.pairs]
    assert len(found.pairs) == 3


def test_what_went_away_is_no_copy(tmp_path: Path) -> None:
    gone, there = put(tmp_path, "a.pt"), put(tmp_path, "b.pt")
    gone.path.unlink()
    assert [copy.model.name for copy in copies(tmp_path, [gone, there])] == ["b.pt"]


def test_over_two_disks_nothing_is_shared(tmp_path: Path) -> None:
    here, there = copies(tmp_path, [put(tmp_path, "a.pt", age=9), put(tmp_path, "b.pt")])
    far = changed(there.info, 2, here.info.st_dev + 1)
    found = equal([here, replace(there, info=far)])
    assert told(found) == [("a.pt", "b.pt", Why.DEDUPE_OTHER_DISK)]


@pytest.mark.parametrize(
    ("size", "can", "way"),
    [
        (SIZE, True, "clone"),
        (SIZE - 1, True, Why.DEDUPE_ATTRIBUTES),
        (SIZE, False, Why.DEDUPE_ATTRIBUTES),
    ],
)
def test_what_can_be_no_link_may_share_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, can: bool, way: str
) -> None:
    monkeypatch.setattr(blocks, "can_share", lambda *_: can)
    monkeypatch.setattr(blocks, "are_shared", lambda *_: False)
    data = b"x" * size
    choices = [put(tmp_path, "a.pt", data, age=9), put(tmp_path, "b.pt", data)]
    choices[1].path.chmod(0o600)
    assert told(equal(copies(tmp_path, choices))) == [("a.pt", "b.pt", way)]
    monkeypatch.setattr(blocks, "are_shared", lambda *_: True)
    found = equal(copies(tmp_path, choices))
    assert (found.pairs, found.shared, found.shared_bytes) == ([], 1, size)


def test_of_equal_files_each_is_held_against_those_that_are_like_it(tmp_path: Path) -> None:
    """One of another mode is a head of its own, for those of its mode."""
    choices = [put(tmp_path, f"{name}.pt", age=9 - at) for at, name in enumerate("abcd")]
    for other in (choices[1], choices[3]):
        other.path.chmod(0o600)
    found = [pair for pair in told(equal(copies(tmp_path, choices))) if pair[2] == "link"]
    assert found == [("a.pt", "c.pt", "link"), ("b.pt", "d.pt", "link")]


def pair(other: Copy, size: int) -> Pair:
    return Pair(other, replace(other, info=changed(other.info, 6, size)), "link")


@pytest.mark.parametrize(
    ("sizes", "steps"),
    [
        ([], []),
        ([1, 1, 1], [2, 1]),  # no more files than that
        ([6, 4, 1], [2, 1]),  # just so many bytes
        ([6, 5], [1, 1]),
        ([20, 1], [1, 1]),  # one at least
        ([4, 4, 4, 6], [2, 2]),
    ],
)
def test_a_step_has_so_many_files_or_bytes(
    tmp_path: Path, sizes: list[int], steps: list[int]
) -> None:
    (copy,) = copies(tmp_path, [put(tmp_path, "a.pt")])
    made = list(dedupe.steps([pair(copy, size) for size in sizes], 2, 10))
    assert list(map(len, made)) == steps


def test_the_disk_is_asked_once_for_each_file_that_stays(tmp_path: Path) -> None:
    made: Any = copies(tmp_path, [put(tmp_path, f"{name}.pt") for name in "abcd"])
    step = [Pair(made[0], made[1]), Pair(made[2], made[3]), Pair(made[0], made[3])]
    asked = dedupe.by_kept(step)
    assert [(kept.place, [twin.places for twin in kept.twins]) for kept, _ in asked] == [
        ("loras/a.pt", [("loras/b.pt",), ("loras/d.pt",)]),
        ("loras/c.pt", [("loras/d.pt",)]),
    ]
    assert [pairs for _, pairs in asked] == [[step[0], step[2]], [step[1]]]
