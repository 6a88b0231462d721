"""What is asked before the user agrees, and what an answer makes of the run."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.screen.words import fixed, t
from comfyfix.stages.plan.fitting import room_for
from comfyfix.tasks.run import at_work, consent
from comfyfix.tasks.run.searching import BackgroundSearches
from tests.inprocess import InProcess, Ran, Terminal

NAMES = [f"{word}_lora.safetensors" for word in ("harbor", "copper", "violet", "saffron")]
NOWHERE = "nowhere_lora.safetensors"


class User:
    """Answers what is asked, once all searches are over, and remembers how things stood."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: list[str | None] = []
        self.saw: list[list[str]] = []
        monkeypatch.setattr(at_work, "_is_asked", lambda run: bool(run.pending))
        monkeypatch.setattr(consent, "Prompt", self._prompt)
        monkeypatch.setattr(BackgroundSearches, "begin", lambda searches, _: searches._work())

    def _prompt(self, lines: Callable[[], Sequence[str]]) -> Asked:
        return Asked(self, lines)

    def told(self, lines: Sequence[str]) -> str | None:
        self.saw.append(list(lines))
        return self.answers.pop(0)


class Asked(NamedTuple):
    """A prompt, answered at once."""

    user: User
    lines: Callable[[], Sequence[str]]

    def ask(self, _question: str) -> str | None:
        return self.user.told(self.lines())


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> User:
    return User(monkeypatch)


@pytest.fixture
def site(inprocess: InProcess, hub: Hub) -> InProcess:
    inprocess.workflow("some.json", *[("loras", name) for name in NAMES[:2]])
    inprocess.workflow("all.json", *[("loras", name) for name in [*NAMES, NOWHERE]])
    for name in NAMES:
        hub.add(f"maker/{name.partition('.')[0]}", [name])
    return inprocess


def answered(site: InProcess, user: User, *answers: str | None, run: Sequence[str] = ()) -> Ran:
    user.answers[:] = answers
    user.saw.clear()
    done = site.run(*run)
    assert not user.answers, done
    return done


def found(number: int, count: int) -> str:
    return t("{found} of {count} found", found=number, count=count)


def test_no_downloads_nothing_and_what_was_found_is_kept(site: InProcess, user: User) -> None:
    done = answered(site, user, "n")
    assert (done.code, site.files()) == (1, {})
    assert user.saw[0][1].startswith(found(4, 5))
    assert f"1 {t('not found')}" in user.saw[0][1]
    assert not list(site.output.glob("download_*.sh"))
    assert len(list((site.output / "sources").iterdir())) == 4
    assert t("Nothing was downloaded.") in done.out


@pytest.mark.parametrize("end", [None, "no", "N"])
def test_no_input_and_no_are_the_same(site: InProcess, user: User, end: str | None) -> None:
    assert answered(site, user, "", "what?", end).code == 1
    assert site.files() == {}


def test_only_what_was_chosen_counts(site: InProcess, user: User) -> None:
    done = answered(site, user, "y", run=["workflow:some"])
    assert done.code == 0, done
    assert user.saw == [
        [
            t("Searched."),
            user.saw[0][1],
            " · ".join(
                [t("y: {found:models}, {size:size}", found=2, size=user_size(site)),
                 t("n: nothing"), t("v: the table"), t("p: pick")]
            ),
        ]
    ]  # fmt: skip
    assert user.saw[0][1].startswith(found(2, 2))
    assert t("not found") not in user.saw[0][1]
    for number, total in ((1, 2), (2, 2)):
        assert f"[{number}/{total}]" in done.out
    assert fixed("Total models: {count}", count=2) in done.out


def user_size(site: InProcess) -> int:
    return sum(path.stat().st_size for path in site.models.rglob("*.safetensors"))


