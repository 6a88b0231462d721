"""Does a path leave a folder? Every link is followed, and a folder is the same by each name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from comfyfix.disk.files import led_into


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "store" / "loras").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    return tmp_path


@pytest.mark.parametrize("below", ["", "loras", "loras/not/there/yet", "loras/../loras", "..a/b"])
def test_what_lies_below_is_led_into(root: Path, below: str) -> None:
    real = Path(os.path.realpath(root / "store" / below))
    assert led_into(root / "store" / below, root / "store") == real


@pytest.mark.parametrize("beside", ["", "elsewhere", "store2", "Store", "store/../elsewhere", "no"])
def test_what_lies_beside_is_not(root: Path, beside: str) -> None:
    """Also under a name that begins alike, and one in other case where that makes a difference."""
    (root / "store2").mkdir()
    (root / "Store").mkdir()
    assert led_into(root / beside, root / "store") is None


def test_a_link_out_leads_out_wherever_it_is(root: Path) -> None:
    (root / "store/out").symlink_to(root / "elsewhere")
    (root / "store/step").symlink_to("out")
    (root / "store/gone").symlink_to(root / "not" / "mounted")
    for name in ("out", "step", "gone", "out/a/b", "gone/a", "out/../elsewhere"):
        assert led_into(root / "store" / name, root / "store") is None
    assert led_into(root / "store/out/a", root / "store", root / "elsewhere") == root / (
        "elsewhere/a"
    )


def test_a_link_in_leads_in_and_the_root_may_be_one_itself(root: Path) -> None:
    (root / "way").symlink_to(root / "store")
    (root / "store/inner").symlink_to("loras")
    real = root / "store/loras/a"
    assert led_into(root / "way/loras/a", root / "store") == real
    assert led_into(root / "store/loras/a", root / "way") == real
    assert led_into(root / "store/inner/a", root / "store/loras") == real


def test_links_in_a_circle_lead_nowhere(root: Path) -> None:
    (root / "store/self").symlink_to("self")
    (root / "store/a").symlink_to("b")
    (root / "store/b").symlink_to("a")
    for name in ("self", "self/x", "a", "b/x/y"):
        assert led_into(root / "store" / name, root / "store") is None
    assert led_into(root / "store/loras", root / "store/self") is None


def test_where_nothing_is_there_names_alone_count(root: Path) -> None:
    assert led_into(root / "new/loras", root / "new") == root / "new/loras"
    assert led_into(root / "news/loras", root / "new") is None


def test_a_file_in_the_way_is_for_whoever_needs_a_folder_to_tell(root: Path) -> None:
    (root / "store/file").touch()
    assert led_into(root / "store/file/a", root / "store") == root / "store/file/a"


def test_a_folder_that_may_not_be_entered_does_not_lead_out(root: Path) -> None:
    (root / "store/closed").mkdir(mode=0)
    assert led_into(root / "store/closed/a", root / "store") == root / "store/closed/a"


def test_a_disk_that_makes_no_difference_of_case(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS: both names are one folder, but a link in it leads out all the same."""
    stat = os.stat

    def folded(path: Any, **options: Any) -> os.stat_result:
        return stat(str(path).replace("STORE", "store").replace("Loras", "loras"), **options)

    monkeypatch.setattr(os, "stat", folded)
    assert led_into(root / "STORE/Loras/a", root / "store") == root / "STORE/Loras/a"
    assert led_into(root / "store/loras", root / "STORE") == root / "store/loras"
    assert led_into(root / "ELSEWHERE", root / "store") is None
