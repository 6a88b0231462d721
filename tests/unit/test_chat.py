"""The chat endpoint: whose key it sees, how long and how much it may say, in whatever shape."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import huggingface_hub
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comfyfix.demo.hub import Fault, Hub
from comfyfix.errors import SourceDown
from comfyfix.net.chat import Chat, Said, ToolsRefused
from comfyfix.net.http import Answer, Web
from comfyfix.settings.manifest import Qwen
from comfyfix.sources.qwen.tools import OFFERED

QUESTION = [{"role": "user", "content": '"model": "x.pth"'}]


def chat(url: str, key: str = "") -> Chat:
    web = Web({url.removesuffix("/v1"): "hf_canary"}, direct=True)
    return Chat(Qwen(base_url=url).chat_url, "q", key, web)


def ask(url: str, key: str = "", seconds: float = 10, tools: Any = ()) -> Said:
    return chat(url, key).ask(QUESTION, list(tools), max_tokens=50, seconds=seconds)


class _Raw(http.server.BaseHTTPRequestHandler):
    """Answers every question with the bytes that the test has put on the server."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append(dict(self.headers))  # type: ignore[attr-defined]
        status, headers, body = self.server.says  # type: ignore[attr-defined]
        if status == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not self.server.over.wait(0.02):  # type: ignore[attr-defined]
                self.wfile.write(b"a")
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Raw(http.server.ThreadingHTTPServer):
    daemon_threads = True
    says: tuple[Any, dict[str, str], bytes] = (200, {}, b"")

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Raw)
        self.seen: list[dict[str, str]] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@pytest.fixture
def raw() -> Iterator[Raw]:
    server = Raw()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://h", "https://h/v1/chat/completions"),
        ("https://h/v1/", "https://h/v1/chat/completions"),
        ("https://h/compatible-mode/v1", "https://h/compatible-mode/v1/chat/completions"),
        ("https://h/api/v3", "https://h/api/v3/chat/completions"),
        ("https://h/x/chat/completions", "https://h/x/chat/completions"),
    ],
)
def test_the_address_is_what_openais_clients_ask(base: str, url: str) -> None:
    assert Qwen(base_url=base).chat_url == url


