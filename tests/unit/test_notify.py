"""Addresses of `notify:`: which are taken, what of them is shown, how a secret gets in."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.errors import ModelProblem
from comfyfix.outcomes import Outcome
from comfyfix.records import Model, Verdict, because
from comfyfix.screen.run import notice
from comfyfix.screen.words import t
from comfyfix.settings import notify
from comfyfix.stages.reports.tally import Ending, Tally
from comfyfix.why import Why

SECRET = "canary-4711"


@pytest.mark.parametrize(
    "entry",
    [
        "json://127.0.0.1:8080/hook",
        "JSONS://host/${TOKEN}",
        "mailto://${USER}:${PASSWORD}@example.org?to=a@b.org,c@d.org",
        "tgram://${BOT}/${CHAT}",
        "ntfy://topic",
        "https://hooks.slack.com/services/${A}/${B}/${C}",
        "${WHOLE}",
    ],
)
def test_what_names_a_service_is_taken(entry: str) -> None:
    assert notify.flaw(entry) is None


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("", Why.NOTIFY_UNFIT),
        ("a word", Why.NOTIFY_UNFIT),
        ("json://", Why.NOTIFY_UNFIT),
        ("json:///path", Why.NOTIFY_UNFIT),
        ("json://host\nfile:///etc/passwd", Why.NOTIFY_UNFIT),
        ("json://a json://b", Why.NOTIFY_UNFIT),
        ("json://host/\x1b[2J", Why.NOTIFY_UNFIT),
        ("json://host/\u202egnp", Why.NOTIFY_UNFIT),
        ("json://host/" + "x" * 5000, Why.NOTIFY_UNFIT),
        ("${SCHEME}://host", Why.NOTIFY_UNFIT),
        ("${A}${B}", Why.NOTIFY_UNFIT),
        ("file:///etc/passwd", Why.NOTIFY_UNFIT),
        ("file://etc/passwd", Why.NOTIFY_SCHEME_UNKNOWN),
        ("syslog://user", Why.NOTIFY_SCHEME_UNKNOWN),
        ("dbus://x", Why.NOTIFY_SCHEME_UNKNOWN),
        ("macosx://x", Why.NOTIFY_SCHEME_UNKNOWN),
        ("blink1://x", Why.NOTIFY_SCHEME_UNKNOWN),
        ("http://host", Why.NOTIFY_SCHEME_UNKNOWN),
        ("include://host", Why.NOTIFY_SCHEME_UNKNOWN),
        ("slack://a/b/c?Template=/etc/passwd", Why.NOTIFY_READS),
        ("discord://a/b?tts=no&template", Why.NOTIFY_READS),
        ("mailto://u@h?pgp=yes", Why.NOTIFY_READS),
        ("json://host/${HF_TOKEN}", Why.NOTIFY_OWN_TOKEN),
        ("json://host/${COMFYFIX_STORE_KEY}", Why.NOTIFY_OWN_TOKEN),
        ("${CIVITAI_API_KEY}", Why.NOTIFY_OWN_TOKEN),
    ],
)
def test_what_names_none_or_does_more_is_refused(entry: str, why: Why) -> None:
    reason = notify.flaw(entry)
    assert reason is not None
    assert reason.why == why


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        (f"json://user:{SECRET}@127.0.0.1:8080/{SECRET}?x={SECRET}", "json://127.0.0.1:8080"),
        (f"mailto://me:{SECRET}@@example.org", "mailto://example.org"),
        (f"jsons://[::1]:443/{SECRET}#{SECRET}", "jsons://[::1]:443"),
        (f"json://host?{SECRET}", "json://host"),
        (f"slack://{SECRET}/b/c", "slack://…"),
        (f"ntfy://{SECRET}", "ntfy://…"),
        (f"tgram://123:{SECRET}/-1", "tgram://…"),
        ("json://${HOST}/x", "json://…"),
        ("${WHOLE}", "${WHOLE}"),
    ],
)
def test_of_an_address_scheme_and_host_are_shown(entry: str, shown: str) -> None:
    assert notify.label(entry) == shown


@given(secret=st.text(min_size=1).map(str.strip).filter(bool))
def test_a_secret_is_one_part_whatever_it_holds(secret: str) -> None:
    if any(0xD800 <= ord(letter) < 0xE000 for letter in secret):
        return  # no variable holds half a letter
    url = notify.filled("json://host/${TOKEN}/end?a=b", {"TOKEN": secret})
    head, _, tail = url.removeprefix("json://").partition("/")
    assert head == "host"
    part, *rest = tail.split("/")
    assert rest == ["end?a=b"]
    assert unquote(part) == secret
    assert not set(" ,;?#&@\n") & set(part)


@pytest.mark.parametrize(
    ("entry", "value", "why"),
    [
        ("json://host/${T}", "", Why.NOTIFY_VARIABLE_UNSET),
        ("json://host/${T}", None, Why.NOTIFY_VARIABLE_UNSET),
        ("${T}", "json://a json://b", Why.NOTIFY_UNFIT),
        ("${T}", "json://a\njson://b", Why.NOTIFY_UNFIT),
        ("${T}", "syslog://a", Why.NOTIFY_SCHEME_UNKNOWN),
        ("${T}", "slack://a/b/c?template=/x", Why.NOTIFY_READS),
        ("${T}", "${HF_TOKEN}", Why.NOTIFY_UNFIT),
    ],
)
def test_what_a_variable_holds_is_looked_at_too(entry: str, value: str | None, why: Why) -> None:
    with pytest.raises(notify.Unfilled) as refused:
        notify.filled(entry, {} if value is None else {"T": value})
    assert refused.value.reason.why == why


def test_a_variable_alone_is_the_whole_address() -> None:
    whole = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/x,y"
    assert notify.filled("${T}", {"T": whole}) == whole


# What is said.


def failed(name: str, outcome: Outcome) -> Ending:
    return Ending(Model(folder="loras", path=name), ModelProblem(outcome, Why.NOT_TEXT))


def titled(*endings: Ending, ready: bool = True, **more: object) -> str:
    tally = Tally(endings=[*endings])
    for name, value in more.items():
        setattr(tally, name, value)
    return notice.title(tally, "", ready=ready)


def test_a_title_says_how_it_ended() -> None:
    done = Ending(Model(folder="loras", path="a"))
    lost = [failed(name, Outcome.NOT_FOUND) for name in ("b", "c")]
    yours = failed("d", Outcome.UNCERTAIN)
    reason = because(Why.NOT_TEXT)
    bad = Verdict(model="vae/x", filename="x", path="/x", status="damaged", reason=reason)
    assert titled(done) == f"comfyfix: {t('all well, {done:models} done', done=1)}"
    missing, you = t("{n} models are missing", n=3), t("1 needs you")
    assert titled(done, *lost, yours) == f"comfyfix: {missing}, {you}"
    assert titled(lost[0]) == f"comfyfix: {t('1 model is missing')}"
    assert titled(done, bad_verdicts=[bad]) == f"comfyfix: {t('{n:files} not right', n=1)}"
    assert titled(done, no_room=frozenset({"a", "b"})) == (
        f"comfyfix: {t('{n} models are missing', n=2)}"
    )
    assert titled(done, ready=False) == f"comfyfix: {t('not all workflows are ready')}"
    assert notice.title(Tally(endings=[done]), "a", ready=True).startswith("comfyfix a: ")


@pytest.mark.parametrize("call", ["@everyone", "@here", "<!channel>", "<@U123>", "<@&5>"])
def test_a_name_calls_nobody(call: str) -> None:
    text = notice.text(["", f"loras/{call}.pt: \x1b[2J", ""])
    assert call not in text
    assert "\x1b" not in text
    assert text == text.strip("\n")
    assert len(notice.text(["x" * 999] * 99)) == notice.TEXT_MAX
