"""References: which values of a workflow name models, in which folder, and whether they count."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix.comfyui.loaders import built_in
from comfyfix.comfyui.references import references
from comfyfix.comfyui.workflow import NotAWorkflow, parse
from comfyfix.records import to_json
from tests.unit.graphs import Json, found, link, node, paths, subgraph, ui, vae


def test_rows_of_rgthree_count_when_they_are_on_and_have_a_strength() -> None:
    rows = [
        {"on": on, "lora": f"{name}.pth", "strength": strength, "strengthTwo": None}
        for name, on, strength in (("a", True, 1), ("b", False, 1), ("c", True, 0), ("d", True, -1))
    ]
    rows.append({"on": True, "lora": "None", "strength": 1})
    got = found(ui(node(1, "Power Lora Loader (rgthree)", {}, {"type": "Header"}, *rows, "")))
    assert [(r.path, r.active) for r in got] == [
        ("a.pth", True), ("b.pth", False), ("c.pth", False), ("d.pth", True),
    ]  # fmt: skip
    assert {r.folder for r in got} == {"loras"}


def test_a_stack_uses_as_many_slots_as_it_counts() -> None:
    slots = [value for name in "abc" for value in (f"{name}.pth", 1, 1, 1)]
    assert paths(ui(node(1, "LoRA Stacker", "simple", 2, *slots))) == ["a.pth", "b.pth"]


def test_backslashes_are_separators_and_the_value_is_kept() -> None:
    (got,) = found(ui(vae(1, "SDXL\\sub\\v.pth")))
    assert (got.value, got.path, got.name) == ("SDXL\\sub\\v.pth", "SDXL/sub/v.pth", "v.pth")


def test_the_folder_depends_on_the_input() -> None:
    got = found(ui(node(1, "LTXAVTextEncoderLoader", "t.pth", "c.pth")))
    assert {r.input: r.folder for r in got} == {
        "text_encoder": "text_encoders",
        "ckpt_name": "checkpoints",
    }


def models(name: str) -> Json:
    hint = {"name": name, "url": "https://h/x", "directory": "clip", "hash": "AB"}
    return {"models": [{**hint, "hash_type": "SHA-256"}, {"name": 5, "url": None}, "text"]}


def test_an_unknown_node_is_placed_by_a_hint_of_the_file_or_not_at_all() -> None:
    (own,) = found(ui(node(1, "New", 7, "sub\\x.gguf", properties=models("sub/x.gguf"))))
    assert (own.folder, own.guessed) == ("text_encoders", True)
    assert own.hint is not None
    assert (own.hint.url, own.hint.sha256) == ("https://h/x", "ab")
    (other,) = found(ui(node(1, "New", "x.gguf"), models=models("x.gguf")["models"]))
    assert (other.folder, other.guessed) == ("text_encoders", True)
    (none,) = found(ui(node(1, "New", "x.gguf"), vae(2, "pixel_space")))
    assert (none.folder, none.guessed, none.hint) == (None, False, None)


def test_stale_models_of_a_node_are_no_need() -> None:
    (got,) = found(ui(vae(1, "now.pth", properties=models("then.pth"))))
    assert (got.path, got.folder, got.hint) == ("now.pth", "vae", None)


def test_a_loader_knows_its_folder_better_than_a_hint() -> None:
    (got,) = found(ui(vae(1, "x.pth", properties=models("x.pth"))))
    assert (got.folder, got.guessed) == ("vae", False)
    assert got.hint is not None


@pytest.mark.parametrize(
    "value", ["pixel_space", "", "None", "a\nb.pth", "https://h/x.pth", 5, ".pth"]
)
@pytest.mark.parametrize("kind", ["VAELoader", "New"])
def test_what_is_no_file_name_is_no_reference(kind: str, value: Any) -> None:
    assert paths(ui(node(1, kind, value))) == []


@pytest.mark.parametrize("kind", ["SaveImage", "Note", "PreviewAny", "VAESave", "PrimitiveNode"])
def test_a_node_that_loads_nothing_names_nothing(kind: str) -> None:
    assert paths(ui(node(1, kind, "x.safetensors"))) == []


SCALARS = st.none() | st.booleans() | st.integers() | st.floats()
WORDS = st.sampled_from(["x.pth", "in", "-10", "VAELoader", "LoRA Stacker", "workflow/G"])
KEYS = st.sampled_from(["nodes", "id", "type", "inputs", "link", "links", "name", "class_type"])
JSON = st.recursive(
    SCALARS | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | WORDS, inner, max_size=4),
    max_leaves=12,
)
INNER = subgraph("in", ["vae"], vae(5, "inside.pth", 1), links=[link(1, -10, 0, 5)])
SAMPLE = ui(
    node(1, "PrimitiveNode", "p.pth"),
    vae(2, "own.pth", 9, properties=models("own.pth")),
    node(3, "in", "host.pth", properties={"proxyWidgets": [["5", "vae_name"]]}),
    node(4, "workflow/G", "g.pth"),
    node(5, "LoRA Stacker", "simple", 1, "a.pth", 1, 1, 1),
    node(6, "Power Lora Loader (rgthree)", {"on": True, "lora": "r.pth", "strength": 1}),
    node(7, "CR LoRA Stack", "On", "s.pth", 1, 1),
    {"id": 8, "type": "LoadLoraModel", "widgets_values": {"loras.0.lora_name": "l.pth"}},
    links=[link(9, 1, 0, 2), [10, 1, 0, 3, 0, "COMBO"]],
    subgraphs=[INNER],
    extra={"groupNodes": {"G": {"nodes": [vae(0, "in.pth")]}}},
    models=models("own.pth")["models"],
)
API = {"1": {"class_type": "Reroute", "inputs": {"a": ["1", 0]}}, "2": {"class_type": "VAELoader"}}


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if not isinstance(value, dict | list):
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*at, key)
        yield from places(inner, (*at, key))


def changed(base: Any, changes: list[tuple[tuple[Any, ...], Any]]) -> Any:
    """Put other values at some places; a place that is gone by then is skipped."""
    value = copy.deepcopy(base)
    for (*way, last), new in changes:
        holder = value
        try:
            for step in way:
                holder = holder[step]
            holder[last] = new
        except (KeyError, IndexError, TypeError):
            continue
    return value


def mutants(base: Any) -> st.SearchStrategy[Any]:
    change = st.tuples(st.sampled_from(list(places(base))), JSON)
    return st.lists(change, min_size=1, max_size=4).map(lambda changes: changed(base, changes))


@settings(max_examples=400, deadline=None)
@given(JSON | mutants(SAMPLE) | mutants(API))
def test_any_json_is_parsed_or_is_no_workflow(value: Any) -> None:
    try:
        workflow = parse(json.dumps(value).encode())
    except NotAWorkflow:
        return
    for reference in references(workflow, "w", built_in()):
        assert reference.path.endswith(reference.name)
        assert to_json(reference)


@given(st.binary())
def test_any_bytes_are_parsed_or_are_no_workflow(data: bytes) -> None:
    for whole in (data, b'{"nodes": [{"id": 1, "type": "' + data):
        with contextlib.suppress(NotAWorkflow):
            assert all(node.id for node in parse(whole).nodes)


def test_the_sample_of_the_mutations_is_read_in_full() -> None:
    assert sorted(paths(SAMPLE)) == [
        "a.pth", "g.pth", "host.pth", "l.pth", "p.pth", "r.pth", "s.pth",
    ]  # fmt: skip


@pytest.mark.parametrize("before", [b"", b'"seed": NaN, '])
def test_a_lone_surrogate_does_not_break_the_files_that_are_written(before: bytes) -> None:
    hints = rb'"properties": {"models": [{"name": "\ud800", "url": ""}]}, '
    node = rb'{"type": "New\udfff", ' + hints + rb'"widgets_values": ["a\udcff.pth"]}'
    got = found(b"{" + before + b'"nodes": [' + node + b"]}")
    assert b"udcff.pth" in to_json(got)
