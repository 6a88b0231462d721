"""HTTP: a service that fails is down and never "not found"; a token goes to its own origin."""

from __future__ import annotations

import socket
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.demo.hub import Fault, Hub
from comfyfix.errors import HostRefused, SourceDown
from comfyfix.net.exchange import goes_direct
from comfyfix.net.failures import REDIRECTS_MAX
from comfyfix.net.http import Web
from comfyfix.net.limits import retry_after
from comfyfix.records import Reason, because
from comfyfix.why import Why


class Client(Web):
    """A client that notes its pauses and takes none."""

    def __init__(self, tokens: dict[str, str] | None = None) -> None:
        self.waits: list[float] = []
        super().__init__(tokens or {}, wait=self.waits.append, direct=True)


def search(hub: Hub) -> str:
    return f"{hub.url}/api/models"


def unasked(hub: Hub, cause: Reason) -> Reason:
    return because(Why.SERVICE_UNASKED, host=hub.url.removeprefix("http://"), cause=cause)


def fail(hub: Hub, kind: str, times: int | None = None, **headers: str) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    hub.faults.append(Fault("search *", kind, times, named))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", 7.0), ("0", 0.1), (" 30 ", 30.0), ("9" * 400, 999_999_999.0), ("-5", 7.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.1), ("soon", 7.0), ("\u00b2", 7.0), ("\u0663", 7.0),
    ],
)  # fmt: skip
def test_the_pause_is_what_the_service_asks_for(value: str, seconds: float) -> None:
    assert retry_after({"retry-after": value}, 7.0) == seconds


@pytest.mark.parametrize(("value", "seconds"), [("r=0;t=41", 42), ("r=10;t=41", 7), ("r=0", 7)])
def test_a_spent_rate_limit_tells_the_pause_too(value: str, seconds: float) -> None:
    assert retry_after({"ratelimit": f'"api";{value}'}, 7.0) == seconds
    assert retry_after({"ratelimit": f'"api";{value}', "retry-after": "3"}, 7.0) == 3.0


def test_a_pause_until_a_date_is_counted_from_now() -> None:
    pause = retry_after({"retry-after": formatdate(time.time() + 300, usegmt=True)}, 7.0)
    assert 200 < pause <= 300


TOKENS = st.sampled_from(["Wed,", "21", "Oct", "07:28:00", "GMT", "+0000", ";r=0", ";t=9", "-"])
ASCII = st.characters(min_codepoint=32, max_codepoint=126)


@given(st.text(ASCII, max_size=20) | st.lists(TOKENS, max_size=8).map(" ".join))
def test_any_header_gives_a_pause(value: str) -> None:
    assert retry_after({"retry-after": value}, 7.0) >= 0.1
    assert retry_after({"ratelimit": value}, 7.0) >= 0.1


def test_a_503_is_tried_again_after_the_pause_that_it_asks_for(hub: Hub) -> None:
    hub.add("o/n", ["x.pth"])
    fail(hub, "503", 2, Retry_After="0")
    web = Client()
    assert web.get(search(hub), {"search": "n"}).json()[0]["id"] == "o/n"
    assert [seen.status for seen in hub.seen] == [503, 503, 200]
    assert web.waits == [0.1, 0.1]


@pytest.mark.parametrize("kind", ["503", "429", "500", "408", "reset"])
def test_three_failures_make_a_source_that_is_down(kind: str, hub: Hub) -> None:
    fail(hub, kind)
    web = Client()
    with pytest.raises(SourceDown) as caught:
        web.get(search(hub))
    status = None if kind == "reset" else int(kind)
    cause = because(Why.STATUS, status=status) if status else because(Why.NO_CONNECTION)
    assert caught.value.reason == unasked(hub, cause)
    assert (len(hub.seen), len(web.waits)) == (3, 2)
    assert 0 < web.waits[0] < web.waits[1] < 2


def test_a_pause_of_more_than_a_minute_is_not_waited_for(hub: Hub) -> None:
    fail(hub, "429", Retry_After="61")
    web = Client()
    with pytest.raises(SourceDown) as caught:
        web.get(search(hub))
    assert caught.value.reason == unasked(hub, because(Why.STATUS, status=429))
    assert (len(hub.seen), web.waits) == (1, [])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_an_answer_that_says_no_is_an_answer(status: int, hub: Hub) -> None:
    fail(hub, str(status), X_Error_Code="GatedRepo")
    answer = Client().get(search(hub))
    assert (answer.status, answer.headers["x-error-code"]) == (status, "GatedRepo")
    assert answer.json() == {"error": "on purpose"}
    assert len(hub.seen) == 1


