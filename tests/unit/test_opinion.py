"""What Qwen is told of a header, and what is taken from its answer: bounded, safe to print."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.demo.content import file_for
from comfyfix.formats import about as gist
from comfyfix.records import Opinion, Reason, because
from comfyfix.sources.qwen.opinion import NoOpinion, read
from comfyfix.why import Why


def safetensors(path: Path, header: object) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    return path


def gguf(path: Path, key: bytes, value: bytes) -> Path:
    def text(data: bytes) -> bytes:
        return struct.pack("<Q", len(data)) + data

    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + text(key) + struct.pack("<I", 8) + text(value)
    info = text(b"weight") + struct.pack("<IQIQ", 1, 8, 0, 0)
    start = head + info
    path.write_bytes(start + b"\0" * (-len(start) % 32) + b"\0" * 32)
    return path


def test_a_safetensors_header(tmp_path: Path) -> None:
    header: dict[str, object] = {f"layer.{i:03d}": {} for i in range(100)}
    header["__metadata__"] = {
        "modelspec.architecture": "x" * 300,
        "format": "pt\x1b",
        "ss_output_name": "C:/Users/me/secret",
        **{f"k{i}": "" for i in range(50)},
    }
    told = gist.of_file(safetensors(tmp_path / "a.safetensors", header))
    assert told["tensors"] == 100
    assert 6 <= len(told["some_tensors"]) <= gist.NAMES_MAX
    assert told["some_tensors"][-1] > "layer.08"
    assert len(told["metadata_keys"]) == gist.KEYS_MAX
    assert told["metadata"]["format"] == r"pt\x1b"
    assert len(told["metadata"]["modelspec.architecture"]) == gist.TEXT_MAX + 1
    assert "secret" not in json.dumps(told)


def test_a_gguf_header(tmp_path: Path) -> None:
    path = gguf(tmp_path / "a.gguf", b"general.architecture", b"flux")
    assert gist.of_file(path) == {"format": "GGUF", "architecture": "flux"}
    path = gguf(tmp_path / "a.gguf", b"general.architecture", b"x" * 70_000)
    assert gist.of_file(path)["architecture"] == ""
    path.write_bytes(file_for("a.gguf"))
    assert gist.of_file(path)["architecture"] == ""


@pytest.mark.parametrize(
    "header", [b"", b"{", b"[]", b"[" * 10_000, b'{"__metadata__": {"a": 1}}', b'{"\xff": {}}']
)
def test_a_header_that_is_none_says_nothing(tmp_path: Path, header: bytes) -> None:
    assert gist.of_file(safetensors(tmp_path / "a.safetensors", header)) == {}
    (tmp_path / "b.gguf").write_bytes(b"GGUF" + header)
    assert gist.of_file(tmp_path / "b.gguf") == {}
    assert gist.of_file(tmp_path / "absent.sft") == {}
    assert gist.of_file(safetensors(tmp_path / "c.pth", {})) == {}


@given(st.binary(max_size=200))
def test_no_bytes_break_it(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("gist")
    for name in ("a.safetensors", "a.gguf"):
        (folder / name).write_bytes(data)
        json.dumps(gist.of_file(folder / name))


@given(st.text() | st.builds(json.dumps, st.dictionaries(st.just("files"), st.lists(
    st.fixed_dictionaries({"file": st.sampled_from(["a", "b"]) | st.text(),
                           "fits": st.booleans() | st.none(), "reason": st.text()})))))  # fmt: skip
def test_no_answer_breaks_it(text: str) -> None:
    try:
        found = read(text, {"a"})
    except NoOpinion:
        return
    assert set(found) <= {"a"}
    assert all(isinstance(o, Opinion) and o.reason.isprintable() for o in found.values())


ONE = {"file": "a", "fits": False, "reason": "no"}


NOT_JSON = because(Why.QWEN_NOT_JSON)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", NOT_JSON),
        ("[" * 20_000, NOT_JSON),
        ("{}", NOT_JSON),
        *(
            (json.dumps({"files": files}), reason)
            for files, reason in (
                ("a", NOT_JSON),
                ([{**ONE, "fits": "perhaps"}], NOT_JSON),
                ([{**ONE, "reason": "x" * 1001}], NOT_JSON),
                ([ONE] * 1001, NOT_JSON),
                ([ONE, {**ONE, "fits": True}], because(Why.OPINION_TWICE, file="a")),
                ([ONE, {**ONE, "file": "b"}], because(Why.OPINION_UNASKED, file="b")),
            )
        ),
    ],
)
def test_an_answer_of_another_form_is_no_opinion(text: str, reason: Reason) -> None:
    with pytest.raises(NoOpinion) as caught:
        read(text, {"a"})
    assert caught.value.reason == reason


def test_an_answer_may_come_in_a_fence_after_thoughts() -> None:
    text = (
        '<think>{"files": []}</think>Here:\n```json\n{"files": [{"file": "a", "fits": true}]}\n```'
    )
    assert read(text, {"a"}) == {"a": Opinion(fits=True, reason="")}
