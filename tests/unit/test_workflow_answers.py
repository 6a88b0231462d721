"""What commands answer of workflows, of one model, and of tasks: made of records alone."""

from __future__ import annotations

from typing import Any

import pytest

from comfyfix.comfyui.manifests.listing import Listing
from comfyfix.errors import ModelProblem
from comfyfix.outcomes import Outcome
from comfyfix.records import (
    Attempt,
    FileFact,
    Left,
    Model,
    Reason,
    Rejected,
    because,
)
from comfyfix.screen import words
from comfyfix.screen.commands import (
    embedding,
    evidence,
    importing,
    listing,
    locking,
    relinking,
)
from comfyfix.screen.commands.sheets import node, place
from comfyfix.screen.words import t
from comfyfix.stages.addresses.embed import Address, Mention
from comfyfix.stages.needs.imports import Imported, Skipped
from comfyfix.stages.needs.work import Pending, Planned
from comfyfix.stages.values.near import NearMiss
from comfyfix.stages.values.relink import Fix
from comfyfix.state.links import Link
from comfyfix.state.searches import Search
from comfyfix.why import Why
from tests.unit.test_answers import BAD, reference
from tests.unit.test_shown import record

VALUE = reference("a.pt")
LEFT = Left(reference("b.pt"), BAD)
SOURCES = ("store", "workflow", "catalog", "huggingface", "civitai")


def left_lines() -> list[str]:
    return [f"  ✗ b.pt ({node(VALUE)}): {words.sentence(BAD)}"]


def broken_lines() -> list[str]:
    step = words.worded(BAD).next_step
    return [f"  ✗ {words.sentence(BAD)}", f"    {t('Next:')} {step}"]


def test_embed_tells_what_stands_in_each_workflow_now() -> None:
    found = Address("loras/a.pt", "https://h/a", "a" * 64, "loras")
    mentions = [Mention(VALUE, found, "added"), Mention(VALUE, found, "there")]
    sheets = [
        embedding.Sheet("w.json", copy="/x/w.comfyfix.json", mentions=mentions, left=[LEFT]),
        embedding.Sheet("kept.json", copy="/x/k", backup="/x/k.bak", mentions=mentions[:1]),
        embedding.Sheet("same.json", copy="/x/s", there=True, mentions=mentions[1:]),
        embedding.Sheet("none.json"),
        embedding.Sheet("broken.json", problem=BAD),
    ]
    added = f"  {t('✓ {value} ({node}): {url}', value='a.pt', node=node(VALUE), url='https://h/a')}"
    there = f"  {t('· {value} ({node}): told already', value='a.pt', node=node(VALUE))}"
    lines = list(embedding.table(sheets, dry=False))
    assert lines == [
        "w.json:", added, there, *left_lines(),
        f"    {t('written: {name}', name='w.comfyfix.json')}",
        "kept.json:", added, f"    {t('written; as it was: {name}', name='k.bak')}",
        "same.json:", there, f"    {t('{name} holds this already', name='s')}",
        "broken.json:", *broken_lines(),
    ]  # fmt: skip
    dry = list(embedding.table(sheets[:1], dry=True))
    assert dry[-2:] == [
        f"    {t('would be written: {name}', name='w.comfyfix.json')}", t("Nothing was written")
    ]  # fmt: skip
    assert list(embedding.table([embedding.Sheet("none.json")], dry=True)) == [
        t("Nothing to embed: no workflow names a model")
    ]
    assert [sheet.is_done for sheet in sheets] == [False, True, True, True, False]
    answer = embedding.as_data(sheets, dry=False)["workflows"]
    assert [(w["written"], w["kept"], w["problem"]) for w in answer[1:]] == [
        ("/x/k", "/x/k.bak", None), ("/x/s", None, None), (None, None, None),
        (None, None, words.sentence(BAD)),
    ]  # fmt: skip
    assert answer[0]["left"] == [{**place(LEFT.reference), "reason": words.sentence(BAD)}]


def test_relink_tells_what_was_put_right_and_how() -> None:
    fix = Fix(VALUE, "sub/a.pt", "/m/loras/sub/a.pt")
    sheets = [
        relinking.Sheet("w.json", copy="/x/w.comfyfix.json", fixes=[fix], left=[LEFT]),
        relinking.Sheet("linked.json", fixes=[fix], links={"a.pt": "/m/loras/a.pt"}),
    ]
    linked = t("{value}: linked to {place}", value="a.pt", place="/m/loras/sub/a.pt")
    assert list(relinking.table(sheets, dry=False)) == [
        "w.json:", f"  ✓ a.pt → sub/a.pt ({node(VALUE)})", *left_lines(),
        f"    {t('written: {name}; open it in ComfyUI', name='w.comfyfix.json')}",
        "linked.json:", f"  ✓ {linked} ({node(VALUE)})", t("Taken back by `doit relink --undo`"),
    ]  # fmt: skip
    assert list(relinking.table(sheets, dry=True))[-1] == t("Nothing was written")
    assert len(list(relinking.table([], dry=True))) == 1
    made: list[tuple[Link, Any]] = [
        (Link(link="/l/1", target="/t"), "ours"), (Link(link="/l/2", target="/t"), "broken"),
        (Link(link="/l/3", target="/t"), "changed"),
    ]  # fmt: skip
    assert list(relinking.links(made)) == [
        f"  ✓ /l/1 → /t  ({t('in place')})", f"  ✗ /l/2 → /t  ({t('its file is away')})",
        f"  ✗ /l/3 → /t  ({t('not ours any more, left alone')})",
    ]  # fmt: skip
    changed = f"  · /l/3  ({t('not ours any more, left alone')})"
    for dry, line in ((True, "to be taken back: {path}"), (False, "taken back: {path}")):
        gone = [f"  ✓ {t(line, path=f'/l/{number}')}" for number in (1, 2)]
        assert list(relinking.undone(made, dry=dry)) == [*gone, changed]
    none = [t("There are no links of comfyfix")]
    assert list(relinking.links([])) == list(relinking.undone([], dry=True)) == none
    first, other = relinking.as_data(sheets, made, dry=True)["workflows"]
    assert (first["values"][0]["link"], other["values"][0]["link"]) == (None, "/m/loras/a.pt")


