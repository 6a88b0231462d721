"""State files and receipts: read leniently, changed under a lock, true or not counted."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from comfyfix.disk import json_file
from comfyfix.disk.files import write_atomic
from comfyfix.errors import SetupProblem
from comfyfix.records import Attempt, Model, Receipt, because, to_json
from comfyfix.state import receipts, trust
from comfyfix.state.layout import Layout, store_receipt
from comfyfix.state.ledger import Ledger
from comfyfix.state.receipts import ReceiptFile, Receipts
from comfyfix.state.trust import EVERY_CHECK
from comfyfix.why import Why


def lora(name: str) -> Model:
    return Model(folder="loras", path=name)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "output")


def test_half_written_state_reads_as_none(tmp_path: Path) -> None:
    whole = to_json(Attempt(at="now", outcome="done")).rstrip()
    path = tmp_path / "x.json"
    assert json_file.read(path, Attempt) is None
    assert json_file.read(tmp_path, Attempt) is None
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        assert json_file.read(path, Attempt) is None
    path.write_bytes(whole)
    assert json_file.read(path, Attempt) == Attempt(at="now", outcome="done")


def test_receipts_survive_a_round_trip_and_can_be_forgotten(layout: Layout, tmp_path: Path) -> None:
    model, store = lora("s/a.pth"), tmp_path / "store"
    write_atomic(store / "a.pth", b"123")
    receipt = receipts.of_file(model, store / "a.pth", "0" * 64, script="x.sh", verified=False)
    assert (receipt.size, receipt.verified, receipt.model) == (3, False, "loras/s/a.pth")
    Receipts(layout).save(store, EVERY_CHECK, [(model, receipt)])
    assert receipts.load(layout) == {model.key: receipt}
    assert trust.claimed(store, model) == receipt
    assert trust.claimed(store, Model(folder="vae", path="s/a.pth")) is None
    Receipts(layout).forget(store, model)
    assert receipts.load(layout) == {}
    assert trust.claimed(store, model) is None


def one(name: str, path: str = "/a") -> tuple[Model, Receipt]:
    """A model, and a receipt of it."""
    model = lora(name)
    return model, Receipt(model=model.key, path=path, size=1, sha256="", mtime_ns=1, at="")


def test_a_run_reads_receipts_again_only_where_another_has_written_them(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    load = receipts.load

    def loading(layout: Layout) -> dict[str, Receipt]:
        reads.append(layout.receipts)
        return load(layout)

    monkeypatch.setattr(receipts, "load", loading)
    ours, others = Receipts(layout), Receipts(layout)
    assert ours.all() == {}
    for number in range(5):
        ours.keep([one(f"{number}.pth")])
        assert len(ours.all()) == number + 1
    ours.forget(layout.output, lora("0.pth"))
    assert "loras/0.pth" not in ours.all()
    assert len(reads) == 1
    others.keep([one("theirs.pth", "/b")])
    assert ours.all() == load(layout) == others.all()
    assert [*ours.at("/b")] == ["loras/theirs.pth"]
    assert len(reads) == 2
    layout.receipts.unlink()
    assert ours.all() == ours.at("/b") == {}


def test_of_many_runs_each_sees_its_own_receipts_at_once_and_none_is_lost(layout: Layout) -> None:
    runs = [Receipts(layout) for _ in range(3)]

    def work(thread: int) -> None:
        run = runs[thread % len(runs)]
        for number in range(8):
            model, receipt = one(f"{thread}-{number}.pth", f"/{thread}")
            run.keep([(model, receipt)])
            assert run.all()[model.key] == receipt
            assert model.key in run.at(f"/{thread}")

    with ThreadPoolExecutor(9) as pool:
        list(pool.map(work, range(9)))
    assert all(len(run.all()) == 9 * 8 for run in runs)
    assert runs[0].all() == receipts.load(layout)


def test_a_store_that_takes_no_receipt_does_not_fail_the_model(
    layout: Layout, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    receipt = Receipt(model="?/a", path="/a", size=1, sha256="", mtime_ns=1, at="")
    for model in (lora("a.pth"), Model(folder=None, path="a")):
        Receipts(layout).save(tmp_path / "file", EVERY_CHECK, [(model, receipt)])
    assert set(receipts.load(layout)) == {"loras/a.pth", "?/a"}


def test_a_receipt_is_true_until_size_time_or_name_change(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"123")
    receipt = receipts.of_file(lora("a.pth"), path, "", script="", verified=True)
    assert EVERY_CHECK.holds(receipt, path, path.stat())
    assert not EVERY_CHECK.holds(receipt, tmp_path / "b.pth", path.stat())
    os.utime(path, ns=(0, receipt.mtime_ns + 1))
    assert not EVERY_CHECK.holds(receipt, path, path.stat())
    path.write_bytes(b"1234")
    os.utime(path, ns=(0, receipt.mtime_ns))
    assert not EVERY_CHECK.holds(receipt, path, path.stat())


def test_a_receipt_of_a_newer_version_does_not_count_and_stays(
    layout: Layout, tmp_path: Path
) -> None:
    path = store_receipt(tmp_path, "loras", "a.pth")
    receipt = Receipt(model="loras/a.pth", path="/a", size=1, sha256="", mtime_ns=1, at="")
    newer = to_json(receipt).replace(b'"version": 1', b'"version": 2')
    write_atomic(path, newer)
    assert trust.claimed(tmp_path, lora("a.pth")) is None
    Receipts(layout).save(tmp_path, EVERY_CHECK, [(lora("a.pth"), receipt)])
    Receipts(layout).forget(tmp_path, lora("a.pth"))
    assert path.read_bytes() == newer
    write_atomic(path, to_json(receipt))
    assert trust.claimed(tmp_path, lora("a.pth")) == receipt


def test_a_link_in_the_place_of_our_folder_is_not_written_through(
    layout: Layout, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "store/.comfyfix").symlink_to(tmp_path / "elsewhere")
    receipt = Receipt(model="loras/a.pth", path="/a", size=1, sha256="", mtime_ns=1, at="")
    Receipts(layout).save(tmp_path / "store", EVERY_CHECK, [(lora("a.pth"), receipt)])
    assert list((tmp_path / "elsewhere").rglob("*.json")) == []
    assert receipts.load(layout) == {"loras/a.pth": receipt}


def test_state_of_a_newer_program_is_refused_and_left_alone(layout: Layout) -> None:
    newer = b'{"version": 7, "models": []}'
    write_atomic(layout.receipts, newer)
    with pytest.raises(SetupProblem) as caught:
        json_file.read(layout.receipts, ReceiptFile)
    told = because(Why.STATE_NEWER, path=layout.receipts, found=7, known=1)
    assert caught.value.reason == told
    lock = layout.ledger_lock
    with pytest.raises(SetupProblem):
        json_file.change(layout.receipts, lock, ReceiptFile, ReceiptFile, lambda old: old)
    assert json_file.cached(layout.receipts, ReceiptFile) is None
    assert {path.name for path in layout.output.iterdir()} <= {".ledger.lock", layout.receipts.name}
    assert layout.receipts.read_bytes() == newer


@pytest.mark.parametrize(
    "data",
    [b'{"version": %s, "models": []}' % v for v in (b"0", b"-1", b'"9"', b"null", b"1.5", b"[9]")]
    + [b'{"version": 9, "mod', b"[9]", b"9"],
)
def test_what_only_seems_to_be_newer_is_lost_state(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(data)
    assert json_file.read(tmp_path / "x.json", ReceiptFile) is None


def test_changes_of_many_threads_are_all_kept(tmp_path: Path) -> None:
    path, lock = tmp_path / "s.json", tmp_path / ".lock"

    def add(_: int) -> None:
        json_file.change(path, lock, Ledger, Ledger, lambda old: Ledger(highest=old.highest + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(40)))
    assert json_file.read(path, Ledger) == Ledger(highest=40)


def test_a_change_that_changes_nothing_does_not_write(tmp_path: Path) -> None:
    path, lock = tmp_path / "s.json", tmp_path / ".lock"
    json_file.change(path, lock, Ledger, lambda: Ledger(highest=3), lambda old: old)
    before = path.stat()
    told = json_file.change(path, lock, Ledger, Ledger, lambda _: None)
    assert told.content == Ledger(highest=3)
    assert path.stat() == before
    assert json_file.read(path, Ledger) == Ledger(highest=3)


def test_a_change_that_fails_leaves_the_file_and_the_lock(tmp_path: Path) -> None:
    path, lock = tmp_path / "s.json", tmp_path / ".lock"
    json_file.change(path, lock, Ledger, lambda: Ledger(highest=3), lambda old: old)

    def fail(_: Ledger) -> Ledger:
        raise KeyError

    with pytest.raises(KeyError):
        json_file.change(path, lock, Ledger, Ledger, fail)
    assert json_file.read(path, Ledger) == Ledger(highest=3)
    assert json_file.change(path, lock, Ledger, Ledger, lambda old: old).content.highest == 3


def test_what_can_not_be_read_is_put_aside_and_made_anew(layout: Layout, tmp_path: Path) -> None:
    write_atomic(layout.receipts, b'{"version": 1, "mod')
    receipt = Receipt(model="loras/a.pth", path="/a", size=1, sha256="", mtime_ns=1, at="")
    Receipts(layout).save(tmp_path, EVERY_CHECK, [(lora("a.pth"), receipt)])
    aside = layout.receipts.with_name("downloaded_models.json.damaged")
    assert aside.read_bytes() == b'{"version": 1, "mod'
    assert json_file.read(layout.receipts, ReceiptFile) == ReceiptFile(
        models={receipt.model: receipt}
    )
