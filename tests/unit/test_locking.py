"""Locking: what lock file and workflows say against each other, and what a run makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyfix.errors import SetupProblem
from comfyfix.records import FileFact, Model, Reason, Receipt, Record, because
from comfyfix.settings.lockfile import Entry, Lock
from comfyfix.settings.overrides import Locked
from comfyfix.stages.lock import locking
from comfyfix.stages.needs.scan import ScannedFile
from comfyfix.stages.needs.work import Pending, Plan, Planned
from comfyfix.why import Why

ONE, TWO = "1" * 64, "2" * 64
NONE = Lock(Path("manifest.lock.yaml"))
UNREADABLE = ScannedFile(path="w", workflow="w", problem=because(Why.NO_WORKFLOW))


def planned(name: str, **more: object) -> Planned:
    fields = {"number": 1, "task": name, "location": f"/m/{name}", "pending": Pending.ABSENT}
    return Planned(model=Model(folder="vae", path=name), **fields | more)  # type: ignore[arg-type]


def plan(*models: Planned, unreadable: tuple[ScannedFile, ...] = ()) -> Plan:
    return Plan(models, (), {}, unreadable)


def entry(name: str, sha256: str = ONE) -> Entry:
    return Entry(folder="vae", path=name, size=5, sha256=sha256)


def record(name: str, sha256: str | None = ONE, **more: object) -> Record:
    place = {"number": 1, "destination": f"/m/{name}", "store": "/m", "source": "x", "where": ""}
    address = {"url": f"https://huggingface.co/a/b/resolve/main/{name}", "size": 5}
    fields = place | address | more
    return Record(model=Model(folder="vae", path=name), sha256=sha256, **fields)  # type: ignore[arg-type]


def receipt(name: str, sha256: str = ONE, **more: object) -> Receipt:
    fields = {"path": f"/m/{name}", "size": 5, "mtime_ns": 1, "at": ""}
    return Receipt(model=f"vae/{name}", sha256=sha256, **fields | more)  # type: ignore[arg-type]


@pytest.mark.parametrize("more", [0, 1, 2])
def test_a_disagreement_names_so_many_models_and_counts_the_rest(more: int) -> None:
    models = [planned(f"{number:02}.pt") for number in range(locking.SHOWN + more)]
    with pytest.raises(SetupProblem) as caught:
        locking.require_agreement(plan(*models), NONE)
    lines = caught.value.reason.told["lines"]
    named = [because(Why.LOCK_LACKS, model=p.model.key) for p in models[: locking.SHOWN]]
    rest = [because(Why.AND_MORE, count=more)] if more else []
    assert lines == (*named, *rest)


def test_a_disagreement_is_of_what_differs_what_lacks_and_what_nobody_needs() -> None:
    lock = NONE.with_entries([entry("differs.pt"), entry("same.pt"), entry("unneeded.pt")])
    same = planned("same.pt", override=Locked(sha256=ONE, size=5))
    made = plan(planned("differs.pt"), planned("lacks.pt"), same)
    assert locking.disagreements(made, lock) == [
        because(Why.LOCK_DIFFERS, model="vae/differs.pt"),
        because(Why.LOCK_LACKS, model="vae/lacks.pt"),
        because(Why.LOCK_UNNEEDED, model="vae/unneeded.pt"),
    ]
    locking.require_agreement(plan(same), NONE.with_entries([entry("same.pt")]))


@pytest.mark.parametrize("turned", [False, True])
def test_whose_very_path_it_is_counts_before_what_is_found_by_its_name(turned: bool) -> None:
    very = planned("a.pt")
    by_name = planned("sub/a.pt", named=very.model)
    models = (by_name, very) if turned else (very, by_name)
    assert locking.needed(plan(*models)) == {"vae/a.pt": very}
    assert locking.needed(plan(by_name)) == {"vae/a.pt": by_name}


@pytest.mark.parametrize(
    ("receipts", "verdict"),
    [
        ([], ""),
        ([receipt("a.pt")], "ok"),
        ([receipt("a.pt", verified=False)], "unverified"),
        ([receipt("a.pt", identified=True)], ""),
        ([receipt("a.pt", TWO)], ""),
    ],
)
def test_an_entry_has_the_verdict_of_the_very_bytes(receipts: list[Receipt], verdict: str) -> None:
    known = {each.model: each for each in receipts}
    made = locking.entry(planned("a.pt"), record("a.pt"), known)
    assert isinstance(made, Entry)
    assert (made.key, made.sha256, made.size, made.verdict) == ("vae/a.pt", ONE, 5, verdict)
    assert made.source == "huggingface"


def test_without_an_address_or_a_hash_there_is_no_entry() -> None:
    item = planned("a.pt")
    assert locking.entry(item, record("a.pt", url=""), {}) == because(Why.LOCK_ONLY_HERE)
    assert locking.entry(item, record("a.pt", None), {}) == because(Why.LOCK_NO_HASH)
    assert locking.entry(item, record("a.pt", size=None), {}) == because(Why.LOCK_NO_HASH)
    made = locking.entry(item, record("a.pt", None, size=None), {"vae/a.pt": receipt("a.pt", TWO)})
    assert isinstance(made, Entry)
    assert (made.sha256, made.size) == (TWO, 5)


def test_a_directory_is_locked_only_with_all_of_its_files() -> None:
    files = [
        FileFact(path=name, url=f"https://huggingface.co/a/b/resolve/main/{name}", size=5, sha256=d)
        for name, d in (("a.json", ONE), ("b.json", None))
    ]
    half = record("d", None, files=tuple(files))
    assert isinstance(locking.entry(planned("d"), half, {}), Reason)
    whole = record("d", None, files=tuple(files[:1]))
    made = locking.entry(planned("d"), whole, {})
    assert isinstance(made, Entry)
    assert [(file.path, file.sha256) for file in made.files] == [("a.json", ONE)]
    assert made.sha256 is None


def test_after_a_run_what_was_fetched_is_locked_and_what_nobody_needs_is_not() -> None:
    lock = NONE.with_entries([entry("old.pt"), entry("gone.pt"), entry("other.pt")])
    locked = Locked(sha256=ONE, size=5)
    old, other = planned("old.pt", override=locked), planned("other.pt", override=locked)
    made = plan(old, other, planned("new.pt"), planned("unfetched.pt"))
    records = {
        "vae/old.pt": record("old.pt", url="https://huggingface.co/x/y/resolve/main/old.pt"),
        "vae/other.pt": record("other.pt", TWO),
        "vae/new.pt": record("new.pt"),
        "vae/unfetched.pt": record("unfetched.pt"),
    }
    receipts = {
        "vae/old.pt": receipt("old.pt"),
        "vae/other.pt": receipt("other.pt", TWO),
        "vae/new.pt": receipt("new.pt"),
    }
    after = locking.kept_true(made, lock, records, receipts)
    assert list(after.entries) == ["vae/new.pt", "vae/old.pt", "vae/other.pt"]
    old_entry = after.entries["vae/old.pt"]
    assert (old_entry.url, old_entry.verdict) == ("", "ok"), "from wherever this machine has it"
    assert after.entries["vae/other.pt"] == entry("other.pt"), "other bytes change no entry"
    assert after.entries["vae/new.pt"].url == records["vae/new.pt"].url


def test_where_a_workflow_can_not_be_read_nothing_is_taken_out() -> None:
    lock = NONE.with_entries([entry("gone.pt")])
    after = locking.kept_true(plan(unreadable=(UNREADABLE,)), lock, {}, {})
    assert after.entries == lock.entries
    assert locking.kept_true(plan(), lock, {}, {}).entries == {}