def test_a_web_page_instead_of_json_is_a_source_that_is_down(hub: Hub) -> None:
    web = Client()
    assert web.get(search(hub)).status == 200
    fail(hub, "html")
    with pytest.raises(SourceDown) as caught:
        web.get(search(hub)).json()
    assert caught.value.reason.why == Why.ANSWER_NOT_JSON


def test_questions_with_a_body_are_asked_and_json_only_once(hub: Hub) -> None:
    hub.add("o/n", ["x.pth"])
    form = [("paths", "x.pth"), ("paths", "no.pth")]
    found = Client().post_form(f"{hub.url}/api/models/o/n/paths-info/main", form).json()
    assert [item["path"] for item in found] == ["x.pth"]
    hub.faults.append(Fault("qwen *", "503"))
    web = Client()
    body = b'{"messages": [{"role": "user", "content": "{\\"model\\": \\"x.pth\\"}"}]}'
    answer = web.post_once(f"{hub.url}/v1/chat/completions", body, token="", seconds=5)
    assert answer.status == 503
    assert hub.count("POST", "/v1/*") == 1
    assert web.waits == []


def test_a_token_goes_to_its_own_origin_and_to_no_other(hub: Hub) -> None:
    with Hub() as other:
        web = Client({f"{hub.url}/": "secret", "http://127.0.0.1": "wrong", "http://x": ""})
        for each in (hub, other, hub):
            web.get(search(each))
            web.head(f"{each.url}/o/n/resolve/main/x.pth")
        assert {seen.token for seen in hub.seen} == {"secret"}
        assert {seen.token for seen in other.seen} == {""}


def test_a_redirect_inside_the_origin_is_followed_with_the_token(hub: Hub) -> None:
    hub.add("o/n", ["x.pth"])
    fail(hub, "302", Location="/api/models/o/n?full=true")
    answer = Client({hub.url: "secret"}).get(search(hub), {"search": "n"})
    assert (answer.url, answer.json()["id"]) == (f"{hub.url}/api/models/o/n?full=true", "o/n")
    assert [seen.path for seen in hub.seen] == ["/api/models?search=n", "/api/models/o/n?full=true"]
    assert {seen.token for seen in hub.seen} == {"secret"}


def test_a_redirect_without_a_query_keeps_the_question(hub: Hub) -> None:
    """So the Hub sends on who asks for a repository by its old name."""
    hub.add("new/name", ["x.pth"])
    hub.renamed["old/name"] = "new/name"
    hub.renamed["oldest/name"] = "old/name"
    web = Client()
    path = "/api/models/oldest/name/revision/main"
    told = web.get(f"{hub.url}{path}", {"blobs": "true"}).json()
    assert told["siblings"][0]["size"] > 0, "the question for sizes was lost on the way"
    assert web.get(f"{hub.url}{path}?blobs=true").json() == told
    form = [("paths", "x.pth"), ("expand", "True")]
    found = web.post_form(f"{hub.url}/api/models/old/name/paths-info/main", form).json()
    assert found[0]["securityFileStatus"]["status"] == "safe"
    assert web.head(f"{hub.url}/old/name/resolve/main/x.pth").status == 302


@pytest.mark.parametrize("status", ["301", "302", "303"])
def test_a_question_with_a_body_is_not_sent_on_as_another(status: str, hub: Hub) -> None:
    hub.add("o/n", ["x.pth"])
    hub.faults.append(Fault("repository *", status, headers={"Location": "/api/models/o/n"}))
    answer = Client().post_form(f"{hub.url}/api/models/o/n/paths-info/main", [("paths", "x.pth")])
    assert (answer.status, len(hub.seen)) == (int(status), 1)


@pytest.mark.parametrize("kind", ["301", "302", "307", "308"])
def test_a_redirect_to_another_origin_is_not_followed(kind: str, hub: Hub) -> None:
    with Hub() as other:
        fail(hub, kind, Location=search(other))
        answer = Client({hub.url: "secret", other.url: "other"}).get(search(hub))
        assert (answer.status, answer.headers["location"]) == (int(kind), search(other))
        assert other.seen == []


