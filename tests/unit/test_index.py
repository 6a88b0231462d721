"""The store's index: what it holds, what it leaves out, and what it does not do unasked."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.comfyui.store import index as index_module
from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.file_names import plain, plain_all


def put(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def relative(root: Path, paths: list[str]) -> list[str]:
    return [str(Path(path).relative_to(root)) for path in paths]


def test_files_are_found_by_name_in_any_case_wherever_they_lie(tmp_path: Path) -> None:
    root = put(tmp_path, "a.pt", "vae/A.PT", "vae/x/y/a.pt", "vae/a.ckpt", "b-a.pt", "vae/none")
    index = StoreIndex([root])
    assert relative(root, index.named("a.pt")) == ["a.pt", "vae/A.PT", "vae/x/y/a.pt"]
    assert relative(root, index.named("none")) == ["vae/none"]
    assert index.named("c.pt") == []
    assert len(index) == 6


def test_akin_names_differ_in_case_separators_and_ending_only(tmp_path: Path) -> None:
    root = put(tmp_path, "A b.c.pt", "a-b_c.safetensors", "a-b_c.txt", "abc.pt", "x/a_b_c.gguf")
    found = relative(root, StoreIndex([root]).akin("a_b-c.pt"))
    assert found == ["A b.c.pt", "a-b_c.safetensors", "x/a_b_c.gguf"]


def test_names_that_are_alike_in_one_folder_or_several_are_all_kept(tmp_path: Path) -> None:
    names = [f"{folder}/{name}" for folder in "abc" for name in ("x-1.pt", "x_1.pt", "X 1.pt")]
    root = put(tmp_path, *names, "a/y.pt", "d/y.pt")
    index = StoreIndex([root])
    assert sorted(relative(root, index.akin("x.1.pt"))) == sorted(names)
    assert relative(root, index.named("y.pt")) == ["a/y.pt", "d/y.pt"]
    assert len(index) == len(names) + 2
    alone = StoreIndex([root / "b"])  # where none of them was known before
    assert relative(root, alone.akin("x.1.pt")) == ["b/X 1.pt", "b/x-1.pt", "b/x_1.pt"]


def test_hidden_files_parts_and_what_was_moved_aside_are_left_out(tmp_path: Path) -> None:
    aside = ["a.pt.part", "a.pt.cafe.1.part", "a.pt.damaged", "a.pt.unsafe.2", ".a.pt"]
    hidden = [".git/a.pt", ".comfyfix/a.pt", "x/.cache/a.pt"]
    root = put(tmp_path, *aside, *hidden, "my.damaged.photo.pt")
    index = StoreIndex([root])
    for name in ("a.pt", *aside):
        assert index.named(name) == []
    assert [index.of_size(len(name)) for name in aside] == [[]] * len(aside)
    assert relative(root, index.named("my.damaged.photo.pt")) == ["my.damaged.photo.pt"]


def test_linked_folders_are_entered_once_and_broken_links_do_no_harm(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/a.pt", "elsewhere/deep/b.pt", "root/own.pt")
    root = tmp_path / "root"
    for name in ("one", "two"):
        (root / name).symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    (root / "dangling.pt").symlink_to("nowhere")
    (root / "itself.pt").symlink_to("itself.pt")
    (root / "file.pt").symlink_to(tmp_path / "elsewhere/a.pt")
    os.mkfifo(root / "pipe.pt")
    index = StoreIndex([root, root / "one", tmp_path / "not there"])
    assert len(index.named("a.pt")) == len(index.named("b.pt")) == 1
    assert relative(root, index.named("file.pt")) == ["file.pt"]
    for name in ("dangling.pt", "itself.pt", "pipe.pt"):
        assert index.named(name) == []
    assert len(index) == 4


def test_sizes_are_those_of_the_content(tmp_path: Path) -> None:
    root = put(tmp_path, "a.pt", "bb.pt", "x/c.pt")
    (root / "x/link.pt").symlink_to(root / "a.pt")
    index = StoreIndex([root])
    assert relative(root, index.of_size(len("a.pt"))) == ["a.pt", "x/link.pt"]
    (root / "late.pt").write_bytes(b"late")
    assert len(index.of_size(4)) == 2  # one walk a run
    assert index.of_size(10**12) == []


def test_nothing_is_read_before_the_first_question(tmp_path: Path) -> None:
    index = StoreIndex([tmp_path / "store"])
    put(tmp_path, "store/a.pt")
    assert len(index.named("a.pt")) == 1


def test_a_walk_of_everything_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "FILES_MAX", 3)
    assert len(StoreIndex([put(tmp_path, *[f"{i}/a.pt" for i in range(9)])])) == 3


def test_threads_share_one_walk(tmp_path: Path) -> None:
    index = StoreIndex([put(tmp_path, *[f"{i}/a.pt" for i in range(50)])])
    gate = threading.Barrier(8)

    def ask(number: int) -> tuple[int, int]:
        gate.wait()
        return len(index.named("a.pt")), len(index.of_size(len("0/a.pt")))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {(50, 10)}


@given(st.lists(st.text(st.characters(exclude_characters="\0/"), min_size=1, max_size=8)))
def test_many_names_are_made_plain_as_each_alone_is(names: list[str]) -> None:
    assert plain_all(names) == [plain(name) for name in names]