def test_no_token_but_qwens_own_is_sent(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The Hub's token is for this very origin, in the environment, in its file and in a netrc."""
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    (tmp_path / "token").write_text("hf_canary")
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login u password hf_canary\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    ask(f"{hub.url}/v1")
    ask(f"{hub.url}/v1", "qwen_key")
    assert [seen.token for seen in hub.seen] == ["", "qwen_key"]


class Nosy(Web):
    """Lets huggingface_hub ask for more, in the middle of a question."""

    def post_once(self, url: str, body: bytes, *, token: str, seconds: float) -> Answer:
        with pytest.raises(httpx2.ConnectError):
            huggingface_hub.get_session().get(url.replace("/v1/", "/api/"))
        return super().post_once(url, body, token=token, seconds=seconds)


def test_nothing_but_the_question_gets_out_of_huggingface_hub(hub: Hub) -> None:
    with pytest.raises(httpx2.ConnectError):
        huggingface_hub.get_session().get(f"{hub.url}/api/agent-harnesses")
    nosy = Chat(f"{hub.url}/v1/chat/completions", "q", "qwen_key", Nosy({}, direct=True))
    assert nosy.ask(QUESTION, [], max_tokens=50, seconds=10).text
    assert [(seen.method, seen.path) for seen in hub.seen] == [("POST", "/v1/chat/completions")]


def test_a_redirect_is_not_followed(raw: Raw, hub: Hub) -> None:
    raw.says = (307, {"Location": f"{hub.url}/v1/chat/completions"}, b"")
    with pytest.raises(SourceDown):
        ask(raw.url, "qwen_key")
    assert (len(raw.seen), hub.seen) == (1, [])


@pytest.mark.parametrize("kind", ["drip", "stall"])
def test_an_answer_that_does_not_come_to_its_end_is_over_in_time(hub: Hub, kind: str) -> None:
    hub.faults.append(Fault("qwen *", kind))
    before = set(threading.enumerate())
    begun = time.monotonic()
    with pytest.raises(SourceDown, match="could not be asked") as caught:
        ask(f"{hub.url}/v1", seconds=0.5)
    assert caught.value.cause == "it does not answer in time"
    assert 0.4 < time.monotonic() - begun < 3
    for thread in set(threading.enumerate()) - before:
        if thread.name == "within":
            thread.join(3)
            assert not thread.is_alive(), "it listens on although nobody waits"


def test_headers_that_drip_are_over_in_time_too(raw: Raw) -> None:
    raw.says = ("drip", {}, b"")
    begun = time.monotonic()
    with pytest.raises(SourceDown):
        ask(raw.url, seconds=0.5)
    assert time.monotonic() - begun < 3


def test_an_endless_answer_is_cut_off(raw: Raw) -> None:
    text = json.dumps({"choices": [{"message": {"content": "a" * (5 << 20)}}]})
    raw.says = (200, {"Content-Type": "application/json"}, text.encode())
    with pytest.raises(SourceDown):
        ask(raw.url)


@pytest.mark.parametrize("kind", ["reset", "cut", "html", "500", "503", "429", "404"])
def test_an_endpoint_that_fails_is_down_and_asked_once(hub: Hub, kind: str) -> None:
    hub.faults.append(Fault("qwen *", kind))
    with pytest.raises(SourceDown) as caught:
        ask(f"{hub.url}/v1", "qwen_key")
    assert caught.value.next_step
    assert hub.count("POST", "*") <= 1
    assert "qwen_key" not in str(caught.value)


@pytest.mark.parametrize(("key", "said"), [("", "wants a key"), ("bad", "refuses the key")])
def test_a_key_that_is_not_taken_is_named(hub: Hub, key: str, said: str) -> None:
    hub.faults.append(Fault("qwen *", "401"))
    with pytest.raises(SourceDown, match=said) as caught:
        ask(f"{hub.url}/v1", key)
    assert caught.value.next_step == "set a valid QWEN_API_KEY"


def test_an_endpoint_without_tools_says_so(hub: Hub) -> None:
    hub.chats.tools = False
    with pytest.raises(ToolsRefused):
        ask(f"{hub.url}/v1", tools=OFFERED)
    assert ask(f"{hub.url}/v1").text


def test_a_key_in_the_words_of_an_error_is_taken_out(raw: Raw) -> None:
    raw.says = (422, {"Content-Type": "application/json"}, b'{"error": "bad key qwen_key"}')
    with pytest.raises(SourceDown) as caught:
        ask(raw.url, "qwen_key")
    assert "qwen_key" not in caught.value.cause


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"content": "hi"}, Said(text="hi", tokens=9)),
        ({"content": [{"type": "text", "text": "h"}, {"text": "i"}]}, Said(text="hi", tokens=9)),
        ({"content": None, "tool_calls": None}, Said(tokens=9)),
        ({}, Said(tokens=9)),
    ],
)
def test_the_forms_of_an_answer(raw: Raw, message: dict[str, Any], said: Said) -> None:
    value = {"choices": [{"message": message}], "usage": {"total_tokens": 9}}
    raw.says = (200, {"Content-Type": "application/json"}, json.dumps(value).encode())
    assert ask(raw.url) == said


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "tool_calls", "function", "name", "arguments",
                 "usage", "total_tokens", "id", "role"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES, usage=VALUES, message=VALUES)
def test_any_json_is_an_answer_or_an_endpoint_that_is_down(
    raw: Raw, value: Any, usage: Any, message: Any
) -> None:
    for body in (value, {"choices": [{"message": message}], "usage": usage}):
        raw.says = (200, {"Content-Type": "application/json"}, json.dumps(body).encode())
        try:
            said = ask(raw.url)
        except SourceDown:
            continue
        assert isinstance(said, Said)


def test_json_of_any_depth_does_not_break_it(raw: Raw) -> None:
    for body in (b"[" * 100_000, b'{"choices":' * 50_000, b"\xff", b"", b"1" * 5000):
        raw.says = (200, {"Content-Type": "application/json"}, body)
        with pytest.raises(SourceDown):
            ask(raw.url)