def test_a_redirect_in_a_circle_is_a_source_that_is_down(hub: Hub) -> None:
    for here, there in ("ab", "ba"):
        redirect = {"Location": f"/api/models?search={there}"}
        hub.faults.append(Fault(f"search {here}", "302", headers=redirect))
    with pytest.raises(SourceDown) as caught:
        Client().get(search(hub), {"search": "a"})
    many = because(Why.REDIRECTS_MANY, limit=REDIRECTS_MAX)
    assert caught.value.reason == unasked(hub, many)
    assert len(hub.seen) == 18


def test_what_the_hub_says_of_a_file_is_the_answer_and_not_its_redirect(hub: Hub) -> None:
    repository = hub.add("o/n", ["x.pth"])
    answer = Client().head(f"{hub.url}/o/n/resolve/main/x.pth")
    assert (answer.status, answer.headers["x-repo-commit"]) == (302, repository.commit)
    assert len(hub.seen) == 1


def test_credentials_of_netrc_are_never_sent(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    netrc = Path.home() / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password hidden\n")
    netrc.chmod(0o600)
    Web({}).get(search(hub))
    assert [seen.token for seen in hub.seen] == [""]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "10.0.0.1"])
def test_a_probe_of_a_private_address_is_refused(host: str) -> None:
    with pytest.raises(HostRefused) as caught:
        Client().probe(f"https://{host}/x")
    assert caught.value.reason == because(Why.HOST_NOT_PUBLIC, host=host.strip("[]"))


@pytest.mark.parametrize("date", [f"1 Oct {'9' * 20} 07:28 GMT", "1 Oct 2015 9999999999:1 GMT"])
def test_a_date_beyond_all_calendars_gives_a_pause(date: str) -> None:
    assert retry_after({"retry-after": date}, 7.0) == 7.0


@pytest.mark.parametrize("address", ["http://[", "//[x"])
def test_a_redirect_that_can_not_be_read_is_a_source_that_is_down(address: str, hub: Hub) -> None:
    fail(hub, "302", Location=address)
    with pytest.raises(SourceDown):
        Client().get(search(hub))


def test_a_probe_of_a_port_that_can_not_be_is_refused() -> None:
    with pytest.raises((HostRefused, SourceDown)):
        Client().probe("https://127.0.0.1:99999/x")


def test_a_name_that_leads_elsewhere_the_second_time_gets_no_byte(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Looked up it is public; looked up again it is this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        answers = ["8.8.8.8", "127.0.0.1"]

        def lookup(*_: object, **__: object) -> list[Any]:
            address = answers.pop(0) if len(answers) > 1 else answers[0]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        with pytest.raises(HostRefused):
            Client().probe(f"https://rebind.example:{port}/x")
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has come
            listener.accept()


def test_what_is_taken_is_bounded_and_its_redirect_is_the_callers(hub: Hub) -> None:
    hub.add("o/n", []).files["w.json"] = b"x" * 1000
    client = Client({hub.url: "hf_t"})
    first = client.take(f"{hub.url}/o/n/resolve/main/w.json", 1000, public=False)
    assert first.status in (302, 307)
    place = urljoin(hub.url, first.headers["location"])
    assert Client().take(place, 1000, public=False).body == b"x" * 1000
    with pytest.raises(SourceDown) as caught:
        Client().take(place, 999, public=False)
    assert caught.value.reason.told["cause"] == because(Why.TOO_LARGE, limit=999)
    with pytest.raises(HostRefused):
        Client({hub.url: "hf_t"}).take(place, 1000, public=True)
    assert [seen.token for seen in hub.seen] == ["hf_t", "", ""]


@pytest.mark.parametrize(
    ("told", "direct"),
    [
        ("", False), ("*", True), ("example.org", True), (".example.org", True),
        ("models.example.org", True), ("models.example.org:443", True), ("other.org", False),
        ("other.org,example.org", True), ("ample.org", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_what_no_proxy_spares(
    monkeypatch: pytest.MonkeyPatch, variable: str, told: str, direct: bool
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv(variable, told)
    assert goes_direct("https://models.example.org:443/x") is direct
