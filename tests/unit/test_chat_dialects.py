"""The ways in which servers speak the chat API: answers and refusals as they really give them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix import secrets
from comfyfix.errors import SourceDown
from comfyfix.net.answer import Answer
from comfyfix.net.chat import answers, spoken
from comfyfix.net.chat.answers import Said
from comfyfix.net.chat.calls import Call
from comfyfix.net.chat.endpoint import Chat, ToolsRefused
from comfyfix.net.http import Web
from comfyfix.sources.qwen.tools import OFFERED
from comfyfix.why import Why

QUESTION = [{"role": "user", "content": "where?"}]
JSON = {"content-type": "application/json"}
TOOLS = frozenset(tool["function"]["name"] for tool in OFFERED)
FINAL = '{"candidates": [], "reason": "none"}'
LOOK = Call(id="call_0", name="search_hub", arguments='{"query": "rife"}')


class Endpoint(Web):
    """A server that takes a question only as it wants it, and notes how it was asked."""

    def __init__(self, *refusals: tuple[int, Any]) -> None:
        super().__init__({}, direct=True)
        self.refusals = list(refusals)
        self.asked: list[dict[str, Any]] = []

    def post_once(self, url: str, body: bytes, **_: object) -> Answer:
        assert url.endswith("/v1/chat/completions")
        self.asked.append(json.loads(body))
        if not self.refusals:
            return reply({"content": FINAL})
        status, value = self.refusals.pop(0)
        return answer(value, status)


def answer(value: Any, status: int = 200) -> Answer:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Answer(url="http://h/v1", status=status, headers=JSON, body=body)


def reply(message: dict[str, Any], ended: str | None = "stop") -> Answer:
    return answer({"choices": [{"index": 0, "message": message, "finish_reason": ended}]})


def chat(web: Web, key: str = "sk-0123456789abcdef") -> Chat:
    return Chat("http://h/v1/chat/completions", "qwen-x", key, web)


def ask(of: Chat, tools: Any = ()) -> Said:
    return of.ask(QUESTION, list(tools), max_tokens=50, seconds=10)


def refused(status: int, value: Any, tools: Any = (), key: str = "sk-0123456789abcdef") -> Why:
    with pytest.raises(SourceDown) as caught:
        ask(chat(Endpoint(*[(status, value)] * 9), key), tools)
    return Why(caught.value.reason.why)


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


THINKING_OFF = "parameter.enable_thinking must be set to false for non-streaming calls"
MODELSCOPE = {"errors": {"message": "enable thinking can not be support when `stream=False`."}}
STREAM_ONLY = (
    "This model only support stream mode, please enable the stream parameter to access it."
)


@pytest.mark.parametrize(
    ("refusals", "told"),
    [
        ([error(THINKING_OFF, code="invalid_parameter_error")], {"enable_thinking": False}),
        ([MODELSCOPE], {"enable_thinking": False, "stream": False}),
        ([MODELSCOPE, MODELSCOPE], {"stream": True}),
        ([error(STREAM_ONLY, type="invalid_request_error")], {"stream": True}),
        ([error(THINKING_OFF), error("enable_thinking is restricted to True")], {"stream": True}),
        ([error("parameter.enable_thinking only support stream call")],
         {"enable_thinking": False}),
        ([error("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")],
         {"max_completion_tokens": 50}),
        ([error("Unsupported value: 'temperature' does not support 0 with this model.")], {}),
        ([{"detail": THINKING_OFF}], {"enable_thinking": False}),
        ([{"code": "InvalidParameter", "message": THINKING_OFF}], {"enable_thinking": False}),
    ],
)  # fmt: skip
def test_it_is_asked_in_the_way_that_it_wants_and_so_from_then_on(
    refusals: list[Any], told: dict[str, Any]
) -> None:
    endpoint = Endpoint(*[(400, value) for value in refusals])
    of = chat(endpoint)
    assert ask(of, OFFERED).text == FINAL
    ask(of)
    assert len(endpoint.asked) == len(refusals) + 2
    for body in endpoint.asked[-2:]:
        assert {name: body[name] for name in told} == told
        assert ("enable_thinking" in body) == ("enable_thinking" in told)
    assert {"enable_thinking", "max_completion_tokens"}.isdisjoint(endpoint.asked[0])


def test_a_way_that_does_not_help_is_not_kept() -> None:
    endpoint = Endpoint(*[(400, error(STREAM_ONLY))] * 2)
    of = chat(endpoint)
    with pytest.raises(SourceDown):
        ask(of)
    ask(of)
    assert [body["stream"] for body in endpoint.asked] == [False, True, False]


@pytest.mark.parametrize(
    ("status", "value"),
    [
        (400, error('"auto" tool choice requires --enable-auto-tool-choice and '
                    "--tool-call-parser to be set", type="BadRequestError")),
        (500, error("tools param requires --jinja flag", code=500, type="server_error")),
        (400, error("tools param requires --jinja flag")),
        (400, error("registry.ollama.ai/library/gemma3:4b does not support tools")),
        (404, error("No endpoints found that support tool use.")),
        (400, error("Function calling is not enabled for this model")),
        (422, {"detail": [{"loc": ["body", "tools"], "msg": "extra fields not permitted"}]}),
        (400, b"<html>"),
    ],
)  # fmt: skip
def test_what_takes_no_tools_says_so(status: int, value: Any) -> None:
    with pytest.raises(ToolsRefused):
        ask(chat(Endpoint((status, value))), OFFERED)


OUTCOMES = [
    (404, error("The model `qwen-x` does not exist.", type="NotFoundError"),
     Why.CHAT_MODEL_UNKNOWN),
    (404, error("model 'qwen-x' not found", type="not_found_error"), Why.CHAT_MODEL_UNKNOWN),
    (404, error('model "qwen-x" not found, try pulling it first'), Why.CHAT_MODEL_UNKNOWN),
    (404, error("The model `x` does not exist or you do not have access to it.",
                code="model_not_found"), Why.CHAT_MODEL_UNKNOWN),
    (400, {"code": 20012, "message": "Model does not exist. Please check it carefully."},
     Why.CHAT_MODEL_UNKNOWN),
    (400, error("qwen-x is not a valid model ID"), Why.CHAT_MODEL_UNKNOWN),
    (400, {"errors": {"message": "Invalid model id: qwen-x"}}, Why.CHAT_MODEL_UNKNOWN),
    (404, error("No models loaded. Please load a model in the developer page."),
     Why.CHAT_MODEL_UNKNOWN),
    (200, error("model 'qwen-x' not found"), Why.CHAT_MODEL_UNKNOWN),
    (429, error("You exceeded your current quota, please check your plan and billing details.",
                code="insufficient_quota"), Why.CHAT_QUOTA_USED_UP),
    (403, error("The free tier of the model has been exhausted.",
                code="AllocationQuota.FreeTierOnly"), Why.CHAT_QUOTA_USED_UP),
    (400, error("Access denied, please make sure your account is in good standing.",
                code="Arrearage"), Why.CHAT_QUOTA_USED_UP),
    (402, error("Insufficient credits"), Why.CHAT_QUOTA_USED_UP),
    (402, error("Insufficient Balance"), Why.CHAT_QUOTA_USED_UP),
    (402, b"", Why.CHAT_QUOTA_USED_UP),
    (400, error("Input data may contain inappropriate content.",
                code="data_inspection_failed"), Why.CHAT_FILTERED),
    (400, {"code": "DataInspectionFailed", "message": "Output data may contain it."},
     Why.CHAT_FILTERED),
    (400, error("The response was filtered", code="content_filter"), Why.CHAT_FILTERED),
    (401, error("Incorrect API key provided."), Why.CHAT_KEY_REFUSED),
    (400, {"code": "InvalidApiKey", "message": "Invalid API-key provided."}, Why.CHAT_KEY_REFUSED),
    (403, b"", Why.CHAT_KEY_REFUSED),
    (429, error("Rate limit reached", code="rate_limit_exceeded"), Why.CHAT_REFUSES_SAYING),
    (503, error("upstream overloaded"), Why.CHAT_REFUSES_SAYING),
    (500, b"", Why.CHAT_REFUSES),
]  # fmt: skip


@pytest.mark.parametrize(("status", "value", "why"), OUTCOMES)
@pytest.mark.parametrize("tools", [(), OFFERED], ids=["alone", "with tools"])
def test_each_refusal_is_its_own_outcome(status: int, value: Any, why: Why, tools: Any) -> None:
    assert refused(status, value, tools) is why


def test_a_refusal_without_a_key_asks_for_one() -> None:
    assert refused(401, error("no auth credentials found"), key="") is Why.CHAT_KEY_WANTED


def test_an_error_in_the_middle_of_a_stream_is_a_refusal() -> None:
    body = (b'data: {"choices": [{"delta": {"content": "{"}}]}\n\n'
            b'data: {"error": {"message": "no such model"}}\n\ndata: [DONE]\n\n')  # fmt: skip
    assert refused(200, body) is Why.CHAT_MODEL_UNKNOWN


@pytest.mark.parametrize(
    ("message", "ended", "said"),
    [
        ({"content": None, "tool_calls": [], "reasoning_content": FINAL}, "stop",
         Said(text=FINAL)),
        ({"content": "", "reasoning": FINAL}, "stop", Said(text=FINAL)),
        ({"content": FINAL, "reasoning": "it may be {x}"}, "stop", Said(text=FINAL)),
        ({"content": f"It may be {{x}}.\n</think>\n\n{FINAL}"}, "stop", Said(text=f"\n\n{FINAL}")),
        ({"content": f"<think>a</think>b</think>{FINAL}"}, "stop", Said(text=FINAL)),
        ({"content": f"<think>{'long ' * 9000}</think>{FINAL}"}, "stop", Said(text=FINAL)),
        ({"content": "", "reasoning": "hm"}, "length", Said(cut=True)),
        ({"content": "", "reasoning_content": FINAL}, "length", Said(cut=True)),
        ({"content": FINAL}, "length", Said(text=FINAL, cut=True)),
        ({"tool_calls": [{"id": "call_0", "function": {"name": "search_hub",
                                                       "arguments": '{"query": "ri'}}]},
         "length", Said(cut=True)),
        ({"content": FINAL}, None, Said(text=FINAL)),
    ],
)  # fmt: skip
def test_an_answer_is_found_where_servers_put_it(
    message: dict[str, Any], ended: str | None, said: Said
) -> None:
    assert answers.read(reply(message, ended), TOOLS) == said


@pytest.mark.parametrize(
    "message", [{"content": None, "refusal": "I can't help with that."}, {"content": ""}]
)
def test_what_is_held_back_is_no_answer(message: dict[str, Any]) -> None:
    ended = "stop" if message.get("refusal") else "content_filter"
    web = Endpoint((200, json.loads(reply(message, ended).body)))
    with pytest.raises(SourceDown) as caught:
        ask(chat(web))
    assert caught.value.reason.why == Why.CHAT_FILTERED


HERMES = '<tool_call>\n{"name": "search_hub", "arguments": {"query": "rife"}}\n</tool_call>'
CODER = "<function=search_hub>\n<parameter=query>\nrife\n</parameter>\n</function>"


@pytest.mark.parametrize(
    ("text", "before"),
    [
        (HERMES, ""),
        (f"I shall look.\n{HERMES}", "I shall look."),
        ('<tool_call>{"name": "search_hub", "arguments": "{\\"query\\": \\"rife\\"}"}', ""),
        ('<tool_call>{"name": "search_hub", "parameters": {"query": "rife"}}</tool_call>', ""),
        (CODER, ""),
        (f"<tool_call>\n{CODER}\n</tool_call>", ""),
        (f"So:\n\n<tool_call>\n{CODER}", "So:"),
        ("<function=search_hub><parameter=query>rife", ""),
    ],
)
def test_calls_that_come_as_text_are_calls(text: str, before: str) -> None:
    for message in ({"content": text}, {"content": None, "reasoning_content": text}):
        said = answers.read(reply(message), TOOLS)
        assert (said.text, said.calls) == (before, (LOOK,))


def test_several_calls_come_in_their_order() -> None:
    second = HERMES.replace("rife", "film")
    _, calls = spoken.parted(f"{CODER}\n{second}", TOOLS)
    assert [json.loads(call.arguments)["query"] for call in calls] == ["rife", "film"]
    assert len({call.id for call in calls}) == 2


@pytest.mark.parametrize(
    "text",
    [HERMES.replace("search_hub", "rm_all"), CODER.replace("search_hub", "sh"),
     "<tool_call>{broken</tool_call>", f"<think>{HERMES}</think>{FINAL}"],
)  # fmt: skip
def test_what_only_looks_like_a_call_is_text(text: str) -> None:
    said = answers.read(reply({"content": text}), TOOLS)
    assert said.calls == ()
    assert said.text in text


def test_without_offered_tools_nothing_is_a_call() -> None:
    assert answers.read(reply({"content": HERMES}), frozenset()).calls == ()


@given(st.text(alphabet='<>/{}"=:, \ntool_callfunctionparametersearch_hubthink', max_size=200))
def test_any_text_is_read(text: str) -> None:
    before, calls = spoken.parted(text, TOOLS)
    assert calls or before == text
    assert answers.without_thoughts(text) in text or "<think>" in text


def streamed(*pieces: dict[str, Any], ended: str = "stop") -> Answer:
    chunks: list[Any] = [{"choices": [{"index": 0, "delta": delta}]} for delta in pieces]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": ended}]})
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return Answer(url="http://h", status=200, headers=JSON, body=body.encode())


def pieces() -> Iterator[tuple[list[dict[str, Any]], str, Said]]:
    """Streams as servers send them: deltas, how they end, and what was said."""
    yield ([{"role": "assistant", "content": ""}, {"content": FINAL}], "stop", Said(text=FINAL))
    yield ([{"reasoning_content": "hm"}, {"content": FINAL}], "stop", Said(text=FINAL))
    yield ([{"reasoning": FINAL[:9]}, {"reasoning": FINAL[9:]}], "stop", Said(text=FINAL))
    yield ([{"reasoning": "hm"}], "length", Said(cut=True))
    whole = {"id": "call_0", "function": {"name": "search_hub", "arguments": LOOK.arguments}}
    yield ([{"tool_calls": [{"index": 0, **whole}]}], "tool_calls", Said(calls=(LOOK,)))
    yield ([{"tool_calls": [whole]}], "tool_calls", Said(calls=(LOOK,)))
    first = {"id": "call_0", "function": {"name": "search_hub", "arguments": '{"query": '}}
    rest: dict[str, Any] = {"function": {"arguments": '"rife"}'}}
    yield ([{"tool_calls": [first]}, {"tool_calls": [rest]}], "stop", Said(calls=(LOOK,)))
    other = {**whole, "id": "call_1"}
    yield (
        [{"tool_calls": [whole]}, {"tool_calls": [other]}],
        "tool_calls",
        Said(calls=(LOOK, Call(id="call_1", name="search_hub", arguments=LOOK.arguments))),
    )


@pytest.mark.parametrize(("deltas", "ended", "said"), list(pieces()))
def test_a_stream_is_read_also_where_nothing_says_that_it_is_one(
    deltas: list[dict[str, Any]], ended: str, said: Said
) -> None:
    assert answers.read(streamed(*deltas, ended=ended), TOOLS) == said


WORDS = ["qwen", "ollama", "EMPTY", "lm-studio", "none", "sk-no-key-required", "not-needed",
         "dummy", "x", "1234567", "huggingface", "API-KEY", ""]  # fmt: skip
SECRETS = ["hf_canary", "sk-0123456789abcdef0123456789abcdef", "a" * 32, "token-abc123"]


def test_a_word_that_serves_as_key_stays_in_what_is_said() -> None:
    text = "Qwen/qwen-image by qwen ollama EMPTY lm-studio none huggingface x"
    assert secrets.without(text, *WORDS) == text
    for secret in SECRETS:
        assert secrets.without(f"a {secret} b", secret, "qwen") == "a *** b"