@pytest.mark.parametrize("count", [2, 3, 4])
def test_why_names_a_few_of_the_nodes_that_need_a_model(count: int) -> None:
    used = tuple(reference("a", f"w{number}.json") for number in range(count))
    item = Planned(
        model=Model(folder="loras", path="a"),
        number=7,
        task="a",
        location="/a",
        pending=None,
        references=used,
    )
    line = evidence.heading(item)
    assert line.startswith(f"  007, {t('it is there and verified')}; ")
    assert line.count(".json") == min(count, 3)
    assert line.endswith(t(" and {count} more", count=1)) is (count == 4)


def test_why_goes_down_the_ladder_to_what_was_found() -> None:
    rejected = tuple(Rejected(source="catalog", where=f"c{n}", reason=BAD) for n in range(13))
    odd = record(
        1, "a.pt", name="b.pt", renamed=True, evidence=(BAD,), note=BAD, publisher="me",
        base_model="SD", rejected=rejected, url="https://h/a", sha256="a" * 64,
    )  # fmt: skip
    lines = list(evidence.of_record(odd, SOURCES))
    assert lines[:2] == [
        f"  {'store':12} {t('no file of this name or content')}",
        f"  {'workflow':12} {t('names no address')}",
    ]
    assert lines[2] == f"  {'catalog':12} ✗ c0: {words.sentence(BAD)}"
    assert lines[14] == f"  {'':12} {t('and {count} more that do not count', count=1)}"
    assert lines[15] == f"  {'huggingface':12} ✓ a/b b.pt, 1.0 kB, sha256 {'a' * 12}"
    assert lines[16:19] == [
        f"  {'':12}   {t('for it: {reason}', reason=BAD)}", f"  {'':12} ! {words.sentence(BAD)}",
        f"  {'':12}   {t('published by {name}', name='me')}; {t('based on {name}', name='SD')}",
    ]  # fmt: skip
    assert lines[19:] == [
        f"  {t('not asked'):12} civitai: {t('it was found before')}", "  https://h/a",
    ]  # fmt: skip
    asked = record(1, "a.pt", source="workflow", asked="x", local="/l", size=None, url="")
    told = f"✓ a/b, {t('size unknown')}, {t('no published hash')}"
    assert list(evidence.of_record(asked, SOURCES)) == [f"  {'workflow':12} {told}", "  /l"]
    locked = record(1, "a.pt", source="lock", url="https://h/a")
    assert [line.split()[0] for line in evidence.of_record(locked, SOURCES)][-2:] == [
        "lock", "https://h/a",
    ]  # fmt: skip
    files = tuple(
        FileFact(path=n, size=1, url="https://h", sha256=h) for n, h in (("x", "a"), ("y", None))
    )
    (line,) = evidence._found(record(1, "a.pt", files=files))
    unproven = t(", {count} of them without a published hash", count=1)
    assert line.endswith(f"{t('{count:files}', count=2)}{unproven}")


def test_why_says_where_nobody_was_asked() -> None:
    search = Search(
        model="loras/a.pt", at="now", outcome=Outcome.NOT_FOUND, reason=BAD, asked=SOURCES[2:4],
    )  # fmt: skip
    lines = list(evidence.of_search(search, Model(folder="loras", path="a.pt"), SOURCES))
    assert lines[1:5] == [
        f"  {'catalog':12} {t('knows no address')}",
        f"  {'huggingface':12} {t('nothing of this name')}",
        f"  {t('not asked'):12} store, workflow, civitai: {t('the search ended before')}",
        f"  not found: {words.worded(BAD).what}",
    ]
    assert lines[5] == f"    {t('Next:')} {words.worded(BAD).next_step}"
    assert f"  {t('A search by hand may find it:')}" in lines
    unasked = Search(model="loras/a.pt", at="now", outcome=Outcome.UNCERTAIN, reason=BAD)
    assert len(list(evidence.of_search(unasked, Model(folder=None, path="a"), SOURCES))) == 2


