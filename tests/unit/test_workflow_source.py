"""The workflow as a source: its addresses in order, and the place that the user names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from comfyfix.comfyui.store import folders
from comfyfix.errors import ModelProblem
from comfyfix.net.answer import Answer
from comfyfix.net.http import Web
from comfyfix.outcomes import Outcome
from comfyfix.records import Candidate, Hint, Model, Reason, Rejected, because
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.overrides import Override
from comfyfix.sources import workflow
from comfyfix.sources.base import Blocked, Doubtful, Services, Wanted, logged
from comfyfix.sources.trust import publishers
from comfyfix.state.layout import Layout
from comfyfix.why import Why

NAME = "harbor.pth"
ONE = "a" * 64
GITHUB = "https://github.com/o/n/releases/download/v1/"


class Probed(Web):
    """Answers every question about a file on a listed host."""

    def __init__(self, status: int = 200, **headers: str) -> None:
        super().__init__({}, direct=True)
        self.answer = (status, {name.replace("_", "-"): value for name, value in headers.items()})
        self.probed: list[str] = []

    def probe(self, url: str) -> Answer:
        self.probed.append(url)
        return Answer(url=url, status=self.answer[0], headers=self.answer[1], body=b"")


def found(root: Path, web: Web, *urls: str, override: Override | None = None) -> list[Any]:
    (root / "models").mkdir(exist_ok=True)
    services = Services(
        manifest=Manifest(comfyui=str(root)), folders=folders.read(root, [], None),
        layout=Layout(root / "output"), web=web, tokens={},
    )  # fmt: skip
    hints = tuple(Hint(name=NAME, url=url, sha256=ONE) for url in urls)
    model = Model(folder="upscale_models", path=NAME)
    return list(workflow.find(Wanted(model=model, hints=hints, override=override), services))


def test_addresses_that_end_in_the_name_come_first_else_in_their_order(tmp_path: Path) -> None:
    urls = [f"{GITHUB}b.pth", f"{GITHUB}a.pth", f"{GITHUB}{NAME}?x=1", f"{GITHUB}x-{NAME}"]
    web = Probed(content_length="5")
    told = found(tmp_path, web, *urls)
    assert web.probed == [urls[2], urls[3], urls[0], urls[1]]
    assert [each.where for each in told] == web.probed
    lines = Layout(tmp_path / "output").search_log.read_text().splitlines()
    assert [json.loads(line)["query"] for line in lines] == web.probed
    logged = {"found": urls[2], "size": 5, "sha256": ONE}
    assert json.loads(json.loads(lines[0])["answer"]) == logged


def test_a_file_on_a_listed_host_is_told_as_it_answers(tmp_path: Path) -> None:
    url = f"{GITHUB}{NAME}"
    (told,) = found(tmp_path, Probed(content_length="5"), url)
    said = because(Why.URL_TOLD, source="workflow", url=url)
    assert told == Candidate(
        source="workflow", where=url, name=NAME, url=url, size=5, sha256=ONE, evidence=(said,)
    )


@pytest.mark.parametrize(
    ("web", "reason"),
    [
        (Probed(404, content_length="5"), because(Why.ANSWERS_STATUS, status=404)),
        (Probed(), because(Why.ANSWERS_STATUS, status=200)),
        (Probed(content_length="-5"), because(Why.ANSWERS_STATUS, status=200)),
        (Probed(content_length="5", content_type="text/html; charset=x"), because(Why.WEB_PAGE)),
    ],
)
def test_what_is_no_file_is_refused(tmp_path: Path, web: Probed, reason: Reason) -> None:
    url = f"{GITHUB}{NAME}"
    assert found(tmp_path, web, url) == [Rejected(source="workflow", where=url, reason=reason)]


def test_a_host_that_is_not_listed_is_not_asked(tmp_path: Path) -> None:
    web = Probed(content_length="5")
    (told,) = found(tmp_path, web, f"https://files.example.org/{NAME}")
    assert (told.reason.why, web.probed) == (Why.HOST_NOT_LISTED, [])


def test_the_place_that_the_user_names_is_the_only_one(tmp_path: Path) -> None:
    web, url = Probed(content_length="5"), f"{GITHUB}mine.pth"
    (told,) = found(tmp_path, web, f"{GITHUB}{NAME}", override=Override(url=url, sha256="B" * 64))
    assert (told.where, told.sha256) == (url, "b" * 64)
    found(tmp_path, web, f"{GITHUB}{NAME}", override=Override(folder="x"))
    assert web.probed == [url, f"{GITHUB}{NAME}"]


@pytest.mark.parametrize(
    ("override", "address"),
    [
        (Override(url="https://x.example/a", repo="a/b", path="c"), "https://x.example/a"),
        (Override(model_version_id=7), "https://civitai.com/api/download/models/7"),
        (Override(repo="a/b", path="c d.pt"),
            "https://huggingface.co/a/b/resolve/main/c%20d.pt"),
        (Override(repo="a/b"), "https://huggingface.co/a/b/tree/main"),
        (Override(path="c"), ""), (Override(), ""),
    ],
)  # fmt: skip
def test_a_place_is_told_as_one_address(override: Override, address: str) -> None:
    assert workflow.address(override) == address


def test_the_log_keeps_each_kind_of_finding() -> None:
    reason = because(Why.NO_SIZE)
    made = Candidate(source="x", where="y", url="u", size=5, sha256=ONE)
    locked = Blocked(made, ModelProblem(Outcome.TOKEN_NEEDED, Why.NO_SIZE))
    assert logged(made) == {"found": "u", "size": 5, "sha256": ONE}
    assert logged(Rejected(source="x", where="y", reason=reason)) == {"rejected": reason}
    assert logged(Doubtful(made, reason)) == {"doubtful": reason}
    assert logged(locked) == {"blocked": reason}


def test_publishers_come_by_how_much_speaks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made = publishers.Publisher
    known = {
        "alpha": made(names=("sdxl",), folders=()),
        "beta": made(names=("sd", "sdxl_turbo"), folders=("loras",)),
        "gamma": made(names=(), folders=("loras",)),
        "quant": made(names=("sdxl",), folders=(), gguf=True),
        "other": made(names=("xl",), folders=()),
    }
    monkeypatch.setattr(publishers, "known", lambda: known)
    assert publishers.likely("x.pt", "sdxl_turbo_x", "loras") == ["beta", "alpha", "gamma"]
    assert publishers.likely("x.pt", "my_sdxl", "vae") == ["alpha", "beta"]
    assert publishers.likely("x.gguf", "my_sdxl", "vae") == ["quant", "alpha", "beta"]
    assert publishers.likely("x.pt", "nosdxl", "vae") == []
