"""What a script tells, line by line, and what is made of it: no script runs here."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import sha256
from comfyfix.errors import ModelProblem, Unreachable
from comfyfix.nearby.leads import Lead, Likely, Sought
from comfyfix.nearby.lending import Lender
from comfyfix.outcomes import Outcome
from comfyfix.process import Children
from comfyfix.records import Model, Reason, Receipt, Record, because
from comfyfix.script import channel
from comfyfix.script.channel import Message
from comfyfix.settings.manifest import Endpoints, PicklePolicy
from comfyfix.settings.store_key import STORE_KEY
from comfyfix.settings.switches import OFFLINE
from comfyfix.stages.download.fetch import NEAR_VARIABLE, Here, environment, fetch
from comfyfix.stages.download.slots import Slot, Slots
from comfyfix.stages.download.talk import Talk
from comfyfix.state.hashes import HashLog
from comfyfix.state.layout import Layout
from comfyfix.state.trust import EVERY_CHECK
from comfyfix.why import Why

NAME = "harbor_light.safetensors"
DATA = file_for(NAME)
Line = str | tuple[str, ...]
"""For people, or the fields of what is told."""


class Played(Children):
    """Plays a script: says its lines, hears the answers, ends as it is told."""

    def __init__(self, lines: Sequence[Line | Callable[[], Line]], status: int) -> None:
        super().__init__()
        self.lines, self.status = lines, status
        self.answers: list[str | None] = []
        self.argv: list[str] = []
        self.env: dict[str, str] = {}

    def run(self, argv: Any, env: Any, on_line: Any, *, answer: Any = None, **_: Any) -> int:
        self.argv, self.env = list(argv), dict(env)
        for line in self.lines:
            said = line() if callable(line) else line
            told = not isinstance(said, str)
            text = "\x1f".join((env[channel.VARIABLE], *said)) if told else str(said)
            on_line(text)
            self.answers.append(answer(text))
        return self.status


class Scene:
    """One record, and a script that is played for it."""

    def __init__(self, root: Path) -> None:
        self.path = root / "loras" / NAME
        self.path.parent.mkdir()
        self.path.write_bytes(DATA)
        self.record = Record(
            number=1, model=Model(folder="loras", path=NAME), destination=str(self.path),
            store=str(root), source="huggingface", where="o/n", url="https://x.example/a",
            size=len(DATA), sha256=sha256(DATA),
        )  # fmt: skip
        self.heard: list[str | Message] = []
        self.slots = Slots()
        self.played = Played((), 0)

    def fetch(
        self,
        *lines: Line | Callable[[], Line],
        status: int = 0,
        signs: bool = False,
        alone: str = "",
        pickle: PicklePolicy = "scan",
        lender: Lender | None = None,
    ) -> Receipt:
        self.played = Played(lines, status)
        here = Here(self.played, {"A": "b"}, alone=alone)
        with Slot(self.slots) as slot:
            slot.take()
            talk = Talk.about(
                self.record, self.heard.append, slot, pickle=pickle,
                words=lambda reason: f"because {reason.why}", lender=lender,
            )  # fmt: skip
            return fetch(self.record, Path("download_001_x.sh"), talk, here, signs=signs)

    def problem(self, *lines: Line, status: int, **named: Any) -> tuple[str, Reason]:
        with pytest.raises((ModelProblem, Unreachable)) as caught:
            self.fetch(*lines, status=status, **named)
        return caught.value.outcome, caught.value.reason


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_it_is_run_as_a_file_or_alone_and_its_receipt_tells_which(scene: Scene) -> None:
    made = scene.fetch()
    assert scene.played.argv == ["bash", "download_001_x.sh"]
    assert scene.played.env.keys() == {"A", channel.VARIABLE}
    assert (made.script, made.origin, made.verified) == ("download_001_x.sh", "", True)
    assert (made.model, made.path, made.sha256) == (f"loras/{NAME}", str(scene.path), sha256(DATA))
    alone = scene.fetch(alone="echo")
    assert scene.played.argv == ["bash", "-c", "echo", "download_001_x.sh"]
    assert alone.script == ""


def test_what_is_for_people_is_heard_and_means_nothing(scene: Scene) -> None:
    scene.fetch("a line", ("note", "a note"), "look \x1f is no look")
    assert scene.heard == ["a line", Message("note", ("a note",)), "look \x1f is no look"]
    assert scene.played.answers == [None, None, None]


def test_who_waits_has_no_slot_until_it_goes_on(scene: Scene) -> None:
    free: list[bool] = []

    def is_free() -> Line:
        with Slot(scene.slots) as other:
            free.append(other.take(0))
        return "a line"

    scene.fetch(is_free, ("waiting", "for another"), is_free, ("waited",), is_free)
    assert free == [False, True, False]
    assert scene.played.answers == [None, None, None, "0", None]
    is_free()
    assert free[-1], "it is given back at the end"


CODES = [
    (10, Outcome.TOKEN_NEEDED), (11, Outcome.LICENCE_NEEDED), (12, Outcome.GONE),
    (13, Outcome.DISK_FULL), (14, Outcome.WRONG_CONTENT), (15, Outcome.NETWORK),
    (16, Outcome.LOCKED), (1, Outcome.DOWNLOAD_FAILED), (-9, Outcome.DOWNLOAD_FAILED),
]  # fmt: skip


@pytest.mark.parametrize(("status", "outcome"), CODES)
def test_the_code_tells_how_it_ended(scene: Scene, status: int, outcome: Outcome) -> None:
    why = Why.SCRIPT_KILLED if status < 0 else Why.SCRIPT_ENDED
    told = because(why, script="download_001_x.sh", code=abs(status))
    assert scene.problem(status=status) == (outcome, told)


@pytest.mark.parametrize(
    ("fields", "outcome", "reason"),
    [
        (("", "it is gone", ""), Outcome.GONE,
            because(Why.SCRIPT_TELLS_WHAT, what="it is gone", next="")),
        (("", "it is gone", "wait"), Outcome.GONE,
            because(Why.SCRIPT_TELLS, what="it is gone", next="wait")),
        (("tool", "no curl", "get it"), Outcome.TOOL_MISSING,
            because(Why.SCRIPT_TELLS, what="no curl", next="get it")),
    ],
)  # fmt: skip
def test_what_it_tells_comes_before_its_code(
    scene: Scene, fields: tuple[str, ...], outcome: Outcome, reason: Reason
) -> None:
    assert scene.problem(("fail", *fields), status=12) == (outcome, reason)


@pytest.mark.parametrize(
    ("code", "why"),
    [("5", Why.PROXY_UNREACHED), ("6", Why.NAME_UNRESOLVED), ("7", Why.NO_CONNECTION)],
)
def test_a_server_that_was_not_reached_is_told_as_such(scene: Scene, code: str, why: Why) -> None:
    told = because(Why.SERVICE_UNREACHABLE, host="x.example", cause=because(why))
    assert scene.problem(("unreached", code, "x.example"), status=1) == (Outcome.NETWORK, told)
    assert scene.fetch(("unreached", code, "x.example")).model, "the next try has reached it"


@pytest.mark.parametrize(("told", "counts"), [("c" * 64, True), ("C" * 64, False), ("c", False)])
def test_of_a_file_of_no_published_hash_the_scripts_own_counts(
    scene: Scene, told: str, counts: bool
) -> None:
    scene.record = msgspec.structs.replace(scene.record, sha256=None)
    made = scene.fetch(("sha256", told), signs=True)
    assert (made.sha256, made.verified) == (told if counts else sha256(DATA), False)


def test_what_it_has_asked_about_is_not_hashed_again_to_be_signed(scene: Scene) -> None:
    part = scene.path.with_name(f"{NAME}.part")
    part.write_bytes(DATA)
    scene.record = msgspec.structs.replace(scene.record, sha256="e" * 64)

    def named() -> Line:
        part.replace(scene.path)
        return ("note", "it has its name")

    assert scene.fetch(("look", str(part)), named, signs=True).sha256 == "e" * 64
    assert scene.played.answers == ["0", None]
    told = because(Why.FILE_REPLACED, path=scene.path)
    assert scene.problem(status=0, signs=True) == (Outcome.WRONG_CONTENT, told)


@pytest.mark.parametrize(
    ("name", "data", "pickle", "answer"),
    [
        (f"{NAME}.part", DATA, "scan", "0"),
        (f"{NAME}.part", DATA[:-1], "scan", "5 because "),
        (f"{NAME}.absent", None, "scan", "1"),
        ("other.part", DATA, "scan", "1"),
    ],
)
def test_it_is_answered_about_its_own_file(
    scene: Scene, name: str, data: bytes | None, pickle: PicklePolicy, answer: str
) -> None:
    path = scene.path.with_name(name)
    if data is not None:
        path.write_bytes(data)
    scene.fetch(("look", str(path)), pickle=pickle)
    (told,) = scene.played.answers
    assert told is not None
    assert told == answer if len(answer) == 1 else told.startswith(answer)


def test_bytes_that_lie_near_by_are_lent_for_its_own_part_alone(scene: Scene) -> None:
    near, part = scene.path.with_name("near.bin"), Path(f"{scene.path}.part")
    near.write_bytes(DATA)
    sought = Sought(sha256(DATA), len(DATA))
    log = HashLog(Layout(scene.path.parent).hashes, EVERY_CHECK.identity)
    lender = Lender(
        sought, [Lead(str(near), str(near.parent), Likely.NAMESAKE, linkable=False)], log
    )

    def named() -> Line:
        part.replace(scene.path)
        return ("note", "it has its name")

    asked = ("near", str(part), "copy")
    made = scene.fetch(("near", str(scene.path.with_name("x.part")), "copy"), asked, named,
        lender=lender)  # fmt: skip
    assert scene.played.answers == ["1", f"0 {sha256(DATA)}", None]
    assert scene.played.env[NEAR_VARIABLE] == "1"
    assert made.origin == str(near)
    part.write_bytes(DATA)
    part.replace(scene.path)  # another file: it has come from its address after all
    assert scene.fetch(lender=lender).origin == ""
    scene.fetch(asked)
    assert scene.played.answers == ["1"]


def test_what_was_lent_to_the_record_is_its_origin(scene: Scene) -> None:
    scene.record = msgspec.structs.replace(scene.record, local="/elsewhere/x", lent=True)
    assert scene.fetch().origin == "/elsewhere/x"
    scene.record = msgspec.structs.replace(scene.record, lent=False)
    assert scene.fetch().origin == ""


BASE = {"HOME": "/h", STORE_KEY: "key", "HF_TOKEN": "own", OFFLINE[0]: "1"}


def env_of(base: Mapping[str, str], *, demo: bool = False) -> dict[str, str]:
    record = Record(
        number=1, model=Model(folder="vae", path="a.pt"), destination="/a.pt", store="/",
        source="url", where="x", url="https://x.example/a.pt",
    )  # fmt: skip
    places = Endpoints(huggingface="https://h.example", civitai="https://c.example")
    return environment(base, record, places, {"civitai": "c"}, folder=Path("/f"), demo=demo)


def test_a_script_is_told_its_endpoints_and_folder_and_no_secret() -> None:
    ends = {"HF_ENDPOINT": "https://h.example", "CIVITAI_ENDPOINT": "https://c.example"}
    there = {"COMFYFIX_FOLDER": "/f", **ends, "HOME": "/h"}
    assert env_of(BASE) == {**there, OFFLINE[0]: "1"}
    own = {"HF_TOKEN_PATH": os.devnull, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    assert env_of(BASE, demo=True) == {**there, **own}


def test_curl_reads_the_authorities_that_are_named_and_its_own_first() -> None:
    assert env_of({"SSL_CERT_FILE": "/s"})["CURL_CA_BUNDLE"] == "/s"
    assert env_of({"SSL_CERT_FILE": "/s", "CURL_CA_BUNDLE": "/c"})["CURL_CA_BUNDLE"] == "/c"
    assert "CURL_CA_BUNDLE" not in env_of({"SSL_CERT_FILE": ""})