def test_what_was_searched_is_not_searched_again(
    site: InProcess, user: User, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = Asked.ask

    def counting(asked: Asked, text: str) -> str | None:
        seen.append(len(hub.seen))
        return real(asked, text)

    monkeypatch.setattr(Asked, "ask", counting)
    assert answered(site, user, "y").code == 1  # one is nowhere
    assert len(site.files()) == 4
    later = [one.path for one in hub.seen[seen[0] :]]
    assert not [path for path in later if path.startswith("/api/")], later


def test_picked_models_are_all_that_is_brought(site: InProcess, user: User) -> None:
    done = answered(site, user, "p", "nothing-of-this-kind", "p", "violet w2 !harbor", "v", "y")
    assert done.code == 0, done
    assert sorted(site.files()) == sorted(f"loras/{name}" for name in (NAMES[1], NAMES[2]))
    assert t("! Nothing here is called {words}", words=("nothing-of-this-kind",)) in done.out
    assert user.saw[-1][1].startswith(found(2, 2))
    assert "[2/2]" in done.out
    assert t("Not picked: {count}", count=3) in done.out
    after = answered(site, user, "n")
    assert user.saw[0][1].startswith(found(2, 3)), after


@pytest.mark.parametrize("who", ["free", "all"])
def test_qwen_is_asked_after_yes_unless_the_manifest_says_before(
    site: InProcess, user: User, hub: Hub, who: str
) -> None:
    site.manifest(
        qwen={"base_url": f"{hub.url}/v1"}, verify={"qwen": False}, search={"before_consent": who}
    )
    answered(site, user, "n")
    assert bool(hub.chats.asked) is (who == "all")
    resting = t("Searched. Qwen is asked only after y: {count:models}", count=1)
    assert (user.saw[0][0] == resting) is (who == "free")
    asked = len(hub.chats.asked)
    answered(site, user, "y")
    assert len(hub.chats.asked) > asked
    assert len(site.files()) == 4


def test_what_does_not_fit_is_said_first_and_left_out(
    site: InProcess, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 2_200  # of one model, and a little

    def small(paths: Iterable[Path], _reserve: int) -> dict[int, int]:
        return dict.fromkeys(room_for(paths, 0), 2 * size)

    monkeypatch.setattr(consent, "room_for", small)
    done = answered(site, user, "y")
    assert done.code == 1
    assert sorted(site.files()) == sorted(f"loras/{name}" for name in NAMES[:2]), "a workflow"
    assert user.saw[0][0].startswith("! ")
    told = {"found": 2, "count": 5, "size": user_size(site)}
    assert t("y: {found} of {count} models that fit, {size:size}", **told) in user.saw[0][2]
    assert t("Left out, since the disk has no room:") in done.out
    assert fixed("Total models: {count}", count=3) in done.out


def test_a_stop_while_one_is_asked_has_stopped_a_search(
    site: InProcess, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(User, "told", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    done = site.run()
    assert done.code == 128 + signal.SIGTERM
    assert t("Stopped. What was found is kept.") in done.err
    assert not list(site.output.glob("log/run_*.log")), "no run had begun"
    assert not site.files()


@pytest.mark.parametrize(
    ("wants", "answers", "ci", "is_asked"),
    [(True, True, "", True), (False, True, "", False), (True, False, "", False),
     (True, True, "true", False)],
    ids=["a user", "one who does not want it", "nobody at the keys", "an engine"],
)  # fmt: skip
def test_somebody_is_asked_where_there_is_one_who_wants_it(
    site: InProcess,
    monkeypatch: pytest.MonkeyPatch,
    *,
    wants: bool,
    answers: bool,
    ci: str,
    is_asked: bool,
) -> None:
    asked: list[Sequence[str]] = []

    def prompt(lines: Callable[[], Sequence[str]]) -> SimpleNamespace:
        return SimpleNamespace(ask=lambda _: asked.append(lines()))

    monkeypatch.setattr(consent, "Prompt", prompt)
    monkeypatch.setattr(sys, "stdin", Terminal() if answers else io.StringIO())
    site.manifest(confirm=wants)
    site.on_terminal(CI=ci)
    assert bool(asked) is is_asked
    assert bool(site.files()) is not is_asked
