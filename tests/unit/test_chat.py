"""The chat endpoint: whose key it sees, how long and how much it may say, in whatever shape."""

from __future__ import annotations

import http.server
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comfyfix.demo.hub import Fault, Hub
from comfyfix.errors import SourceDown
from comfyfix.net.chat.answers import Said
from comfyfix.net.chat.calls import Call
from comfyfix.net.chat.endpoint import Chat, ToolsRefused
from comfyfix.net.http import Web
from comfyfix.records import because
from comfyfix.settings.manifest import Qwen
from comfyfix.sources.qwen.tools import OFFERED
from comfyfix.why import Why
from tests.rig import Site

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


BESIDE_IT = """\
import importlib, pkgutil, sys
import huggingface_hub
from huggingface_hub.utils import _http as theirs

hub = huggingface_hub.HfApi(endpoint=sys.argv[1], token=False)
factory, client = theirs._GLOBAL_CLIENT_FACTORY, huggingface_hub.get_session()
before = hub.model_info("someone/night-train").id

import comfyfix.sources
for module in pkgutil.walk_packages(comfyfix.__path__, "comfyfix."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from comfyfix.net.chat.endpoint import Chat
from comfyfix.net.http import Web

chat = Chat(sys.argv[1] + "/v1/chat/completions", "q", "qwen_key", Web({}, direct=True))
assert chat.ask([{"role": "user", "content": "x"}], [], max_tokens=9, seconds=9).text
after = hub.model_info("someone/night-train").id
assert theirs._GLOBAL_CLIENT_FACTORY is factory
assert huggingface_hub.get_session() is client
print(before, after)
"""
ALONE = """\
import importlib, pkgutil, sys
import comfyfix.sources
for module in pkgutil.walk_packages(comfyfix.__path__, "comfyfix."):
    importlib.import_module(module.name)
assert not [name for name in sys.modules if name.startswith(("huggingface_hub", "httpx"))]
"""


def test_huggingface_hub_works_beside_it_in_one_process(site: Site, hub: Hub) -> None:
    hub.add("someone/night-train", ["night_train.safetensors"])
    done = site.doit(hub.url, program=(sys.executable, "-c", BESIDE_IT), HF_ENDPOINT=hub.url)
    assert done.stdout == "someone/night-train someone/night-train\n", done.stderr
    tokens = [seen.token for seen in hub.seen if seen.path.startswith(("/v1/", "/api/models/"))]
    assert tokens == ["", "qwen_key", ""]


def test_nothing_of_ours_needs_it(site: Site) -> None:
    done = site.doit(program=(sys.executable, "-c", ALONE))
    assert done.returncode == 0, done.stderr


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
    with pytest.raises(SourceDown):
        ask(f"{hub.url}/v1", seconds=0.5)
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
    reason = caught.value.reason
    assert (reason.why == Why.CHAT_NO_ANSWER) == (kind == "html")
    if kind.isdigit():
        assert (reason.why, reason.told["status"]) == (Why.CHAT_REFUSES_SAYING, int(kind))
    assert hub.count("POST", "*") <= 1
    assert "qwen_key" not in repr(reason)


@pytest.mark.parametrize(("key", "why"), [("", Why.CHAT_KEY_WANTED), ("bad", Why.CHAT_KEY_REFUSED)])
def test_a_key_that_is_not_taken_is_named(hub: Hub, key: str, why: Why) -> None:
    hub.faults.append(Fault("qwen *", "401"))
    with pytest.raises(SourceDown) as caught:
        ask(f"{hub.url}/v1", key)
    assert caught.value.reason == because(why, host=hub.url[7:], status=401)


def test_an_endpoint_without_tools_says_so(hub: Hub) -> None:
    hub.chats.tools = False
    with pytest.raises(ToolsRefused):
        ask(f"{hub.url}/v1", tools=OFFERED)
    assert ask(f"{hub.url}/v1").text


@pytest.mark.parametrize(
    "body", [b'{"error": "bad key qwen_key"}', b'{"error": {"message": "bad key qwen_key"}}',
             b"bad key qwen_key\n"],
)  # fmt: skip
def test_what_an_error_says_is_told_without_the_key(raw: Raw, body: bytes) -> None:
    raw.says = (422, {"Content-Type": "application/json"}, body)
    with pytest.raises(SourceDown) as caught:
        ask(raw.url, "qwen_key")
    assert caught.value.reason.why == Why.CHAT_REFUSES_SAYING
    assert caught.value.reason.told["said"] == "bad key ***"


def whole(message: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    value = {"choices": [{"message": message}], "usage": {"total_tokens": 9}}
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"content": "hi"}, Said(text="hi", tokens=9)),
        ({"content": [{"type": "text", "text": "h"}, {"text": "i"}]}, Said(text="hi", tokens=9)),
    ],
)
def test_the_forms_of_an_answer(raw: Raw, message: dict[str, Any], said: Said) -> None:
    raw.says = whole(message)
    assert ask(raw.url) == said


def stream(*deltas: dict[str, Any]) -> bytes:
    chunks: list[Any] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"choices": [], "usage": {"total_tokens": 9}})
    events = [": a comment", *(f"data: {json.dumps(chunk)}" for chunk in chunks), "data: [DONE]"]
    return "\r\n\r\n".join(events).encode()


def part(index: int, arguments: str, **named: str) -> dict[str, Any]:
    ident = {"id": f"c{index}"} if named else {}
    return {"index": index, "function": {**named, "arguments": arguments}, **ident}


@pytest.mark.parametrize(
    ("deltas", "said"),
    [
        ([{"role": "assistant"}, {"content": "h"}, {"content": "i"}, {}],
         Said(text="hi", tokens=9)),
        ([{"tool_calls": [part(0, "", name="f"), part(1, "{}", name="g")]},
          {"tool_calls": [part(0, '{"a":')]}, {"tool_calls": [part(0, " 1}")]}],
         Said(calls=(Call(id="c0", name="f", arguments='{"a": 1}'),
                     Call(id="c1", name="g", arguments="{}")), tokens=9)),
    ],
    ids=["text", "tools"],
)  # fmt: skip
def test_an_answer_that_is_streamed_unasked(
    raw: Raw, deltas: list[dict[str, Any]], said: Said
) -> None:
    raw.says = (200, {"Content-Type": "text/event-stream; charset=utf-8"}, stream(*deltas))
    assert ask(raw.url) == said


@pytest.mark.parametrize("body", [b"", b"data: [DONE]", b"data: {", b'data: {"error": {}}'])
def test_a_stream_without_an_answer_is_none(raw: Raw, body: bytes) -> None:
    raw.says = (200, {"Content-Type": "text/event-stream"}, body)
    with pytest.raises(SourceDown):
        ask(raw.url)


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
    whole = {"choices": [{"message": message}], "usage": usage}
    piece = {"choices": [{"delta": message}], "usage": usage}
    for kind, begin, body in (
        ("json", "", value),
        ("json", "", whole),
        ("event-stream", "data: ", piece),
    ):
        text = f"{begin}{json.dumps(body)}"
        raw.says = (200, {"Content-Type": f"x/{kind}"}, text.encode())
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


@pytest.mark.parametrize("message", [{"content": None, "tool_calls": None}, {}, {"content": " "}])
def test_an_empty_answer_is_none(raw: Raw, message: dict[str, Any]) -> None:
    raw.says = whole(message)
    with pytest.raises(SourceDown) as caught:
        ask(raw.url)
    assert caught.value.reason.why == Why.CHAT_EMPTY