def test_import_tells_of_each_entry_what_became_of_it() -> None:
    taken = [
        Imported(key="vae/a", where="1", url="https://h/a", note=BAD),
        Imported(key="vae/b", where="2", sha256="b" * 64, needed=False),
    ]
    left = [Skipped("3", "", BAD), Skipped("4", "vae/d", BAD, failed=False)]
    told = Listing(tool="x", models=(), packs=2)
    lines = list(importing.lines("f", told, taken, left, written=True))
    assert lines[1].startswith("! ")
    assert lines[2:9] == [
        "  ✓ vae/a: https://h/a", f"      ! {words.sentence(BAD)}",
        f"  ✓ vae/b: {t('any file of its hash')}", f"      sha256 {'b' * 64}",
        f"      {t('no workflow needs it now')}",
        f"  ✗ 3: {words.sentence(BAD)}", f"  - vae/d: {words.sentence(BAD)}",
    ]  # fmt: skip
    count = "Pinned: {pins}; by hash alone: {hints}; left: {left}"
    assert lines[9] == t(count, pins=1, hints=1, left=2)
    plain = Listing(tool="x", models=())
    assert len(list(importing.lines("f", plain, [], [], written=False))) == 2
    dry = list(importing.lines("f", plain, taken, [], written=False))
    assert dry[-1] == t("Nothing is written (`--dry-run`).")
    rows = importing.as_json(told, taken, left, written=True)
    assert [(row["url"], row["sha256"]) for row in rows["taken"]] == [  # type: ignore[attr-defined]
        ("https://h/a", None), (None, "b" * 64),
    ]  # fmt: skip


def test_list_has_a_row_for_each_pending_model() -> None:
    used = tuple(reference("a", f"w{number}.json") for number in range(3))
    last = Attempt(at="now", outcome=Outcome.NOT_FOUND, reason=BAD)
    model, other = Model(folder="loras", path="a"), Model(folder=None, path="b")
    tried = Planned(
        model=model,
        number=7,
        task="a",
        location="/a",
        pending=Pending.ABSENT,
        references=used,
        record=record(7, "a"),
        last=last,
    )
    new = Planned(
        model=other,
        number=8,
        task="b",
        location="/b",
        pending=Pending.ABSENT,
        references=used[:1],
        reserved=False,
    )
    miss = NearMiss(Why.NEAR_CASE, "/m/A", "A")
    rows = [
        listing.Row(tried, "download:a", near=(miss,)),
        listing.Row(new, "download:b", ignored=True),
    ]
    lines = [" ".join(line.split()) for line in listing.table(rows, None)]
    more = t("{first} and {count} more", first="w0.json", count=2)
    assert lines[1] == f"007 download:a loras 1.0 kB not found {more}"
    assert lines[2] == words.sentence(because(Why.NEAR_CASE, shown="A"))
    assert f"(008) download:b ? ? {Pending.ABSENT} w0.json" in lines
    assert t("you ignore it; `doit forget {task}` takes that back", task="download:b") in lines
    answer = listing.as_data(rows, [], [])["pending"]
    assert [(row["number"], row["reason"]) for row in answer] == [
        (7, words.sentence(BAD)), (None, ""),
    ]  # fmt: skip
    refused = Planned(
        model=model,
        number=7,
        task="a",
        location="/a",
        pending=Pending.ABSENT,
        references=used,
        problem=ModelProblem(Outcome.NETWORK, Why.STOPPED),
    )
    assert listing.as_data([listing.Row(refused, "a")], [], [])["pending"][0]["reason"] != ""


def test_doits_own_tasks_stand_in_columns() -> None:
    assert list(listing.own_tasks([], None)) == []
    lines = list(listing.own_tasks([("a", "x"), ("long", "y")], None))
    assert lines == ["", t("Your own tasks:"), "  a     x", "  long  y"]
    parted = [f"a{listing.BETWEEN}x", "bare", f"long{listing.BETWEEN}y{listing.BETWEEN}z"]
    first, bare, last = listing.of_doit(parted, None)
    assert (first, bare) == ("a     x", "bare")
    assert last.startswith("long  y")


def test_what_differs_from_a_lock_file_is_told_apart_from_what_was_not_asked() -> None:
    def drifted(*reasons: Reason) -> list[str]:
        return list(locking.drifted("f", 3, {f"k{n}": r for n, r in enumerate(reasons)}))[
            len(reasons) :
        ]

    unasked = because(Why.DRIFT_UNASKED, reason=BAD)
    bad = "{path}: {bad} of {count:models} not as locked. Next: `doit lock --upgrade NAME`"
    later = "{path}: {bad} of {count:models} could not be asked about. Next: run it again later"
    assert drifted() == [t("{path}: {count:models}, all as locked", path="f", count=3)]
    assert drifted(BAD) == [t(bad, path="f", bad=1, count=3)]
    assert drifted(unasked, unasked) == [t(later, path="f", bad=2, count=3)]
    assert drifted(unasked, BAD) == [
        t(bad, path="f", bad=1, count=3), t(later, path="f", bad=1, count=3),
    ]  # fmt: skip
