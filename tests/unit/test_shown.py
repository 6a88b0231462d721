"""What a run shows before and while it goes: the plan, the question, the choice, how far it is."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from comfyfix.errors import ModelProblem
from comfyfix.outcomes import Outcome
from comfyfix.records import Candidate, FileFact, Model, Record, because
from comfyfix.screen import words
from comfyfix.screen.run import choosing, preview, question
from comfyfix.screen.run.preview import Answer
from comfyfix.screen.words import t
from comfyfix.stages.needs.work import Pending, Planned
from comfyfix.stages.plan.picking import Picked
from comfyfix.state.searches import Search
from comfyfix.why import Why

LICENCE = ModelProblem(Outcome.LICENCE_NEEDED, Why.NO_ROOM_KEPT)
LICENCE.behind = Candidate(source="civitai", where="behind", size=500, publisher="studio")
NOWHERE = ModelProblem(Outcome.NOT_FOUND, Why.NOT_FOUND_LISTED, name="x")


def planned(number: int, name: str) -> Planned:
    model = Model(folder="loras", path=name)
    return Planned(
        model=model,
        number=number,
        task=f"t{number}",
        location=f"/m/loras/{name}",
        pending=Pending.ABSENT,
        references=(),
    )


def record(number: int, of: str, **more: Any) -> Record:
    plain: dict[str, Any] = {"source": "huggingface", "where": "a/b", "size": 1_000}
    return Record(
        number=number, model=Model(folder="loras", path=of), destination=f"/m/loras/{of}",
        store="/m", **plain | more,
    )  # fmt: skip


def answers(there: Path) -> list[Answer]:
    there.write_bytes(b"x" * 10)
    files = tuple(FileFact(path=name, size=10, url=f"https://h/{name}") for name in ("in", "out"))
    directory = msgspec.structs.replace(
        record(5, "d", size=20, files=files), destination=str(there.parent)
    )
    return [
        Answer(planned(1, "a"), record(1, "a", licence="mit", gated=True)),
        Answer(
            planned(2, "b"),
            record(2, "b", size=300, local="/m/x/b", source="store", where="/m/x/b"),
        ),
        Answer(
            planned(3, "c"), record(3, "c", size=70, local="/home/c", lent=True), near="/home/c"
        ),
        Answer(planned(4, "d"), problem=LICENCE),
        Answer(planned(5, "d"), directory),
        Answer(planned(6, "e"), problem=NOWHERE),
        Answer(planned(7, "f"), unsettled=True),
    ]


def test_a_plan_adds_up_what_is_to_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d").mkdir()
    view = preview.preview(answers(tmp_path / "d" / "in"), tmp_path, 7, "download")
    assert (view.total_bytes, view.near_bytes, view.gated_bytes) == (1_010, 70, 500)
    assert view.fits
    assert view.first == (words.worded(LICENCE.reason).next_step,)
    linked, gated, directory = view.models[1], view.models[3], view.models[4]
    assert [row.linked for row in view.models].count(True) == linked.linked == 1
    assert (gated.source, gated.where, gated.publisher) == ("civitai", "behind", "studio")
    assert (directory.files, directory.there_bytes, linked.files) == (2, 10, 1)
    assert [row.outcome for row in view.models[4:]] == ["found", "not found", "searching"]
    monkeypatch.setattr(preview, "disk_of", lambda _: SimpleNamespace(free=2_000))
    for reserve, fits in ((920, True), (921, False)):
        again = preview.preview(answers(tmp_path / "d" / "in"), tmp_path, reserve, "download")
        assert again.fits is fits
    monkeypatch.setattr(preview, "disk_of", lambda _: None)
    assert preview.preview(answers(tmp_path / "d" / "in"), tmp_path, 1 << 60, "download").fits


def test_a_plan_is_told_as_rows_and_advice(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    view = preview.preview(answers(tmp_path / "d" / "in"), tmp_path, 7, "download")
    rows = [" ".join(line.split()) for line in preview.table(view, Path("/m"), None)[1:]]
    assert rows[0] == f"001 loras/a 1.0 kB {t('gated')}, mit huggingface: a/b"
    assert rows[1] == f"002 loras/b {t('linked')} - store: x/b"
    assert rows[3] == "004 loras/d ✗ licence needed, 500 B - civitai: behind"
    assert rows[4].startswith(f"005 loras/d {t('{size} in {count} files', size='20 B', count=2)}")
    assert rows[5] == "006 loras/e ✗ not found - -"
    assert rows[6] == f"007 loras/f {t('not known yet')} - -"
    lines = list(preview.advice(view, Path("/m")))
    line = "{found} of {count} found, {size:size} to fetch"
    assert lines[:2] == ["", t(line, found=4, count=7, size=1_010)]
    of_others = t(
        "{size:size} of others to copy from files of yours, which are hashed first", size=70
    )
    assert of_others in lines
    assert t("Access needed first ({size:size}):", size=500) in lines
    assert f"  loras/d (500 B): {words.worded(LICENCE.reason).what}" in lines
    assert lines[lines.index(t("Without a source:")) + 1].startswith("  loras/e: ")
    assert not any(line.startswith(("  loras/f", "✗")) for line in lines)
    cut_off = [("loras/e", because(Why.STOPPED))]
    assert t("Without a source:") not in preview.advice(view, Path("/m"), cut_off)
    full = msgspec.structs.replace(view, fits=False)
    assert any(line.startswith("✗ ") for line in preview.advice(full, Path("/m")))
    nothing = preview.preview([], tmp_path, 0, "download")
    assert list(preview.table(nothing, Path("/m"), None)) == []
    assert len(list(preview.advice(nothing, Path("/m")))) == 1


def standing(*of: Answer, **more: Any) -> question.Standing:
    plain: dict[str, Any] = {
        "size": 1_000,
        "free": [],
        "room": 5_000,
        "fitting": 1,
        "fitting_size": 900,
    }
    return question.Standing(of, **plain | more)


FOUND, OPEN = Answer(planned(1, "a"), record(1, "a")), Answer(planned(2, "b"), unsettled=True)


@pytest.mark.parametrize(
    ("now", "first", "yes"),
    [
        (standing(FOUND), t("Searched."), t("y: {found:models}, {size:size}", found=1, size=900)),
        (standing(FOUND, OPEN, searching=["a", "b"]), t("Searching: {names} …", names=("a", "b")),
         t("y: these, and what is still found")),
        (standing(OPEN, fitting=0), t("Searching …"), t("y: what is found")),
        (standing(OPEN, fitting=0, resting=1),
         t("Searched. Qwen is asked only after y: {count:models}", count=1), t("y: what is found")),
        (standing(FOUND, fitting=0),
         t("! {size:size} do not fit: {room:size} may be written here, the reserve left alone",
           size=1_000, room=5_000),
         t("y: {found} of {count} models that fit, {size:size}", found=0, count=1, size=900)),
        (standing(Answer(planned(1, "a"), problem=NOWHERE), fitting=0), t("Searched."),
         t("y: try all the same")),
    ],
)  # fmt: skip
def test_the_question_says_how_things_stand(now: question.Standing, first: str, yes: str) -> None:
    lines = question.lines(now)
    assert lines[0] == first
    assert lines[2].split(" · ")[0] == yes


def test_its_second_line_counts_what_is_in_the_way() -> None:
    def failed(outcome: Outcome) -> Answer:
        return Answer(planned(3, "c"), problem=ModelProblem(outcome, Why.STOPPED))

    outcomes = (
        Outcome.LICENCE_NEEDED, Outcome.TOKEN_NEEDED, Outcome.ACCESS_PENDING,
        Outcome.SOURCE_DOWN, Outcome.NETWORK, Outcome.NOT_FOUND,
    )  # fmt: skip
    now = standing(FOUND, OPEN, OPEN, *map(failed, outcomes), free=[10, 2_000], resting=1)
    assert question.lines(now)[1].split(", ") == [
        t("{found} of {count} found", found=1, count=9), "1.0 kB",
        t("{size} free", size="10 B + 2.0 kB"), f"1 {t('need a licence')}",
        f"1 {t('need a token')}", f"1 {t('not open to you')}", f"2 {t('could not be asked')}",
        f"1 {t('not found')}", t("{count} to go", count=1), t("{count} for Qwen", count=1),
    ]  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 5, 6])
def test_what_was_picked_is_said_again(count: int) -> None:
    models = tuple(planned(number, f"m{number}") for number in range(count))
    sizes = {"loras/m0": 1_000}
    lines = list(question.understood(Picked(models, ("w9",)), sizes))
    assert lines[0] == t("! Nothing here is called {words}", words=("w9",))
    line = "{count:models}, {size:size}" + (", {unknown} of unknown size" if count > 1 else "")
    amount = t(line, count=count, size=1_000, unknown=count - 1)
    names = tuple(f"m{number}" for number in range(min(count, 5)))
    said = t("Picked {amount}: {names}", amount=amount, names=names)
    if count > 5:
        said = t("Picked {amount}: {names} and {more} more", amount=amount, names=names, more=1)
    assert lines[1:] == [said if count else t("! That picks nothing; all stay as they were")]
    (unknown,) = question.understood(Picked(models, ()), {}) if count else ("",)
    assert (t("{count:models}:", count=count) in unknown) is (count > 0)


CANDIDATE = Candidate(
    source="civitai", where="a/b", name="other.pt", url="https://h/x", size=2_000, gated=True,
    publisher="me", popularity=3, date="2026-01-02", licence="mit", base_model="SD 1.5",
    sha256="ab" * 32, picture="https://h/p", page="https://h/page",
)  # fmt: skip


def test_a_candidate_is_told_with_all_that_its_provider_tells() -> None:
    bare = Candidate(source="civitai", where="c/d", name="a.pt", url="https://h/y")
    search = Search(
        model="vae/a.pt", at="now", outcome="uncertain", reason=because(Why.STOPPED),
        candidates=(CANDIDATE, bare),
    )  # fmt: skip
    model = Model(folder="vae", path="a.pt")
    lines = list(choosing.lines(model, search))
    assert lines[2:6] == [
        "   1  a/b: other.pt",
        "      " + ", ".join(
            ("2.0 kB", t("published by {name}", name="me"), t("{count:downloads}", count=3),
             "2026-01-02", t("licence {name}", name="mit"), t("based on {name}", name="SD 1.5"),
             t("gated"), f"sha256 {'ab' * 6}")
        ),
        "      https://h/page",
        f"      {t('a picture: {address}', address='https://h/p')}",
    ]  # fmt: skip
    assert lines[7:] == [
        "   2  c/d",
        f"      {t('size unknown')}, {t('licence not told')}, {t('no published hash')}",
        "      https://h/y",
    ]
    set_of_two = CANDIDATE.with_files([FileFact(path=n, size=1, url="https://h") for n in "ab"])
    assert t("{count:files}", count=2) in choosing.in_short(set_of_two).about
    row, other = choosing.as_data(model, search, search.candidates)["candidates"]
    assert (row["number"], other["number"], row["files"], row["downloads"]) == (1, 2, 1, 3)


@pytest.mark.parametrize(
    ("typed", "yes", "number"),
    [
        ("y", True, None),
        (" YES ", True, None),
        ("n", False, None),
        ("", False, None),
        ("2", False, 2),
        ("1", False, 1),
        ("3\n", False, 3),
    ],
)
def test_a_choice_is_a_number_of_the_list_or_none(
    monkeypatch: pytest.MonkeyPatch, typed: str, yes: bool, number: int | None
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    assert choosing.wants_to_choose(1) is yes
    lines = ["0", "4", "x", "²", typed, "n"]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    assert choosing.ask_number(3) == number
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert (choosing.wants_to_choose(2), choosing.ask_number(3)) == (False, None)
