"""`doit choose`: an uncertain model is settled by one of the files that were found."""

from __future__ import annotations

import json
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.records import Candidate, Model, Reason, Rejected, because
from comfyfix.screen import words
from comfyfix.screen.run import choosing
from comfyfix.screen.words import t
from comfyfix.state import searches
from comfyfix.tasks.run import at_work, consent
from comfyfix.why import Why
from tests.inprocess import InProcess

NAME = "harbor_light.safetensors"
PICTURE = "https://image.example/xyz/width=450/1.jpeg"
OTHER = file_for("something else.safetensors")


@pytest.fixture
def uncertain(site: InProcess, hub: Hub) -> InProcess:
    """A project that needs one model, of whose name there are two contents."""
    site.workflow("w.json", ("loras", NAME))
    hub.add("maker/harbor_light", [NAME]).downloads = 7000
    hub.add("other/harbor_light", [NAME], gated=False).files[NAME] = OTHER
    hub.repositories["other/harbor_light"].downloads = 1
    return site


def told(site: InProcess, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = site.doit(*arguments, "--json")
    value = json.loads(done.stdout)
    assert isinstance(value, dict)
    return done.returncode, value


def test_what_was_found_is_listed_and_the_number_is_pinned(uncertain: InProcess, hub: Hub) -> None:
    assert uncertain.doit().returncode == 1
    asked = len(hub.seen)
    code, value = told(uncertain, "choose", NAME)
    assert (code, len(hub.seen)) == (1, asked)  # nobody is asked to show it again
    rows = value["candidates"]
    assert [row["where"] for row in rows] == ["maker/harbor_light", "other/harbor_light"]
    assert [row["downloads"] for row in rows] == [7000, 1]
    assert rows[1]["sha256"] == sha256(OTHER)
    assert rows[1]["size"] == len(OTHER)
    assert {row["date"] for row in rows} == {"2024-06-01"}
    assert rows[1]["page"].endswith("/other/harbor_light")
    shown = uncertain.doit("choose", NAME)
    assert shown.returncode == 1
    assert t("{count:downloads}", count=1) in shown.stdout
    assert choosing.how_to_choose(NAME) in shown.stdout
    assert not (uncertain.root / "pins.yaml").exists()
    code, value = told(uncertain, "choose", NAME, "--number", "2")
    assert (code, value["chosen"]) == (0, rows[1]["url"])
    done = uncertain.doit()
    assert done.returncode == 0
    assert t("✓ Found where you have said: {where}", where="other/harbor_light") in done.stdout
    assert uncertain.files() == {f"loras/{NAME}": sha256(OTHER)}
    done = uncertain.doit("choose", NAME)
    assert done.returncode == 3
    assert words.worded(because(Why.CHOICE_SETTLED, model=f"loras/{NAME}")).what in done.stderr


def test_an_address_says_which_also_one_with_a_query(site: InProcess, hub: Hub) -> None:
    site.workflow("w.json", ("loras", NAME))
    site.manifest(search={"sources": ["civitai"]})
    hub.add_civitai("Harbor Light", NAME)
    other = hub.add_civitai("Another Harbor Light", NAME)
    other.data, other.downloads = OTHER, 3
    other.pictures = (
        "http://plain/x.png",
        "https://a/\x1b[2J",
        "https://image.example/a b",
        PICTURE,
    )
    code, value = told(site, "choose", NAME)
    assert code == 1
    one, another = value["candidates"]
    assert "?modelVersionId=" in another["page"]
    assert (another["downloads"], another["picture"]) == (3, PICTURE)
    assert one["date"] == another["date"] == "2024-06-01"
    done = site.doit("choose", NAME, "--url", another["page"])
    assert done.returncode == 0, done.stderr
    assert another["url"] in (site.root / "pins.yaml").read_text()


@pytest.mark.parametrize(
    "choice", [("--number", "3"), ("--number", "-1"), ("--url", "https://a/b")]
)
def test_what_is_no_choice_is_refused(uncertain: InProcess, choice: tuple[str, str]) -> None:
    assert uncertain.doit("plan").returncode == 1
    assert uncertain.doit("choose", NAME, *choice).returncode == 3
    assert uncertain.doit("choose").returncode == 3
    assert not (uncertain.root / "pins.yaml").exists()


def test_a_file_that_is_another_by_now_is_not_pinned(uncertain: InProcess, hub: Hub) -> None:
    assert uncertain.doit("plan").returncode == 1
    project = uncertain.project()
    model = project.plan.models[0].model
    search = searches.last(project.layout, model)
    assert search
    first = search.candidates[0]
    forged = Candidate(source=first.source, where=first.where, url=first.url, sha256="0" * 64)
    changed = searches.Search(
        model=search.model, at=search.at, outcome=search.outcome, reason=search.reason,
        candidates=(forged,),
    )  # fmt: skip
    searches.keep(project.layout, model, changed, str)
    done = uncertain.doit("choose", NAME, "--number", "1")
    assert done.returncode == 3
    assert words.problem(_changed(first.url)) in done.stderr
    hub.repositories.pop("maker/harbor_light")
    assert uncertain.doit("choose", NAME, "--number", "1").returncode == 3
    assert not (uncertain.root / "pins.yaml").exists()


def _changed(url: str) -> Any:
    from comfyfix.errors import SetupProblem

    return SetupProblem(Why.CHOICE_CHANGED, address=url)


def test_on_a_terminal_it_asks(uncertain: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["7", "what", "1"])
    monkeypatch.setattr("builtins.input", lambda _prompt: next(answers))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    code, written = uncertain.on_terminal("choose", NAME)
    assert code == 0, written
    assert "maker/harbor_light" in (uncertain.root / "pins.yaml").read_text()


def test_the_last_search_is_told_without_asking_anybody(uncertain: InProcess, hub: Hub) -> None:
    assert uncertain.doit("plan").returncode == 1
    asked = len(hub.seen)
    first = uncertain.doit("why", NAME)
    assert first.returncode == 1
    assert all(f"✗ {owner}/harbor_light" in first.stdout for owner in ("maker", "other"))
    assert len(hub.seen) == asked
    del hub.repositories["other/harbor_light"]
    fresh = uncertain.doit("why", NAME, "--fresh")
    assert fresh.returncode == 0
    assert len(hub.seen) > asked


def test_a_run_does_not_take_a_kept_search_for_an_answer(uncertain: InProcess, hub: Hub) -> None:
    assert uncertain.doit("plan").returncode == 1
    del hub.repositories["other/harbor_light"]
    assert uncertain.doit().returncode == 0


def test_what_nobody_has_is_told_with_the_pages_where_people_search(site: InProcess) -> None:
    name = "night owl #7&more_ß.safetensors"
    site.workflow("w.json", ("loras", name))
    assert site.doit("plan").returncode == 1
    addresses = choosing.pages(Model(folder="loras", path=name))
    for address in addresses:
        assert address.isascii()
        assert "%237%26more" in address
    for command in ("why", "choose"):
        shown = site.doit(command, name)
        assert shown.returncode == 1
        assert all(address in shown.stdout for address in addresses)
    assert told(site, "choose", name)[1]["searches"] == addresses


def test_what_is_kept_is_bounded_and_shown_escaped(uncertain: InProcess) -> None:
    project = uncertain.project()
    model = project.plan.models[0].model
    bad = "\x1b[2J\u202e"
    many = tuple(
        Candidate(source="huggingface", where=f"{bad}{n}", url=f"https://host/{n}", publisher=bad)
        for n in range(1000)
    )
    problem = Reason(Why.NOT_FOUND_LISTED, {"name": NAME})
    search = searches.Search(
        model=model.key, at="now", outcome="uncertain", reason=problem,
        rejected=(Rejected(source="huggingface", where=bad * 300_000, reason=problem),),
        candidates=many[: searches.CANDIDATES_MAX],
    )  # fmt: skip
    searches.keep(project.layout, model, search, str)
    kept = project.layout.search(model)
    assert kept.stat().st_size < searches.BYTES_MAX
    shown = uncertain.doit("choose", NAME)
    assert shown.returncode == 1
    assert "\x1b" not in shown.stdout + uncertain.doit("why", NAME).stdout
    for damage in (b"", b"{", b'{"version": 2}', b"[]"):
        kept.write_bytes(damage)
        assert uncertain.doit("why", NAME).returncode == 1
    assert uncertain.doit("clean", "--dry-run").returncode == 0


def test_addresses_are_links_where_the_terminal_has_them(uncertain: InProcess) -> None:
    assert uncertain.doit("plan").returncode == 1
    page = "https://huggingface.co/other/harbor_light"
    _code, plain = uncertain.on_terminal("choose", NAME)
    assert "\x1b]8" not in plain
    for name, value in (
        ("VTE_VERSION", "7200"),
        ("TERM_PROGRAM", "WezTerm"),
        ("FORCE_HYPERLINK", "1"),
    ):
        _code, linked = uncertain.on_terminal("choose", NAME, columns=100, rows=30, **{name: value})
        assert f"\x1b]8;;{page}\x1b\\{page}\x1b]8;;\x1b\\" in linked
    assert "\x1b]8" not in uncertain.doit("choose", NAME, FORCE_HYPERLINK="1").stdout


class Typed:
    """Answers what is asked, and keeps the questions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
        self.answers, self.questions = list(answers), list[str]()
        monkeypatch.setattr(at_work, "_is_asked", lambda run: bool(run.pending))
        monkeypatch.setattr(consent, "agreed", lambda _run: True)
        monkeypatch.setattr("builtins.input", self._input)

    def _input(self, question: str) -> str:
        self.questions.append(question)
        if not self.answers:
            raise EOFError
        return self.answers.pop(0)


def test_a_choice_is_offered_at_the_end_of_a_run_and_fetched(
    uncertain: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = Typed(monkeypatch, "y", "2")
    done = uncertain.run()
    assert (done.code, len(typed.questions), typed.answers) == (0, 2, []), done
    assert uncertain.files() == {f"loras/{NAME}": sha256(OTHER)}
    assert "other/harbor_light" in (uncertain.root / "pins.yaml").read_text()
    assert t("The workflow is ready") in done.out
    assert uncertain.run().code == 0
    assert len(typed.questions) == 2, "nothing is left to choose"


@pytest.mark.parametrize("answers", [("n",), (), ("y", "n"), ("y",)])
def test_nothing_chosen_is_nothing_changed(
    uncertain: InProcess, monkeypatch: pytest.MonkeyPatch, answers: tuple[str, ...]
) -> None:
    typed = Typed(monkeypatch, *answers)
    assert uncertain.run().code == 1
    assert typed.questions
    assert uncertain.files() == {}
    assert not (uncertain.root / "pins.yaml").exists()


def test_what_else_has_failed_still_counts(
    uncertain: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    uncertain.workflow("w.json", ("loras", NAME), ("loras", "nobody_has_this.safetensors"))
    Typed(monkeypatch, "y", "1")
    assert uncertain.run().code == 1
    assert list(uncertain.files()) == [f"loras/{NAME}"]


@pytest.mark.parametrize("run", [("-o", "out.txt"), ("-r", "console"), ("--json",)])
def test_none_is_offered_where_nobody_reads(
    uncertain: InProcess, monkeypatch: pytest.MonkeyPatch, run: tuple[str, ...]
) -> None:
    typed = Typed(monkeypatch, "y", "1")
    assert uncertain.run(*run).code == 1
    assert typed.questions == []
