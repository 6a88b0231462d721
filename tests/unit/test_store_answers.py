"""What commands that are about a store or a mirror answer: made of records alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from comfyfix.disk.trash.trash_note import Entry
from comfyfix.errors import ModelProblem
from comfyfix.outcomes import Outcome
from comfyfix.records import Model, because
from comfyfix.screen import words
from comfyfix.screen.commands import deduping, mirroring, moving, storing, tiers
from comfyfix.screen.commands.deduping import Shared
from comfyfix.screen.commands.moving import Moved
from comfyfix.screen.objects import reason_data
from comfyfix.screen.run import workers
from comfyfix.screen.words import t
from comfyfix.stages.lock.mirroring import Content, Filled
from comfyfix.stages.store.dedupe import Copy as DedupeCopy
from comfyfix.stages.store.dedupe import Duplicates, Pair
from comfyfix.stages.store.gc import Unit
from comfyfix.stages.store.move import Move
from comfyfix.stages.store.tiers.raising import CopyOutcome, CopyResult
from comfyfix.state.tier import Copy, Member, Tier
from comfyfix.why import Why
from tests.unit.test_answers import BAD, has


def unit(name: str, size: int, *, file: int = 0, **more: Any) -> Unit:
    path = f"/m/loras/{name}"
    files = {path: (1, file or hash(name))}
    return Unit(
        Model(folder="loras", path=name), path, files, size, 0.0, **{"fetched": False} | more
    )


def rows(lines: list[str]) -> list[list[str]]:
    return [line.split() for line in lines]


def test_a_store_is_summed_by_what_is_needed_and_each_file_counts_once() -> None:
    units = [
        unit("a", 1_000, needed=["w.json"], fetched=True),
        unit("b", 2_000, fetched=True),
        unit("c", 4_000),
        unit("again", 4_000, file=hash("c")),
        unit("d", 8_000),
        unit("copy", 8_000),
        unit("e", 16_000),
    ]
    hashes = {f"/m/loras/{name}": name for name in "abce"}
    hashes |= {"/m/loras/d": "d", "/m/loras/copy": "d", "/m/loras/again": "c"}
    held = storing.Holding(units, hashes, {"e": because(Why.NOT_FOUND_LISTED)})
    answer = storing.as_data(held, [BAD])
    total = {
        "files": 7, "bytes": 39_000, "needed": 1_000, "not_needed": 38_000,
        "not_needed_fetched": 2_000, "duplicates": 8_000, "unknown_origin": 20_000,
    }  # fmt: skip
    assert answer["all"] == total
    assert answer["folders"] == [{"folder": "loras", **total}]
    assert answer["doubts"] == [{"why": BAD.why, "message": words.sentence(BAD)}]
    assert [row["sha256"] for row in answer["files"]] == [*"abc", "c", "d", "d", "e"]
    lines = list(storing.folders(held, None))
    assert rows(lines[1:3]) == [
        [name, "7", "39.0", "kB", "1.0", "kB", "38.0", "kB", "2.0", "kB", "8.0", "kB", "20.0", "kB"]
        for name in ("loras", t("all"))
    ]
    assert has("`doit gc`", lines)
    assert not has("`doit gc`", list(storing.folders(storing.Holding(units[:1], {}, {}), None)))
    files = {"/1": (1, 1), "/2": (1, 2)}
    set_of_two = Unit(units[0].model, "/m/loras/a", files, 5, 0.0, fetched=True)
    two = storing.Holding([set_of_two], {"/1": "x", "/2": "y"}, {})
    assert two.digest(set_of_two) == "x y"
    assert storing.as_data(two, [])["files"][0]["sha256"] is None
    assert storing.Holding([set_of_two], {"/1": "x"}, {}).digest(set_of_two) == ""


def test_of_each_file_is_told_where_it_is_from() -> None:
    units = [
        unit(
            "a", 1_000, fetched=True, last_used="2026-01-02T03:04:05Z", needed=("w.json", "x.json")
        ),
        unit("b", 1_000),
        unit("c", 1_000),
    ]
    held = storing.Holding(units, {"/m/loras/b": "b"}, {"b": BAD})
    lines = list(storing.files(held, None))
    assert [" ".join(row) for row in rows(lines[1:])] == [
        f"loras/a 1.0 kB 2026-01-02 {t('fetched')} w.json, x.json",
        f"loras/b 1.0 kB - {t('known by its hash')} -",
        f"loras/c 1.0 kB - {t('unknown')} -",
    ]


def entry(number: int) -> Entry:
    at = f"2026-01-{number:02d}T00:00:00Z"
    return Entry(name=f"{number:02d}-1", model=f"loras/{number}", at=at, size=10, items=())


def test_the_trash_is_told_newest_first_and_the_rest_is_counted() -> None:
    trash = [entry(number) for number in (2, 3, 1)]
    lines = list(storing.collected(storing.Collected("shown", trash=trash), None))
    told = [line for line in lines if line.startswith("loras/")]
    assert [line.split()[0] for line in told] == ["loras/3", "loras/2", "loras/1"]
    assert told[0].endswith("2026-01-03")
    assert not has("--json", lines)
    many = [entry(number) for number in range(51)]
    lines = list(storing.collected(storing.Collected("shown", trash=many), None))
    assert t("and {count} more; `--json` tells all", count=1) in lines
    assert t("In the trash: {count:models}, {size:size}.", count=51, size=510) in lines
    moved = storing.Collected("moved", moved=[("loras/1", 10), ("loras/2", 5)], trash=trash)
    lines = list(storing.collected(moved, None))
    assert lines[0] == t("Moved to the trash: {count:models}, {size:size}.", count=2, size=15)
    assert not has("loras/3", lines)


def test_what_refuses_a_sweep_is_all_that_is_told_of_it() -> None:
    step = words.worded(BAD).next_step
    lines = list(
        storing.collected(storing.Collected("shown", refused=[BAD], trash=[entry(1)]), None)
    )
    assert lines == [
        f"✗ {words.sentence(BAD)}",
        f"  {t('Next: {step}', step=step)}",
        t("Nothing was moved: what is needed can't be told."),
    ]


def filled(**more: Any) -> Filled:
    problem = ModelProblem(Outcome.NOT_FOUND, Why.STOPPED)
    contents = tuple(Content(f"{n:064x}", n, f"m{n}", problem) for n in range(1, 5))
    return Filled("/mirror", contents, **more)


def test_a_mirror_tells_how_its_files_came_and_what_is_wrong() -> None:
    one, two, three, four = (content.sha256 for content in filled().contents)
    state = filled(
        done={one: "there", two: "copied", three: "copied"}, failed={four: BAD, "f" * 64: BAD},
        wrong={"e" * 64: 7},
    )  # fmt: skip
    lines = list(mirroring.lines(state, verified=False))
    assert lines[:3] == [
        t("  There before: {count:files}, {size:size}", count=1, size=1),
        t("  Copied: {count:files}, {size:size}", count=2, size=5),
        t("  Fetched: {count:files}, {size:size}", count=0, size=0),
    ]
    assert f"  ✗ m4: {words.sentence(BAD)}" in lines
    assert f"  ✗ {'f' * 64}: {words.sentence(BAD)}" in lines
    assert has(f"/ee/{'e' * 64}", lines)
    assert mirroring.as_data(state)["good"] is False
    absent = filled(absent=filled().contents[:2], verified=2)
    assert list(mirroring.lines(absent, verified=True))[:2] == [
        t("  Hashed: {count:files}", count=2),
        t("  Not there yet: {count:files}, {size:size}", count=2, size=3),
    ]
    assert list(mirroring.lines(filled(verified=4), verified=True)) == [
        t("  Hashed: {count:files}", count=4)
    ]
    away = list(mirroring.lines(filled(reason=BAD), verified=False))
    assert away[0] == f"  ✗ {words.sentence(BAD)}"
    assert len(away) == 2


@pytest.mark.parametrize("count", [2, 50, 51])
def test_of_what_a_mirror_does_not_need_the_largest_are_named(count: int) -> None:
    unneeded = {f"{number:064x}": number for number in range(1, count + 1)}
    lines = list(mirroring.lines(filled(unneeded=unneeded), verified=True))[1:]
    line = "  Not needed by the lock file: {count:files}, {size:size}"
    assert lines[0] == t(line, count=count, size=sum(unneeded.values()))
    assert f"{count:064x}" in lines[1]
    assert sum("/00/" in line for line in lines) == min(count, 50)
    more = [t("    and {count} more; `--json` tells all", count=1)] if count > 50 else []
    assert lines[1 + min(count, 50) :] == more


@pytest.mark.parametrize("count", [0, 1, 5, 6])
def test_of_a_worker_a_few_models_are_named(count: int) -> None:
    lines = workers.ended("w", 9, [(f"m{number}", "gone") for number in range(count)])
    assert lines[0][0] == ("✗" if count else "✓")
    assert sum("gone" in line for line in lines) == min(count, 5)
    assert len(lines) == min(count, 6) + 1
    assert (lines[-1] == f"    {t('and {count} more', count=1)}") is (count == 6)


def copied(path: str, needed_at: float) -> Copy:
    stamp = (1, 1, len(path), 1)
    member = Member(path="", sha256="0" * 64, made=stamp, of=stamp)
    return Copy(path=path, source=f"/m/{path}", files=(member,), needed_at=needed_at)


def test_copies_of_a_tier_are_told_the_last_to_leave_first(tmp_path: Path) -> None:
    tier = Tier(tmp_path)
    assert list(tiers.copies(tier, None)) == []
    assert list(tiers.held(tier, 0, None)) == [tiers.total([], None)]
    for path, needed_at in (("vae/b", 86_400.0), ("vae/c", 0.0), ("vae/a", 86_400.0)):
        tier.copies[path] = copied(path, needed_at)
    lines = [" ".join(line.split()) for line in tiers.copies(tier, None)][1:]
    assert lines == ["vae/a 5 B 1970-01-02", "vae/b 5 B 1970-01-02", "vae/c 5 B 1970-01-01"]
    of = t(
        "In the fast tier: {count:models}, {size:size} of {limit:size}.", count=3, size=15, limit=20
    )
    line, besides = tiers.held(tier, 7, 20)
    assert line == of
    assert besides.endswith("7 B.")
    answer = tiers.held_as_data(tier, 7, 20)
    assert [copy["path"] for copy in answer["copies"]] == ["vae/a", "vae/b", "vae/c"]
    assert (answer["bytes"], answer["others"], answer["limit"]) == (15, 7, 20)


def test_what_a_tier_has_done_is_a_line_each() -> None:
    assert tiers.line(CopyResult(CopyOutcome.BROUGHT, "a", 5)).startswith("↑ a (5 B)")
    assert tiers.line(CopyResult(CopyOutcome.LEFT, "a", 5)).startswith("↓ a (5 B)")
    reason = words.with_next_step(BAD)
    stays = t("! {name} stays: {reason}", name="a", reason=reason)
    assert tiers.line(CopyResult(CopyOutcome.STAYS, "a", reason=BAD)) == stays
    rows = tiers.as_data(
        [CopyResult(CopyOutcome.THERE, "a", 5), CopyResult(CopyOutcome.STAYS, "b", reason=BAD)],
        [5, 6],
        None,
    )
    assert [row["why"] for row in rows["files"]] == [None, BAD.why]
    assert (rows["copies"], rows["bytes"]) == (2, 11)


def test_a_move_says_who_finds_the_model_then() -> None:
    was, now = Model(folder="vae", path="a"), Model(folder="vae", path="x/a")
    move = Move(was, now, (), (), finds=("w.json",), loses=("v.json",))
    shown = list(moving.lines(Moved(move)))
    assert shown == [
        t("{model} would become {to}.", model="vae/a", to="vae/x/a"),
        f"  {t('{workflow} finds it there', workflow='w.json')}",
        f"  ! {t('{workflow} looks for it where it was', workflow='v.json')}",
    ]
    nobody = Moved(Move(was, now, (), (), finds=(), loses=()), "moved")
    assert list(moving.lines(nobody)) == [
        f"✓ {t('{model} is {to} now.', model='vae/a', to='vae/x/a')}",
        f"  {t('No workflow here looks for it there.')}",
    ]
    refused = Moved(move, reason=BAD)
    assert next(moving.lines(refused)).startswith("✗ ")
    assert len(list(moving.lines(refused))) == 2
    assert (moving.as_data(refused)["did"], moving.as_data(nobody)["did"]) == ("refused", "moved")
    assert moving.as_data(refused)["stays"] == reason_data(BAD)
    assert moving.as_data(nobody)["stays"] is None


def pair(number: int, size: int, **more: Any) -> Pair:
    info = os.stat_result((0, number, 1, 1, 0, 0, size, 0, 0, 0))
    kept, other = (
        DedupeCopy(
            (1, n), ((Model(folder="vae", path=f"{name}{number}"), f"/{name}{number}"),), (), info
        )
        for n, name in enumerate(("kept", "other"))
    )
    return Pair(kept, other, **more)


def test_what_is_equal_is_told_with_what_could_be_won() -> None:
    link, clone, stays = pair(1, 5, way="link"), pair(2, 7, way="clone"), pair(3, 9, reason=BAD)
    equal = Duplicates([link, clone, stays], shared=2, shared_bytes=100)
    lines = list(deduping.lines(Shared(equal, unfinished=[BAD]), None))
    assert lines[0] == f"✗ {words.sentence(BAD)}"
    rows = [" ".join(line.split()) for line in lines if line.startswith("vae/")]
    assert rows[:2] == [
        f"vae/other1 5 B vae/kept1 {t('link')}", f"vae/other2 7 B vae/kept2 {t('shared blocks')}",
    ]  # fmt: skip
    assert rows[2].startswith("vae/other3 9 B vae/kept3 ")
    won = "Could be won: {size:size}, of {count:files}. `doit dedupe --yes` does it."
    assert lines[-2:] == [
        t(won, size=12, count=2),
        t("Shared already: {size:size}, of {count:files}.", size=100, count=2),
    ]
    done = Shared(equal, won=[link], failed=[(clone, BAD)], done=True)
    lines = list(deduping.lines(done, None))
    assert [line.split()[0] for line in lines if line.startswith("vae/")] == ["vae/other3"]
    assert t("Won: {size:size}, of {count:files}.", size=5, count=1) in lines
    answer = deduping.as_data(done)
    assert (answer["did"], answer["bytes"]) == ("shared", 5)
    assert [(row["done"], row["stays"]) for row in answer["pairs"]] == [
        (True, None), (False, reason_data(BAD)), (False, reason_data(BAD)),
    ]  # fmt: skip
    assert deduping.as_data(Shared(equal))["bytes"] == 12
    nothing = list(deduping.lines(Shared(Duplicates()), None))
    assert nothing == [
        t("Nothing could be won: no two files are equal that could share their bytes.")
    ]
