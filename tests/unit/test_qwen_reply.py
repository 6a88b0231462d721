"""Qwen's final answer is taken out of whatever is around it, and checked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.sources.qwen import opinion
from comfyfix.sources.qwen.reply import SCHEMA, Reply, read
from comfyfix.sources.qwen.tools import OFFERED

ANSWER = {"candidates": [{"source": "huggingface", "repo": "a/b", "path": "x"}], "reason": "r"}
TEXT = json.dumps(ANSWER)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"```json\n{TEXT}\n```",
        f"Here you are: {TEXT} I hope it helps.",
        f'<think>maybe {{"candidates": []}} or {{x}}?</think>\n{TEXT}',
        f"I looked at {{repo}} and {{name}}. So:\n{json.dumps(ANSWER, indent=2)}",
    ],
)
def test_the_object_is_found(text: str) -> None:
    reply = read(text)
    assert reply is not None
    assert [candidate.repo for candidate in reply.candidates] == ["a/b"]


@pytest.mark.parametrize(
    "text",
    [
        "", "no", "{", "}{", "[]", "{}", '{"candidates": "all"}', '{"candidates": [1]}',
        '{"candidates": [{"repo": "a/b"}]}', '{"candidates": [{"source": 5}]}',
        '{"candidates": [{"source": "civitai", "model_version_id": "7"}]}',
        '{"candidates": [{"source": "civitai", "model_version_id": -7}]}',
        '{"candidates": [{"source": "civitai", "model_version_id": 1e99}]}',
        json.dumps({"candidates": [{"source": "huggingface", "repo": "a" * 501}]}),
        '{"candidates": ' * 20_000,
    ],
)  # fmt: skip
def test_another_form_is_no_answer(text: str) -> None:
    assert read(text) is None


@given(st.text() | st.lists(st.sampled_from([*'{}[]":,', "candidates", TEXT])).map("".join))
def test_any_text_is_an_answer_or_none(text: str) -> None:
    assert isinstance(read(text), Reply | None)


def test_the_schemas_are_those_of_what_is_read() -> None:
    place = SCHEMA["properties"]["candidates"]["items"]["properties"]
    assert place["source"]["enum"] == ["huggingface", "civitai", "url"]
    assert place["file_id"]["anyOf"][0] == {
        "type": "integer", "minimum": 1, "exclusiveMaximum": 10**12,
    }  # fmt: skip
    assert SCHEMA["required"] == ["candidates"]
    assert "$ref" not in json.dumps([SCHEMA, opinion.SCHEMA, OFFERED])


@pytest.mark.parametrize("tool", OFFERED, ids=lambda tool: tool["function"]["name"])
def test_a_tool_is_described_with_its_limits(tool: dict[str, Any]) -> None:
    function = tool["function"]
    assert function["description"]
    assert function["parameters"]["additionalProperties"] is False
    for name, field in function["parameters"]["properties"].items():
        assert field["description"]
        assert field["maxLength"] > 0
        assert (name in function["parameters"]["required"]) == ("default" not in field)
