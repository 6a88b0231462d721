"""`notify:`: who is told how a run has ended, of what, and that no secret gets out."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.net.notify import notices
from comfyfix.process import Children
from comfyfix.records import Reason, because
from comfyfix.screen import words
from comfyfix.screen.run import notice
from comfyfix.screen.words import fixed, t
from comfyfix.why import Why
from tests.inprocess import InProcess, Ran
from tests.inside.test_messages import closed_port
from tests.services import Post, Webhook, serving

NAME = "harbor_light.safetensors"
CANARY = "canary/4711,?x"
SOAK = pytest.mark.soak  # each loads apprise, in a process of its own
SECRET = {"HOOK": CANARY, "PASSWORD": CANARY}


@pytest.fixture
def hook() -> Iterator[Webhook]:
    """A webhook that takes what it is sent."""
    made = Webhook()
    with serving(made):
        yield made


def wants(site: InProcess, *services: str, **settings: Any) -> None:
    """A project that needs one model, and tells these services."""
    site.workflow("w.json", ("loras", NAME))
    site.manifest(notify=list(services), **settings)


def keeps_silent(site: InProcess, *runs: Ran) -> None:
    """The secret stands in no file, however it is written, and nothing says it."""
    for run in runs:
        assert "4711" not in run.out + run.err
    for path in site.root.rglob("*"):
        assert not path.is_file() or b"canary" not in path.read_bytes(), path


def not_told(service: str, cause: Reason) -> str:
    return words.sentence(because(Why.NOTIFY_FAILED, service=service, cause=cause))


def test_a_run_that_did_something_is_told_once(site: InProcess, hub: Hub, hook: Webhook) -> None:
    wants(site, f"json://user:${{PASSWORD}}@{hook.place}/${{HOOK}}")
    hub.add("maker/harbor_light", [NAME])
    done = site.run(**SECRET)
    assert done.code == 0, done.err
    assert notice.sent([f"json://{hook.place}"]) in done.out
    (told,) = hook.told
    assert told["title"] == f"comfyfix: {t('all well, {done:models} done', done=1)}"
    assert told["type"] == "success"
    assert fixed("Total models: {count}", count=1) in told["message"]
    (page,) = told["attachments"]
    assert base64.b64decode(page["base64"]) == (site.output / "report/report.html").read_bytes()
    assert "4711" in hook.paths[0]
    again = site.run(**SECRET)
    assert (again.code, len(hook.told)) == (0, 1)
    keeps_silent(site, done, again)


@SOAK
def test_what_needs_the_user_is_told(site: InProcess, hub: Hub, hook: Webhook) -> None:
    wants(site, f"json://{hook.place}")
    site.workflow("x.json", ("loras", "amber_gate.safetensors"), ("loras", "gone.safetensors"))
    hub.add("maker/harbor_light", [NAME])
    hub.add("other/harbor_light", []).files[NAME] = file_for("something else.safetensors")
    hub.add("maker/amber_gate", ["amber_gate.safetensors"], gated=True)
    assert site.run().code == 1
    missing, yours = t("{n} models are missing", n=3), t("{n} need you", n=2)
    assert [told["title"] for told in hook.told] == [f"comfyfix: {missing}, {yours}"]
    assert [told["type"] for told in hook.told] == ["failure"]
    assert all(name in hook.told[0]["message"] for name in ("amber_gate", NAME, "gone"))


@SOAK
def test_a_letter_has_the_report_with_it(site: InProcess, hub: Hub) -> None:
    post = Post()
    with serving(post):
        to = "from=box@example.org&to=me@example.org&mode=insecure"
        wants(site, f"mailto://box:${{PASSWORD}}@{post.place}?{to}")
        hub.add("maker/harbor_light", [NAME])
        done = site.run(**SECRET)
    assert done.code == 0, done.err
    (letter,) = post.letters
    assert letter["subject"] == f"comfyfix: {t('all well, {done:models} done', done=1)}"
    (page,) = letter.iter_attachments()
    assert page.get_filename() == "report.html"
    proof = base64.b64encode(f"\0box\0{CANARY}".encode()).decode()
    assert any(line.endswith(proof) for line in post.said)
    keeps_silent(site, done)


@SOAK
def test_a_service_that_fails_is_one_line_and_no_failure(
    site: InProcess, hub: Hub, hook: Webhook
) -> None:
    hook.status = 500
    away = closed_port().removeprefix("http://")
    wants(
        site,
        f"json://{hook.place}/${{HOOK}}",
        f"json://box:${{PASSWORD}}@{away}/x",
        "json://127.0.0.1/${MISSING}",
        "${WHOLE}",
    )
    hub.add("maker/harbor_light", [NAME])
    done = site.run(**SECRET, WHOLE=f"syslog://{CANARY.replace('/', '')}")
    assert done.code == 0
    refused = [line for line in done.err.splitlines() if line.startswith("! ")]
    status = because(Why.ANSWER_STATUS, status=500)
    unset = because(Why.NOTIFY_VARIABLE_UNSET, name="MISSING")
    assert f"! {not_told(f'json://{hook.place}', status)}" in refused
    assert f"! {not_told(f'json://{away}', because(Why.NOTIFY_NOT_TAKEN))}" in refused
    assert f"! {not_told('json://127.0.0.1', unset)}" in refused
    assert sum("${WHOLE}" in line for line in refused) == 1
    assert len(refused) == 4
    assert "Traceback" not in done.err
    keeps_silent(site, done)


@SOAK
def test_one_that_hangs_is_not_waited_for(
    site: InProcess, hub: Hub, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "SECONDS", 0.3)
    hook.goes_on.clear()
    wants(site, f"json://{hook.place}/${{HOOK}}")
    hub.add("maker/harbor_light", [NAME])
    done = site.run(**SECRET)
    assert done.code == 0
    assert not_told(f"json://{hook.place}", because(Why.ANSWER_LATE)) in done.err
    keeps_silent(site, done)


def test_offline_and_in_the_demo_nobody_is_told(site: InProcess, hub: Hub, hook: Webhook) -> None:
    wants(site, f"json://{hook.place}")
    assert site.run("--offline").code == 1
    site.manifest(notify=[f"json://{hook.place}"], comfyui="demo")
    assert site.run("download:rife49").code == 0
    assert hook.told == []


def test_without_apprise_it_is_said_how_to_get_it(
    site: InProcess, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = tmp_path / "without"
    without.mkdir()
    seen = tmp_path / "seen"
    (without / "apprise.py").write_text(
        f"import os; open({str(seen)!r}, 'w').write(repr(os.environ)); raise ImportError"
    )
    monkeypatch.syspath_prepend(str(without))
    wants(site, "json://127.0.0.1/${HOOK}")
    hub.add("maker/harbor_light", [NAME])
    done = site.run(**SECRET, HF_TOKEN="hf_4712", COMFYFIX_STORE_KEY="key_4712")
    assert done.code == 0
    told = words.sentence(because(Why.NOTIFY_APPRISE_ABSENT))
    assert [line for line in done.err.splitlines() if told in line] == [f"! {told}"]
    assert "4712" not in seen.read_text()  # no token of the providers is handed on


@pytest.mark.parametrize(
    "service",
    [f"file:///{CANARY}", f"exec://{CANARY}", f"json://a,{CANARY} json://b", "${HF_TOKEN}"],
)
def test_what_is_no_service_is_refused_before_anything_is_done(
    site: InProcess, hub: Hub, service: str
) -> None:
    wants(site, "json://127.0.0.1", service)
    hub.add("maker/harbor_light", [NAME])
    done = site.run(HF_TOKEN="hf_x")
    assert done.code == 3
    assert "notify[1]" in done.err
    assert "4711" not in done.err
    assert site.files() == {}


def test_a_child_that_does_not_begin_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "apprise.py").write_text("import time; time.sleep(250)")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(notices, "BEGIN_SECONDS", 0.1)
    monkeypatch.setattr(notices, "SECONDS", 0.1)
    about = notices.Notice(title="t", text="x", kind="success")
    ended = notices.send(["json://127.0.0.1"], about, Children(), os.environ)
    assert ended == [because(Why.ANSWER_LATE)]
